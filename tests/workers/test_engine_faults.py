"""Rows of docs/faults.md that need a real worker at work and nothing but a test beside it."""

from __future__ import annotations

import os
import random
import resource
import secrets
import shutil
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
import redis

from campaigns.ledger.reading import Numbers
from campaigns.ledger.waves import Wave
from campaigns.terms import State
from dispatcher.truths import compare
from tests.cluster import Started
from tests.workers.stage import ACCOUNT, Stage, exit_code, fork, wait_for
from workers import sweeper
from workers.queues import queue, ring_account, send_queue

SENT = {State.ACCEPTED, State.UNDELIVERED, State.DELIVERED}


def sound(play: Stage, wave: Wave) -> bool:
    found = compare(play.house, wave, play.folder)
    assert found.sound, found
    return True


def dead(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def known(play: Stage, wave: Wave) -> bool:
    return sum(n for state, n in play.counts(wave).items() if state in SENT) == len(play.taken())


def test_who_asked_not_to_be_texted_after_planning_is_left_out(play: Stage, started: Started) -> None:
    """F53: planned, approved and started; then five ask: none of the five is sent to, and each is counted."""
    wave = started(n=40, account=ACCOUNT)
    with play.house.begin() as conn:
        listed = [row[0] for row in conn.execute(f"SELECT no FROM message_{wave.id} ORDER BY no LIMIT 5 OFFSET 3")]
        for no in listed:
            conn.execute("INSERT INTO wave_skip VALUES (%s, %s)", (wave.id, no))
        numbers = Numbers(conn, wave.id, play.house.keys(wave.campaign))
        asked = {str(numbers.of(no)) for no in listed}
    play.carrier()
    play.sender()
    counts = play.settled(wave, *SENT, State.SUPPRESSED)
    assert counts[State.SUPPRESSED] == 5
    assert len(play.taken()) == 35
    assert not {number.removeprefix("+") for number in play.taken()} & asked


@pytest.mark.timeout(240)
def test_paused_and_resumed_twenty_times(play: Stage, started: Started) -> None:
    """F42: the rest is given back each time, and everybody gets it once."""
    wave = started(n=300, account=ACCOUNT)
    play.carrier()
    play.sender(licence=400, window=40)
    for turn in range(20):
        # the books are kept meanwhile: what a pause gave back is placed by them
        play.go_on(wave, lambda least=5 * turn: len(play.taken()) > least)  # type: ignore[misc]
        play.move(wave, "pause")
        play.go_on(wave, lambda: True)
        play.move(wave, "resume")
    play.finish(wave, 60)
    play.go_on(wave, lambda: known(play, wave))
    assert max(play.taken().values()) == 1
    assert play.counts(wave).get(State.UNCERTAIN, 0) == 0
    assert sound(play, wave)


def test_one_job_many_times(play: Stage, started: Started) -> None:
    """F18: rung three times over, with a job whose record is gone, to two workers: each message leaves once."""
    wave = started(n=120, account=ACCOUNT)
    play.carrier()
    bell = queue(play.house.redis, send_queue(ACCOUNT))
    stale = bell.enqueue("workers.jobs.wake", ACCOUNT)
    play.house.redis.delete(stale.key)
    for _ in range(3):
        bell.enqueue("workers.jobs.wake", ACCOUNT)
    for _ in range(2):
        play.sender(licence=600)
    play.settled(wave, *SENT)
    assert len(play.taken()) == play.taken().total() == 120
    assert sound(play, wave)


def test_redis_is_full(play: Stage, started: Started) -> None:
    """F17: no ring is taken; the sweeper goes on trying, and when there is room the wave goes out whole."""
    wave = started(n=40, account=ACCOUNT)
    play.carrier()
    server, stop = play.house.redis, threading.Event()
    sweeping = threading.Thread(target=sweeper.run, args=(play.house, stop))
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.exceptions.ResponseError):
            ring_account(server, ACCOUNT)
        sweeping.start()
    finally:
        server.config_set("maxmemory", "0")
    wait_for(lambda: queue(server, send_queue(ACCOUNT)).count > 0, "the ring")
    play.sender()
    play.settled(wave, *SENT)
    stop.set()
    sweeping.join()
    assert len(play.taken()) == play.taken().total() == 40


LIMITS = {"files": (resource.RLIMIT_NOFILE, 3), "memory": (resource.RLIMIT_AS, 1 << 20)}


