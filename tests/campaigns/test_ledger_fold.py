"""The fold, the only writer of states: each rule of its table, exact counts, and each piece of evidence folded once."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from typing import NamedTuple

import psycopg
import pytest

from campaigns.ledger import fold
from campaigns.ledger.fold import Policy
from campaigns.ledger.waves import Wave
from campaigns.message import next_state
from campaigns.terms import Outcome, State
from dispatcher.assemble import Site
from tests.cluster import Started
from tests.hand import YEAR, counted, fold_all, grouped, messages, one, open_all, set_states, tell

TRIES = 5
POLICY = Policy(chunks=40, tries=TRIES, first=0.0, slot=YEAR)


class Case(NamedTuple):
    state: State
    outcome: Outcome
    latest: bool
    retry: bool
    kind: str

    @property
    def before(self) -> tuple[State, int, int]:
        """(state, attempt, tries) to which the evidence, always of attempt 1, is folded."""
        return self.state, 1 if self.latest else 2, TRIES - 2 if self.retry else TRIES - 1

    @property
    def after(self) -> tuple[State, int, int]:
        given_back = self.kind == "closed"
        state = next_state(self.state, self.outcome, latest=self.latest, retry=self.retry or given_back)
        _, attempt, tries = self.before
        closed = (
            self.outcome in (Outcome.NOT_SENT, Outcome.DEFERRED)
            and self.latest
            and self.state in (State.QUEUED, State.UNCERTAIN)
        )
        again = closed and state is State.QUEUED
        return state, attempt + again, tries + (closed and not given_back)


KINDS = {Outcome.SKIPPED: ("closed",), Outcome.NOT_SENT: ("answer", "closed")}
CASES = [
    Case(state, outcome, latest, retry, kind)
    for state, outcome, latest, retry in itertools.product(State, Outcome, (True, False), (True, False))
    for kind in KINDS.get(outcome, ("receipt",) if outcome > Outcome.ACCEPTED else ("answer",))
]


@pytest.mark.parametrize("at_once", [True, False], ids=["one chunk", "a chunk each"])
def test_the_fold_follows_its_readable_twin(owner: psycopg.Connection, started: Started, at_once: bool) -> None:  # noqa: FBT001 - a case
    """Every (state, outcome, latest attempt?, another try allowed?): state, attempt and tries come out as written."""
    wave = started(n=len(CASES), account="sim-smpp")
    places = open_all(owner, wave.id)
    cases = dict(zip(sorted(places), CASES, strict=True))
    set_states(owner, wave.id, {no: case.before for no, case in cases.items()})
    for each in [list(cases)] if at_once else [[no] for no in cases]:
        tell(owner, wave.id, [(places[no], cases[no].kind, cases[no].outcome) for no in each])
    fold_all(owner, wave.id)
    found = messages(owner, wave.id)
    assert {case: found[no] for no, case in cases.items() if found[no] != case.after} == {}
    assert counted(owner, wave.id) == grouped(owner, wave.id)
    again = {no: case.after[1] for no, case in cases.items() if case.after[1] > case.before[1]}
    items = owner.execute("SELECT message_no, attempt FROM retry_item WHERE wave = %s", (wave.id,))
    assert dict(items.fetchall()) == again


@pytest.mark.parametrize("outcome", [Outcome.UNCERTAIN, Outcome.ACCEPTED, Outcome.UNDELIVERED, Outcome.DELIVERED])
def test_a_question_is_no_evidence_until_it_is_answered(
    owner: psycopg.Connection, started: Started, outcome: Outcome
) -> None:
    """A look-up without an answer moves nothing, in whatever state; one that found its message counts like any."""
    wave = started(n=len(State), account="sim-smpp")
    places = open_all(owner, wave.id)
    before = dict(zip(sorted(places), [(state, 1, 1) for state in State], strict=True))
    set_states(owner, wave.id, before)
    tell(owner, wave.id, [(place, "look-up", outcome) for place in places.values()])
    fold_all(owner, wave.id)
    after = {no: (next_state(state, outcome, latest=True, retry=True), 1, 1) for no, (state, _, _) in before.items()}
    assert messages(owner, wave.id) == (before if outcome is Outcome.UNCERTAIN else after)
    assert counted(owner, wave.id) == grouped(owner, wave.id)


STEPS = [
    ("answer", [Outcome.ACCEPTED, Outcome.UNCERTAIN, Outcome.REFUSED, Outcome.DEFERRED, Outcome.NOT_SENT]),
    ("closed", [Outcome.SKIPPED, Outcome.NOT_SENT]),
    ("receipt", [Outcome.DELIVERED, Outcome.UNDELIVERED, Outcome.DELIVERED]),
    ("answer", [Outcome.REFUSED, Outcome.UNCERTAIN]),
]


def test_counts_are_exact_at_every_step(owner: psycopg.Connection, running: Wave) -> None:
    """After each fold the live counts are those of the messages, by carrier and unit, and sum to the wave."""
    places = open_all(owner, running.id)
    assert counted(owner, running.id) == grouped(owner, running.id)
    for kind, outcomes in STEPS:
        for outcome, step in zip(outcomes, (2, 3, 5, 7, 11), strict=False):
            tell(owner, running.id, [(place, kind, outcome) for no, place in places.items() if no % step == 0])
            before = counted(owner, running.id)
            assert before == grouped(owner, running.id), "evidence alone moves nothing"
            assert fold_all(owner, running.id) == 1
            assert counted(owner, running.id) == grouped(owner, running.id)
            assert sum(counted(owner, running.id).values()) == running.n


def test_a_fold_takes_no_more_chunks_than_it_may(owner: psycopg.Connection, running: Wave) -> None:
    """Seven chunks in folds of at most three: 3, 3, 1, then nothing."""
    places = open_all(owner, running.id)
    for place in list(places.values())[:7]:
        tell(owner, running.id, [(place, "answer", Outcome.ACCEPTED)])
    policy = Policy(chunks=3, tries=TRIES, first=0.0, slot=YEAR)
    assert [fold.fold(owner, running.id, policy) for _ in range(4)] == [3, 3, 1, 0]
    assert running.id not in {each.wave for each in fold.unfolded(owner)}


def test_young_answers_wait_for_their_receipts(owner: psycopg.Connection, running: Wave) -> None:
    """A fold that leaves young answers alone takes receipts; what waited changes nothing when it comes, nor any sum."""
    places = list(open_all(owner, running.id).values())
    policy = Policy(chunks=40, tries=TRIES, first=0.0, slot=YEAR)
    tell(owner, running.id, [(place, "answer", Outcome.ACCEPTED) for place in places])
    tell(owner, running.id, [(places[0], "receipt", Outcome.DELIVERED)])
    assert fold.fold(owner, running.id, policy, 60.0) == 1
    (waits,) = [each for each in fold.unfolded(owner) if each.wave == running.id]
    assert (waits.chunks, waits.receipts) == (1, 0.0)
    assert Counter(state for state, _, _ in messages(owner, running.id).values()) == {
        State.DELIVERED: 1, State.QUEUED: running.n - 1,
    }  # fmt: skip
    owner.execute("UPDATE chunk SET at = at - interval '61 s' WHERE wave = %s", (running.id,))
    assert fold.fold(owner, running.id, policy, 60.0) == 1
    assert Counter(state for state, _, _ in messages(owner, running.id).values()) == {
        State.DELIVERED: 1, State.ACCEPTED: running.n - 1,
    }  # fmt: skip
    assert counted(owner, running.id) == grouped(owner, running.id)


def test_evidence_of_another_wave_stays_there(owner: psycopg.Connection, started: Started) -> None:
    """Message 0 of one wave is not message 0 of another."""
    mine, other = (started(n=5, seed=seed, account="sim-smpp") for seed in (1, 2))
    places = open_all(owner, mine.id)
    open_all(owner, other.id)
    tell(owner, mine.id, [(place, "answer", Outcome.ACCEPTED) for place in places.values()])
    assert fold_all(owner, other.id) == 0
    assert fold_all(owner, mine.id) == 1
    assert {state for state, _, _ in messages(owner, other.id).values()} == {State.QUEUED}


# -- contradictions and repeats ----------------------------------------------------------------------------------------

ACCEPTED, REFUSED = ("answer", Outcome.ACCEPTED), ("answer", Outcome.REFUSED)
NOT_SENT, UNCERTAIN = ("closed", Outcome.NOT_SENT), ("answer", Outcome.UNCERTAIN)
UNDELIVERED, DELIVERED = ("receipt", Outcome.UNDELIVERED), ("receipt", Outcome.DELIVERED)
TALES = {
    (ACCEPTED,): 0,
    (ACCEPTED, DELIVERED): 0,
    (DELIVERED, ACCEPTED): 0,  # the receipt was faster than the answer
    (UNCERTAIN, ACCEPTED): 0,
    (UNCERTAIN, DELIVERED): 0,
    (ACCEPTED, UNCERTAIN): 0,
    (REFUSED, REFUSED): 0,
    (ACCEPTED, REFUSED): 1,
    (REFUSED, ACCEPTED): 1,
    (REFUSED, DELIVERED): 1,
    (DELIVERED, REFUSED): 1,
    (ACCEPTED, NOT_SENT): 1,
    (NOT_SENT, ACCEPTED): 1,
    (NOT_SENT, DELIVERED): 1,
}


@pytest.mark.parametrize("tale", TALES, ids=lambda tale: "-".join(each[1].name.lower() for each in tale))
@pytest.mark.parametrize("at_once", [True, False], ids=["in one fold", "one after another"])
def test_what_contradicts_itself_is_counted(
    owner: psycopg.Connection,
    running: Wave,
    tale: tuple[tuple[str, Outcome], ...],
    at_once: bool,  # noqa: FBT001 - a case
) -> None:
    """Refused or not sent against accepted or delivered: the stronger stands, and a person is told that it happened."""
    place = open_all(owner, running.id)[0]
    for kind, outcome in tale:
        tell(owner, running.id, [(place, kind, outcome)])
        if not at_once:
            fold_all(owner, running.id)
    fold_all(owner, running.id)
    assert one(owner, "SELECT contradictions FROM wave_tally WHERE wave = %s", running.id) == (TALES[tale],)


def test_undelivered_after_delivered_is_counted_and_changes_nothing(owner: psycopg.Connection, running: Wave) -> None:
    """The stronger receipt stands."""
    place = open_all(owner, running.id)[0]
    for kind, outcome in (DELIVERED, UNDELIVERED):
        tell(owner, running.id, [(place, kind, outcome)])
        fold_all(owner, running.id)
    assert messages(owner, running.id)[0][0] is State.DELIVERED
    assert one(owner, "SELECT contradictions FROM wave_tally WHERE wave = %s", running.id) == (1,)


@pytest.mark.parametrize("was", [State.CANCELLED, State.SUPPRESSED, State.EXPIRED])
@pytest.mark.parametrize("receipt", [Outcome.ACCEPTED, Outcome.UNDELIVERED, Outcome.DELIVERED])
def test_a_receipt_for_what_we_never_sent_is_shown_and_counted(
    owner: psycopg.Connection, running: Wave, was: State, receipt: Outcome
) -> None:
    """A fact of the plan yields to evidence that the message left, as a contradiction."""
    place = open_all(owner, running.id)[0]
    set_states(owner, running.id, {0: (was, 1, 0)})
    tell(owner, running.id, [(place, "receipt", receipt)])
    fold_all(owner, running.id)
    assert messages(owner, running.id)[0][0] == State(receipt)
    assert one(owner, "SELECT contradictions FROM wave_tally WHERE wave = %s", running.id) == (1,)


def test_receipts_are_counted_with_their_repeats(owner: psycopg.Connection, running: Wave) -> None:
    """As the report says it: "received, of which repeats n"; a repeat is a receipt that said nothing new."""
    places = open_all(owner, running.id)
    tell(owner, running.id, [(place, "answer", Outcome.ACCEPTED) for place in places.values()])
    fold_all(owner, running.id)
    for _ in range(3):
        tell(owner, running.id, [(places[no], "receipt", Outcome.DELIVERED) for no in list(places)[:4]])
        fold_all(owner, running.id)
    tally = one(owner, "SELECT receipts, repeats FROM wave_tally WHERE wave = %s", running.id)
    assert tally == (12, 8)


# -- once, whatever happens --------------------------------------------------------------------------------------------


def test_a_fold_that_breaks_off_folds_nothing(site: Site, started: Started, app: psycopg.Connection) -> None:
    """Killed before its commit, a fold leaves states, counts, tallies and chunks as they were; the next one does it."""
    wave = started(n=30, account="sim-smpp")
    places = open_all(app, wave.id)
    tell(app, wave.id, [(place, "receipt", Outcome.DELIVERED) for place in places.values()])
    app.commit()

    def standing() -> list[object]:
        tally = one(app, "SELECT receipts, repeats, contradictions FROM wave_tally WHERE wave = %s", wave.id)
        return [messages(app, wave.id), counted(app, wave.id), tally, {each.wave for each in fold.unfolded(app)}]

    before = standing()
    app.commit()
    with psycopg.connect(site.app) as doomed:
        assert fold.fold(doomed, wave.id, POLICY) == 1
        one(app, "SELECT pg_terminate_backend(%s, 5000)", doomed.info.backend_pid)
        with pytest.raises(psycopg.OperationalError):
            doomed.execute("SELECT 1")
    assert standing() == before
    assert fold.fold(app, wave.id, POLICY) == 1
    assert counted(app, wave.id) == grouped(app, wave.id)
    assert {state for state, _, _ in messages(app, wave.id).values()} == {State.DELIVERED}


def test_two_folders_fold_each_chunk_once(site: Site, started: Started, app: psycopg.Connection) -> None:
    """Four at once while chunks still come in: every receipt is counted once, the counts are exact."""
    wave = started(n=60, account="sim-smpp")
    places = list(open_all(app, wave.id).values())
    app.commit()
    chunks = 40
    done: list[int] = []

    def keep_folding() -> None:
        with psycopg.connect(site.app) as line:
            while sum(done) < chunks:
                done.append(fold.fold(line, wave.id, Policy(chunks=3, tries=TRIES, first=0.0, slot=YEAR)))
                line.commit()

    threads = [threading.Thread(target=keep_folding) for _ in range(4)]
    for thread in threads:
        thread.start()
    for chunk in range(chunks):
        outcome = (Outcome.DELIVERED, Outcome.UNDELIVERED)[chunk % 2]
        tell(app, wave.id, [(place, "receipt", outcome) for place in places])
        app.commit()
    for thread in threads:
        thread.join()
    assert sum(done) == chunks
    row = one(app, "SELECT receipts, repeats FROM wave_tally WHERE wave = %s", wave.id)
    assert row[0] == chunks * len(places)
    assert counted(app, wave.id) == grouped(app, wave.id)
    assert {state for state, _, _ in messages(app, wave.id).values()} == {State.DELIVERED}


def test_a_chunk_being_written_is_not_missed(site: Site, started: Started, app: psycopg.Connection) -> None:
    """A chunk begun early and committed late is folded after those that overtook it: no cursor over numbers."""
    wave = started(n=10, account="sim-smpp")
    first, second, *_ = open_all(app, wave.id).items()
    app.commit()
    tell(app, wave.id, [(first[1], "answer", Outcome.ACCEPTED)])
    with psycopg.connect(site.app) as faster:
        tell(faster, wave.id, [(second[1], "answer", Outcome.ACCEPTED)])
        faster.commit()
        assert fold_all(faster, wave.id) == 1
        faster.commit()
        app.commit()
        assert fold_all(faster, wave.id) == 1
        assert [messages(faster, wave.id)[no][0] for no in (first[0], second[0])] == [State.ACCEPTED] * 2
