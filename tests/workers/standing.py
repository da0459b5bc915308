"""Questions to the database whose answer must be empty at every instant, whatever happens to workers."""

from __future__ import annotations

from typing import Any

import psycopg

from campaigns.ledger import fold

OVERLAPS = """
SELECT a.id, b.id FROM send_window a JOIN send_window b ON (a.wave, a.kind, a.batch) = (b.wave, b.kind, b.batch)
    AND a.id < b.id AND int4range(a.lo, a.hi) && int4range(b.lo, b.hi) WHERE a.wave = {wave}"""
ATTEMPTS = """
SELECT w.id AS "window", i AS idx, coalesce(r.message_no, i) AS no, coalesce(r.attempt, 1) AS attempt, w.closed
FROM send_window w CROSS JOIN LATERAL generate_series(w.lo, w.hi - 1) i
LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = w.wave AND r.batch = w.batch AND r.idx = i
WHERE w.wave = {wave}"""
A = "WITH a AS MATERIALIZED (" + ATTEMPTS + ") "
UNPROVED = (
    A
    + """
SELECT message_no, attempt FROM retry_item WHERE wave = {wave}
EXCEPT SELECT a.no, a.attempt + 1 FROM a JOIN log_{wave} l USING ("window", idx) WHERE l.outcome IN (2, 3)"""
)
"""Retries whose attempt before was not closed as not sent or deferred."""
SILENT = A + 'SELECT "window", idx FROM a WHERE closed IS NOT NULL EXCEPT SELECT "window", idx FROM log_{wave}'
"""Indexes of closed windows of which the log says nothing."""
FORGOTTEN = (
    A
    + """
SELECT no, attempt FROM message_{wave} WHERE state = 0
EXCEPT SELECT no, attempt FROM a WHERE closed IS NULL
EXCEPT SELECT no, 1 FROM batch b CROSS JOIN LATERAL generate_series(b.cursor, b.hi - 1) no
    WHERE b.wave = {wave} AND b.kind = 'first'
EXCEPT SELECT r.message_no, r.attempt FROM retry_item r
    JOIN batch b ON b.wave = r.wave AND b.kind = 'retry' AND b.seq = r.batch AND r.idx >= b.cursor
    WHERE r.wave = {wave}"""
)
"""Queued messages that no batch, no retry and no open window holds: asked when every chunk is folded."""


def ask(conn: psycopg.Connection, query: str, wave: int) -> list[Any]:
    return conn.execute(query.format(wave=wave)).fetchall()


def assert_standing(conn: psycopg.Connection, wave: int) -> None:
    """I2 and I4 as queries over one wave."""
    assert ask(conn, OVERLAPS, wave) == [], "overlapping windows (I2)"
    assert ask(conn, UNPROVED, wave) == [], "a retry without proof (I2)"
    assert ask(conn, SILENT, wave) == [], "a closed window that says nothing (I4)"
    if wave not in {each.wave for each in fold.unfolded(conn)}:
        assert ask(conn, FORGOTTEN, wave) == [], "a message that nobody will send (I4)"
