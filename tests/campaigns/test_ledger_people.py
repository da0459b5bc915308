"""Approvals and moves: who may, when, and that each act is written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from campaigns.ledger import people, waves
from campaigns.ledger.people import Person
from campaigns.ledger.waves import MOVES, Wave
from campaigns.terms import Problem
from dispatcher.assemble import Site
from tests.cluster import APPROVER, AUTHOR, SECOND, Planned, Started
from tests.hand import one, right, take
from workers.house import House

STATES = ("planned", "running", "paused", "cancelled", "finished")
APPROVING_AUTHOR = Person(AUTHOR.login, AUTHOR.name, ("officer", "approver"))


def approve(conn: psycopg.Connection, wave: Wave, person: Person = APPROVER, **other: Any) -> int:
    given: dict[str, Any] = {"typed": wave.n, "choice": "corrected", "reason": "tested"} | other
    return waves.approve(conn, wave.id, person, **given)


def audited(conn: psycopg.Connection, wave: Wave) -> list[tuple[str, str]]:
    rows = conn.execute("SELECT person, act FROM audit WHERE subject = %s ORDER BY id", (str(wave.id),))
    return [(person, act) for person, act in rows]


@pytest.fixture(scope="module")
def wave(built: House, tmp_path_factory: pytest.TempPathFactory) -> Wave:
    """A planned wave, for tests that roll back what they do to it."""
    return Planned(built, tmp_path_factory.mktemp("lists"))(n=12, account="sim-smpp")


REFUSED: dict[str, tuple[Person, dict[str, Any], str]] = {
    "by its author": (APPROVING_AUTHOR, {}, "planned this wave"),
    "by an officer": (Person("dung", "Dung", ("officer",)), {}, "not an approver"),
    "by nobody in particular": (Person("dung", "Dung", ()), {}, "not an approver"),
    "one too few": (APPROVER, {"typed": 11}, "typed 11 recipients, the plan has 12"),
    "one too many": (APPROVER, {"typed": 13}, "typed 13"),
    "none": (APPROVER, {"typed": 0}, "typed 0"),
    "no such text": (APPROVER, {"choice": "mine"}, "verbatim, corrected"),
    "no text": (APPROVER, {"choice": ""}, "choose the text"),
    "another plan than was shown": (APPROVER, {"plan_hash": "0" * 64}, "changed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_approval_is_refused(app: psycopg.Connection, wave: Wave, case: str) -> None:
    """Told why, and nothing is written."""
    person, other, sentence = REFUSED[case]
    with pytest.raises(Problem, match=sentence):
        approve(app, wave, person, **other)
    assert one(app, "SELECT count(*) FROM approval WHERE wave = %s", wave.id) == (0,)
    assert audited(app, wave) == [(AUTHOR.login, "wave.plan")]


def test_an_approval_of_nothing_is_refused(app: psycopg.Connection) -> None:
    """There is no wave 1."""
    with pytest.raises(Problem, match="no wave 1"):
        waves.approve(app, 1, APPROVER, typed=1, choice="corrected", reason="")


def test_a_corrected_text_needs_a_reason(app: psycopg.Connection, wave: Wave) -> None:
    """The report cites why the ordered text was changed; the verbatim one needs no reason."""
    with pytest.raises(Problem, match="why the ordered text is corrected"):
        approve(app, wave, choice="corrected", reason=" ")
    assert audited(app, wave) == [(AUTHOR.login, "wave.plan")]


@pytest.mark.parametrize("state", STATES[1:])
def test_only_a_planned_wave_is_approved(owner: psycopg.Connection, wave: Wave, state: str) -> None:
    """Running, paused, cancelled, finished: too late."""
    owner.execute("UPDATE wave SET state = %s::wave_state WHERE id = %s", (state, wave.id))
    with pytest.raises(Problem, match=f"is {state}"):
        approve(owner, wave)


def test_a_second_word_of_the_same_person_counts_once(app: psycopg.Connection, planned: Planned) -> None:
    """Two are due: one person twice is one; a second person makes it two."""
    wave = planned(n=12, account="sim-smpp", approvals_due=2)
    assert [approve(app, wave), approve(app, wave), approve(app, wave, SECOND)] == [1, 1, 0]
    assert len(waves.approvals(app, wave)) == 2
    assert audited(app, wave)[1:] == [(APPROVER.login, "wave.approve"), (SECOND.login, "wave.approve")]


def test_a_person_who_changes_the_choice_is_told(app: psycopg.Connection, wave: Wave) -> None:
    """Once given, a word stands; who then chooses the other text must not believe that it was taken."""
    approve(app, wave, choice="verbatim")
    with pytest.raises(Problem):
        approve(app, wave, choice="corrected")
    assert [given.choice for given in waves.approvals(app, wave)] == ["verbatim"]


@pytest.mark.parametrize("given", [0, 1])
def test_a_start_without_its_approvals_is_refused(app: psycopg.Connection, planned: Planned, given: int) -> None:
    """By the sentence, and by T1 against a database that says "running" all the same."""
    wave = planned(n=12, account="sim-smpp", approvals_due=given + 1)
    for _ in range(given):
        approve(app, wave)
    with pytest.raises(Problem, match=f"{given} of {given + 1} approvals"):
        waves.start(app, wave.id, AUTHOR)
    text = wave.plan["texts"]["corrected"]
    app.execute(
        "UPDATE wave SET state = 'running', choice = 'corrected', text = %s, text_sha256 = %s WHERE id = %s",
        (text["text"], text["sha256"], wave.id),
    )
    assert take(app, right(app, wave.id)) == ("approval", None, None)


def test_an_approval_of_an_older_plan_starts_nothing(owner: psycopg.Connection, wave: Wave) -> None:
    """An approval is of one hash; it does not pass on to another plan."""
    approve(owner, wave)
    owner.execute("UPDATE wave SET plan_hash = 'another' WHERE id = %s", (wave.id,))
    with pytest.raises(Problem, match="0 of 1"):
        waves.start(owner, wave.id, AUTHOR)


@pytest.mark.parametrize("due", [1, 2])
def test_approvers_who_chose_different_texts_start_nothing(app: psycopg.Connection, planned: Planned, due: int) -> None:
    """Nobody knows which text would go out: it must be planned again."""
    wave = planned(n=12, account="sim-smpp", approvals_due=due)
    approve(app, wave, choice="verbatim")
    approve(app, wave, SECOND, choice="corrected")
    with pytest.raises(Problem, match="different texts"):
        waves.start(app, wave.id, AUTHOR)


@pytest.mark.parametrize("choice", ["verbatim", "corrected"])
def test_the_start_sets_the_chosen_text(app: psycopg.Connection, wave: Wave, choice: str) -> None:
    """The text of the approver's choice with its hash, from the plan; then T1 says yes."""
    approve(app, wave, choice=choice)
    running = waves.start(app, wave.id, AUTHOR)
    text = wave.plan["texts"][choice]
    assert (running.state, running.text, running.text_sha256, running.choice) == (
        "running", text["text"], text["sha256"], choice,
    )  # fmt: skip
    assert running.started_at is not None
    assert take(app, right(app, wave.id))[0] == "ok"


