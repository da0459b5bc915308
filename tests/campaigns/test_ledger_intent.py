"""T1, the one way to a window: each reason to say no, and exactly what a yes does."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome
from tests.cluster import APPROVER, AUTHOR, SECOND
from tests.hand import NOW, fold_all, one, open_window, right, take, tell

CHANGED = {
    "the lease was never given": ("lease", "UPDATE batch SET lease_token = NULL, lease_until = NULL WHERE wave = %s"),
    "the lease is over": ("lease", "UPDATE batch SET lease_until = clock_timestamp() WHERE wave = %s"),
    "the lease has no end": ("lease", "UPDATE batch SET lease_until = NULL WHERE wave = %s"),
    "sending is locked": ("locked", "UPDATE installation SET locked_reason = 'restored'"),
    "the database was replaced": ("incarnation", "UPDATE installation SET incarnation = incarnation + 1"),
    "not started": ("stopped", "UPDATE wave SET state = 'planned' WHERE id = %s"),
    "paused": ("stopped", "UPDATE wave SET state = 'paused' WHERE id = %s"),
    "cancelled": ("stopped", "UPDATE wave SET state = 'cancelled' WHERE id = %s"),
    "finished": ("stopped", "UPDATE wave SET state = 'finished' WHERE id = %s"),
    "stopped and resumed since": ("stop_seq", "UPDATE wave SET stop_seq = stop_seq + 1 WHERE id = %s"),
    "another plan": ("plan", "UPDATE wave SET plan_hash = 'another' WHERE id = %s"),
    "not yet open": ("hours", "UPDATE wave SET opens_at = clock_timestamp() + interval '1 h' WHERE id = %s"),
    "closed": ("hours", "UPDATE wave SET opens_at = '2024-01-01', closes_at = clock_timestamp() WHERE id = %s"),
    "before the day's hours": ("hours", "UPDATE wave SET day_opens = '23:59:59.999999' WHERE id = %s"),
    "after the day's hours": ("hours", "UPDATE wave SET day_closes = '00:00:00.000001' WHERE id = %s"),
    "a real wave, a simulated account": ("rehearsal", "UPDATE wave SET rehearsal = false WHERE id = %s"),
    "a rehearsal, a real account": ("rehearsal", "UPDATE account SET simulated = false"),
    "a rehearsal in a real installation": ("rehearsal", "UPDATE installation SET rehearsal = false"),
    "all real in an installation for rehearsals": (
        "rehearsal",
        "WITH a AS (UPDATE account SET simulated = false) UPDATE wave SET rehearsal = false WHERE id = %s",
    ),
    "the account is switched off": ("account", "UPDATE account SET enabled = false"),
    "not due yet": ("early", "UPDATE batch SET not_before = clock_timestamp() + interval '1 min' WHERE wave = %s"),
    "somebody took it": ("cursor", "UPDATE batch SET cursor = cursor + 1 WHERE wave = %s"),
    "nobody approved": ("approval", "DELETE FROM approval WHERE wave = %s"),
    "only its author approved": ("approval", "UPDATE approval SET person = 'an' WHERE wave = %s"),
    "another plan was approved": ("approval", "UPDATE approval SET plan_hash = 'another' WHERE wave = %s"),
    "another text was approved": ("approval", "UPDATE approval SET choice = 'verbatim' WHERE wave = %s"),
    "still inside the cool-down": ("approval", "UPDATE wave SET cool_down = interval '10 min' WHERE id = %s"),
    "a second approval is due": ("approval", "UPDATE wave SET approvals_due = 2 WHERE id = %s"),
}
OTHER: dict[str, tuple[str, dict[str, Any]]] = {
    "no such wave": ("gone", {"wave": 1}),
    "no such batch": ("gone", {"seq": 999_999}),
    "no such kind of batch": ("gone", {"kind": "retry"}),
    "another incarnation": ("incarnation", {"incarnation": 1}),
    "a strange token": ("lease", {"token": 1}),
    "an older stop number": ("stop_seq", {"stop_seq": 0}),
    "another plan": ("plan", {"plan_hash": ""}),
    "ahead of the cursor": ("cursor", {"lo": 1}),
    "below the batch": ("cursor", {"lo": -1}),
    "beyond the batch": ("cursor", {"lo": 1000}),
}


def trace(conn: psycopg.Connection) -> list[Any]:
    """All that T1 could leave behind."""
    batches = conn.execute("SELECT wave, kind, seq, cursor, epoch, stalls FROM batch ORDER BY 1, 2, 3").fetchall()
    return [batches, conn.execute("SELECT * FROM send_window ORDER BY id").fetchall()]


@pytest.mark.parametrize("case", CHANGED)
def test_a_changed_ledger_is_refused_by_its_name(owner: psycopg.Connection, running: Wave, case: str) -> None:
    """One fact of the ledger changed after the claim: T1 names it and leaves nothing behind."""
    arguments = right(owner, running.id)
    verdict, change = CHANGED[case]
    owner.execute(change, [running.id] * change.count("%s"))
    before = trace(owner)
    assert take(owner, arguments) == (verdict, None, None)
    assert trace(owner) == before


@pytest.mark.parametrize("case", OTHER)
def test_a_wrong_argument_is_refused_by_its_name(app: psycopg.Connection, running: Wave, case: str) -> None:
    """A worker that believes something else than the ledger gets nothing."""
    verdict, other = OTHER[case]
    before = trace(app)
    assert take(app, right(app, running.id) | other) == (verdict, None, None)
    assert trace(app)[1] == before[1]


@pytest.mark.parametrize("missing", ["token", "lo", "want", "id", "journal", "incarnation", "plan_hash", "stop_seq"])
@pytest.mark.parametrize("leased", [True, False])
def test_nothing_known_is_never_a_yes(app: psycopg.Connection, running: Wave, missing: str, leased: bool) -> None:  # noqa: FBT001 - a case
    """A NULL among the arguments compares with nothing; it must not slip through the comparisons."""
    arguments = right(app, running.id) | {missing: None}
    if not leased:
        app.execute("UPDATE batch SET lease_token = NULL, lease_until = NULL WHERE wave = %s", (running.id,))
    try:
        verdict = take(app, arguments)[0]
    except psycopg.errors.IntegrityError:
        verdict = "refused by a constraint"
    assert verdict != "ok"


@pytest.mark.parametrize("want", [0, -1, -1000])
def test_a_window_holds_something(app: psycopg.Connection, running: Wave, want: int) -> None:
    """An empty or backward window cannot be written."""
    with pytest.raises(psycopg.errors.CheckViolation):
        take(app, right(app, running.id, want=want))


@pytest.mark.parametrize("want", [1, 7, 1000])
def test_a_yes_does_exactly_this(app: psycopg.Connection, running: Wave, want: int) -> None:
    """One window row as wanted, the cursor at its end, the stalls forgotten; no other batch or window moves."""
    arguments = right(app, running.id, want=want)
    app.execute("UPDATE batch SET stalls = 2 WHERE wave = %s", (running.id,))
    others = (
        "SELECT seq, cursor, epoch, lease_token, stalls, hi, size FROM batch WHERE (wave, seq) <> (%s, 0) ORDER BY seq"
    )
    before = app.execute(others, (running.id,)).fetchall()
    hi = one(app, "SELECT hi FROM batch WHERE wave = %s AND seq = 0", running.id)[0]
    end = min(want, hi)
    assert take(app, arguments) == ("ok", end, b"")
    columns = "id, wave, kind, batch, lo, hi, skip, account, journal, closed"
    assert app.execute(f"SELECT {columns} FROM send_window WHERE wave = %s", (running.id,)).fetchall() == [
        (arguments["id"], running.id, "first", 0, 0, end, b"", "sim-smpp", "by hand", None)
    ]
    now = "SELECT cursor, stalls, lease_token FROM batch WHERE wave = %s AND seq = 0"
    assert one(app, now, running.id) == (end, 0, arguments["token"])
    assert app.execute(others, (running.id,)).fetchall() == before


def test_windows_follow_each_other_to_the_end_of_the_batch(app: psycopg.Connection, running: Wave) -> None:
    """Taken one after another, windows tile the batch; then there is nothing left to take, whatever is asked."""
    hi = one(app, "SELECT hi FROM batch WHERE wave = %s AND seq = 0", running.id)[0]
    while one(app, "SELECT cursor FROM batch WHERE wave = %s AND seq = 0", running.id)[0] < hi:
        open_window(app, running.id, want=7)
    spans = app.execute("SELECT lo, hi FROM send_window WHERE wave = %s ORDER BY lo", (running.id,)).fetchall()
    assert spans == [(lo, min(lo + 7, hi)) for lo in range(0, hi, 7)]
    arguments = right(app, running.id)
    assert [take(app, arguments | {"lo": lo})[0] for lo in (0, hi, hi + 1)] == ["cursor"] * 3


def test_two_approvals_are_two_persons(owner: psycopg.Connection, running: Wave) -> None:
    """Where two are due, the second must come from another person, of the same plan and the same text.

    The table refuses the author; T1 does not rely on it, nor on who wrote for whom.
    """
    arguments = right(owner, running.id)
    owner.execute("UPDATE wave SET approvals_due = 2 WHERE id = %s", (running.id,))
    add = "INSERT INTO approval (wave, plan_hash, person, choice, reason, typed) VALUES (%s, %s, %s, %s, '', 60)"
    with pytest.raises(psycopg.errors.CheckViolation), owner.transaction():
        owner.execute(add, (running.id, running.plan_hash, AUTHOR.login, "corrected"))
    owner.execute("ALTER TABLE approval DISABLE TRIGGER one_voice")
    owner.execute(add, (running.id, running.plan_hash, AUTHOR.login, "corrected"))
    assert take(owner, arguments)[0] == "approval"
    owner.execute(add, (running.id, running.plan_hash, SECOND.login, "corrected"))
    for stands_for in (AUTHOR.login, APPROVER.login):
        owner.execute("UPDATE approval SET stands_for = %s WHERE person = %s", (stands_for, SECOND.login))
        assert take(owner, arguments)[0] == "approval"
    owner.execute("UPDATE approval SET stands_for = NULL WHERE person = %s", (SECOND.login,))
    assert take(owner, arguments)[0] == "ok"


HOURS = {  # day_opens, day_closes -> the end of what is open now, or nothing; on a wave open from yesterday to tomorrow
    ("00:00", "00:00"): "closes_at",
    ("00:00", "23:59:59.999999"): "least(closes_at, (local::date + time '23:59:59.999999') AT TIME ZONE zone)",
    ("23:59:59.999999", "00:00"): "NULL",
    ("00:00", "00:00:00.000001"): "NULL",
}


@pytest.mark.parametrize("hours", HOURS)
def test_daily_hours_are_the_provinces(app: psycopg.Connection, hours: tuple[str, str]) -> None:
    """The end of the hours is told in local time, 00:00 means midnight at the end of the day."""
    row = one(
        app,
        f"SELECT hours_end(opens_at, closes_at, %s, %s), {HOURS[hours]} FROM ("
        " SELECT now() - interval '1 d' AS opens_at, now() + interval '1 d' AS closes_at, zone,"
        " now() AT TIME ZONE zone AS local FROM (SELECT 'Asia/Ho_Chi_Minh' AS zone) z) w",
        *hours,
    )
    assert row[0] == row[1]


def test_hours_that_end_before_the_last_day_do_not_outlive_it(app: psycopg.Connection) -> None:
    """A wave that closes within the day's hours ends there."""
    closes = "now() + interval '1 s'"
    row = one(app, f"SELECT hours_end(now() - interval '1 h', {closes}, '00:00', '23:59:59.999999') <= {closes}")
    assert row == (True,)


