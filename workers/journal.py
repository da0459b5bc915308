"""The wire journal: what this worker was about to put on the wire, and what it heard (ledger: section 5).

Append-only, no fsync: it must survive the death of the process, not of the machine (a journal of another boot makes
its open windows uncertain). The lock is held from creation to death, so whoever gets it knows that the writer is dead.
A write that fails means: do not send.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import socket
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from campaigns.ledger.windows import Batch, Intent
from campaigns.terms import Answer, Outcome
from workers.house import boot_id
from workers.locks import writer_is_dead

SUFFIX = ".journal"
BUILD = "1"
TAIL = 256 * 1024  # bytes: more than the lines of the windows that are open at once


class Journal:
    """One worker's journal, open and locked."""

    def __init__(self, folder: Path, worker: int, incarnation: int, account: str = "") -> None:
        self._broken = -1
        self.name = f"{socket.gethostname()}-{worker:016x}{SUFFIX}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = folder / f".{self.name}.new"
        self._fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._write(f"J2 {boot_id()} {worker} {incarnation} {BUILD} {_word(account)}\n")
        new.rename(folder / self.name)

    @property
    def broken(self) -> bool:
        """Whether a write failed: this process must end."""
        return self._broken >= 0

    def _write(self, text: str) -> None:
        if self._fd < 0:
            raise OSError("journal: closed after a failed write")
        data = text.encode()
        try:
            whole = os.write(self._fd, data) == len(data)
        except OSError:
            whole = False
        if not whole:  # nothing may follow half a line; the lock stays until the process ends
            self._broken, self._fd = self._fd, -1
            raise OSError("journal: the disk is full, nothing more is sent")

    def claim(self, batch: Batch) -> None:
        """This worker holds this lease: when it is dead, the lease is void at once."""
        self._write(f"C {batch.wave} {batch.kind} {batch.seq} {batch.epoch}\n")

    def window(self, batch: Batch, intent: Intent) -> None:
        """The window is committed."""
        self._write(
            f"W {intent.id} {batch.wave} {batch.plan_hash} {batch.kind} {batch.seq} {batch.epoch}"
            f" {intent.lo} {intent.hi} {intent.retries}\n"
        )

    def sending(self, window: int, lo: int, hi: int) -> None:
        """Indexes lo..hi-1 are about to be written to the socket."""
        self._write(f"S {window} {lo} {hi}\n")

    def heard(self, window: int, answers: Iterable[Answer], tails: Sequence[str] = ()) -> None:
        """All answers of one socket read, before they go to the log; `tails` are lines from their index on."""
        lines = [*tails, *(f"{a[0]} {a[1]:d} {_word(a[3])} {_word(a[2])}" for a in answers)]
        if lines:
            head = f"R {window} "
            self._write(head + f"\n{head}".join(lines) + "\n")

    def not_sent(self, window: int, lo: int, hi: int) -> None:
        """Indexes lo..hi-1 were given back unsent."""
        self._write(f"N {window} {lo} {hi}\n")

    def again(self, window: int, idx: int) -> None:
        """The reference of this index, of whosever window, is about to be sent once more."""
        self._write(f"A {window} {idx}\n")

    def heard_again(self, window: int, said: Answer) -> None:
        """What that proves of the index."""
        self._write(f"H {window} {said[0]} {said[1]:d} {_word(said[3])} {_word(said[2])}\n")

    def close(self) -> None:
        """Let go of the lock; the journal may now be sealed by whoever settles."""
        for fd in (self._fd, self._broken):
            if fd >= 0:
                os.close(fd)
        self._fd = self._broken = -1


def _word(text: str) -> str:
    """Carriers' codes as one word of printable ASCII: whatever they send, a line stays a line."""
    return "".join(c if "!" <= c <= "~" else "_" for c in text) or "-"


