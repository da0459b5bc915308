"""Budgets: no intent above a ceiling, whoever writes it; a pause with its figures; other ceilings by two persons."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest

from campaigns.ledger import budgets, fold, late, waves
from campaigns.ledger.late import Hours
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, Problem
from dispatcher import acts
from dispatcher.going import why_paused
from dispatcher.words import speak
from tests.cluster import APPROVER, AUTHOR, SECOND, Planned, start
from tests.hand import NOW, fold_all, one, open_window, right, shut_down, take, tell
from workers.house import House

N = 60
MOST = 25


@pytest.fixture(scope="module")
def tight(built: House, tmp_path_factory: pytest.TempPathFactory) -> Wave:
    """A running wave of 60 messages on one account, of which 25 may leave, and 20 a day."""
    planned = Planned(built, tmp_path_factory.mktemp("lists"))
    ceilings = {"wave": {"messages": MOST}, "day": {"messages": 20}}
    return start(built, planned(n=N, account="sim-smpp", batch_size=1000, budget=ceilings))


def room(conn: psycopg.Connection, wave: Wave, seq: int = 0) -> int | None:
    of = "SELECT budget_room(wave, carrier) FROM batch WHERE wave = %s AND kind = 'first' AND seq = %s"
    found: int | None = one(conn, of, wave.id, seq)[0]
    return found


@pytest.mark.parametrize(
    "budget",
    [
        {"wave": {"messages": 7}},
        {"wave": {"segments": 15}},
        {"wave": {"dong": 15 * 300}},
        {"day": {"messages": 7}},
        {"day": {"segments": 14, "dong": 10**9}},
        {"wave": {"messages": 60}, "day": {"dong": 16 * 300 - 1}},
    ],
)
def test_every_ceiling_leaves_room_for_whole_messages(planned: Planned, budget: budgets.Ceilings) -> None:
    """Of a text of two segments at 300 dong each, seven messages fit."""
    draft = planned.draft(planned.audience(n=40), account="sim-smpp", batch_size=1000, budget=budget)
    texts = {choice: {**text, "segments": 2} for choice, text in draft.texts.items()}
    draft = replace(draft, texts=texts, prices=dict.fromkeys(draft.prices, 300))
    wave = start(planned.house, acts.plan_wave(planned.house, draft, AUTHOR.login))
    with planned.house.begin() as conn:
        assert room(conn, wave) == 7


def test_the_database_refuses_an_intent_above_the_budget(app: psycopg.Connection, tight: Wave) -> None:
    arguments = right(app, tight.id, want=21)
    with pytest.raises(psycopg.errors.CheckViolation, match="over its budget"), app.transaction():
        take(app, arguments)
    assert room(app, tight) == 20
    assert take(app, arguments | {"want": 20})[:2] == ("ok", 20)
    assert room(app, tight) == 0


def test_what_never_left_is_given_back_to_the_budget(app: psycopg.Connection, tight: Wave) -> None:
    """Refused, not sent and left-out messages cost nothing; accepted ones and those in doubt do."""
    window = open_window(app, tight.id, want=20)
    outcomes = [Outcome.REFUSED, Outcome.NOT_SENT, Outcome.SKIPPED, Outcome.ACCEPTED, Outcome.UNCERTAIN]
    tell(app, tight.id, [((window, no), "answer", outcomes[no % 5]) for no in range(20)])
    fold_all(app, tight.id, slot=NOW)
    assert room(app, tight) == 12
    assert [(line.scope, line.used) for line in budgets.lines(app, tight.id)] == [("wave", 8), ("day", 8)]


def test_a_day_begins_anew_and_the_whole_stays(owner: psycopg.Connection, tight: Wave) -> None:
    assert room(owner, tight) == 20
    open_window(owner, tight.id, want=20)
    assert room(owner, tight) == 0
    owner.execute("UPDATE budget_day SET day = day - 1 WHERE wave = %s", (tight.id,))
    assert room(owner, tight) == MOST - 20


def test_a_wave_pauses_once_nothing_can_come_back(app: psycopg.Connection, tight: Wave) -> None:
    assert room(app, tight) == 20
    window = open_window(app, tight.id, want=20)
    assert one(app, "SELECT budget_reached(%s)", tight.id) == (False,)
    tell(app, tight.id, [((window, no), "answer", Outcome.ACCEPTED) for no in range(20)])
    fold_all(app, tight.id)
    assert one(app, "SELECT budget_reached(%s)", tight.id) == (True,)
    assert one(app, "SELECT budget_reached(%s)", tight.id) == (False,)
    state, reason = one(app, "SELECT state, state_reason FROM wave WHERE id = %s", tight.id)
    assert (state, reason) == ("paused", "budget: 40 wait, day messages 20")
    assert why_paused(speak("vi"), reason).startswith("đã chạm ngân sách (mỗi ngày: 20 bản tin), 40 bản tin chưa gửi")
    assert [line.alert for line in budgets.lines(app, tight.id)] == [True, True]
    with pytest.raises(Problem, match="used up"):
        waves.move(app, tight.id, AUTHOR.login, "resume")


def test_two_persons_change_a_budget(app: psycopg.Connection, tight: Wave) -> None:
    """One asks with a reason; only another approver, who gives the same figures, sets them; the author never."""
    more = {"wave": {"messages": 50}, "day": {"messages": 30}}
    with pytest.raises(Problem, match="why the budget"):
        budgets.change(app, tight.id, more, AUTHOR, " ")
    assert not budgets.change(app, tight.id, more, APPROVER, "thêm xã")
    with pytest.raises(Problem, match="not an approver"):
        budgets.change(app, tight.id, more, AUTHOR, "")
    assert not budgets.change(app, tight.id, {"wave": {"messages": 51}}, SECOND, "khác")  # another wish, not a yes
    assert room(app, tight) == 20
    assert not budgets.change(app, tight.id, more, APPROVER, "thêm xã")
    assert not budgets.change(app, tight.id, more, APPROVER, "thêm xã")  # the same person again
    assert budgets.change(app, tight.id, more, SECOND, "")
    assert room(app, tight) == 30
    acts = app.execute("SELECT act, person FROM audit ORDER BY id DESC LIMIT 2").fetchall()
    assert acts == [("budget.agree", SECOND.login), ("budget.ask", APPROVER.login)]


def test_no_statement_lets_one_person_or_the_author_set_a_budget(app: psycopg.Connection, tight: Wave) -> None:
    add = (
        "INSERT INTO budget_change (wave, plan_hash, ceilings, asked_by, asked_why, agreed_by, agreed_at)"
        " VALUES (%s, %s, '{\"day\": {\"messages\": 60}}', %s, 'x', %s, now())"
    )
    with pytest.raises(psycopg.errors.CheckViolation), app.transaction():
        app.execute(add, (tight.id, tight.plan_hash, "binh", "binh"))
    app.execute(add, (tight.id, tight.plan_hash, "binh", AUTHOR.login))
    app.execute(add, (tight.id, "another plan", "binh", "chung"))
    assert room(app, tight) == 20


def test_new_hours_take_over_what_two_persons_agreed_to(owner: psycopg.Connection, tight: Wave) -> None:
    """In the plan that is approved anew, so that an approver sees it; nobody slips other ceilings in."""
    more = {"wave": {"messages": 50}}
    assert not budgets.change(owner, tight.id, more, APPROVER, "thêm xã")
    assert budgets.change(owner, tight.id, more, SECOND, "")
    shut_down(owner, tight.id)
    fold.close_waves(owner)
    wanted = Hours(datetime.now(UTC), datetime.now(UTC) + timedelta(days=1), time(0), time(0))
    slip = (
        "SELECT reopen_wave(id, plan || jsonb_build_object('before', plan_hash{}), 'x', 'an') FROM wave WHERE id = %s"
    )
    for budget in ("", ", 'budget', jsonb_build_object('wave', jsonb_build_object('messages', 51))"):
        with pytest.raises(psycopg.errors.CheckViolation, match="cannot be given"), owner.transaction():
            owner.execute(slip.format(budget), (tight.id,))
    found = late.reopen(owner, tight.id, SECOND, wanted, "mất điện")
    assert found.plan["budget"] == tight.plan["budget"] | more
    assert [(line.scope, line.ceiling) for line in budgets.lines(owner, tight.id)] == [("wave", 50), ("day", 20)]


@pytest.mark.parametrize("budget", [{"wave": {"calls": 3}}, {"month": {"dong": 1}}, {"day": {"dong": 0}}])
def test_what_is_no_ceiling_is_told(planned: Planned, budget: budgets.Ceilings) -> None:
    with pytest.raises(Problem, match="is no ceiling"):
        planned(n=20, budget=budget)


def test_a_budget_is_part_of_what_is_approved(planned: Planned) -> None:
    """Another ceiling is another plan; without one the plan has no such key, and none can be set later."""
    ceilings: list[budgets.Ceilings] = [{}, {"wave": {"dong": 5}}, {"wave": {"dong": 6}}, {"day": {"dong": 5}}]
    found = [planned(n=20, seed=3, budget=budget) for budget in ceilings]
    assert len({wave.plan_hash for wave in found}) == len(found)
    assert ["budget" in wave.plan for wave in found] == [False, True, True, True]
    with pytest.raises(Problem, match="without a budget"), planned.house.begin() as conn:
        budgets.change(conn, found[0].id, {"wave": {"dong": 9}}, APPROVER, "x")
