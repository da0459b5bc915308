"""The last line of defence: each constraint of the ledger is shown to fire."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from campaigns.ledger.names import message_table, new_id
from campaigns.ledger.waves import Wave
from campaigns.message import TRANSITIONS
from campaigns.terms import State, Verdict
from tests.cluster import Planned
from tests.hand import messages, one, open_window, set_states

WINDOW = (
    "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)"
    " VALUES (%s, %s, %s::batch_kind, %s, 1, %s, %s, '', 'sim-smpp', '')"
)
BATCH = (
    "INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor)"
    " VALUES (%s, %s::batch_kind, %s, 'sim-smpp', 1, %s, %s, %s)"
)
SPANS = [(0, 5), (4, 5), (4, 6), (0, 20), (9, 10), (9, 30), (5, 6), (4, 11)]


@pytest.mark.parametrize(("lo", "hi"), SPANS)
@pytest.mark.parametrize("closed", ["NULL", "now()"])
def test_windows_of_a_batch_never_overlap(
    app: psycopg.Connection, running: Wave, lo: int, hi: int, closed: str
) -> None:
    """Whatever a worker believes, an index of a batch belongs to one window for ever, closed ones included."""
    app.execute(WINDOW, (new_id(), running.id, "first", 0, 4, 10))
    app.execute(f"UPDATE send_window SET closed = {closed}")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        app.execute(WINDOW, (new_id(), running.id, "first", 0, lo, hi))


def test_windows_beside_each_other_are_fine(app: psycopg.Connection, running: Wave) -> None:
    """The next window begins where the last one ended; retry batches count for themselves."""
    app.execute(BATCH, (running.id, "retry", 0, 10, 10, 0))
    for kind, lo, hi in [("first", 4, 10), ("first", 0, 4), ("first", 10, 11), ("retry", 4, 10), ("retry", 0, 4)]:
        app.execute(WINDOW, (new_id(), running.id, kind, 0, lo, hi))


@pytest.mark.parametrize(
    ("lo", "hi", "error"),
    [
        (5, 5, psycopg.errors.CheckViolation),
        (6, 5, psycopg.errors.DataError),
        (0, 5, psycopg.errors.ForeignKeyViolation),
    ],
)
def test_a_window_holds_something_and_belongs_to_a_batch(
    app: psycopg.Connection, running: Wave, lo: int, hi: int, error: type[Exception]
) -> None:
    """No empty or backward window, and none of a batch that is not there."""
    seq = 999 if error is psycopg.errors.ForeignKeyViolation else 0
    with pytest.raises((error, psycopg.errors.CheckViolation) if lo > hi else error):
        app.execute(WINDOW, (new_id(), running.id, "first", seq, lo, hi))


def test_a_cursor_set_back_sends_nobody_twice(app: psycopg.Connection, running: Wave) -> None:
    """Even with its cursor turned back, by a fault or by hand, a batch gives the same index no second time."""
    open_window(app, running.id, want=10)
    app.execute("UPDATE batch SET cursor = 5 WHERE wave = %s AND seq = 0", (running.id,))
    with pytest.raises(psycopg.errors.ExclusionViolation):
        open_window(app, running.id, want=5)


@pytest.mark.parametrize(
    ("size", "hi", "cursor"),
    [(1000, 1000, 1001), (1000, 1001, 0), (1000, 10, 11), (1000, 1000, -1), (1000, -1, 0), (0, 0, 0), (-5, 0, 0)],
)
@pytest.mark.parametrize("kind", ["first", "retry"])
def test_a_cursor_stays_inside_its_batch(
    app: psycopg.Connection, running: Wave, kind: str, size: int, hi: int, cursor: int
) -> None:
    """Lo <= cursor <= hi <= lo + size, always."""
    seq = 99 if kind == "first" else 0
    lo = seq * size
    with pytest.raises(psycopg.errors.CheckViolation):
        app.execute(BATCH, (running.id, kind, seq, size, lo + hi, lo + cursor))


@pytest.mark.parametrize(
    "change", ["cursor = hi + 1", "cursor = lo - 1", "hi = cursor - 1", "hi = lo + size + 1", "size = 1"]
)
def test_a_cursor_cannot_be_moved_out_of_its_batch(app: psycopg.Connection, running: Wave, change: str) -> None:
    """The same for a batch that is there, in the columns that the program may change."""
    open_window(app, running.id, want=5)
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute(f"UPDATE batch SET {change} WHERE wave = %s AND seq = 0", (running.id,))


@pytest.mark.parametrize(("seq", "size", "hi"), [(11, 1, 12), (8, 3, 27), (10, 2, 21)])
def test_first_batches_never_overlap(app: psycopg.Connection, running: Wave, seq: int, size: int, hi: int) -> None:
    """Batch 0 begins with message 0: no other first batch may reach into it, whatever size it claims to have."""
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute(BATCH, (running.id, "first", seq, size, hi, seq * size))


def test_a_first_batch_cannot_be_moved_onto_another(app: psycopg.Connection, running: Wave) -> None:
    """Lo comes from seq * size; a smaller size would move a batch onto its neighbour."""
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute("UPDATE batch SET size = 1, hi = 1, cursor = 1 WHERE wave = %s AND seq = 1", (running.id,))


RETRY = "INSERT INTO retry_item (wave, batch, idx, message_no, attempt) VALUES (%s, %s, %s, %s, %s)"


@pytest.mark.parametrize(
    ("batch", "idx", "no", "attempt"),
    [
        (0, 1, 7, 2),  # the same attempt of the same message again
        (1, 0, 7, 2),  # in another batch
        (0, 0, 8, 2),  # two messages at one place
        (0, 1, 8, 1),  # the first attempt is never a retry
        (0, 1, 8, 0),
    ],
)
def test_an_attempt_is_retried_once(
    app: psycopg.Connection, running: Wave, batch: int, idx: int, no: int, attempt: int
) -> None:
    """Attempt k + 1 of a message exists at most once, at one place."""
    app.execute(RETRY, (running.id, 0, 0, 7, 2))
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute(RETRY, (running.id, batch, idx, no, attempt))


def test_the_next_attempt_is_another(app: psycopg.Connection, running: Wave) -> None:
    """Attempt 3 may follow attempt 2, and another wave counts for itself."""
    for wave, batch, idx, no, attempt in [(running.id, 0, 0, 7, 2), (running.id, 0, 1, 7, 3), (1, 0, 0, 7, 2)]:
        app.execute(RETRY, (wave, batch, idx, no, attempt))


def test_a_person_is_in_a_wave_once(owner: psycopg.Connection, running: Wave) -> None:
    """The unique key stands over a sealed wave, even for the owner; and sealing refuses one that has somebody twice."""
    table = message_table(running.id)
    with pytest.raises(psycopg.errors.UniqueViolation), owner.transaction():
        owner.execute(f"INSERT INTO {table} (no, unit, carrier, number_hash) SELECT -1, 0, 1, number_hash FROM {table}")
    wave = new_id()
    owner.execute("SELECT open_wave(%s)", (wave,))
    owner.execute(f"INSERT INTO message_{wave} (no, unit, carrier, number_hash) VALUES (0, 0, 1, 'a'), (1, 0, 1, 'a')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("SELECT seal_wave(%s)", (wave,))


def test_a_person_is_in_an_audience_once(app: psycopg.Connection, running: Wave) -> None:
    """Across the files of an audience too."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        app.execute(
            "INSERT INTO audience_row SELECT audience, 9, line, carrier, unit, number_hash FROM audience_row"
            " WHERE audience = %s",
            (running.audience,),
        )