@dataclass(slots=True)
class Told:
    """What a journal says of one window."""

    window: int
    wave: int
    kind: str
    batch: int
    epoch: int
    lo: int
    hi: int
    retries: str = ""  # "no:attempt,..." of a retry window
    sent: list[tuple[int, int]] = field(default_factory=list)
    heard: dict[int, Answer] = field(default_factory=dict)
    damaged: bool = False  # a line of it could not be read: what it does not say proves nothing
    first: int = 0  # number of its first line in the journal
    start: int = 0  # and where that begins, in bytes
    last: int = 0  # number of its last line


@dataclass(slots=True)
class Sealed:
    """A dead worker's journal: nobody will write to it again."""

    name: str
    boot: str
    worker: int
    incarnation: int
    account: str = ""
    sealed_in: str = ""  # the boot in which it was sealed, whole
    damaged: bool = False
    claims: list[tuple[int, str, int, int]] = field(default_factory=list)  # wave, kind, seq, epoch
    windows: dict[int, Told] = field(default_factory=dict)
    again: dict[tuple[int, int], Answer | None] = field(default_factory=dict)  # (window, index) sent once more

    @property
    def proof(self) -> bool:
        """Whether what it does not say did not happen: no line of it can be missing."""
        return not self.damaged and bool(self.boot) and self.boot in (boot_id(), self.sealed_in)


def dead(folder: Path) -> list[Path]:
    """Journals whose writer is dead: their lock is free. A stopped writer still holds it."""
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if writer_is_dead(path)]


