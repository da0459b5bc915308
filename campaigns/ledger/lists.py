"""Audiences to look at: one with its files, the one that a file made, and every row with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from campaigns.ledger.audience_rows import CAPPED, DUPLICATE, SUPPRESSED
from campaigns.numbers import Reason
from campaigns.terms import Absent


@dataclass(frozen=True, slots=True)
class File:
    """One imported file of an audience."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True)
class Audience:
    """An audience and its files."""

    id: int
    campaign: str
    name: str
    author: str
    created_at: datetime
    frozen_at: datetime | None
    files: list[File]


def audience(conn: psycopg.Connection, wanted: int) -> Audience:
    """One audience; a Problem when there is none."""
    row = conn.execute(
        "SELECT id, campaign, name, author, created_at, frozen_at FROM audience WHERE id = %s", (wanted,)
    ).fetchone()
    if row is None:
        raise Absent("there is no audience {audience}", audience=wanted)
    files = conn.execute(
        "SELECT name, digest, rows FROM audience_file WHERE audience = %s AND complete ORDER BY file", (wanted,)
    )
    number, campaign, name, author, created_at, frozen_at = row
    return Audience(number, campaign, name, author, created_at, frozen_at, [File(*each) for each in files])


def audience_of_file(conn: psycopg.Connection, campaign: str, digest: str, *, seeds: bool = False) -> int | None:
    """The oldest audience (or list of seed phones) of a campaign that holds exactly this file and no other."""
    row = conn.execute(
        "SELECT a.id FROM audience a JOIN audience_file f ON f.audience = a.id"
        " WHERE a.campaign = %s AND %s = EXISTS (SELECT FROM seed_list s WHERE s.audience = a.id)"
        " GROUP BY a.id, a.created_at"
        " HAVING count(*) = 1 AND bool_and(f.complete AND f.digest = %s) ORDER BY a.created_at LIMIT 1",
        (campaign, seeds, digest),
    ).fetchone()
    return int(row[0]) if row else None


def of_campaign(conn: psycopg.Connection, campaign: str, *, seeds: bool = False) -> list[Audience]:
    """The audiences of a campaign, newest first; `seeds`: its lists of seed phones too."""
    rows = conn.execute(
        "SELECT id FROM audience a WHERE campaign = %s AND (%s OR NOT EXISTS (SELECT FROM seed_list s"
        " WHERE s.audience = a.id)) ORDER BY created_at DESC",
        (campaign, seeds),
    ).fetchall()
    return [audience(conn, row[0]) for row in rows]


def names(conn: psycopg.Connection, wanted: Sequence[int]) -> dict[int, str]:
    """Audience -> its name, of those that there are."""
    rows = conn.execute("SELECT id, name FROM audience WHERE id = ANY(%s)", (list(set(wanted)),))
    return {int(each): str(name) for each, name in rows}


def by_carrier(conn: psycopg.Connection, wanted: int) -> dict[str, int]:
    """Carrier -> accepted rows of an audience, carriers in their order."""
    rows = conn.execute(
        "SELECT c.name, count(*) FROM audience_row r JOIN carrier c ON c.id = r.carrier WHERE r.audience = %s"
        " GROUP BY c.id, c.name ORDER BY c.id",
        (wanted,),
    )
    return {str(name): int(n) for name, n in rows}


REASONS = {each.key: each.sentence for each in Reason} | {
    DUPLICATE: "the same number stands in an earlier row",
    SUPPRESSED: "on a list of people who are not texted",
    CAPPED: "has had as many messages as one person may get in a day",
}
"""Key of a row's reason -> a sentence of ours."""


class Fallen(NamedTuple):
    """A row of a file that was not accepted."""

    file: str
    line: int
    verdict: str
    reason: str  # a key
    cell: str  # what the file says there, digits covered; "" in lists of before this was kept


def fallen(conn: psycopg.Connection, wanted: int, *, most: int, after: int = 0) -> list[Fallen]:
    """Rows that were not accepted, in the order of files and lines, from the row `after` on."""
    rows = conn.execute(
        "SELECT f.name, v.line, v.verdict, v.reason, v.cell FROM audience_verdict v"
        " JOIN audience_file f ON f.audience = v.audience AND f.file = v.file"
        " WHERE v.audience = %s ORDER BY v.file, v.line LIMIT %s OFFSET %s",
        (wanted, most, after),
    )
    return [Fallen(*row) for row in rows]


def tags(conn: psycopg.Connection, wanted: int) -> list[tuple[str, int, int]]:
    """(carrier, unit, accepted rows) of an audience; the two tags that are stored with a row."""
    rows = conn.execute(
        "SELECT c.name, r.unit, count(*) FROM audience_row r JOIN carrier c ON c.id = r.carrier WHERE r.audience = %s"
        " GROUP BY c.id, c.name, r.unit ORDER BY c.id, r.unit",
        (wanted,),
    )
    return [(str(carrier), int(unit), int(n)) for carrier, unit, n in rows]


# Every row of the files once: the count of lines is the count of rows. No number and no hash of one is among them.
VERDICTS = """COPY (
    SELECT file, line, verdict, reason FROM (
        SELECT file, line, verdict, reason FROM audience_verdict WHERE audience = %(audience)s
        UNION ALL SELECT file, line, 'accepted', '' FROM audience_row WHERE audience = %(audience)s) every_row
    ORDER BY file, line
) TO STDOUT (FORMAT csv, HEADER)"""


def verdict_lines(conn: psycopg.Connection, wanted: int) -> Iterator[bytes]:
    """CSV: file, line, verdict, reason; as the database makes it."""
    with conn.cursor().copy(VERDICTS, {"audience": wanted}) as copy:
        for data in copy:
            yield bytes(data)
