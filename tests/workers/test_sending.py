"""Sending through real sockets: worker processes, the real ledger and the simulated SMSC with its own truth."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from campaigns.ledger import waves
from campaigns.ledger.unrest import unrest
from campaigns.ledger.waves import Wave
from campaigns.terms import State
from dispatcher.truths import compare
from tests.cluster import Started
from tests.workers.stage import ACCOUNT, Stage
from workers import sender

SENT = {State.ACCEPTED, State.UNDELIVERED, State.DELIVERED}


def sound(play: Stage, wave: Wave) -> bool:
    """Nobody twice, nothing lost or invented, every text as approved."""
    found = compare(play.house, wave, play.folder)
    assert found.sound, found
    return True


def test_all_answered_all_counted(play: Stage, started: Started) -> None:
    """Each message leaves once, is answered, gets its receipt and stands in exactly one state; no window stays open."""
    wave = started(n=300, account=ACCOUNT)
    play.carrier(undelivered=0.1, refuse=0.02, repeat_receipt=0.05)
    play.sender()
    counts = play.settled(wave, State.DELIVERED, State.UNDELIVERED, State.REFUSED)
    assert sum(counts.values()) == 300
    assert play.taken().total() == 300 - counts[State.REFUSED]
    assert sound(play, wave)


def test_a_carrier_that_refuses_the_connection_costs_nothing(play: Stage, started: Started) -> None:
    """No connection: nothing is claimed as sent or tried; when the carrier listens the wave goes out whole."""
    wave = started(n=60, account=ACCOUNT)
    carrier = play.carrier()
    play.end(carrier)
    sender = play.sender()
    play.go_on(wave, lambda: _tried(play), 10)
    assert play.counts(wave) == {State.QUEUED: 60}
    play.carrier()
    assert play.settled(wave, *SENT)
    os.kill(sender, 0)  # still the same process
    assert len(play.taken()) == 60
    assert sound(play, wave)


def _tried(play: Stage) -> bool:
    """The worker holds the licence, so it has looked for the carrier."""
    with play.house.begin() as conn:
        return conn.execute("SELECT FROM share WHERE account = %s", (ACCOUNT,)).fetchone() is not None


def test_a_carrier_that_falls_in_the_middle(play: Stage, started: Started) -> None:
    """The link is cut while messages are on it: at most those are uncertain, receipts settle them, nobody twice."""
    wave = started(n=400, account=ACCOUNT)
    carrier = play.carrier(latency=0.05)
    play.sender(licence=1000, window=50)
    play.reach(wave, 60)
    play.end(carrier)
    play.carrier(latency=0.05)
    counts = play.finish(wave)
    assert counts.get(State.UNCERTAIN, 0) <= 50
    assert sum(counts.values()) == 400
    assert sound(play, wave)


def test_pause_in_the_middle_and_resume(play: Stage, started: Started) -> None:
    """A pause stops the flow, the rest is given back; resumed, everybody gets it exactly once."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier()
    play.sender(licence=1000)
    for least in (40, 150):
        play.reach(wave, least)
        play.move(wave, "pause")
        play.go_on(wave, lambda: _at_rest(play, wave))
        held = len(play.taken())
        assert held < 400
        play.move(wave, "resume")
    play.settled(wave, *SENT)
    assert len(play.taken()) == 400
    assert sound(play, wave)


def _at_rest(play: Stage, wave: Wave) -> bool:
    """No window is open, and what was given back waits in its retry batch."""
    with play.house.begin() as conn:
        return unrest(conn, wave.id)[::2] == (0, 0)


def _open_windows(play: Stage, wave: Wave) -> int:
    with play.house.begin() as conn:
        row = conn.execute("SELECT count(*) FROM send_window WHERE wave = %s AND closed IS NULL", (wave.id,)).fetchone()
    return int(row[0]) if row else -1


def test_cancel_in_the_middle(play: Stage, started: Started) -> None:
    """A cancelled wave ends with what left counted as sent and the rest as cancelled; the sums hold."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier()
    play.sender(licence=1000)
    play.reach(wave, 40)
    play.move(wave, "cancel")
    play.go_on(
        wave, lambda: State.QUEUED not in play.counts(wave) and play.counts(wave).keys() <= {*SENT, State.CANCELLED}
    )
    assert play.counts(wave)[State.CANCELLED] == 400 - len(play.taken())
    assert sound(play, wave)


def test_a_worker_told_to_stop_gives_back_and_leaves_nothing_uncertain(play: Stage, started: Started) -> None:
    """SIGTERM in the middle: answers on the wire are heard, the tail is given back, the next worker ends the wave."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier(latency=0.05)
    first = play.sender(licence=400)  # a hundred a second
    play.reach(wave, 60)
    assert play.end(first, signal.SIGTERM) == 0
    assert _open_windows(play, wave) == 0
    play.go_on(wave, lambda: _unfolded(play, wave) == 0)
    assert State.UNCERTAIN not in play.counts(wave)
    assert _codes(play, wave) >= {"~drain"}
    play.sender()
    play.settled(wave, *SENT)
    assert len(play.taken()) == 400
    assert sound(play, wave)


