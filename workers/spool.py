"""Receipts before anybody reads them: sealed and fdatasync'ed in groups, then acknowledged (ledger: section 7).

One writer a process; a segment is handed on by renaming it. A loader may also take the segment of a dead writer: its
lock is free. Loading twice is harmless, losing is not: a segment leaves only after its rows are committed, and is kept
for a while in `loaded/`, so that an older database that is restored can load it again.
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
from typing import Any, NamedTuple

import msgspec

from campaigns.terms import Callback
from workers.locks import writer_is_dead

OPEN, READY = ".open", ".seg"
LOADED = "loaded"
SEGMENT_BYTES = 4 * 1024 * 1024
MARK = b"SPL3"  # begins a segment of groups; read as the length of an older segment's event it would be 1.4 GB
FRAME = struct.Struct(">IId")  # lengths of the sealed group and of its sealed places, unix time
OLDER = b"SPL2"  # of groups without places
HEAD = struct.Struct(">Id")  # length of the sealed group or event, unix time
ROOM_BYTES = 64 * 1024 * 1024  # less free disk than this: take nothing more

Arrived = Callback | bytes
"""One event; bare bytes are the body of one that came over the carrier's own connection."""

Seal = Callable[[bytes, bytes], bytes]
"""(data, associated data) -> sealed data; its twin opens."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes | tuple[bytes, str, str, str, dict[str, str], str]]).decode
_decode_single = msgspec.msgpack.Decoder(Callback).decode
_SINGLE = range(0x80, 0x90)  # msgpack's small map: before groups, each event was sealed by itself


class SpoolFull(Exception):
    """No room: the carrier must hear 503 or ESME_RMSGQFUL and come again."""


class Group(NamedTuple):
    """What one sync made durable, as a segment holds it."""

    at: float
    raw: bytes  # sealed
    places: bytes = b""  # sealed for PLACES; empty where nothing was known


class Places(NamedTuple):
    """Receipts of a group that belong to one window, by the writer's own memory."""

    window: int
    events: list[int]  # their positions in the group
    tails: list[str]  # as lines of the log, from the index on: "index outcome ref code", plain words


PLACES = b"~places"
"""After the account in the associated data of sealed places."""
_decode_places = msgspec.msgpack.Decoder(tuple[int, list[Places]]).decode
Waiting = tuple[Sequence[Arrived], Sequence[Places], "asyncio.Future[None]"]


class Spool:
    """The writer of one account's events in this process; used inside one event loop."""

    def __init__(self, folder: Path, account: str, seal: Seal, *, age: float = 0.2, limit: int = 1 << 30) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._account, self._seal, self._age, self._limit = folder, account, seal, age, limit
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._fd = -1
        self._path = folder
        self._size = 0
        self._since = 0.0
        self._checked = 0.0
        if not os.access(folder, os.W_OK):
            raise SpoolFull(f"spool folder {folder} is not writable")

    async def store(self, events: Sequence[Arrived], places: Sequence[Places] = ()) -> None:
        """Returns when the events are on the disk, and what is known of where they belong. Raises SpoolFull."""
        self._check_room()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((events, places, done))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._commit())
        await done

    async def _commit(self) -> None:
        """Seal, write and sync whatever waits, again and again: while one group syncs the next one gathers."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await loop.run_in_executor(None, self._write, *_joined(group))
            except OSError as error:
                _settle(group, SpoolFull(str(error)))
            else:
                _settle(group, None)
            if self._size > SEGMENT_BYTES or time.monotonic() - self._since > self._age:
                self.hand_on()
        loop.call_later(self._age, self._hand_on_idle)

    def _write(self, events: list[Arrived], places: list[Places]) -> None:
        context = self._account.encode()
        raw = self._seal(packed(events), context)
        known = self._seal(_encode((len(events), places)), context + PLACES) if places else b""
        if self._fd < 0:
            self._begin()
        data = FRAME.pack(len(raw), len(known), time.time()) + raw + known
        if not self._size:
            data = MARK + data
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
        """At most once a second: what waits must be under the limit, and the disk must have room."""
        if time.monotonic() - self._checked < 1:
            return
        used = sum(map(size, self._folder.glob("*~*")))
        if used > self._limit or shutil.disk_usage(self._folder).free < ROOM_BYTES:
            raise SpoolFull(f"spool is full: {used} bytes wait")
        self._checked = time.monotonic()


def size(path: Path) -> int:
    """Bytes of a segment; 0 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:  # the loader was faster
        return 0


