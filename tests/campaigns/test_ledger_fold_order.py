"""The same evidence in any order, cut into any chunks, folded at any time and told any number of times: one result."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, State
from dispatcher.assemble import Site
from tests.hand import NOW, Counts, counted, fold_all, grouped, messages, open_all, tell

Evidence = tuple[str, Outcome]

ANSWERS: list[tuple[Evidence, ...]] = [
    (),
    (("answer", Outcome.ACCEPTED),),
    (("answer", Outcome.REFUSED),),
    (("answer", Outcome.DEFERRED),),
    (("closed", Outcome.NOT_SENT),),
    (("answer", Outcome.UNCERTAIN),),
    (("answer", Outcome.UNCERTAIN), ("look-up", Outcome.ACCEPTED)),
    (("answer", Outcome.UNCERTAIN), ("look-up", Outcome.REFUSED)),
    (("answer", Outcome.UNCERTAIN), ("look-up", Outcome.NOT_SENT)),
    (("answer", Outcome.REFUSED), ("answer", Outcome.ACCEPTED)),
    (("answer", Outcome.NOT_SENT), ("look-up", Outcome.ACCEPTED)),
    (("closed", Outcome.SKIPPED),),
]
"""What may be said at once, or found out, of one attempt. Not here: "not sent" and "refused" of the same attempt, where
the first one heard decides whether another attempt exists."""
RECEIPTS: list[tuple[Evidence, ...]] = [
    (),
    (("receipt", Outcome.DELIVERED),),
    (("receipt", Outcome.UNDELIVERED),),
    (("receipt", Outcome.UNDELIVERED), ("receipt", Outcome.DELIVERED)),
]
Lines = list[tuple[int, str, Outcome]]
FEW = 6
"""Messages in an example."""


@pytest.fixture
def owner(site: Site, running: Wave) -> Iterator[psycopg.Connection]:
    """A line whose transactions each example rolls back itself."""
    with psycopg.connect(site.owner, autocommit=True) as line:
        yield line


def outcome_of(evidence: tuple[Evidence, ...]) -> State:
    """What a message must become, from the set of what is known of its only sent attempt."""
    known = {outcome for _, outcome in evidence}
    if strong := [outcome for outcome in known if outcome >= Outcome.ACCEPTED]:
        return State(max(strong))
    if Outcome.REFUSED in known:
        return State.REFUSED
    if known & {Outcome.NOT_SENT, Outcome.DEFERRED}:
        return State.QUEUED
    if Outcome.UNCERTAIN in known:
        return State.UNCERTAIN
    return State.SUPPRESSED if Outcome.SKIPPED in known else State.QUEUED


@st.composite
def stories(draw: st.DrawFn) -> tuple[list[tuple[Evidence, ...]], list[tuple[Lines, bool]]]:
    """What is known of a few messages; and a way to tell it, in chunks, each with whether it is folded at once."""
    known = [draw(st.sampled_from(ANSWERS)) + draw(st.sampled_from(RECEIPTS)) for _ in range(FEW)]
    lines = [(no, kind, outcome) for no, each in enumerate(known) for kind, outcome in each]
    repeats = draw(st.lists(st.sampled_from(lines), max_size=8)) if lines else []
    told = draw(st.permutations(lines + repeats))
    cuts = sorted({0, len(told), *draw(st.lists(st.integers(0, len(told)), max_size=5))})
    return known, [(list(told[a:b]), draw(st.booleans())) for a, b in pairwise(cuts)]


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories())
def test_order_and_repeats_do_not_matter(owner: psycopg.Connection, running: Wave, story: Any) -> None:
    """Each message becomes what the set of its evidence says; the counts are exact after every fold on the way."""
    known, chunks = story
    with owner.transaction(force_rollback=True):
        places = open_all(owner, running.id)
        for lines, folded in chunks:
            tell(owner, running.id, [(places[no], kind, outcome) for no, kind, outcome in lines])
            if folded:
                fold_all(owner, running.id)
                assert counted(owner, running.id) == grouped(owner, running.id)
        fold_all(owner, running.id)
        found = messages(owner, running.id)
        assert [found[no][0] for no in range(FEW)] == [outcome_of(each) for each in known]
        assert {state for no, (state, _, _) in found.items() if no >= FEW} == {State.QUEUED}
        assert counted(owner, running.id) == grouped(owner, running.id)
        assert_one_open_attempt(owner, running.id)


def assert_one_open_attempt(conn: psycopg.Connection, wave: int) -> None:
    """Attempt k + 1 exists once, and only up to the message's latest."""
    items = conn.execute("SELECT message_no, attempt FROM retry_item WHERE wave = %s", (wave,)).fetchall()
    latest = {no: attempt for no, (_, attempt, _) in messages(conn, wave).items() if attempt > 1}
    assert len(items) == len(set(items))
    assert {no: max(attempt for item, attempt in items if item == no) for no, _ in items} == latest


ROUNDS = st.lists(
    st.lists(st.sampled_from([o for o in Outcome if o is not Outcome.SKIPPED]), min_size=FEW, max_size=FEW),
    min_size=1,
    max_size=7,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=ROUNDS, late=st.permutations(range(FEW * 7)))
def test_late_evidence_of_earlier_attempts_moves_nothing_back(
    owner: psycopg.Connection, running: Wave, rounds: list[list[Outcome]], late: list[int]
) -> None:
    """Attempt after attempt until each message rests; then all that was ever said is said again: nothing moves."""
    with owner.transaction(force_rollback=True):
        places, told = open_all(owner, running.id), []
        for outcomes in rounds:
            lines = [(places[no], "answer", outcomes[no]) for no in range(FEW) if no in places]
            told += lines
            tell(owner, running.id, lines)
            fold_all(owner, running.id, slot=NOW)
            places = open_all(owner, running.id, "retry")
        before: tuple[Any, Counts] = messages(owner, running.id), counted(owner, running.id)
        for at in late:
            if at < len(told):
                tell(owner, running.id, [told[at]])
        fold_all(owner, running.id, slot=NOW)
        assert (messages(owner, running.id), counted(owner, running.id)) == before
        assert counted(owner, running.id) == grouped(owner, running.id)
        assert_one_open_attempt(owner, running.id)
