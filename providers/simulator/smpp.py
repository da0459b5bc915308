"""A simulated SMSC: takes SMPP 3.4 submissions, writes the truth before it answers, sends receipts, makes mistakes.

It reads PDUs with its own code, so that a mistake of the adapter's codec is not mirrored here; the two share the
protocol's constants only.
"""

from __future__ import annotations

import asyncio
import struct
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, cast

from providers import smpp_pdu as said
from providers.simulator.faults import SIDES, Fates, Faults
from providers.simulator.smpp_text import Chains, Letter, Reader
from providers.simulator.truth import TruthFile, read_acknowledged, read_taken
from providers.simulator.unanswered import Unanswered

_WIRE: Final = struct.Struct(">IIII")
_LONGEST: Final = 1 << 17  # bytes; no PDU of ours is longer
_BINDS: Final = {said.BIND_RECEIVER, said.BIND_TRANSMITTER, said.BIND_TRANSCEIVER}
_TICK: Final = 0.01  # seconds between two looks at the receipts that are due
_AFTER_NACK: Final = 0.5  # seconds before a receipt that was not taken comes again
_UNANSWERED: Final = 2_000  # receipts on their way to one peer at most
_BURST: Final = 0.1  # seconds of `rate` that may come at once
LATE: Final = 1.0  # seconds that a late answer comes after the others

Owed = tuple[bytes, bytes, str, bool]
"""A receipt that our side has not acknowledged yet: message id, number, sender, delivered."""


@lru_cache(maxsize=64)
def _form(sender: str, delivered: bool, day: str, id_length: int) -> bytes:  # noqa: FBT001 - one key of many
    """A deliver_sm (4.6.1) with the text of appendix B and the TLVs 5.3.2.12 and 5.3.2.35; %b: number, id, id."""
    state, error, number = ("DELIVRD", "000", 2) if delivered else ("UNDELIV", "001", 5)
    text = (
        f"id:%b sub:001 dlvrd:{int(delivered):03d} submit date:{day} done date:{day} stat:{state} err:{error} text:"
    ).encode()
    addresses = b"\0\1\1%b\0\5\0" + sender.encode().replace(b"%", b"%%") + b"\0"
    fields = b"\4\0\0\0\0\0\0\0\0" + bytes((len(text) - 2 + id_length,)).replace(b"%", b"%%") + text
    tlvs = struct.pack(">HH", 0x001E, id_length + 1) + b"%b\0" + struct.pack(">HHB", 0x0427, 1, number)
    return addresses + fields + tlvs


