"""Receipts before anybody reads them: appended, sealed, fdatasync'ed in groups, then acknowledged (ledger: section 7).

One writer a process; a segment is handed on by renaming it. A loader may also take the segment of a dead writer: its
lock is free. Loading twice is harmless, losing is not: a segment goes only after its rows are committed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import shutil
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from campaigns.terms import Callback
from workers.locks import writer_is_dead

OPEN, READY = ".open", ".seg"
SEGMENT_BYTES = 4 * 1024 * 1024
HEAD = struct.Struct(">Id")  # length of the sealed event, unix time
ROOM_BYTES = 64 * 1024 * 1024  # less free disk than this: take nothing more

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Callback).decode

Seal = Callable[[bytes, bytes], bytes]
"""(data, associated data) -> sealed data; its twin opens."""


class SpoolFull(Exception):
    """No room: the carrier must hear 503 or ESME_RMSGQFUL and come again."""


class Event(NamedTuple):
    """One event as a segment holds it."""

    at: float
    raw: bytes  # sealed


class Spool:
    """The writer of one account's events in this process; used inside one event loop."""

    def __init__(self, folder: Path, account: str, seal: Seal, *, age: float = 0.2, limit: int = 1 << 30) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._account, self._seal, self._age, self._limit = folder, account, seal, age, limit
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self._fd = -1
        self._path = folder
        self._size = 0
        self._since = 0.0
        self._checked = 0.0
        if not os.access(folder, os.W_OK):
            raise SpoolFull(f"spool folder {folder} is not writable")

    async def store(self, events: Sequence[Callback]) -> None:
        """Returns when the events are on the disk. Raises SpoolFull."""
        self._check_room()
        now = time.time()
        data = b"".join(self._frame(event, now) for event in events)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((data, done))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._commit())
        await done

    def _frame(self, event: Callback, now: float) -> bytes:
        raw = self._seal(_encode(event), self._account.encode())
        return HEAD.pack(len(raw), now) + raw

    async def _commit(self) -> None:
        """Write and sync whatever waits, again and again: while one group syncs the next one gathers."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(None, self._write, b"".join(data for data, _ in group))
            except OSError as error:
                _settle(group, SpoolFull(str(error)))
            else:
                _settle(group, None)
            if self._size > SEGMENT_BYTES or time.monotonic() - self._since > self._age:
                self.hand_on()
        loop.call_later(self._age, self._hand_on_idle)

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._begin()
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
            os.fdatasync(self._fd)
        except OSError:
            self.hand_on()  # whatever half-written frame ends this segment, the next one begins a new segment
            raise
        self._size += len(data)

    def _begin(self) -> None:
        stem = f"{self._account}~{time.time_ns():x}-{secrets.token_hex(4)}"
        self._path = self._folder / (stem + OPEN)
        new = self._folder / (stem + ".new")  # locked before a loader can see it: an unlocked one counts as abandoned
        self._fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        new.rename(self._path)
        _sync_folder(self._folder)
        self._size, self._since = 0, time.monotonic()

    def hand_on(self) -> None:
        """Give the present segment to the loader."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1  # whatever happens, nothing more goes into this file
            try:
                self._path.rename(self._path.with_suffix(READY))
            finally:
                os.close(fd)

    async def close(self) -> None:
        """Finish what is being written, then give the segment to the loader."""
        if self._task is not None:
            await asyncio.wait({self._task})
        self.hand_on()

    def _hand_on_idle(self) -> None:
        if self._task is None or self._task.done():
            self.hand_on()

    def _check_room(self) -> None:
        """At most once a second: the folder must be under its limit, and the disk must have room."""
        if time.monotonic() - self._checked < 1:
            return
        used = sum(map(_size, self._folder.glob("*")))
        if used > self._limit or shutil.disk_usage(self._folder).free < ROOM_BYTES:
            raise SpoolFull(f"spool is full: {used} bytes wait")
        self._checked = time.monotonic()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the loader was faster
        return 0


def _settle(group: list[tuple[bytes, asyncio.Future[None]]], error: Exception | None) -> None:
    for _, done in group:
        if done.cancelled():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def ready(folder: Path) -> list[Path]:
    """Segments to load, oldest first: handed on, or left by a dead writer."""
    found = list(folder.glob(f"*{READY}")) + [path for path in folder.glob(f"*{OPEN}") if writer_is_dead(path)]
    return sorted(found, key=lambda path: path.name.split("~")[1])


def account_of(path: Path) -> str:
    """Whose events a segment holds."""
    return path.name.split("~")[0]


def read(path: Path) -> Iterator[Event]:
    """The whole events of a segment; a half-written last one was never acknowledged."""
    data = path.read_bytes()
    at = 0
    while at + HEAD.size <= len(data):
        size, when = HEAD.unpack_from(data, at)
        if at + HEAD.size + size > len(data):
            return
        yield Event(when, data[at + HEAD.size : at + HEAD.size + size])
        at += HEAD.size + size


def opened(raw: bytes) -> Callback:
    """The event inside opened bytes."""
    return _decode(raw)
