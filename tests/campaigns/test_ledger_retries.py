"""Retries: only what provably did not leave, in few batches, once an attempt, a few times, never too late."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from campaigns.ledger import fold
from campaigns.ledger.fold import Policy
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, State
from tests.hand import NOW, YEAR, counted, fold_all, grouped, messages, one, open_all, right, set_states, take, tell

AGAIN = [("answer", Outcome.NOT_SENT), ("answer", Outcome.DEFERRED), ("closed", Outcome.NOT_SENT)]
BATCHES = (
    "SELECT account, carrier, class, not_before, hi, size, cursor, lo, lease_token FROM batch"
    " WHERE wave = %s AND kind = 'retry' ORDER BY seq"
)


@pytest.mark.parametrize("folds", [1, 3])
def test_one_batch_for_account_carrier_class_and_slot(owner: psycopg.Connection, running: Wave, folds: int) -> None:
    """However many folds bring them: messages of one carrier, for one reason and due in one slot, come in one batch."""
    places = open_all(owner, running.id)
    for part in range(folds):
        for kind, outcome in AGAIN[:2]:
            turn = AGAIN.index((kind, outcome))
            chosen = [no for no in places if no % 2 == turn and no // 2 % folds == part]
            tell(owner, running.id, [(places[no], kind, outcome) for no in chosen])
        fold_all(owner, running.id)
    carriers: dict[int, int] = dict(owner.execute(f"SELECT no, carrier FROM message_{running.id}").fetchall())
    wanted = Counter((carriers[no], ("not-sent", "deferred")[no % 2]) for no in places)
    batches = owner.execute(BATCHES, (running.id,)).fetchall()
    assert {(row[1], row[2]): row[4] for row in batches} == wanted
    assert len(batches) == len(wanted)
    assert {row[0] for row in batches} == {"sim-smpp"}
    assert len({row[3] for row in batches}) == 1


def test_a_retry_batch_holds_its_messages_in_order_without_gaps(owner: psycopg.Connection, running: Wave) -> None:
    """Indexes run from 0 to hi - 1, each message once, each of the batch's own carrier."""
    places = open_all(owner, running.id)
    for part in range(4):
        tell(owner, running.id, [(places[no], "answer", Outcome.DEFERRED) for no in places if no % 4 == part])
        fold_all(owner, running.id)
    rows = owner.execute(
        "SELECT b.seq, b.hi, array_agg(r.idx ORDER BY r.idx), count(DISTINCT r.message_no),"
        " bool_and(m.carrier = b.carrier) FROM batch b JOIN retry_item r ON (r.wave, r.batch) = (b.wave, b.seq)"
        f" JOIN message_{running.id} m ON m.no = r.message_no WHERE b.wave = %s AND b.kind = 'retry' GROUP BY 1, 2",
        (running.id,),
    ).fetchall()
    assert sum(row[1] for row in rows) == running.n
    for _, hi, indexes, distinct, one_carrier in rows:
        assert (indexes, distinct, one_carrier) == (list(range(hi)), hi, True)


def test_a_batch_that_is_being_worked_on_gets_no_more(owner: psycopg.Connection, running: Wave) -> None:
    """A leased retry batch keeps its length: who holds it has read its end."""
    places = open_all(owner, running.id)
    tell(owner, running.id, [(places[0], "answer", Outcome.DEFERRED)])
    fold_all(owner, running.id)
    right(owner, running.id, kind="retry", seq=0)
    tell(owner, running.id, [(places[1], "answer", Outcome.DEFERRED)])
    fold_all(owner, running.id)
    assert [row[4] for row in owner.execute(BATCHES, (running.id,))] == [1, 1]


