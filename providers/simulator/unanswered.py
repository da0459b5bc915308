"""How much a simulated carrier has read and not answered at this instant: eight bytes that others may look at.

The drill kills workers and asks here what was on the wire, so that it need not believe the killed ones. Two counters
lie in `<truth>.unanswered`: what is open now, and what was open when its connection ended.
"""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from typing import Final, NamedTuple

SUFFIX: Final = ".unanswered"
_COUNTS: Final = struct.Struct("=qq")


class Count(NamedTuple):
    """What a carrier says of its submissions."""

    now: int  # read, not answered yet
    cut: int  # read, and their connection ended before the answer; only grows


class Unanswered:
    """The carrier's side: counts in place, in shared memory."""

    def __init__(self, truth: Path) -> None:
        path = truth.with_suffix(SUFFIX)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, _COUNTS.size)
            self._memory = mmap.mmap(fd, _COUNTS.size)
        finally:
            os.close(fd)
        self._now, self._cut = 0, read(path).cut  # a carrier that starts again has nothing open

    def read(self, n: int = 1) -> None:
        """So many submissions were read."""
        self._now += n
        self._tell()

    def answered(self, n: int = 1) -> None:
        """So many answers were given to the socket, or will never be given."""
        self._now -= n
        self._tell()

    def cut(self, n: int = 1) -> None:
        """The connection of so many ended before their answers."""
        self._now -= n
        self._cut += n
        self._tell()

    def _tell(self) -> None:
        _COUNTS.pack_into(self._memory, 0, self._now, self._cut)


def read(path: Path) -> Count:
    """The counts of one carrier; zeros when it never started."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        data = b""
    return Count(*_COUNTS.unpack(data)) if len(data) == _COUNTS.size else Count(0, 0)


def total(folder: Path, name: str = "*") -> Count:
    """The counts of the carriers whose truth lies in this folder, or of the one called `name`."""
    counts = [read(path) for path in folder.glob(f"{name}{SUFFIX}")]
    return Count(sum(count.now for count in counts), sum(count.cut for count in counts))
