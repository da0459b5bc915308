"""Killed exactly there: each named place of a worker's life, with what may be in doubt afterwards and what may not.

Few messages are on the wire at a time, so that the bounds of reliability.md show: none in doubt before the first byte
and after the last answer is in the log, at most those between.
"""

from __future__ import annotations

import os
import signal

import pytest

from campaigns.ledger.waves import Wave
from campaigns.terms import State
from dispatcher import assemble
from dispatcher.truths import compare
from tests.cluster import Started
from tests.workers.stage import ACCOUNT, Stage, exit_code, fork
from workers import sweeper
from workers.books import Books
from workers.queues import queue, send_queue

SENT = {State.ACCEPTED, State.UNDELIVERED, State.DELIVERED}
N = 80

IN_DOUBT = 4
"""Messages on the wire at most: the least window in which the text's segments fit."""
POINTS = [
    ("F1", "C1:1", 0),  # claimed
    ("F2", "C2:1", 0),  # the first intent is written, not committed
    ("F3", "C3:1", 0),  # committed, before its S
    ("F4", "C4:7", IN_DOUBT),  # after S
    ("F5", "C5:7", IN_DOUBT),  # bytes written, no answer
    ("F6", "C6:7", IN_DOUBT),  # answer read, before R
    ("F7", "C7:7", IN_DOUBT - 1),  # after R: only the others that are on the wire
    ("F8", "C8:1", 0),  # all in the log, the job not yet given back
    ("I6", "C9:1", IN_DOUBT),  # at a renewal of the lease, whatever is on the wire
    ("I8", "C11:5", IN_DOUBT),  # a receipt is read, not kept, not answered
    ("I8", "C12:5", IN_DOUBT),  # kept, not answered
]


def dead(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def known(play: Stage, wave: Wave) -> bool:
    """Each number that the carrier took is known as sent, and its receipt is in."""
    counts = play.counts(wave)
    return sum(n for state, n in counts.items() if state in SENT) == len(play.taken()) and State.ACCEPTED not in counts


@pytest.mark.parametrize(("fault", "point", "doubts"), POINTS, ids=[f"{f}-{p[: p.index(':')]}" for f, p, _ in POINTS])
def test_killed_at_a_named_place(
    play: Stage, started: Started, monkeypatch: pytest.MonkeyPatch, fault: str, point: str, doubts: int
) -> None:
    """F1, F2, F3, F4, F5, F6, F7, F8: nobody twice, nobody lost, no receipt lost; in doubt is at most what was sent."""
    wave = started(n=N, account=ACCOUNT, seed=sum(map(ord, point)))
    play.carrier()
    monkeypatch.setenv("CRASH_AT", point)
    first = play.sender(licence=60 if point == "C9:1" else 600, window=IN_DOUBT)
    play.go_on(wave, lambda: dead(first), 30)
    assert play.end(first) == -signal.SIGKILL
    monkeypatch.delenv("CRASH_AT")
    play.sender(window=IN_DOUBT)
    counts = play.finish(wave, 30)
    assert counts.get(State.UNCERTAIN, 0) <= doubts, fault
    play.go_on(wave, lambda: known(play, wave), 30)
    found = compare(play.house, wave, play.folder)
    assert found.sound, found
    assert sum(play.counts(wave).values()) == N
    assert N - len(play.taken()) == play.counts(wave).get(State.UNCERTAIN, 0)


def test_a_sweeper_killed_before_it_rings(play: Stage, started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    """C10: nothing was rung; the next sweep finds the same work, the wave goes out once."""
    wave = started(n=20, account=ACCOUNT)
    play.carrier()
    bell = queue(play.house.redis, send_queue(ACCOUNT))
    monkeypatch.setenv("CRASH_AT", "C10:1")
    assert exit_code(fork(lambda: sweeper.sweep(assemble.house(play.site)))) == -signal.SIGKILL
    assert bell.count == 0
    monkeypatch.delenv("CRASH_AT")
    sweeper.sweep(play.house)
    assert bell.count == 1
    play.sender()
    assert play.settled(wave, *SENT)
    assert len(play.taken()) == play.taken().total() == 20


def test_books_killed_between_the_inbox_and_the_spool(
    play: Stage, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C13: the receipts are in the inbox and their segment is still there: each counts once."""
    wave = started(n=20, account=ACCOUNT)
    play.carrier()
    play.sender()

    def keep() -> None:
        books = Books(assemble.house(play.site))
        while True:
            books.step()

    monkeypatch.setenv("CRASH_AT", "C13:1")
    keeper = fork(keep)
    play.reach(wave, 0)
    assert exit_code(keeper) == -signal.SIGKILL
    monkeypatch.delenv("CRASH_AT")
    assert play.settled(wave, State.DELIVERED, State.UNDELIVERED)
    with play.house.begin() as conn:
        row = conn.execute("SELECT receipts - repeats FROM wave_tally WHERE wave = %s", (wave.id,)).fetchone()
    assert row == (20,)
