"""A simulated SMSC: takes SMPP 3.4 submissions, writes the truth before it answers, sends receipts, makes mistakes.

It reads PDUs with its own code, so that a mistake of the adapter's codec is not mirrored here; the two share the
protocol's constants only.
"""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, cast

from providers import smpp_pdu as said
from providers.simulator.faults import Faults
from providers.simulator.smpp_text import Chains, Submission, read_submit
from providers.simulator.truth import Taken, TruthFile, read_acknowledged, read_taken

_WIRE: Final = struct.Struct(">IIII")
_LONGEST: Final = 1 << 17  # bytes; no PDU of ours is longer
_BINDS: Final = {said.BIND_RECEIVER, said.BIND_TRANSMITTER, said.BIND_TRANSCEIVER}
_TICK: Final = 0.01  # seconds between two looks at the receipts that are due
_AFTER_NACK: Final = 0.5  # seconds before a receipt that was not taken comes again
_UNANSWERED: Final = 2_000  # receipts on their way to one peer at most
_BURST: Final = 0.1  # seconds of `rate` that may come at once


class Owed(NamedTuple):
    """A receipt that our side has not acknowledged yet."""

    message_id: str
    number: str
    sender: str
    delivered: bool

    def body(self, day: str) -> bytes:
        """The deliver_sm (4.6.1) with the text of appendix B and the TLVs 5.3.2.12 and 5.3.2.35."""
        state, error, number = ("DELIVRD", "000", 2) if self.delivered else ("UNDELIV", "001", 5)
        text = (
            f"id:{self.message_id} sub:001 dlvrd:{int(self.delivered):03d} submit date:{day} done date:{day} "
            f"stat:{state} err:{error} text:"
        ).encode()
        addresses = b"\0\1\1" + self.number.encode() + b"\0\5\0" + self.sender.encode() + b"\0"
        fields = b"\4\0\0\0\0\0\0\0\0" + bytes((len(text),)) + text
        ref = self.message_id.encode() + b"\0"
        tlvs = struct.pack(">HH", 0x001E, len(ref)) + ref + struct.pack(">HHB", 0x0427, 1, number)
        return addresses + fields + tlvs


