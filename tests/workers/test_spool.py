"""The spool on a real disk: what was promised is there after kill -9, whatever was half-written is not."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import msgspec
import pytest

from campaigns.terms import Callback
from tests.workers.stage import exit_code, fork, wait_for
from workers import spool
from workers.spool import Spool, SpoolFull

ACCOUNT = "sim-smpp"


def plain(data: bytes, _context: bytes) -> bytes:
    return data


def event(n: int, size: int = 20) -> Callback:
    return Callback(b"%08d" % n + b"x" * size, headers={"a": "b"}, reference="ref")


def bodies(folder: Path) -> list[int]:
    """The numbers of the events in all segments that a loader may take."""
    return [n for path in spool.ready(folder) for n in numbers(path)]


def numbers(path: Path) -> list[int]:
    """The numbers of the events in one segment."""
    return [int(spool.callback(each).body[:8]) for group in spool.read(path) for each in spool.opened(group.raw)]


def test_what_is_stored_comes_back_whole(tmp_path: Path) -> None:
    """Every field of an event, its time, and whose it is."""

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, plain, age=0.0)
        await made.store([Callback(b"\x00\xff", "SMPP", "https://x/", "q=1", {"h": "v"}, "r"), event(2), b"bare"])
        await made.close()

    before = time.time()
    asyncio.run(work())
    (path,) = spool.ready(tmp_path)
    (group,) = spool.read(path)
    assert spool.account_of(path) == ACCOUNT
    whole = Callback(b"\x00\xff", "SMPP", "https://x/", "q=1", {"h": "v"}, "r")
    assert spool.opened(group.raw) == [whole, event(2), b"bare"]
    assert before <= group.at <= time.time()


def test_a_segment_of_former_days_is_read(tmp_path: Path) -> None:
    """Before groups each event was sealed by itself, in a segment without a mark."""
    path = tmp_path / f"{ACCOUNT}~1-aa{spool.READY}"
    old = [msgspec.msgpack.encode(event(n)) for n in range(3)]
    path.write_bytes(b"".join(spool.HEAD.pack(len(raw), 1_700_000_000.0) + raw for raw in old))
    groups = list(spool.read(path))
    assert [spool.opened(group.raw) for group in groups] == [[event(n)] for n in range(3)]
    assert {group.at for group in groups} == {1_700_000_000.0}


def test_what_waits_together_is_one_group(tmp_path: Path) -> None:
    """Many callers at once: a sync, a seal and a frame for all of them, each event there once."""
    sealed = []

    def seal(data: bytes, _context: bytes) -> bytes:
        sealed.append(data)
        return data

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, seal, age=3600)
        await asyncio.gather(*(made.store([event(n)]) for n in range(200)))
        await made.close()

    asyncio.run(work())
    assert sorted(bodies(tmp_path)) == list(range(200))
    assert len(sealed) < 10


def test_loaded_segments_are_kept_for_a_while_and_come_back(tmp_path: Path) -> None:
    """Put away they are no loader's; brought back they are again; deleted by age, then by size, the oldest first."""
    paths = [tmp_path / f"{ACCOUNT}~{n}-aa{spool.READY}" for n in range(6)]
    for n, path in enumerate(paths):
        path.write_bytes(b"x" * 100)
        spool.put_away(path)
        age = time.time() - 1_000 * (6 - n)
        os.utime(tmp_path / spool.LOADED / path.name, (age, age))
    assert spool.ready(tmp_path) == []
    spool.clear_away(tmp_path, keep=4_500, limit=1_000)
    spool.clear_away(tmp_path, keep=4_500, limit=350)
    assert sorted(path.name for path in (tmp_path / spool.LOADED).iterdir()) == [path.name for path in paths[3:]]
    assert spool.bring_back(tmp_path, time.time() - 2_500) == 2
    assert spool.ready(tmp_path) == paths[4:]


def test_events_lie_sealed_for_their_account(tmp_path: Path) -> None:
    """The seal gets the account as its context, and only what it returned lies on the disk."""

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, lambda data, context: context + b"|" + bytes(len(data)), age=0.0)
        await made.store([event(1)])
        await made.close()

    asyncio.run(work())
    (path,) = spool.ready(tmp_path)
    assert next(spool.read(path)).raw.startswith(b"sim-smpp|")
    assert b"00000001" not in path.read_bytes()