@pytest.mark.parametrize("column", ["rows", *(verdict.value for verdict in Verdict)])
def test_a_files_verdicts_sum_to_its_rows(app: psycopg.Connection, running: Wave, column: str) -> None:
    """No figure of a file can be changed alone."""
    with pytest.raises(psycopg.errors.CheckViolation):
        app.execute(f'UPDATE audience_file SET "{column}" = "{column}" + 1 WHERE audience = %s', (running.audience,))


def test_the_same_file_is_in_an_audience_once(app: psycopg.Connection, running: Wave) -> None:
    """By its digest, under whatever name."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        app.execute(
            "INSERT INTO audience_file (audience, file, name, digest) SELECT audience, 7, 'other.csv', digest"
            " FROM audience_file WHERE audience = %s",
            (running.audience,),
        )


@pytest.mark.parametrize(
    "change", ["text = 'other'", "text = NULL", "text_sha256 = 'other'", "choice = 'verbatim'", "text = text || ' '"]
)
def test_the_text_stands_once_the_wave_is_started(app: psycopg.Connection, running: Wave, change: str) -> None:
    """Neither the text nor its hash nor the choice can be changed after the start."""
    with pytest.raises(psycopg.errors.CheckViolation, match="approved"):
        app.execute(f"UPDATE wave SET {change} WHERE id = %s", (running.id,))


@pytest.mark.parametrize(
    "values",
    [("nobody wrote this", "{sha}", "corrected"), ("{text}", "00", "corrected"), ("{text}", "{sha}", "verbatim")],
)
def test_only_a_planned_text_can_be_started(app: psycopg.Connection, planned: Planned, values: tuple[str, ...]) -> None:
    """The text that workers read is one of the plan, with its own hash and name, whoever writes it."""
    wave = planned(n=1)
    known = wave.plan["texts"]["corrected"]
    given = [value.format(sha=known["sha256"], text=known["text"]) for value in values]
    with pytest.raises(psycopg.errors.IntegrityError):
        app.execute("UPDATE wave SET text = %s, text_sha256 = %s, choice = %s WHERE id = %s", (*given, wave.id))


def test_a_wave_needs_an_approval(app: psycopg.Connection, running: Wave) -> None:
    """A plan that asks for none cannot be written: one approval always (ledger: section 13)."""
    columns = (
        "campaign, version, no, name, rehearsal, audience, author, plan, plan_hash, n, batch_size, opens_at, closes_at,"
        " day_opens, day_closes, cool_down"
    )
    with pytest.raises(psycopg.errors.CheckViolation):
        app.execute(
            f"INSERT INTO wave (id, approvals_due, {columns}) SELECT 1, 0, {columns} FROM wave WHERE id = %s",
            (running.id,),
        )


def test_a_count_never_falls_below_nothing(app: psycopg.Connection, running: Wave) -> None:
    """A live count that would turn negative is a fault, not a figure."""
    with pytest.raises(psycopg.errors.CheckViolation):
        app.execute("UPDATE wave_count SET n = n - 1000 WHERE wave = %s", (running.id,))


@pytest.mark.parametrize("was", State)
def test_the_guard_knows_each_pair_of_states(owner: psycopg.Connection, running: Wave, was: State) -> None:
    """Each pair of the transition table is allowed by the database and each other pair refused, unknown states too."""
    table = message_table(running.id)
    no = next(iter(messages(owner, running.id)))
    set_states(owner, running.id, {no: (was, 1, 0)})
    allowed = set()
    for became in range(-1, 12):
        with contextlib.suppress(psycopg.errors.CheckViolation), owner.transaction(force_rollback=True):
            owner.execute(f"UPDATE {table} SET state = %s WHERE no = %s", (became, no))
            allowed.add(became)
    assert allowed == {was.value, *(state.value for state in TRANSITIONS[was])}


def test_new_messages_are_queued(owner: psycopg.Connection, running: Wave) -> None:
    """A wave begins with every message queued, at its first attempt, untried."""
    assert set(messages(owner, running.id).values()) == {(State.QUEUED, 1, 0)}
    assert one(owner, f"SELECT count(*) FROM {message_table(running.id)}") == (running.n,)