def leave_out(conn: psycopg.Connection, wave: int, *numbers: int) -> None:
    for no in numbers:
        conn.execute("INSERT INTO wave_skip VALUES (%s, %s)", (wave, no))


@pytest.mark.parametrize(
    ("listed", "lo", "want", "bits"),
    [
        ((), 0, 10, b""),
        ((20,), 0, 10, b""),
        ((0,), 0, 10, bytes([0b1, 0])),
        ((9,), 0, 10, bytes([0, 0b10])),
        ((0, 7, 8), 0, 9, bytes([0b10000001, 0b1])),
        ((4, 5, 12), 5, 7, bytes([0b1])),
        ((11, 12), 5, 7, bytes([0b1000000])),
    ],
)
def test_a_first_window_names_whom_to_leave_out(
    app: psycopg.Connection, running: Wave, listed: tuple[int, ...], lo: int, want: int, bits: bytes
) -> None:
    """Bit i of the bitmap is index lo + i; without anybody to leave out it is empty. The window row keeps it."""
    leave_out(app, running.id, *listed)
    if lo:
        open_window(app, running.id, want=lo)
    arguments = right(app, running.id, want=want)
    assert take(app, arguments) == ("ok", lo + want, bits)
    assert one(app, "SELECT skip FROM send_window WHERE id = %s", arguments["id"]) == (bits,)


