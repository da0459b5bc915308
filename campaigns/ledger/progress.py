"""How a wave goes now, beside its counts: what is on the wire, how fast, until when, and what carriers say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg

from campaigns.ledger.logbook import CRASH
from campaigns.ledger.names import log_table
from campaigns.terms import Outcome


class Going(NamedTuple):
    """One account of a wave, as its workers told last."""

    account: str
    carriers: tuple[str, ...]
    workers: int  # alive
    on_wire: int  # of this wave: left, no answer yet
    speed: float  # segments a second of the last three, all waves
    rate: float  # segments a second that are allowed now: the licence, or a person's below it
    licence: float
    waiting: int  # messages of this wave that never left
    told: float | None  # unix time of the oldest of the workers' words

    def eta(self, segments: int) -> float | None:
        """Seconds until the last of the wave has left at this speed; None while nothing moves."""
        return self.waiting * segments / self.speed if self.speed > 0 and self.workers else None


# Plan at 1 M messages: batch (210 rows), share and account; 0.3 ms.
GOING = """
WITH b AS (
    SELECT account, array_agg(DISTINCT c.name ORDER BY c.name) AS carriers, sum(hi - cursor)::bigint AS waiting
    FROM batch JOIN carrier c ON c.id = batch.carrier WHERE wave = %(wave)s GROUP BY account
)
SELECT b.account, b.carriers, count(s.*)::int, coalesce(sum((s.says -> 'wire' ->> %(name)s)::bigint), 0)::bigint,
    coalesce(sum((s.says ->> 'speed')::float8), 0), coalesce(a.rate_set, a.licence), a.licence, b.waiting,
    min((s.says ->> 'told')::float8)
FROM b JOIN account a ON a.name = b.account LEFT JOIN share s ON s.account = b.account AND s.until > clock_timestamp()
GROUP BY b.account, b.carriers, b.waiting, a.rate_set, a.licence ORDER BY b.account
"""


def going(conn: psycopg.Connection, wave: int) -> list[Going]:
    """The accounts of a wave."""
    rows = conn.execute(GOING, {"wave": wave, "name": str(wave)})
    return [Going(row[0], tuple(row[1]), *row[2:]) for row in rows]


def age(conn: psycopg.Connection, wave: int) -> float:
    """Seconds by which the counts lag behind what workers have written down."""
    row = conn.execute(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM chunk"
        " WHERE wave = %s AND NOT folded",
        (wave,),
    ).fetchone()
    return float(row[0]) if row else 0.0


def state_reason(conn: psycopg.Connection, wave: int) -> str:
    """What was said at the last pause, resume or cancel."""
    row = conn.execute("SELECT state_reason FROM wave WHERE id = %s", (wave,)).fetchone()
    return str(row[0]) if row else ""


class Complaint(NamedTuple):
    """What went wrong lately, by carrier and code."""

    carrier: str
    outcome: Outcome
    code: str
    messages: int
    last: datetime


NEWEST = 200
"""Chunks of the log that are looked at: some minutes of a busy wave."""
# Plan at 1 M messages: the newest chunks by primary key, their lines by the log's chunk index; 20 ms.
COMPLAINTS = """
SELECT c.name, l.outcome, l.provider_code, count(*)::int, max(l.at) FROM {log} l
JOIN send_window w ON w.id = l."window" JOIN batch b ON b.wave = w.wave AND b.kind = w.kind AND b.seq = w.batch
JOIN carrier c ON c.id = b.carrier
WHERE l.chunk >= (SELECT min(id) FROM (SELECT id FROM chunk WHERE wave = %(wave)s ORDER BY id DESC LIMIT %(newest)s) x)
    AND l.outcome = ANY(%(bad)s) AND l.kind <> 'closed' AND (%(account)s = '' OR w.account = %(account)s)
GROUP BY c.id, c.name, l.outcome, l.provider_code ORDER BY max(l.at) DESC LIMIT 30
"""
BAD = (Outcome.UNCERTAIN, Outcome.NOT_SENT, Outcome.DEFERRED, Outcome.REFUSED, Outcome.UNDELIVERED)


def complaints(conn: psycopg.Connection, wave: int, account: str = "") -> Sequence[Complaint]:
    """The newest of each kind, at most thirty; of one account or of all."""
    asked = {"wave": wave, "newest": NEWEST, "bad": [each.value for each in BAD], "account": account}
    rows = conn.execute(COMPLAINTS.format(log=log_table(wave)), asked)
    return [Complaint(row[0], Outcome(row[1]), *row[2:]) for row in rows]


def crashed(conn: psycopg.Connection, wave: int, since: float) -> int:
    """Messages in doubt because a worker died, as written down since a unix time; asked before an auto-pause."""
    # Plan at 1 M: chunks of the wave (400), then the log by its chunk index for those of the last minute or so
    row = conn.execute(
        f"SELECT count(*) FROM chunk c JOIN {log_table(wave)} l ON l.chunk = c.id"
        " WHERE c.wave = %s AND c.at >= to_timestamp(%s) AND l.provider_code = %s AND l.outcome = %s",
        (wave, since, CRASH, Outcome.UNCERTAIN),
    ).fetchone()
    return int(row[0]) if row else 0