class Peer(asyncio.Protocol):
    """One connection to the simulated SMSC."""

    def __init__(self, smsc: SmppSimulator) -> None:
        self.smsc = smsc
        self.bound = 0  # the bind command that succeeded
        self.unanswered: dict[int, Owed] = {}
        self.open = 0  # submissions read on this connection and not answered
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
        self.smsc.unanswered.cut(self.open)
        self.open = 0

    def data_received(self, data: bytes) -> None:
        """Read every whole PDU, take all submissions at once, answer the rest."""
        data = self._rest + data
        at, submits, settled = 0, [], []
        while len(data) - at >= 16:  # noqa: PLR2004 - the header's length
            length, command, status, sequence = _WIRE.unpack_from(data, at)
            if length < 16 or length > _LONGEST:  # noqa: PLR2004 - as above
                self.wire.abort()
                return
            if len(data) - at < length:
                break
            if command == said.SUBMIT_SM:
                submits.append((sequence, data[at + 16 : at + length]))
            elif command == said.DELIVER_SM_RESP:
                settled.append((sequence, status))
            else:
                self._other(command, sequence, data[at + 16 : at + length])
            at += length
        self._rest = data[at:]
        if submits:
            self._submitted(submits)
        if settled:
            self._acknowledged(settled)
        self.smsc.settle()

    def _submitted(self, submits: list[tuple[int, bytes]]) -> None:
        self.open += len(submits)
        self.smsc.unanswered.read(len(submits))
        latency, late = self.smsc.faults.latency, list[bytes]()
        if self.bound in {0, said.BIND_RECEIVER}:
            answers = b"".join(_answer(said.SUBMIT_SM, seq, said.RINVBNDSTS) for seq, _ in submits)
        else:
            answers = self.smsc.take(submits, late)
        self._later(latency, len(submits) - len(late), answers)
        for answer in late:
            self._later(latency + LATE, 1, answer)

    def _later(self, delay: float, n: int, answers: bytes) -> None:
        if delay > 0:
            asyncio.get_running_loop().call_later(delay, self._write, n, answers)
        else:
            self._write(n, answers)

    def _write(self, n: int, answers: bytes) -> None:
        if not self.wire.is_closing():
            self.wire.write(answers)
            self.open -= n
            self.smsc.unanswered.answered(n)

    def _other(self, command: int, sequence: int, body: bytes) -> None:
        if command in _BINDS:
            self._bind(command, sequence, body)
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

    def _acknowledged(self, settled: list[tuple[int, int]]) -> None:
        for sequence, status in settled:
            receipt = self.unanswered.pop(sequence, None)
            if receipt is None:
                continue
            if status == said.ROK:
                self.smsc.acknowledged.append(receipt)
            else:
                self.smsc.owe(_AFTER_NACK, receipt)

    def deliver(self, outbox: deque[Owed]) -> None:
        """Send as many receipts as this peer may have unanswered."""
        pieces: list[bytes] = []
        add, pack, day, sequence = pieces.append, _WIRE.pack, time.strftime("%y%m%d%H%M", time.gmtime()), self._sequence
        for _ in range(min(len(outbox), _UNANSWERED - len(self.unanswered))):
            receipt = outbox.popleft()
            message_id, number, sender, delivered = receipt
            sequence = sequence % 0x7FFFFFFF + 1
            self.unanswered[sequence] = receipt
            body = _form(sender, delivered, day, len(message_id)) % (number, message_id, message_id)
            add(pack(16 + len(body), said.DELIVER_SM, 0, sequence))
            add(body)
        self._sequence = sequence
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
        self.unanswered = Unanswered(truth)
        self._prefix = b"%08x" % zlib.crc32(str(truth.absolute()).encode())  # two truth files never hold the same id
        self._chains = Chains()
        self._reader = Reader()
        self._first_try: dict[bytes, int] = {}  # throttled number -> parts of its first chain that are still to be so
        self._due: defaultdict[int, list[Owed]] = defaultdict(list)  # tick -> receipts
        self._tokens, self._filled = faults.rate * _BURST, time.monotonic()
        shares = (getattr(faults, name) if name != "receipt_delay" else 0.0 for name in Fates._fields)
        self._edges = Fates(*(int(share * SIDES) for share in shares))
        self._remember(truth)

    def _remember(self, truth: Path) -> None:
        """Go on where a killed simulator stopped: ids continue, receipts nobody acknowledged come again."""
        taken, acknowledged = read_taken(truth), read_acknowledged(truth)
        self._next_id = 1 + max((int(line.message_id[8:]) for line in taken), default=0)
        for line in taken:
            if line.part == line.parts and line.message_id not in acknowledged:
                number = line.number.encode()
                self._promise(line.message_id.encode(), number, "", self.faults.fates(number), time.monotonic())

    def greet(self, system_id: bytes, password: bytes) -> int:
        """The status of a bind with these."""
        if system_id != self._credentials[0]:
            return said.RINVSYSID
        return said.ROK if password == self._credentials[1] else said.RINVPASWD

    # -- submissions ---------------------------------------------------------------------------------------------

    def take(self, submits: list[tuple[int, bytes]], late: list[bytes]) -> bytes:
        """Decide on these submissions, write the truth of the taken ones, and give the answers to send.

        Answers that are to come later than the others go into `late`; one that never comes counts as given.
        """
        lines: list[bytes] = []
        answers: list[bytes] = []
        now, read, fate, at = b"%.3f" % time.time(), self._reader.read, self.faults.fates, time.monotonic()
        for sequence, body in submits:
            submission = read(body)
            if submission is None:
                answers.append(_answer(said.GENERIC_NACK, sequence, 0x02))
                continue
            number, letter = submission
            fates = fate(number)
            status = self._refusal(number, letter, fates)
            if status is not None:
                answers.append(_answer(said.SUBMIT_SM, sequence, status))
                continue
            message_id = b"%b%010d" % (self._prefix, self._next_id)
            self._next_id += 1
            lines.append(b"%b\t%b\t%b%b" % (now, message_id, number, self._told(number, letter)))
            if letter.receipt:
                self._promise(message_id, number, letter.sender, fates, at)
            where = late if fates[9] < self._edges.late else answers
            where.append(self._agree(sequence, message_id, fates))
        if lines:
            self._truth.write(b"".join(lines))
        return b"".join(answers)

    def _told(self, number: bytes, letter: Letter) -> bytes:
        """A truth line from its part on."""
        return _parts_told(letter.part, letter.parts, letter.sha, self._chains.whole(number, letter))

    def _refusal(self, number: bytes, letter: Letter, fates: tuple[int, ...]) -> int | None:
        edges = self._edges
        if self.faults.rate > 0 and not self._allowed():
            return said.RTHROTTLED
        if fates[1] < edges.refuse:
            return said.RINVDSTADR
        if fates[0] < edges.throttle and self._throttled(number, letter):
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

    def _throttled(self, number: bytes, letter: Letter) -> bool:
        """The first try of a number, with all parts of its chain."""
        left = self._first_try.get(number, letter.parts)
        self._first_try[number] = max(left - 1, 0)
        return left > 0

    def _agree(self, sequence: int, message_id: bytes, fates: tuple[int, ...]) -> bytes:
        if fates[2] < self._edges.silent:
            return b""
        if fates[3] < self._edges.error_after:
            return _answer(said.SUBMIT_SM, sequence, said.RSYSERR)
        answer = _answer(said.SUBMIT_SM, sequence, said.ROK, message_id + b"\0")
        return answer * 2 if fates[10] < self._edges.repeat_answer else answer

    # -- receipts ------------------------------------------------------------------------------------------------

    def _promise(self, message_id: bytes, number: bytes, sender: str, fates: tuple[int, ...], now: float) -> None:
        edges = self._edges
        if fates[6] < edges.no_receipt:
            return
        receipt = (message_id, number, sender, fates[5] >= edges.undelivered)
        delay = self.faults.receipt_delay * (0.2 + 1.6 * fates[4] / SIDES)
        self._due[int((now + delay) / _TICK)].append(receipt)
        if fates[7] < edges.repeat_receipt:
            self._due[int((now + delay * 2) / _TICK)].append(receipt)
        if receipt[3] and fates[8] < edges.contradict:
            self.owe(delay * 3, (message_id, number, sender, False))

    def owe(self, delay: float, receipt: Owed) -> None:
        """Send this receipt after so many seconds."""
        self._due[int((time.monotonic() + delay) / _TICK)].append(receipt)

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
            words = {True: b"\tdelivered\n", False: b"\tundelivered\n"}
            self._truth.write_acknowledged(b"".join([owed[0] + words[owed[3]] for owed in self.acknowledged]))
            self.acknowledged.clear()
        for peer in self.peers:
            if self.outbox and peer.bound in {said.BIND_RECEIVER, said.BIND_TRANSCEIVER}:
                peer.deliver(self.outbox)

    def close(self) -> None:
        """Cut every connection, as a fall of the machine would."""
        for peer in list(self.peers):
            peer.wire.abort()
        self._truth.close()


@lru_cache(maxsize=64)
def _parts_told(part: int, parts: int, sha: str, whole: str) -> bytes:
    return f"\t{part}\t{parts}\t{sha}\t{whole or '-'}\t-\n".encode()


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