class Peer(asyncio.Protocol):
    """One connection to the simulated SMSC."""

    def __init__(self, smsc: SmppSimulator) -> None:
        self.smsc = smsc
        self.bound = 0  # the bind command that succeeded
        self.unanswered: dict[int, Owed] = {}
        self._rest = b""
        self._sequence = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody called."""
        self.wire = cast(asyncio.Transport, transport)
        self.smsc.peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it broke changes nothing
        """Receipts on their way go to whoever binds next."""
        self.smsc.peers.discard(self)
        self.smsc.outbox.extend(self.unanswered.values())

    def data_received(self, data: bytes) -> None:
        """Read every whole PDU, take all submissions at once, answer the rest."""
        data = self._rest + data
        at, submits = 0, []
        while len(data) - at >= 16:  # noqa: PLR2004 - the header's length
            length, command, status, sequence = _WIRE.unpack_from(data, at)
            if length < 16 or length > _LONGEST:  # noqa: PLR2004 - as above
                self.wire.abort()
                return
            if len(data) - at < length:
                break
            if command == said.SUBMIT_SM:
                submits.append((sequence, data[at + 16 : at + length]))
            else:
                self._other(command, status, sequence, data[at + 16 : at + length])
            at += length
        self._rest = data[at:]
        if submits:
            self._submitted(submits)
        self.smsc.settle()

    def _submitted(self, submits: list[tuple[int, bytes]]) -> None:
        if self.bound in {0, said.BIND_RECEIVER}:
            self._later(b"".join(_answer(said.SUBMIT_SM, seq, said.RINVBNDSTS) for seq, _ in submits))
        else:
            self._later(self.smsc.take(submits))

    def _later(self, answers: bytes) -> None:
        if self.smsc.faults.latency > 0:
            asyncio.get_running_loop().call_later(self.smsc.faults.latency, self._write, answers)
        else:
            self._write(answers)

    def _write(self, answers: bytes) -> None:
        if not self.wire.is_closing():
            self.wire.write(answers)

    def _other(self, command: int, status: int, sequence: int, body: bytes) -> None:
        if command in _BINDS:
            self._bind(command, sequence, body)
        elif command == said.DELIVER_SM_RESP:
            self._acknowledged(sequence, status)
        elif command == said.ENQUIRE_LINK:
            self.wire.write(_answer(command, sequence))
        elif command == said.UNBIND:
            self.wire.write(_answer(command, sequence))
            self.wire.close()
        elif not command & said.ANSWER:
            self.wire.write(_answer(said.GENERIC_NACK, sequence, said.RINVCMDID))

    def _bind(self, command: int, sequence: int, body: bytes) -> None:
        status = self.smsc.greet(*body.split(b"\0")[:2]) if body.count(0) > 1 else said.RINVPASWD
        self.wire.write(_answer(command, sequence, status, b"" if status else b"simulated\0"))
        if status == said.ROK:
            self.bound = command

    def _acknowledged(self, sequence: int, status: int) -> None:
        receipt = self.unanswered.pop(sequence, None)
        if receipt is None:
            return
        if status == said.ROK:
            self.smsc.acknowledged.append(receipt)
        else:
            self.smsc.owe(_AFTER_NACK, receipt)

    def deliver(self, outbox: deque[Owed]) -> None:
        """Send as many receipts as this peer may have unanswered."""
        pieces, day = [], time.strftime("%y%m%d%H%M", time.gmtime())
        while outbox and len(self.unanswered) < _UNANSWERED:
            receipt = outbox.popleft()
            self._sequence = self._sequence % 0x7FFFFFFF + 1
            self.unanswered[self._sequence] = receipt
            body = receipt.body(day)
            pieces.append(_WIRE.pack(16 + len(body), said.DELIVER_SM, 0, self._sequence) + body)
        if pieces:
            self.wire.write(b"".join(pieces))


class SmppSimulator:
    """The carrier behind all connections: what it took, what it owes, and what it does wrong."""

    def __init__(self, truth: Path, faults: Faults, *, system_id: str, password: str) -> None:
        self.faults = faults
        self.peers: set[Peer] = set()
        self.outbox: deque[Owed] = deque()
        self.acknowledged: list[Owed] = []
        self._credentials = (system_id.encode(), password.encode())
        self._truth = TruthFile(truth)
        self._prefix = f"{zlib.crc32(str(truth.absolute()).encode()):08x}"  # two truth files never hold the same id
        self._chains = Chains()
        self._first_try: dict[str, int] = {}  # number -> parts of its first chain that are still to be throttled
        self._due: dict[int, list[Owed]] = {}  # tick -> receipts
        self._tokens, self._filled = faults.rate * _BURST, time.monotonic()
        self._remember(truth)

    def _remember(self, truth: Path) -> None:
        """Go on where a killed simulator stopped: ids continue, receipts nobody acknowledged come again."""
        taken, acknowledged = read_taken(truth), read_acknowledged(truth)
        self._next_id = 1 + max((int(line.message_id[8:]) for line in taken), default=0)
        for line in taken:
            if line.part == line.parts and line.message_id not in acknowledged:
                self._promise(line.message_id, line.number, "")

    def greet(self, system_id: bytes, password: bytes) -> int:
        """The status of a bind with these."""
        if system_id != self._credentials[0]:
            return said.RINVSYSID
        return said.ROK if password == self._credentials[1] else said.RINVPASWD

    # -- submissions ---------------------------------------------------------------------------------------------

    def take(self, submits: list[tuple[int, bytes]]) -> bytes:
        """Decide on these submissions, write the truth of the taken ones, and give the answers to send."""
        lines: list[Taken] = []
        answers: list[bytes] = []
        now = time.time()
        for sequence, body in submits:
            submission = read_submit(body)
            if submission is None:
                answers.append(_answer(said.GENERIC_NACK, sequence, 0x02))
                continue
            status = self._refusal(submission)
            if status is None:
                lines.append(self._line(now, submission))
                answers.append(self._agree(sequence, lines[-1], submission))
            else:
                answers.append(_answer(said.SUBMIT_SM, sequence, status))
        if lines:
            self._truth.take(lines)
        return b"".join(answers)

    def _refusal(self, submission: Submission) -> int | None:
        faults, number = self.faults, submission.number
        if faults.rate > 0 and not self._allowed():
            return said.RTHROTTLED
        if faults.refuse > 0 and faults.hits(number, "refuse"):
            return said.RINVDSTADR
        if faults.throttle > 0 and self._throttled(submission):
            return said.RTHROTTLED
        return None

    def _allowed(self) -> bool:
        now, rate = time.monotonic(), self.faults.rate
        self._tokens = min(max(rate * _BURST, 1), self._tokens + (now - self._filled) * rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _throttled(self, submission: Submission) -> bool:
        """The first try of a number, with all parts of its chain."""
        left = self._first_try.get(submission.number)
        if left is None and self.faults.hits(submission.number, "throttle"):
            left = submission.parts
        self._first_try[submission.number] = max((left or 0) - 1, 0)
        return bool(left)

    def _line(self, now: float, submission: Submission) -> Taken:
        message_id = f"{self._prefix}{self._next_id:010d}"
        self._next_id += 1
        whole = self._chains.whole(submission)
        if submission.receipt:
            self._promise(message_id, submission.number, submission.sender)
        return Taken(now, message_id, submission.number, submission.part, submission.parts, submission.sha, whole, "")

    def _agree(self, sequence: int, line: Taken, submission: Submission) -> bytes:
        faults = self.faults
        if faults.silent > 0 and faults.hits(submission.number, "silent"):
            return b""
        if faults.error_after > 0 and faults.hits(submission.number, "error_after"):
            return _answer(said.SUBMIT_SM, sequence, said.RSYSERR)
        return _answer(said.SUBMIT_SM, sequence, said.ROK, line.message_id.encode() + b"\0")

    # -- receipts ------------------------------------------------------------------------------------------------

    def _promise(self, message_id: str, number: str, sender: str) -> None:
        faults = self.faults
        if faults.hits(number, "no_receipt"):
            return
        receipt = Owed(message_id, number, sender, not faults.hits(number, "undelivered"))
        delay = faults.receipt_delay * (0.2 + 1.6 * faults.dice(number, "receipt_delay"))
        self.owe(delay, receipt)
        if faults.hits(number, "repeat_receipt"):
            self.owe(delay * 2, receipt)

    def owe(self, delay: float, receipt: Owed) -> None:
        """Send this receipt after so many seconds."""
        self._due.setdefault(int((time.monotonic() + delay) / _TICK), []).append(receipt)

    async def clock(self) -> None:
        """Send receipts when they are due, for ever."""
        while True:
            now = int(time.monotonic() / _TICK)
            for tick in [tick for tick in self._due if tick <= now]:
                self.outbox.extend(self._due.pop(tick))
            self.settle()
            await asyncio.sleep(_TICK)

    def settle(self) -> None:
        """Write what was acknowledged, send what waits."""
        if self.acknowledged:
            words = {True: "delivered", False: "undelivered"}
            self._truth.acknowledged([(owed.message_id, words[owed.delivered]) for owed in self.acknowledged])
            self.acknowledged.clear()
        for peer in self.peers:
            if self.outbox and peer.bound in {said.BIND_RECEIVER, said.BIND_TRANSCEIVER}:
                peer.deliver(self.outbox)

    def close(self) -> None:
        """Cut every connection, as a fall of the machine would."""
        for peer in list(self.peers):
            peer.wire.abort()
        self._truth.close()


def _answer(command: int, sequence: int, status: int = said.ROK, body: bytes = b"") -> bytes:
    return _WIRE.pack(16 + len(body), command | said.ANSWER, status, sequence) + body


async def serve(
    host: str,
    port: int,
    truth: Path,
    faults: Faults,
    *,
    system_id: str,
    password: str,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Be an SMSC until cancelled; `ready` is told the port (0 asks for a free one)."""
    smsc = SmppSimulator(truth, faults, system_id=system_id, password=password)
    server = await asyncio.get_running_loop().create_server(lambda: Peer(smsc), host, port)
    if ready is not None:
        ready(server.sockets[0].getsockname()[1])
    try:
        await smsc.clock()
    finally:
        server.close()
        smsc.close()