@pytest.mark.parametrize("state", STATES[1:])
def test_only_a_planned_wave_is_started(owner: psycopg.Connection, wave: Wave, state: str) -> None:
    """Nothing is started twice, and nothing that was stopped for good comes back."""
    approve(owner, wave)
    owner.execute("UPDATE wave SET state = %s::wave_state WHERE id = %s", (state, wave.id))
    with pytest.raises(Problem, match=f"is {state}"):
        waves.start(owner, wave.id, AUTHOR)


@pytest.mark.parametrize("act", MOVES)
@pytest.mark.parametrize("state", STATES)
def test_each_move_is_allowed_where_the_table_says(owner: psycopg.Connection, wave: Wave, state: str, act: str) -> None:
    """Pause, resume, cancel from each state: what is allowed raises the stop number, the rest changes nothing."""
    owner.execute("UPDATE wave SET state = %s::wave_state WHERE id = %s", (state, wave.id))
    before = waves.get(owner, wave.id)
    allowed, after = MOVES[act]
    if state in allowed:
        moved = waves.move(owner, wave.id, SECOND.login, act, "because")
        assert (moved.state, moved.stop_seq) == (after, before.stop_seq + 1)
        assert audited(owner, wave)[-1] == (SECOND.login, f"wave.{act}")
    else:
        with pytest.raises(Problem, match=f"is {state}"):
            waves.move(owner, wave.id, SECOND.login, act, "because")
        assert waves.get(owner, wave.id) == before
        assert audited(owner, wave) == [(AUTHOR.login, "wave.plan")]


