"""The wire journal: what this worker was about to put on the wire, and what it heard (ledger: section 5).

Append-only, no fsync: it must survive the death of the process, not of the machine (a journal of another boot makes
its open windows uncertain). The lock is held from creation to death, so whoever gets it knows that the writer is dead.
A write that fails means: do not send.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.ledger.windows import Batch, Intent
from campaigns.terms import Answer, Outcome
from workers.house import boot_id
from workers.locks import writer_is_dead

SUFFIX = ".journal"
BUILD = "1"


class Journal:
    """One worker's journal, open and locked."""

    def __init__(self, folder: Path, worker: int, incarnation: int) -> None:
        self._broken = -1
        self.name = f"{socket.gethostname()}-{worker:016x}{SUFFIX}"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = folder / f".{self.name}.new"
        self._fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        self._write(f"J2 {boot_id()} {worker} {incarnation} {BUILD}\n")
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

    def heard(self, window: int, answers: Iterable[Answer]) -> None:
        """All answers of one socket read, before they go to the log."""
        self._write("".join(f"R {window} {a[0]} {a[1]:d} {_word(a[3])} {_word(a[2])}\n" for a in answers))

    def not_sent(self, window: int, lo: int, hi: int) -> None:
        """Indexes lo..hi-1 were given back unsent."""
        self._write(f"N {window} {lo} {hi}\n")

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
    sent: list[tuple[int, int]] = field(default_factory=list)
    heard: dict[int, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Sealed:
    """A dead worker's journal: nobody will write to it again."""

    name: str
    boot: str
    worker: int
    incarnation: int
    claims: list[tuple[int, str, int, int]] = field(default_factory=list)  # wave, kind, seq, epoch
    windows: dict[int, Told] = field(default_factory=dict)


def dead(folder: Path) -> list[Path]:
    """Journals whose writer is dead: their lock is free. A stopped writer still holds it."""
    return [path for path in sorted(folder.glob(f"*{SUFFIX}")) if writer_is_dead(path)]


def seal(path: Path) -> Sealed | None:
    """Lock a dead journal, append Z, read it; None when its writer lives or somebody else is sealing it."""
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        data = file.read()
        whole = data.rfind(b"\n") + 1  # the writer died inside a write: that line was never acted upon
        data = data[:whole]
        if not data.endswith(b"Z\n"):
            os.ftruncate(file.fileno(), whole)
            os.pwrite(file.fileno(), b"Z\n", whole)
        return read(path.name, data.decode("ascii", "replace"))


def read(name: str, text: str) -> Sealed:
    """What a journal says."""
    sealed = Sealed(name, "", 0, 0)
    for line in text.split("\n"):
        word, *rest = line.split(" ") if line else ("",)
        if word in _READERS:
            _READERS[word](sealed, rest)
    return sealed


def _header(sealed: Sealed, rest: list[str]) -> None:
    sealed.boot, sealed.worker, sealed.incarnation = rest[0], int(rest[1]), int(rest[2])


def _claim(sealed: Sealed, rest: list[str]) -> None:
    sealed.claims.append((int(rest[0]), rest[1], int(rest[2]), int(rest[3])))


def _window(sealed: Sealed, rest: list[str]) -> None:
    window, wave, _plan, kind, batch, epoch, lo, hi = rest[:8]
    sealed.windows[int(window)] = Told(int(window), int(wave), kind, int(batch), int(epoch), int(lo), int(hi))


def _sending(sealed: Sealed, rest: list[str]) -> None:
    sealed.windows[int(rest[0])].sent.append((int(rest[1]), int(rest[2])))


def _heard(sealed: Sealed, rest: list[str]) -> None:
    window, idx, outcome, ref, code = rest[:5]
    answer = Answer(int(idx), Outcome(int(outcome)), "" if code == "-" else code, "" if ref == "-" else ref)
    sealed.windows[int(window)].heard[answer.idx] = answer


_READERS = {"J2": _header, "C": _claim, "W": _window, "S": _sending, "R": _heard}