@pytest.mark.parametrize("what", LIMITS)
def test_a_worker_that_is_out_of(play: Stage, started: Started, what: str) -> None:
    """F48: no more files or no more memory in the middle, its database lines cut: the next one ends the wave."""
    wave = started(n=200, account=ACCOUNT)
    play.carrier()
    first = play.sender(licence=600, window=40)
    play.reach(wave, 20)
    limit, most = LIMITS[what]
    resource.prlimit(first, limit, (most, most))
    with play.house.begin() as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND pid <> pg_backend_pid()"
        )
    play.end(first)  # as its supervisor does, when its lease is over
    play.sender()
    counts = play.finish(wave)
    assert counts.get(State.UNCERTAIN, 0) <= 40
    play.go_on(wave, lambda: known(play, wave))
    assert sound(play, wave)


def test_a_worker_dies_with_its_parent() -> None:
    """F11: kill -9 of the parent alone leaves no orphan that sends on."""
    told, tell = os.pipe()

    def child() -> None:
        os.write(tell, str(os.getpid()).encode())
        signal.pause()

    def parent() -> None:
        fork(child)
        signal.pause()

    pid = fork(parent)
    orphan = Path(f"/proc/{int(os.read(told, 20))}/stat")
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    wait_for(lambda: not orphan.exists() or ") Z " in orphan.read_text(encoding="ascii"), "its end")


CALLS = "write,pwrite64,sendto,recvfrom,fdatasync,connect,openat,ftruncate,unlink,rename"
KILLS = 20


def strace(pid: int, *arguments: str, out: Path) -> subprocess.Popen[bytes]:
    """Look at each I/O call of a running worker; returns when it is attached."""
    program = shutil.which("strace")
    assert program, "this test needs strace: apt install strace"
    tracer = subprocess.Popen(
        [program, "-f", "-p", str(pid), "-e", f"trace={CALLS}", *arguments, "-o", str(out)], stderr=subprocess.PIPE
    )
    assert tracer.stderr
    line = tracer.stderr.readline()
    assert b"attached" in line, line
    return tracer


def killed_at(play: Stage, started: Started, call: str, when: int) -> bool:
    """A wave whose first worker is killed at the n-th such call; whether it came to that. Nobody twice, nobody lost."""
    wave = started(n=40, account=ACCOUNT, seed=when)
    play.carrier()
    first = play.sender(licence=600, window=8)
    wait_for(lambda: _holds(play, first), "the worker's start")
    kill = ("-e", f"inject={call}:signal=KILL:when={when}")
    tracer = strace(first, *kill, out=play.folder / "trace")
    play.go_on(wave, lambda: dead(first) or play.state(wave) == "finished", 60)
    came = dead(first)
    play.end(first)
    tracer.wait()
    play.sender()
    counts = play.finish(wave, 30)
    assert counts.get(State.UNCERTAIN, 0) <= 8
    play.go_on(wave, lambda: known(play, wave))
    assert sum(play.counts(wave).values()) == 40
    assert sound(play, wave)
    clear(play)
    return came


def clear(play: Stage) -> None:
    """The next wave has a carrier of its own: ids that start again would belong to two messages."""
    play.clear()
    play.truth.unlink()
    play.name, play.port = f"{ACCOUNT}-{secrets.token_hex(4)}", 0


def _holds(play: Stage, pid: int) -> bool:
    """It has its journal open: everything that it needs is there."""
    folder = Path(f"/proc/{pid}/fd")
    return any("journal" in str(fd.readlink()) for fd in folder.iterdir() if fd.exists())


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("call", "when"), [("write", 12), ("sendto", 25), ("recvfrom", 25)])
def test_killed_at_an_io_call(play: Stage, started: Started, call: str, when: int) -> None:
    """F9: in the middle of the journal, of a write to a socket, of a read from one."""
    assert killed_at(play, started, call, when)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_a_sample_of_all_io_calls(play: Stage, started: Started) -> None:
    """F9: one run is traced and its calls counted; then twenty of them, by chance, are the last that a worker makes."""
    wave = started(n=40, account=ACCOUNT)
    play.carrier()
    first = play.sender(licence=600, window=8)
    wait_for(lambda: _holds(play, first), "the worker's start")
    trace = play.folder / "calls"
    tracer = strace(first, out=trace)
    play.finish(wave, 60)
    play.end(first, signal.SIGKILL)
    tracer.wait()
    clear(play)
    words = [line.split(None, 1)[1].split("(")[0] for line in trace.read_text(errors="replace").splitlines()]
    calls = Counter(word for word in words if word in CALLS.split(","))
    every = [(call, when) for call, n in sorted(calls.items()) for when in range(1, 2 * n // 3 + 1)]
    points = random.Random(9).sample(every, min(len(every), 60))  # noqa: S311 - a story to be told again
    came: list[tuple[str, int]] = []
    for call, when in points:  # no two runs make as many calls: some of these do not come another time
        came += [(call, when)] if killed_at(play, started, call, when) else []
        if len(came) == KILLS:
            break
    assert len(came) == KILLS, came