def _joined(group: Sequence[Waiting]) -> tuple[list[Arrived], list[Places]]:
    """Events of several callers as one group."""
    joined: list[Arrived] = []
    known: list[Places] = []
    for events, places, _ in group:
        first = len(joined)
        known += [each._replace(events=[first + at for at in each.events]) if first else each for each in places]
        joined += events
    return joined, known


def _settle(group: Sequence[Waiting], error: Exception | None) -> None:
    for _, _, done in group:
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


def read(path: Path) -> Iterator[Group]:
    """The whole groups of a segment; a half-written last one was never acknowledged."""
    data = path.read_bytes()
    frame = FRAME if data.startswith(MARK) else HEAD
    at = len(MARK) if data.startswith((MARK, OLDER)) else 0
    while at + frame.size <= len(data):
        size, *more, when = frame.unpack_from(data, at)
        at += frame.size
        end = at + size + sum(more)
        if end > len(data):
            return
        yield Group(when, data[at : at + size], data[at + size : end])
        at = end


def packed(events: Sequence[Arrived]) -> bytes:
    """Events as the bytes that are sealed."""
    return _encode([_fields(event) for event in events])


def _fields(event: Arrived) -> Any:
    if isinstance(event, bytes):
        return event
    return (event.body, event.method, event.url, event.query, event.headers, event.reference)


def opened(data: bytes) -> list[Arrived]:
    """The events inside opened bytes, of a group or of a single event of former days."""
    if data and data[0] in _SINGLE:
        return [_decode_single(data)]
    return [each if type(each) is bytes else Callback(*each) for each in _decode(data)]


def known(data: bytes) -> tuple[int, list[Places]]:
    """How many events a group has, and the places inside opened bytes."""
    return _decode_places(data)


def callback(event: Arrived) -> Callback:
    """An event as providers read it."""
    return Callback(event, method="SMPP") if isinstance(event, bytes) else event


def put_away(path: Path) -> None:
    """A loaded segment leaves the loader's sight, and is kept for a while."""
    kept = path.parent / LOADED
    kept.mkdir(mode=0o700, exist_ok=True)
    try:
        path.rename(kept / path.with_suffix(READY).name)
    except FileNotFoundError:  # its writer has just handed it on under its other name: then it is loaded once more
        return


def bring_back(folder: Path, since: float) -> int:
    """Let the loader see again what was handed on after a time, for a database that is older; how many segments."""
    names = [path for path in (folder / LOADED).glob(f"*{READY}") if path.stat().st_mtime >= since]
    for path in names:
        path.rename(folder / path.name)
    return len(names)


MOST_KEPT = 50_000
"""Loaded segments kept at most: a folder of more is slow to list."""


def clear_away(folder: Path, keep: float, limit: int) -> None:
    """Delete loaded segments older than `keep` seconds, and the oldest above `limit` bytes or when the disk fills."""
    paths = sorted((folder / LOADED).glob(f"*{READY}"), key=lambda path: path.name.split("~")[1])
    sizes = {path: path.stat() for path in paths}
    used, oldest = sum(each.st_size for each in sizes.values()), time.time() - keep
    short = shutil.disk_usage(folder).free < 2 * ROOM_BYTES
    for n, path in enumerate(paths):
        if not short and used <= limit and sizes[path].st_mtime > oldest and len(paths) - n <= MOST_KEPT:
            return
        used -= sizes[path].st_size
        path.unlink(missing_ok=True)
