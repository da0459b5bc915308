"""The newest receipts of an account, to look at: read by index, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import psycopg

from campaigns.ledger.names import log_table
from campaigns.ledger.receipts import Place


class Sealed(NamedTuple):
    """What one sync of the spool made durable: a group of events of one verdict."""

    at: datetime
    verdict: str  # matched | late-matched | unknown | unreadable | ignored
    events: int
    raw: bytes


def newest(conn: psycopg.Connection, account: str, most: int) -> list[Sealed]:
    """The newest groups of the last 72 hours; by the index on account and time, a day's part at a time."""
    rows = conn.execute(
        "SELECT received_at, verdict, events, raw FROM inbox"
        " WHERE account = %s AND received_at > now() - interval '72 h' ORDER BY received_at DESC LIMIT %s",
        (account, most),
    )
    return [Sealed(row[0], row[1], row[2], bytes(row[3])) for row in rows]


def told(conn: psycopg.Connection, places: Sequence[Place]) -> dict[Place, int]:
    """How many receipts of each attempt stand in the log, by the log's index on windows."""
    found = {}
    for place in set(places):
        row = conn.execute(
            f"SELECT count(*) FROM {log_table(place.wave)} WHERE \"window\" = %s AND idx = %s AND kind = 'receipt'",
            (place.window, place.idx),
        ).fetchone()
        found[place] = int(row[0]) if row else 0
    return found
