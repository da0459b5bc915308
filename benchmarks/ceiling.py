"""The simulated SMSC's own ceiling: bytes made beforehand, poured through a window; receipts acknowledged, no more."""

from __future__ import annotations

import argparse
import select
import socket
import struct
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.carrier import LOGIN, Carrier, Figure, cost, machine, numbers
from providers import smpp_pdu as said

_HEAD = struct.Struct(">IIII")
_DATA_TLV = struct.Struct(">HH")
WINDOW = 2_000  # submissions unanswered at most
PATIENCE = 60.0  # seconds without a byte


def submissions(to: Sequence[str], text: bytes) -> list[bytes]:
    """One submit_sm a number, UCS-2 in a message_payload, a receipt wanted."""
    before = b"\0\5\0BENCH\0\1\1"
    after = b"\0\0\0\0\0\1\0\x08\0\0" + _DATA_TLV.pack(said.MESSAGE_PAYLOAD, len(text)) + text
    made = []
    for sequence, number in enumerate(to, 2):
        body = before + number.encode() + b"\0" + after
        made.append(_HEAD.pack(16 + len(body), said.SUBMIT_SM, 0, sequence) + body)
    return made


class Pourer:
    """One connection that only counts."""

    def __init__(
        self, port: int, pdus: list[bytes], owed: int, *, window: int = WINDOW, login: Mapping[str, str] = LOGIN
    ) -> None:
        self._line = socket.create_connection(("127.0.0.1", port))
        self._pdus, self._owed, self._window, self._login = pdus, owed, window, login
        self.answered = self.receipts = self._sent = 0
        self._rest, self._out = b"", b""

    def pour(self) -> float:
        """Seconds from the first submission to the last receipt's acknowledgement."""
        login = b"".join(self._login[key].encode() + b"\0" for key in ("system_id", "password")) + b"\0\x34\0\0\0"
        self._line.sendall(_HEAD.pack(16 + len(login), said.BIND_TRANSCEIVER, 0, 1) + login)
        self._line.recv(1 << 16)
        self._line.settimeout(0)
        began = time.perf_counter()
        while self.answered < len(self._pdus) or self.receipts < self._owed or self._out:
            self._feed()
            readable, writable, _ = select.select([self._line], [self._line] if self._out else [], [], PATIENCE)
            if not readable and not writable:
                raise SystemExit(f"the carrier fell silent: {self.answered} answers, {self.receipts} receipts")
            if writable:
                self._out = self._out[self._line.send(self._out) :]
            if readable:
                self._read(self._line.recv(1 << 18))
        took = time.perf_counter() - began
        self._line.close()
        return took

    def _feed(self) -> None:
        room = min(self._window - (self._sent - self.answered), len(self._pdus) - self._sent)
        if room > 0 and len(self._out) < 1 << 18:
            self._out += b"".join(self._pdus[self._sent : self._sent + room])
            self._sent += room

    def _read(self, data: bytes) -> None:
        if not data:
            raise SystemExit("the carrier closed the connection")
        data, at, answers = self._rest + data, 0, []
        while len(data) - at >= 16:
            length, command, _, sequence = _HEAD.unpack_from(data, at)
            if len(data) - at < length:
                break
            if command == said.SUBMIT_SM_RESP:
                self.answered += 1
            elif command == said.DELIVER_SM:
                self.receipts += 1
                answers.append(_HEAD.pack(17, said.DELIVER_SM_RESP, 0, sequence) + b"\0")
            at += length
        self._rest = data[at:]
        self._out += b"".join(answers)


def measure(folder: Path, messages: int, text: str) -> Figure:
    """Pour once."""
    to = numbers(messages)
    pdus = submissions(to, text.encode("utf-16-be"))
    with Carrier(folder) as carrier:
        pourer = Pourer(carrier.port, pdus, carrier.owes(to))
        before, mine = cost([carrier.process.pid]), time.process_time()
        seconds = pourer.pour()
        spent = {"simulator": cost([carrier.process.pid]) - before, "client": time.process_time() - mine}
    return Figure("simulated carrier alone (raw client)", messages, messages, seconds, spent)


def main() -> None:
    """Print the ceiling."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figure = measure(Path(folder) / "carrier", wanted.messages, "á" * 227)
    print(figure.line())
    print(machine())


if __name__ == "__main__":
    main()
