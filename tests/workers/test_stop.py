"""STOP with real workers and the simulated SMSC: what is told about it, and that the kill switch outlives everybody."""

from __future__ import annotations

import signal
import time

import psycopg
import pytest

from campaigns.ledger import halts, logbook, progress, recovery, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, Problem, State
from dispatcher.going import advice
from dispatcher.halting import all_halted, halted
from dispatcher.words import speak
from tests import hand
from tests.cluster import APPROVER, AUTHOR, SECOND, Started
from tests.workers.stage import ACCOUNT, Stage
from workers import sweeper
from workers.alarm import Alarm
from workers.house import House

SENT = (State.ACCEPTED, State.UNDELIVERED, State.DELIVERED)


def _quiet(play: Stage, before: int) -> int:
    """What the carrier took once nothing comes any more."""
    while True:
        time.sleep(0.3)
        now = play.taken().total()
        if now == before:
            return now
        before = now


def test_a_pause_tells_what_is_still_on_the_way_and_no_more_than_that_arrives(play: Stage, started: Started) -> None:
    """Every worker has heard; the carrier takes at most what was told, and resumed everybody gets it once."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier(latency=0.2)
    play.sender(licence=400)
    play.reach(wave, 20)
    since = time.monotonic()
    play.move(wave, "pause")
    told = halted(play.house, wave.id, since)
    at_once = play.taken().total()
    assert told.unheard == 0
    assert _quiet(play, at_once) <= at_once + told.on_wire < 400
    play.move(wave, "resume")
    play.settled(wave, *SENT)
    assert len(play.taken()) == play.taken().total() == 400


def test_the_kill_switch_outlives_every_process_and_two_persons_lift_it(play: Stage, started: Started) -> None:
    """Stopped, its worker killed, a new one started: nothing leaves until an approver agrees with somebody else."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier(latency=0.02)
    first = play.sender(licence=400)
    play.reach(wave, 20)
    since = time.monotonic()
    with play.house.begin() as conn:
        assert halts.stop(conn, AUTHOR.login, "sai văn bản")
        assert not halts.stop(conn, APPROVER.login, "again")
    told = all_halted(play.house, since)
    assert told.unheard == 0
    held = _quiet(play, play.taken().total())
    assert held < 400
    assert play.end(first, signal.SIGTERM) == 0
    play.sender()
    play.go_on(wave, lambda: _heard(play))
    assert _quiet(play, held) == held
    with play.house.begin() as conn:
        assert recovery.unlock(conn) == []  # one person's word opens other locks only
        assert not halts.lift(conn, APPROVER, "văn bản đúng", file_there=False)
        assert not halts.lift(conn, APPROVER, "văn bản đúng", file_there=False)  # the same person again
        with pytest.raises(Problem, match="not an approver"):
            halts.lift(conn, AUTHOR, "văn bản đúng", file_there=False)
        assert halts.lift(conn, SECOND, "văn bản đúng", file_there=False)
        assert recovery.locks(conn) == []
        row = conn.execute("SELECT act, person FROM audit ORDER BY id DESC LIMIT 1").fetchone()
    assert row == ("sending.lift", SECOND.login)
    play.settled(wave, *SENT)
    assert len(play.taken()) == play.taken().total() == 400


def _heard(play: Stage) -> bool:
    with play.house.begin() as conn:
        found = halts.hearings(conn)
    return bool(found) and all(worker.locked for worker in found)


def test_no_statement_takes_the_kill_switch_away(house: House) -> None:
    """While it is on its line stays, and nobody alone is both persons: the database refuses."""
    with house.begin() as conn:
        halts.stop(conn, AUTHOR.login, "tested")
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute("UPDATE installation SET locked_reason = ''")
    alone = "UPDATE halt SET asked_by = 'an', asked_at = now(), lifted_by = 'an', lifted_at = now()"
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute(alone)


def test_the_file_stops_also_while_nobody_sends(house: House) -> None:
    """The sweeper writes it down, so that the file's end opens nothing; it must be gone before anybody lifts."""
    file = house.settings.kill_switch_file
    file.touch()
    try:
        sweeper.sweep(house)
        with pytest.raises(Problem, match="still there"), house.begin() as conn:
            halts.lift(conn, AUTHOR, "tested", file_there=file.exists())
    finally:
        file.unlink()
    sweeper.sweep(house)
    with house.begin() as conn:
        found = halts.current(conn)
    assert found is not None
    assert found.by == halts.BY_FILE


def _counted(house: House, wave: Wave, **moved: int) -> None:
    """Move messages of the counters from queued into other states, as a fold would."""
    with house.begin() as conn:
        for name, n in moved.items():
            for state, change in ((State[name.upper()], n), (State.QUEUED, -n)):
                conn.execute(
                    "UPDATE wave_count SET n = n + %s WHERE ctid = (SELECT ctid FROM wave_count"
                    " WHERE wave = %s AND state = %s ORDER BY n DESC LIMIT 1)",
                    (change, wave.id, state.value),
                )


