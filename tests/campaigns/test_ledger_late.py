"""Waves whose hours passed while nothing could send, on the real database: times are moved back, never the clock."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest

from campaigns.ledger import fold, late, waves
from campaigns.ledger.fold import Policy
from campaigns.ledger.late import Hours
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, Problem, State
from tests.cluster import APPROVER, AUTHOR, SECOND
from tests.hand import messages, one, open_all, shut_down, tell

POLICY = Policy(chunks=40, tries=5, first=10.0, slot=1.0)
DAY = timedelta(days=1)


def ahead(hours: float = 5) -> Hours:
    now = datetime.now(UTC)
    return Hours(now, now + timedelta(hours=hours), time(0), time(0))


def states(owner: psycopg.Connection, wave: Wave) -> Counter[State]:
    return Counter(state for state, _, _ in messages(owner, wave.id).values())


@pytest.mark.parametrize("state", ["running", "paused"])
def test_a_wave_whose_hours_passed_while_nothing_could_send_asks(
    owner: psycopg.Connection, running: Wave, state: str
) -> None:
    """It neither expires nor is finished, however often one looks; what comes back unsent waits; no resuming."""
    places = open_all(owner, running.id)
    owner.execute("UPDATE wave SET state = %s::wave_state WHERE id = %s", (state, running.id))
    shut_down(owner, running.id)
    tell(owner, running.id, [(place, "closed", Outcome.NOT_SENT) for place in places.values()])
    fold.fold(owner, running.id, POLICY)
    owner.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (running.id,))
    assert fold.close_waves(owner) == fold.close_waves(owner) == []
    assert waves.get(owner, running.id).asks
    assert states(owner, running) == {State.QUEUED: running.n}
    assert one(owner, "SELECT count(*) FROM audit WHERE act = 'wave.ask' AND subject = %s", str(running.id)) == (1,)
    with pytest.raises(Problem, match="new hours"):
        waves.move(owner, running.id, AUTHOR.login, "resume")


@pytest.mark.parametrize(
    ("alive_hours", "asks"), [(9.9, True), (9.995, False), (72, False)], ids=["6 min", "18 s", "all the time"]
)
def test_a_restart_is_no_shutdown(owner: psycopg.Connection, running: Wave, alive_hours: float, *, asks: bool) -> None:
    """Less than a minute without a worker: the rest expires, as the plan says."""
    shut_down(owner, running.id, alive_hours=alive_hours)
    fold.close_waves(owner)
    assert waves.get(owner, running.id).asks == asks
    assert states(owner, running) == {State.QUEUED if asks else State.EXPIRED: running.n}


def test_a_night_without_workers_is_none_of_its_hours(owner: psycopg.Connection, running: Wave) -> None:
    """Two days from 08:00 to 20:00, nobody there from 21:00 to 07:00: nothing was missed; from 19:00 on: an hour."""
    midnight = "date_trunc('day', now() AT TIME ZONE 'Asia/Ho_Chi_Minh')"
    owner.execute(
        f"UPDATE wave SET opens_at = ({midnight} - interval '64 h') AT TIME ZONE 'Asia/Ho_Chi_Minh', started_at ="
        f" '2024-01-01', closes_at = ({midnight} - interval '28 h') AT TIME ZONE 'Asia/Ho_Chi_Minh',"
        " day_opens = '08:00', day_closes = '20:00' WHERE id = %s",
        (running.id,),
    )
    owner.execute("INSERT INTO account_seen SELECT DISTINCT account, now() FROM batch WHERE wave = %s", (running.id,))
    for begins, missed in ((51, 0), (53, 1)):
        owner.execute("DELETE FROM outage")
        owner.execute(
            f"INSERT INTO outage SELECT account, ({midnight} - make_interval(hours => %s)) AT TIME ZONE"
            f" 'Asia/Ho_Chi_Minh', ({midnight} - interval '41 h') AT TIME ZONE 'Asia/Ho_Chi_Minh' FROM account_seen",
            (begins,),
        )
        row = one(owner, "SELECT missed_hours(wave) FROM wave WHERE id = %s", running.id)
        assert row == (timedelta(hours=missed),)


def test_who_comes_back_is_seen_and_the_gap_is_kept(owner: psycopg.Connection, running: Wave) -> None:
    """A worker that is alive again does not hide that nobody was there."""
    shut_down(owner, running.id)
    owner.execute(
        "INSERT INTO share (account, holder, rate, until) SELECT account, 1, 0, now() + interval '1 min'"
        " FROM account_seen"
    )
    late.see(owner)
    late.see(owner)
    assert one(owner, "SELECT count(*) = (SELECT count(*) FROM account_seen) FROM outage") == (True,)
    assert one(owner, "SELECT bool_and(at > now() - interval '1 min') FROM account_seen") == (True,)
    assert late.ask(owner) == [running.id]


def test_ended_by_a_person_it_is_counted(owner: psycopg.Connection, running: Wave) -> None:
    """Cancelling ends the question; every message of the rest is counted as cancelled."""
    shut_down(owner, running.id)
    fold.close_waves(owner)
    waves.move(owner, running.id, APPROVER.login, "cancel", "too late")
    assert fold.close_waves(owner) == [running.id]
    assert states(owner, running) == {State.CANCELLED: running.n}


def test_new_hours_are_a_new_plan_for_another_person_to_approve(owner: psycopg.Connection, running: Wave) -> None:
    """Only the hours change; no approval given before counts, who gave the hours may not approve, the text stays."""
    shut_down(owner, running.id)
    fold.close_waves(owner)
    found = late.reopen(owner, running.id, SECOND, ahead(), "đường điện hỏng")
    assert (found.state, found.asks, found.plan["before"]) == ("planned", False, running.plan_hash)
    assert found.plan_hash != running.plan_hash
    kept = {name: value for name, value in found.plan.items() if name not in {"window", "before"}}
    assert kept == {name: value for name, value in running.plan.items() if name != "window"}
    assert waves.approvals(owner, found) == []
    with pytest.raises(Problem, match="0 of 1"):
        waves.start(owner, running.id, APPROVER)
    for person, choice in ((SECOND, "corrected"), (AUTHOR, "corrected"), (APPROVER, "verbatim")):
        with pytest.raises(Problem):
            waves.approve(owner, running.id, person, typed=running.n, choice=choice, reason="x")
    waves.approve(owner, running.id, APPROVER, typed=running.n, choice="corrected", reason="x")
    again = waves.start(owner, running.id, APPROVER)
    assert (again.state, again.text) == ("running", running.text)
    assert again.started_at is not None
    assert again.started_at < datetime.now(UTC) - DAY
    assert fold.close_waves(owner) == []
    assert one(owner, "SELECT is_late(wave) FROM wave WHERE id = %s", running.id) == (False,)


def test_the_database_itself_refuses_other_changes(owner: psycopg.Connection, running: Wave) -> None:
    """A reopened plan that changes more than its hours, of a wave that does not ask, or approved by who made it."""
    function = (
        "SELECT reopen_wave(%s, plan || %s::jsonb || jsonb_build_object('before', plan_hash), 'x', 'an')"
        " FROM wave WHERE id = %s"
    )
    for change in ('{"approvals_due": 0}', "{}"):
        with pytest.raises(psycopg.errors.CheckViolation), owner.transaction():
            owner.execute(function, (running.id, change, running.id))
        shut_down(owner, running.id)
        if change != "{}":
            fold.close_waves(owner)
            with pytest.raises(psycopg.errors.CheckViolation), owner.transaction():
                owner.execute(function, (running.id, change, running.id))
            owner.execute("UPDATE wave SET asks_since = NULL WHERE id = %s", (running.id,))
    fold.close_waves(owner)
    found = late.reopen(owner, running.id, SECOND, ahead(), "x")
    with pytest.raises(psycopg.errors.CheckViolation), owner.transaction():
        owner.execute(
            "INSERT INTO approval (wave, plan_hash, person, choice, reason, typed)"
            " VALUES (%s, %s, %s, 'corrected', '', 1)",
            (found.id, found.plan_hash, SECOND.login),
        )


@pytest.mark.parametrize(
    ("hours", "reason", "said"), [(ahead(-1), "x", "over already"), (ahead(), " ", "say why")], ids=["past", "no word"]
)
def test_what_makes_no_sense_is_told(
    owner: psycopg.Connection, running: Wave, hours: Hours, reason: str, said: str
) -> None:
    with pytest.raises(Problem, match="does not ask"):
        late.reopen(owner, running.id, AUTHOR, hours, reason)
    shut_down(owner, running.id)
    fold.close_waves(owner)
    with pytest.raises(Problem, match=said):
        late.reopen(owner, running.id, AUTHOR, hours, reason)


def test_an_approver_may_send_the_hours_back(owner: psycopg.Connection, running: Wave) -> None:
    shut_down(owner, running.id)
    fold.close_waves(owner)
    late.reopen(owner, running.id, AUTHOR, ahead(), "x")
    late.ask_again(owner, running.id)
    assert waves.get(owner, running.id).asks
    assert late.reopen(owner, running.id, AUTHOR, ahead(), "x").state == "planned"


def test_an_approved_wave_does_not_begin_after_its_hours(owner: psycopg.Connection, running: Wave) -> None:
    """Approved, and then nobody was there to start it: it is planned again."""
    owner.execute(
        "UPDATE wave SET state = 'planned', started_at = NULL, opens_at = '2024-01-01', closes_at = now()"
        " WHERE id = %s",
        (running.id,),
    )
    with pytest.raises(Problem, match="plan it again"):
        waves.start(owner, running.id, APPROVER)
