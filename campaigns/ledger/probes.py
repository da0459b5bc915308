"""Attempts to break the ledger on purpose: each must be refused by the database, and each is rolled back.

A drill runs them beside the real work. `True` means that the wrong thing went through.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from campaigns.ledger.names import new_id


def _goes_through(conn: psycopg.Connection, act: Callable[[], bool]) -> bool:
    """Whether an act is possible; whatever it did is undone."""
    try:
        with conn.transaction(force_rollback=True):
            return act()
    except psycopg.errors.IntegrityError:
        return False


def window_twice(conn: psycopg.Connection, wave: int) -> bool:
    """A second window over indexes that a window has: the exclusion constraint must refuse it."""

    def act() -> bool:
        made = conn.execute(
            "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)"
            " SELECT %s, wave, kind, batch, epoch, lo, hi, skip, account, journal FROM send_window WHERE wave = %s"
            " LIMIT 1",
            (new_id(), wave),
        )
        return made.rowcount == 1

    return _goes_through(conn, act)


def attempt_twice(conn: psycopg.Connection, wave: int) -> bool:
    """The same attempt of a message in two places of retry batches: the unique key must refuse it."""

    def act() -> bool:
        made = conn.execute(
            "INSERT INTO retry_item (wave, batch, idx, message_no, attempt)"
            " SELECT wave, batch, 2000000000, message_no, attempt FROM retry_item WHERE wave = %s LIMIT 1",
            (wave,),
        )
        return made.rowcount == 1

    return _goes_through(conn, act)


# A claim as sender A would make it, then as B makes it after A's lease is over; T1 must tell A "lease".
CLAIM = """
UPDATE batch SET epoch = epoch + 1, lease_token = %s, lease_until = clock_timestamp() + interval '60 s'
WHERE (wave, kind, seq) = (SELECT wave, kind, seq FROM batch WHERE wave = %s AND cursor < hi
    AND not_before <= clock_timestamp() AND lease_token IS NULL LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING kind::text, seq, cursor
"""
CLAIM_AGAIN = (
    "UPDATE batch SET epoch = epoch + 1, lease_token = %s WHERE wave = %s AND kind = %s::batch_kind AND seq = %s"
)
TAKE = """
SELECT t.verdict FROM wave w, installation i, take_window(w.id, %(kind)s::batch_kind, %(seq)s, %(token)s, %(lo)s, 1,
    %(id)s, 'probe', i.incarnation, w.plan_hash, w.stop_seq) t WHERE w.id = %(wave)s
"""


def old_lease(conn: psycopg.Connection, wave: int) -> bool | None:
    """An intent under a claim that somebody else's has followed: T1 must refuse it; None when no batch is free."""
    tried: list[str] = []

    def act() -> bool:
        first = new_id()
        row = conn.execute(CLAIM, (first, wave)).fetchone()
        if row is None:
            return False
        kind, seq, cursor = row
        conn.execute(CLAIM_AGAIN, (new_id(), wave, kind, seq))
        place = {"kind": kind, "seq": seq, "token": first, "lo": cursor, "id": new_id(), "wave": wave}
        answer = conn.execute(TAKE, place).fetchone()
        tried.append(str(answer[0]) if answer else "gone")
        return tried == ["ok"]

    went = _goes_through(conn, act)
    return went if tried else None