def test_a_retry_waits_longer_each_time(owner: psycopg.Connection, running: Wave) -> None:
    """10 s, then 20, 40, 80, each with up to half as much again, and not a moment less; nothing before its time."""
    clock = "SELECT extract(epoch FROM clock_timestamp())"
    for turn, base in enumerate((10, 20, 40, 80)):
        places = open_all(owner, running.id, "retry" if turn else "first")
        tell(owner, running.id, [(places[0], "answer", Outcome.DEFERRED)])
        before = one(owner, clock)[0]
        fold.fold(owner, running.id, Policy(chunks=40, tries=9, first=10.0, slot=0.125))
        after = one(owner, clock)[0]
        due = one(owner, "SELECT extract(epoch FROM max(not_before)) FROM batch WHERE wave = %s", running.id)[0]
        assert before + base <= due
        assert float(due) <= float(after) + base * 1.5 + 0.125
        assert take(owner, right(owner, running.id, kind="retry", seq=turn))[0] == "early"
        owner.execute("UPDATE batch SET not_before = now() WHERE wave = %s", (running.id,))


@pytest.mark.parametrize("outcome", [Outcome.DEFERRED, Outcome.NOT_SENT])
@pytest.mark.parametrize("tries", [1, 2, 5])
def test_the_cap_ends_in_expired(owner: psycopg.Connection, running: Wave, outcome: Outcome, tries: int) -> None:
    """A message gets so many tries and not one more; then it is expired, and no further attempt exists."""
    for turn in range(tries):
        places = open_all(owner, running.id, "retry" if turn else "first")
        assert messages(owner, running.id)[0] == (State.QUEUED, turn + 1, turn)
        tell(owner, running.id, [(places[0], "answer", outcome)])
        fold_all(owner, running.id, tries=tries, slot=NOW)
    assert messages(owner, running.id)[0] == (State.EXPIRED, tries, tries)
    assert open_all(owner, running.id, "retry") == {}
    assert counted(owner, running.id) == grouped(owner, running.id)


def test_what_is_given_back_has_not_been_tried(owner: psycopg.Connection, running: Wave) -> None:
    """A pause may come ten times: the message keeps its tries, is due at once, and each attempt is another."""
    for turn in range(10):
        places = open_all(owner, running.id, "retry" if turn else "first")
        assert len(places) == (1 if turn else running.n)
        tell(owner, running.id, [(places[0], "closed", Outcome.NOT_SENT)])
        fold_all(owner, running.id, tries=2)
        assert messages(owner, running.id)[0] == (State.QUEUED, turn + 2, 0)


@pytest.mark.parametrize(
    ("kind", "outcome"), [("answer", o) for o in Outcome if o not in (2, 3)] + [("closed", Outcome.SKIPPED)]
)
def test_nothing_else_is_ever_sent_again(owner: psycopg.Connection, running: Wave, kind: str, outcome: Outcome) -> None:
    """Not the uncertain, not the refused, not what has been taken, and not who must not be texted."""
    places = open_all(owner, running.id)
    for _ in range(2):
        tell(owner, running.id, [(place, kind, outcome) for place in places.values()])
        fold_all(owner, running.id)
    assert owner.execute(BATCHES, (running.id,)).fetchall() == []


@pytest.mark.parametrize(("kind", "outcome"), AGAIN)
@pytest.mark.parametrize("was", [s for s in State if s not in (State.QUEUED, State.UNCERTAIN)])
def test_what_has_become_something_is_not_sent_again(
    owner: psycopg.Connection, running: Wave, was: State, kind: str, outcome: Outcome
) -> None:
    """A late "not sent" for what is refused, taken, delivered, cancelled, suppressed or expired closes only itself."""
    place = open_all(owner, running.id)[0]
    set_states(owner, running.id, {0: (was, 1, 0)})
    tell(owner, running.id, [(place, kind, outcome)])
    fold_all(owner, running.id)
    assert messages(owner, running.id)[0] == (was, 1, 0)
    assert owner.execute(BATCHES, (running.id,)).fetchall() == []


# -- too late ----------------------------------------------------------------------------------------------------------

TOO_LATE = {
    "the hours end before the retry": "closes_at = clock_timestamp() + interval '5 s'",
    "the hours are over": "closes_at = clock_timestamp()",
    "the wave is finished": "state = 'finished', finished_at = now()",
    "the wave was cancelled and counted": "state = 'cancelled', finished_at = now()",
}