@pytest.mark.parametrize(
    ("moved", "why"),
    [
        ({"refused": 11, "delivered": 9}, "auto-pause: 11 of 20 failed"),
        ({"undelivered": 11, "delivered": 9}, "auto-pause: 11 of 20 failed"),
        ({"undelivered": 20, "refused": 21}, "auto-pause: 21 of 41 failed"),
        ({"uncertain": 5, "delivered": 15}, "auto-pause: 5 of 20 uncertain"),
        ({"refused": 10, "delivered": 10}, ""),
        ({"refused": 19}, ""),
    ],
)
def test_a_wave_that_fails_too_often_pauses_by_itself(
    house: House, started: Started, moved: dict[str, int], why: str
) -> None:
    """Above the share of a span it pauses with its reason; at the share, or before the span is full, it goes on."""
    wave = started(n=200, account=ACCOUNT)
    house.settings = house.settings.model_copy(
        update={"auto_pause_span": 20, "auto_pause_failed": 50, "auto_pause_uncertain": 20}
    )
    alarm = Alarm(house)
    alarm.look()
    _counted(house, wave, **moved)
    alarm.look()
    with house.begin() as conn:
        assert progress.state_reason(conn, wave.id) == why
        assert waves.get(conn, wave.id).state == ("paused" if why else "running")
    if why:
        with house.begin() as conn:
            waves.move(conn, wave.id, "an", "resume", "looked at it")
        alarm.look()
        alarm.look()
        with house.begin() as conn:
            assert waves.get(conn, wave.id).state == "running"  # the next span counts


def test_a_flood_of_late_receipts_pauses_nothing(house: House, started: Started) -> None:
    """Of 44 receipts 11 say "undelivered": few, though more than half of the 20 messages answered meanwhile."""
    wave = started(n=200, account=ACCOUNT)
    house.settings = house.settings.model_copy(update={"auto_pause_span": 20, "auto_pause_failed": 50})
    _counted(house, wave, accepted=50)
    alarm = Alarm(house)
    alarm.look()
    _counted(house, wave, accepted=20 - 44, delivered=33, undelivered=11)
    alarm.look()
    with house.begin() as conn:
        assert waves.get(conn, wave.id).state == "running"


@pytest.mark.parametrize(("code", "state"), [("~crash", "running"), ("~lost", "paused")])
def test_the_doubt_of_our_own_crash_pauses_nothing(house: House, started: Started, code: str, state: str) -> None:
    """A killed worker leaves what was on the wire in doubt; receipts settle it. The carrier's own silence pauses."""
    wave = started(n=200, account=ACCOUNT)
    house.settings = house.settings.model_copy(update={"auto_pause_span": 20, "auto_pause_uncertain": 20})
    alarm = Alarm(house)
    alarm.look()
    with house.begin() as conn:
        places = hand.open_all(conn, wave.id)
        doubts = [(*place, "answer", Outcome.UNCERTAIN, code, "") for place in list(places.values())[:50]]
        logbook.append(conn, wave.id, doubts)
        hand.fold_all(conn, wave.id)
    alarm.look()
    with house.begin() as conn:
        assert waves.get(conn, wave.id).state == state


def test_the_status_of_a_running_wave(play: Stage, started: Started) -> None:
    """What workers tell: on the wire, speed under the licence, time left; and the carrier's complaints with advice."""
    wave = started(n=400, account=ACCOUNT)
    play.carrier(latency=0.3, refuse=0.2)
    play.sender(licence=200)
    play.reach(wave, 60)
    seen: list[progress.Going] = []

    def busy() -> bool:
        seen.append(_going(play, wave))
        return bool(seen[-1].speed and seen[-1].on_wire)

    play.go_on(wave, busy)
    now = seen[-1]
    assert (now.workers, now.told is not None) == (1, True)
    assert 0 < now.on_wire <= 400
    assert 0 < now.waiting < 400
    assert now.eta(4)
    play.finish(wave)
    with play.house.begin() as conn:
        told = progress.complaints(conn, wave.id)
        assert progress.age(conn, wave.id) >= 0.0
    refused = [each for each in told if each.outcome is Outcome.REFUSED]
    assert 0 < sum(each.messages for each in refused) <= play.counts(wave)[State.REFUSED]  # the newest ones
    assert all(advice(speak("vi"), each.outcome) for each in told)


def _going(play: Stage, wave: Wave) -> progress.Going:
    with play.house.begin() as conn:
        [found] = progress.going(conn, wave.id)
    return found