def _codes(play: Stage, wave: Wave) -> set[str]:
    """The codes in the wave's log."""
    with play.house.begin() as conn:
        return {row[0] for row in conn.execute(f"SELECT DISTINCT provider_code FROM log_{wave.id}")}


def _unfolded(play: Stage, wave: Wave) -> int:
    with play.house.begin() as conn:
        row = conn.execute("SELECT count(*) FROM chunk WHERE wave = %s AND NOT folded", (wave.id,)).fetchone()
    return int(row[0]) if row else -1


@pytest.mark.parametrize("least", [20, 220])
def test_kill_9_in_the_middle(play: Stage, started: Started, least: int) -> None:
    """Killed with messages on the wire: only those are uncertain, receipts settle them, and nobody gets it twice."""
    wave = started(n=400, account=ACCOUNT, seed=least)
    play.carrier(latency=0.02)
    first = play.sender(licence=1000, window=40)
    play.reach(wave, least)
    play.end(first)
    play.sender()
    counts = play.finish(wave)
    assert counts.get(State.UNCERTAIN, 0) <= 40
    assert max(play.taken().values()) == 1
    # each number the carrier took is known as sent once its receipt is in; what is left uncertain never arrived there
    play.go_on(wave, lambda: _sent(play, wave) == len(play.taken()))
    assert sound(play, wave)


def _sent(play: Stage, wave: Wave) -> int:
    return sum(n for state, n in play.counts(wave).items() if state in SENT)


def test_a_stopped_worker_keeps_its_windows(play: Stage, started: Started) -> None:
    """SIGSTOP beyond the lease while another worker takes the rest: resumed, it sends nothing that is not its own."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier(latency=0.02)
    first = play.sender(licence=1000)
    play.reach(wave, 60)
    os.kill(first, signal.SIGSTOP)
    play.sender()
    play.go_on(wave, lambda: _waiting(play, wave) == 0, 20)
    assert play.state(wave) == "running"  # its windows are neither given away nor uncertain
    os.kill(first, signal.SIGCONT)
    play.finish(wave)
    assert max(play.taken().values()) == 1
    assert sound(play, wave)


def test_a_person_can_stop_although_a_worker_is_stopped_inside_t1(
    play: Stage, started: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGSTOP between T1's first lock and its commit: a pause gets through, and nothing leaves after it."""
    wave = started(n=100, account=ACCOUNT)
    play.carrier()

    def stop_there(name: str) -> None:
        if name == "C2":
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)  # this thread stops before its next step

    monkeypatch.setattr(sender, "crash_point", stop_there)
    worker = play.sender()
    play.go_on(wave, lambda: os.waitid(os.P_PID, worker, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None)
    with play.house.begin() as conn:
        conn.execute("SET LOCAL lock_timeout = '15s'")
        waves.move(conn, wave.id, "an", "pause", "tested")
    os.kill(worker, signal.SIGCONT)
    play.go_on(wave, lambda: _open_windows(play, wave) == 0)
    assert play.taken() == {}
    monkeypatch.undo()
    play.end(worker)
    play.move(wave, "resume")
    play.sender()
    play.settled(wave, *SENT)
    assert len(play.taken()) == play.taken().total() == 100


def _waiting(play: Stage, wave: Wave) -> int:
    with play.house.begin() as conn:
        row = conn.execute("SELECT coalesce(sum(hi - cursor), 0) FROM batch WHERE wave = %s", (wave.id,)).fetchone()
    return int(row[0]) if row else -1


def test_a_carrier_that_throttles(play: Stage, started: Started) -> None:
    """Three in ten are told "not now" at first: all are tried again and taken exactly once."""
    wave = started(n=300, account=ACCOUNT)
    play.carrier(throttle=0.3)
    play.sender()
    play.settled(wave, *SENT)
    assert len(play.taken()) == play.taken().total() == 300
    assert sound(play, wave)


def test_the_database_goes_away_and_comes_back(play: Stage, started: Started) -> None:
    """Every connection is cut twice in the middle: the same worker goes on, nobody twice, nothing uncertain."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier()
    sender = play.sender(licence=1000)
    for least in (40, 200):
        play.reach(wave, least)
        with play.house.begin() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = current_user AND pid <> pg_backend_pid()"
            )
    play.settled(wave, *SENT)
    os.kill(sender, 0)
    assert len(play.taken()) == 400
    assert sound(play, wave)