def seal(path: Path) -> BinaryIO | None:
    """A dead journal, locked, ended by Z and safe on the disk, at its first byte; None when its writer lives.

    Also None when somebody else is at it, or when it is gone. Z names the boot: sealed in the writer's own it is whole.
    """
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(path.open("r+b"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError):
            return None
        whole, last = _end(file)
        if not last.startswith(b"Z"):
            os.ftruncate(file.fileno(), whole)  # the writer died inside a write: that line was never acted upon
            os.pwrite(file.fileno(), f"Z {boot_id()}\n".encode(), whole)
            os.fsync(file.fileno())
        file.seek(0)
        stack.pop_all()
        return file


def _end(file: BinaryIO) -> tuple[int, bytes]:
    """Where the last whole line ends, and that line; looks at the end of the file only."""
    size, tail = file.seek(0, os.SEEK_END), 4096
    while True:
        start = max(0, size - tail)
        data = os.pread(file.fileno(), size - start, start)
        end = data.rfind(b"\n") + 1
        before = data.rfind(b"\n", 0, end - 1) + 1 if end else 0
        if before or not start:
            return (start + end if end else 0), data[before:end]
        tail *= 8


# -- reading: first what it is about, then what it says of the windows that are wanted --------------------------------


def header(path: Path) -> Sealed:
    """What the first line of a journal says, its writer alive or not."""
    with path.open("rb") as file:
        return outline(path.name, io.BytesIO(file.readline()))


def last_window(path: Path) -> int:
    """The newest window near the end of a journal, its writer alive or not; 0 when there is none."""
    tail = TAIL
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while True:
            file.seek(max(0, size - tail))
            lines = file.read().split(b"\n")[:-1]
            named = [line.split(b" ")[1] for line in lines if line.startswith(b"W ")]
            if named or tail >= size:
                return int(named[-1]) if named and named[-1].isdigit() else 0
            tail *= 8


def outline(name: str, file: BinaryIO) -> Sealed:
    """A journal's header, claims and windows, without what was sent and heard: its size does not matter."""
    sealed, last = Sealed(name, "", 0, 0), dict[bytes, int]()
    file.seek(0)
    for number, line in enumerate(file):
        if line[:2] in _LONG:  # most lines by far: only whose they are
            last[line[2 : line.find(b" ", 2)]] = number
            continue
        word, *rest = _words(line)
        try:
            _READERS[word](sealed, rest)
            if word == "W":
                made = sealed.windows[int(rest[0])]
                made.start, made.first, made.last = file.tell() - len(line), number, number
        except (ValueError, KeyError, IndexError):
            sealed.damaged = True
    for window, number in last.items():
        if window.isdigit() and (one := sealed.windows.get(int(window))):
            one.last = number
        else:
            sealed.damaged = True
    return sealed


def told(sealed: Sealed, file: BinaryIO, wanted: Collection[int]) -> Iterator[Told]:
    """What it says of the wanted windows, each as soon as its last line was read; no more are held than were open."""
    ours = {str(window).encode(): sealed.windows[window] for window in wanted if window in sealed.windows}
    if not ours:
        return
    begin = min(ours.values(), key=lambda one: one.first)
    file.seek(begin.start)
    for number, line in enumerate(file, begin.first):
        window = line[2 : line.find(b" ", 2)] if line[:2] in _LONG or line[:2] == b"W " else b""
        one = ours.get(window)
        if one is None:
            continue
        word, *rest = _words(line)
        if word != "W":
            try:
                _READERS[word](sealed, rest)
            except (ValueError, KeyError, IndexError):
                one.damaged = True
        if number == one.last:
            yield one
            del sealed.windows[one.window], ours[window]
            if not ours:
                return


def read(name: str, text: str) -> Sealed:
    """All that a short journal says."""
    file = io.BytesIO(text.encode())
    sealed = outline(name, file)
    sealed.windows = {one.window: one for one in told(sealed, file, list(sealed.windows))}
    return sealed


def _words(line: bytes) -> list[str]:
    return line.decode("ascii", "replace").rstrip("\n").split(" ")


def _header(sealed: Sealed, rest: list[str]) -> None:
    sealed.boot, sealed.worker, sealed.incarnation = rest[0], int(rest[1]), int(rest[2])
    if len(rest) > 4:  # noqa: PLR2004 - journals of before have no fifth word
        sealed.account = "" if rest[4] == "-" else rest[4]


def _claim(sealed: Sealed, rest: list[str]) -> None:
    sealed.claims.append((int(rest[0]), rest[1], int(rest[2]), int(rest[3])))


def _window(sealed: Sealed, rest: list[str]) -> None:
    window, wave, _plan, kind, batch, epoch, lo, hi, *retries = rest
    made = Told(int(window), int(wave), kind, int(batch), int(epoch), int(lo), int(hi), "".join(retries))
    if made.window >> 63 or made.wave >> 63:
        raise ValueError("no id of ours")
    sealed.windows[made.window] = made


def _sending(sealed: Sealed, rest: list[str]) -> None:
    window, lo, hi = rest
    sealed.windows[int(window)].sent.append((int(lo), int(hi)))


def _heard(sealed: Sealed, rest: list[str]) -> None:
    window, idx, outcome, ref, code = rest
    sealed.windows[int(window)].heard[int(idx)] = _answer(idx, outcome, ref, code)


def _answer(idx: str, outcome: str, ref: str, code: str) -> Answer:
    return Answer(int(idx), Outcome(int(outcome)), "" if code == "-" else code, "" if ref == "-" else ref)


def _again(sealed: Sealed, rest: list[str]) -> None:
    window, idx = rest
    sealed.again[int(window), int(idx)] = None


def _heard_again(sealed: Sealed, rest: list[str]) -> None:
    window, *said = rest
    sealed.again[int(window), int(said[0])] = _answer(*said)


def _not_sent(sealed: Sealed, rest: list[str]) -> None:
    """Only for readers: recovery takes what was not sent from what was."""
    window, lo, hi = rest
    _ = sealed.windows[int(window)], int(lo), int(hi)


def _sealed(sealed: Sealed, rest: list[str]) -> None:
    sealed.sealed_in = rest[0] if rest else ""


_READERS = {
    "J2": _header, "C": _claim, "W": _window, "S": _sending, "R": _heard, "N": _not_sent, "Z": _sealed,
    "A": _again, "H": _heard_again,
}  # fmt: skip
_LONG = frozenset({b"S ", b"R ", b"N "})
"""Beginnings of the lines that are many: one a socket write or an answer."""