def test_a_retry_window_leaves_out_by_person_not_by_position(app: psycopg.Connection, running: Wave) -> None:
    """Messages 3, 5 and 8 come again as indexes 0, 1, 2; whoever asked meanwhile not to be texted is left out."""
    window = open_window(app, running.id, want=10)
    tell(app, running.id, [((window, no), "closed", Outcome.NOT_SENT) for no in (3, 5, 8)])
    fold_all(app, running.id, slot=NOW)
    leave_out(app, running.id, 0, 1, 5, 9)
    assert take(app, right(app, running.id, kind="retry")) == ("ok", 3, bytes([0b010]))


@pytest.mark.parametrize("receipt", [Outcome.ACCEPTED, Outcome.UNDELIVERED, Outcome.DELIVERED])
def test_a_retry_window_leaves_out_who_was_reached_after_all(
    app: psycopg.Connection, running: Wave, receipt: Outcome
) -> None:
    """Attempt 1 was "proved" not sent and a retry waits; then a carrier says it has the message: never a second one."""
    window = open_window(app, running.id, want=10)
    tell(app, running.id, [((window, no), "answer", Outcome.DEFERRED) for no in (3, 5)])
    fold_all(app, running.id, slot=NOW)
    tell(app, running.id, [((window, 5), "receipt", receipt)])
    fold_all(app, running.id, slot=NOW)
    assert take(app, right(app, running.id, kind="retry")) == ("ok", 2, bytes([0b10]))
