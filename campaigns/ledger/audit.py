"""The record of what people did, to look at: append-only, written by people.record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg


@dataclass(frozen=True, slots=True)
class Entry:
    """One act."""

    id: int
    at: datetime
    person: str  # a login, or what acted in nobody's name: "file"
    act: str  # "wave.approve"
    subject: str  # the id of what it was done to
    details: dict[str, Any]


COLUMNS = "id, at, person, act, subject, details"


def newest(conn: psycopg.Connection, acts: Sequence[str], subject: str) -> Entry | None:
    """The last time that one of these was done to it."""
    row = conn.execute(
        f"SELECT {COLUMNS} FROM audit WHERE act = ANY(%s) AND subject = %s ORDER BY id DESC LIMIT 1",
        (list(acts), subject),
    ).fetchone()
    return Entry(*row) if row else None