@pytest.mark.parametrize("case", TOO_LATE)
@pytest.mark.parametrize(("kind", "outcome"), AGAIN)
@pytest.mark.parametrize("was", [State.QUEUED, State.UNCERTAIN])
def test_what_cannot_be_sent_any_more_does_not_wait(
    owner: psycopg.Connection, running: Wave, case: str, kind: str, outcome: Outcome, was: State
) -> None:
    """Proved not sent, but nobody will ever send it: such a message must not stay queued for ever."""
    places = open_all(owner, running.id)
    set_states(owner, running.id, dict.fromkeys(places, (was, 1, 0)))
    owner.execute(f"UPDATE wave SET opens_at = '2024-01-01', {TOO_LATE[case]} WHERE id = %s", (running.id,))
    tell(owner, running.id, [(place, kind, outcome) for place in places.values()])
    fold.fold(owner, running.id, Policy(chunks=40, tries=5, first=10.0, slot=1.0))
    owner.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (running.id,))
    owner.execute("UPDATE wave SET closes_at = now() WHERE id = %s", (running.id,))
    fold.close_waves(owner)
    left = {state for state, _, _ in messages(owner, running.id).values()}
    assert left <= {State.EXPIRED, State.CANCELLED}
    assert counted(owner, running.id) == grouped(owner, running.id)


@pytest.mark.parametrize(
    ("state", "rest"), [("cancelled", State.CANCELLED), ("running", State.EXPIRED), ("paused", State.EXPIRED)]
)
def test_the_rest_of_an_ended_wave_is_counted(
    owner: psycopg.Connection, running: Wave, state: str, rest: State
) -> None:
    """Cancelled, or its hours over: what waited becomes cancelled or expired, what was sent stays."""
    sent = open_all(owner, running.id)
    tell(owner, running.id, [(sent[no], "answer", Outcome.ACCEPTED) for no in range(5)])
    owner.execute(
        "UPDATE wave SET state = %s::wave_state, opens_at = '2024-01-01',"
        " closes_at = CASE %s WHEN 'cancelled' THEN closes_at ELSE now() END WHERE id = %s",
        (state, state, running.id),
    )
    assert fold.close_waves(owner) == []  # a window is open
    owner.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (running.id,))
    assert fold.close_waves(owner) == []  # a chunk is not folded
    fold_all(owner, running.id)
    assert fold.close_waves(owner) == [running.id]
    assert fold.close_waves(owner) == []
    left = Counter(state for state, _, _ in messages(owner, running.id).values())
    assert left == {State.ACCEPTED: 5, rest: running.n - 5}
    assert counted(owner, running.id) == grouped(owner, running.id)
    ended = "cancelled" if state == "cancelled" else "finished"
    assert one(owner, "SELECT state, finished_at IS NOT NULL FROM wave WHERE id = %s", running.id) == (ended, True)


def test_a_wave_cancelled_before_its_start_is_counted_too(owner: psycopg.Connection, running: Wave) -> None:
    """Nobody of it will be reached: none of its messages may be shown as waiting."""
    owner.execute("UPDATE wave SET state = 'cancelled', started_at = NULL WHERE id = %s", (running.id,))
    fold.close_waves(owner)
    assert {state for state, _, _ in messages(owner, running.id).values()} == {State.CANCELLED}


def test_a_wave_is_finished_when_nothing_can_move(owner: psycopg.Connection, running: Wave) -> None:
    """Not while something is unsent, a window open, a chunk unfolded or a retry waits."""
    places = open_all(owner, running.id)
    assert fold.close_waves(owner) == []
    owner.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (running.id,))
    tell(owner, running.id, [(place, "answer", Outcome.DEFERRED) for place in places.values()])
    assert fold.close_waves(owner) == []
    fold_all(owner, running.id, slot=YEAR)
    assert fold.close_waves(owner) == []
    owner.execute("UPDATE batch SET not_before = now() WHERE wave = %s", (running.id,))
    places = open_all(owner, running.id, "retry")
    tell(owner, running.id, [(place, "answer", Outcome.UNCERTAIN) for place in places.values()])
    fold_all(owner, running.id)
    owner.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (running.id,))
    assert fold.close_waves(owner) == [running.id]
    assert fold.close_waves(owner) == []
