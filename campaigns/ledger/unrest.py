"""What may still move in a wave, and what must never be in it: the questions of a drill, all read-only."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import psycopg

from campaigns.ledger.names import log_table


class Unrest(NamedTuple):
    """What can still move by our own doing, asked in this order in three statements; all zero: nothing."""

    open_windows: int
    due_batches: int
    unfolded_chunks: int


def unrest(conn: psycopg.Connection, wave: int) -> Unrest:
    """Open windows, then batches with a rest, then unfolded chunks: each may only turn into the one after it."""
    return Unrest(
        *(
            _one(conn, question, wave)
            for question in (
                "SELECT count(*) FROM send_window WHERE wave = %s AND closed IS NULL",
                "SELECT count(*) FROM batch WHERE wave = %s AND cursor < hi",
                "SELECT count(*) FROM chunk WHERE wave = %s AND NOT folded",
            )
        )
    )


def _one(conn: psycopg.Connection, question: str, wave: int) -> int:
    row = conn.execute(question, (wave,)).fetchone()
    return int(row[0]) if row else 0


class Window(NamedTuple):
    """A committed intent."""

    id: int
    kind: str
    batch: int
    epoch: int
    lo: int
    hi: int
    at: datetime
    closed: bool


def windows(conn: psycopg.Connection, wave: int) -> list[Window]:
    """Every window of a wave, in the order of their indexes."""
    rows = conn.execute(
        "SELECT id, kind::text, batch, epoch, lo, hi, at, closed IS NOT NULL FROM send_window WHERE wave = %s"
        " ORDER BY kind, batch, lo",
        (wave,),
    )
    return [Window(*row) for row in rows]


def window_count(conn: psycopg.Connection, wave: int) -> int:
    """How many intents there are."""
    return _one(conn, "SELECT count(*) FROM send_window WHERE wave = %s", wave)


# Two windows of one batch that share an index: what the exclusion constraint forbids.
OVERLAPS = """
SELECT count(*) FROM send_window a JOIN send_window b ON a.wave = b.wave AND a.kind = b.kind AND a.batch = b.batch
AND a.id < b.id AND a.lo < b.hi AND b.lo < a.hi WHERE a.wave = %s
"""


def overlaps(conn: psycopg.Connection, wave: int) -> int:
    """Pairs of windows of one batch that share an index."""
    return _one(conn, OVERLAPS, wave)


class Retry(NamedTuple):
    """One place of a retry batch."""

    batch: int
    idx: int
    message_no: int
    attempt: int


def retries(conn: psycopg.Connection, wave: int) -> list[Retry]:
    """Every retried message, one row an attempt."""
    rows = conn.execute("SELECT batch, idx, message_no, attempt FROM retry_item WHERE wave = %s", (wave,))
    return [Retry(*row) for row in rows]


class Line(NamedTuple):
    """One line of the log, named by message and attempt."""

    no: int
    attempt: int
    kind: str
    outcome: int
    code: str


LINES = """
SELECT CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END,
    CASE w.kind WHEN 'first' THEN 1 ELSE r.attempt END, l.kind::text, l.outcome, l.provider_code
FROM {log} l JOIN send_window w ON w.id = l."window"
LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = w.wave AND r.batch = w.batch AND r.idx = l.idx
"""


def lines(conn: psycopg.Connection, wave: int) -> list[Line]:
    """The whole log of a wave."""
    return [Line(*row) for row in conn.execute(LINES.format(log=log_table(wave)))]


def approvals_of(conn: psycopg.Connection, wave: int) -> tuple[int, int, datetime | None]:
    """Approvals of the wave's hash by others than its author, how many are due, and when the last one was given."""
    row = conn.execute(
        "SELECT count(a.id), min(w.approvals_due), max(a.at) FROM wave w LEFT JOIN approval a"
        " ON a.wave = w.id AND a.plan_hash = w.plan_hash AND a.choice = coalesce(w.choice, a.choice)"
        " AND a.person <> w.author WHERE w.id = %s",
        (wave,),
    ).fetchone()
    return (int(row[0]), int(row[1]), row[2]) if row else (0, 1, None)


def waves_of_audience(conn: psycopg.Connection, audience: int) -> int:
    """Plans made of one list that were not cancelled."""
    return _one(conn, "SELECT count(*) FROM wave WHERE audience = %s AND state <> 'cancelled'", audience)


def counters(conn: psycopg.Connection, wave: int) -> dict[tuple[str, int], int]:
    """(carrier, state) -> messages, as the live counters have them."""
    rows = conn.execute(
        "SELECT c.name, wc.state, sum(wc.n) FROM wave_count wc JOIN carrier c ON c.id = wc.carrier"
        " WHERE wc.wave = %s GROUP BY c.name, wc.state HAVING sum(wc.n) > 0",
        (wave,),
    )
    return {(str(row[0]), int(row[1])): int(row[2]) for row in rows}