@pytest.mark.parametrize("seed", range(12))
def test_promised_events_survive_kill_9(tmp_path: Path, seed: int) -> None:
    """Killed at a random moment while many store at once: every event whose store() returned is in a segment."""
    promised = tmp_path / "promised"
    folder = tmp_path / "spool"

    def write() -> None:
        said = os.open(promised, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        async def one(made: Spool, start: int) -> None:
            for n in range(start, start + 10_000, 2):
                await made.store([event(n, 200), event(n + 1, 200)])
                os.write(said, b"%d %d\n" % (n, n + 1))

        async def work() -> None:
            made = Spool(folder, ACCOUNT, plain, age=0.005)
            await asyncio.gather(*(one(made, 10_000 * i) for i in range(4)))

        asyncio.run(work())

    pid = fork(write)
    least = 1 + seed * 157  # bytes of promises, so another moment each time
    wait_for(lambda: promised.exists() and promised.stat().st_size > least, "a promise")
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    whole = promised.read_bytes().rpartition(b"\n")[0]
    found = bodies(folder)
    assert {int(word) for word in whole.split()} <= set(found)
    assert len(found) == len(set(found))


def test_a_half_written_last_event_is_left_out(tmp_path: Path) -> None:
    """Cut at every byte: whole events are read, the half one is not, and nothing fails."""

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, plain, age=3600)
        await made.store([event(1)])
        await made.store([event(2)])
        await made.close()

    asyncio.run(work())
    (path,) = spool.ready(tmp_path)
    data = path.read_bytes()
    length = (len(data) - len(spool.MARK)) // 2
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        assert numbers(path) == [1, 2][: max(0, cut - len(spool.MARK)) // length]


def _numbers_or_none(path: Path) -> list[int]:
    """None when its writer has just handed it on under its other name."""
    try:
        return numbers(path)
    except FileNotFoundError:
        return []


def test_a_loader_beside_a_writer_takes_each_event_once(tmp_path: Path) -> None:
    """A loader that looks, reads and deletes without pause against a new segment an event: none lost, none twice."""
    stop = threading.Event()
    loaded: list[int] = []

    def load() -> None:
        while not stop.is_set() or spool.ready(tmp_path):
            for path in spool.ready(tmp_path):
                loaded.extend(_numbers_or_none(path))
                spool.put_away(path)

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, plain, age=0.0)
        for n in range(150):
            await made.store([event(n)])
        await made.close()

    thread = threading.Thread(target=load)
    thread.start()
    try:
        asyncio.run(work())
    finally:
        stop.set()
        thread.join()
    assert loaded == list(range(150))


def test_a_segment_whose_writer_is_gone_is_taken(tmp_path: Path) -> None:
    """An open segment without a lock is abandoned; one with a lock is not."""
    path = tmp_path / f"{ACCOUNT}~1-aa{spool.OPEN}"
    path.touch()
    with path.open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert spool.ready(tmp_path) == []
    assert spool.ready(tmp_path) == [path]


def test_segments_are_handed_on_by_size_and_by_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full segment is handed on at once, a quiet one after its age; the order of arrival is kept."""
    monkeypatch.setattr(spool, "SEGMENT_BYTES", 4_000)

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, plain, age=3600)
        for n in range(40):
            await made.store([event(n, 500)])
        assert 4 <= len(spool.ready(tmp_path)) <= 6
        made._age = 0.01
        await made.store([event(40)])
        await asyncio.sleep(0.1)  # quiet for ten times its age

    asyncio.run(work())
    assert all(path.suffix == spool.READY for path in tmp_path.iterdir())
    assert bodies(tmp_path) == list(range(41))


def test_a_full_spool_refuses(tmp_path: Path) -> None:
    """Over its limit it says so before it promises anything, and takes again when a loader has made room."""

    async def work() -> None:
        made = Spool(tmp_path, ACCOUNT, plain, age=0.0, limit=1_000)
        await made.store([event(1, 2_000)])
        made._checked = 0.0
        with pytest.raises(SpoolFull):
            await made.store([event(2)])
        assert bodies(tmp_path) == [1]
        for path in spool.ready(tmp_path):
            path.unlink()
        await made.store([event(3)])
        await made.close()

    asyncio.run(work())
    assert bodies(tmp_path) == [3]


def test_a_failed_write_is_no_promise_and_spoils_nothing(tmp_path: Path) -> None:
    """The disk takes half of a group: its senders hear SpoolFull; what was and what will be promised is read whole."""
    import resource  # noqa: PLC0415 - used in the child only

    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        async def work() -> None:
            made = Spool(tmp_path, ACCOUNT, plain, age=3600)
            await made.store([event(1)])
            resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
            with pytest.raises(SpoolFull):
                await made.store([event(2, 1_000)])
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await made.store([event(3)])
            await made.close()

        asyncio.run(work())

    assert exit_code(fork(write)) == 0
    assert bodies(tmp_path) == [1, 3]


def test_a_spool_that_cannot_be_written_is_refused_at_once() -> None:
    """Building it on a read-only folder fails, for root too: the receiver must not start."""
    with pytest.raises((SpoolFull, OSError)):
        Spool(Path("/proc/self"), ACCOUNT, plain)._begin()