def test_what_was_cancelled_never_sends_again(app: psycopg.Connection, started: Started) -> None:
    """No move leads out of cancelled, and T1 says no."""
    wave = started(n=5, account="sim-smpp")
    arguments = right(app, wave.id, seq=one(app, "SELECT min(seq) FROM batch WHERE wave = %s", wave.id)[0])
    waves.move(app, wave.id, APPROVER.login, "cancel")
    for act in MOVES:
        with pytest.raises(Problem):
            waves.move(app, wave.id, APPROVER.login, act)
    assert take(app, arguments)[0] == "stopped"


def test_every_act_is_in_the_audit_log(app: psycopg.Connection, wave: Wave) -> None:
    """Plan, approval, start and each move, by whom and in order, with the hash, the choice and the reason."""
    approve(app, wave, reason="as the letter says")
    waves.start(app, wave.id, SECOND)
    for person, act in ((AUTHOR, "pause"), (SECOND, "resume"), (APPROVER, "cancel")):
        waves.move(app, wave.id, person.login, act, f"{act} it")
    assert audited(app, wave) == [
        ("an", "wave.plan"), ("binh", "wave.approve"), ("chung", "wave.start"),
        ("an", "wave.pause"), ("chung", "wave.resume"), ("binh", "wave.cancel"),
    ]  # fmt: skip
    rows = app.execute("SELECT act, details FROM audit WHERE subject = %s", (str(wave.id),)).fetchall()
    details: dict[str, Any] = dict(rows)
    approved = details["wave.approve"]
    assert {key: approved[key] for key in ("plan_hash", "choice", "reason")} == {
        "plan_hash": wave.plan_hash, "choice": "corrected", "reason": "as the letter says",
    }  # fmt: skip
    assert len(approved["text_sha256"]) == 64
    assert details["wave.cancel"] == {"reason": "cancel it"}


ACTS: list[Callable[[psycopg.Connection, Wave], object]] = [
    lambda conn, wave: waves.move(conn, wave.id, APPROVER.login, "pause"),
    lambda conn, wave: waves.move(conn, wave.id, APPROVER.login, "resume"),
    lambda conn, wave: waves.move(conn, wave.id, APPROVER.login, "cancel"),
]


def test_whoever_listens_is_told_at_once(site: Site, house: House, planned: Planned) -> None:
    """Start, pause, resume and cancel each reach a listening worker when they are committed, not before."""
    wave = planned(n=5, account="sim-smpp")
    with psycopg.connect(site.app, autocommit=True) as ear:
        ear.execute("LISTEN dispatcher")
        for act in (lambda conn, wave: (approve(conn, wave), waves.start(conn, wave.id, APPROVER)), *ACTS):
            with house.begin() as conn:
                act(conn, wave)
                assert list(ear.notifies(timeout=0)) == []
            heard = [json.loads(told.payload) for told in ear.notifies(timeout=5, stop_after=1)]
            assert heard == [{"wave": str(wave.id)}]


# -- keys --------------------------------------------------------------------------------------------------------------


def test_a_key_opens_for_its_person_until_it_ends(owner: psycopg.Connection, site: Site) -> None:
    """The key itself is nowhere in the database; revoked, over, or of a disabled person, it opens nothing."""
    people.add_person(owner, "dung", "Dung", ["officer"])
    key = people.new_key(owner, "dung", ["read", "write"])
    assert people.require(owner, "dung", key, "write").login == "dung"
    assert key not in str(owner.execute("SELECT person_key::text FROM person_key").fetchall())
    for login, shown, scope in (
        ("binh", key, "read"),
        ("dung", key[:-1], "read"),
        ("dung", "", "read"),
        ("dung", key, "approve"),
    ):
        with pytest.raises(Problem):
            people.require(owner, login, shown, scope)
    for ending in (
        "UPDATE person_key SET revoked_at = now()",
        "UPDATE person_key SET expires_at = now()",
        "UPDATE person SET disabled_at = now()",
    ):
        with owner.transaction(force_rollback=True):
            owner.execute(ending)
            assert people.who(owner, key) is None
    assert people.who(owner, key)
