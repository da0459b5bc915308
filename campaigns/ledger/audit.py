"""The record of what people did, to look at: append-only, written by people.record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries; what is empty asks for all."""

    person: str = ""
    act: str = ""  # its beginning: "wave." or "wave.approve"
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None  # the first instant that does not belong to it


FILTER = """
WHERE (%(person)s = '' OR person = %(person)s) AND (%(act)s = '' OR starts_with(act, %(act)s))
    AND (%(subject)s = '' OR subject = %(subject)s) AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
"""


def entries(conn: psycopg.Connection, wanted: Wanted, *, most: int, before: int = 0) -> list[Entry]:
    """The newest entries, or those older than the entry `before`; read along the primary key."""
    rows = conn.execute(
        f"SELECT {COLUMNS} FROM audit {FILTER} AND (%(before)s = 0 OR id < %(before)s) ORDER BY id DESC LIMIT %(most)s",
        asdict(wanted) | {"before": before, "most": most},
    )
    return [Entry(*row) for row in rows]


def count(conn: psycopg.Connection, wanted: Wanted) -> int:
    """How many there are."""
    row = conn.execute(f"SELECT count(*) FROM audit {FILTER}", asdict(wanted)).fetchone()
    return int(row[0]) if row else 0


EXPORT = f"COPY (SELECT {COLUMNS} FROM audit {FILTER} ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"


def lines(conn: psycopg.Connection, wanted: Wanted) -> Iterator[bytes]:
    """CSV: id, at, person, act, subject, details; oldest first."""
    with conn.cursor().copy(EXPORT, asdict(wanted)) as copy:
        for data in copy:
            yield bytes(data)
