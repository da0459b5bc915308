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


CLAUSES = {
    "person": "person = %(person)s", "act": "starts_with(act, %(act)s)", "subject": "subject = %(subject)s",
    "since": "at >= %(since)s", "until": "at < %(until)s",
}  # fmt: skip
"""What is asked for becomes a clause, so that an index can answer it."""


def _filter(wanted: Wanted, *more: str) -> str:
    given = [clause for name, clause in CLAUSES.items() if getattr(wanted, name)]
    return " AND ".join(["WHERE true", *given, *more])


def newest_first(wanted: Wanted, *, older: bool) -> str:
    """The query of `entries`; `older`: only those before an entry."""
    rows = _filter(wanted, *(["id < %(before)s"] if older else []))
    return f"SELECT {COLUMNS} FROM audit {rows} ORDER BY id DESC LIMIT %(most)s"


def entries(conn: psycopg.Connection, wanted: Wanted, *, most: int, before: int = 0) -> list[Entry]:
    """The newest entries, or those older than the entry `before`; by the index of what is asked for, else by key."""
    given = asdict(wanted) | {"before": before, "most": most}
    return [Entry(*row) for row in conn.execute(newest_first(wanted, older=before > 0), given)]


def count(conn: psycopg.Connection, wanted: Wanted) -> int:
    """How many there are."""
    row = conn.execute(f"SELECT count(*) FROM audit {_filter(wanted)}", asdict(wanted)).fetchone()
    return int(row[0]) if row else 0


def lines(conn: psycopg.Connection, wanted: Wanted) -> Iterator[bytes]:
    """CSV: id, at, person, act, subject, details; oldest first."""
    rows = f"SELECT {COLUMNS} FROM audit {_filter(wanted)} ORDER BY id"
    with conn.cursor().copy(f"COPY ({rows}) TO STDOUT (FORMAT csv, HEADER)", asdict(wanted)) as copy:
        for data in copy:
            yield bytes(data)
