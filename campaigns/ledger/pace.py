"""How fast a wave went, in slots of ten seconds that the fold keeps: read whole, never from messages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg

SLOT = timedelta(seconds=10)
"""What one row is of."""


class Slot(NamedTuple):
    """Ten seconds."""

    at: datetime  # their beginning
    taken: int  # messages that a carrier took; each counts once
    receipts: int  # without repeats


def slots(conn: psycopg.Connection, wave: int) -> Sequence[Slot]:
    """Those in which anything happened, oldest first; they sum to the wave's counters."""
    # Plan: the primary key; a wave of ten open hours has 3,600 rows, 400,000 messages at 100 a second 400.
    rows = conn.execute("SELECT at, taken, receipts FROM wave_pace WHERE wave = %s ORDER BY at", (wave,))
    return [Slot(*row) for row in rows]
