"""Letters' own files in the ledger: each a row that stays, beside the draft that it came with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.drafting import DraftState
from campaigns.keeping import Kept
from campaigns.ledger import drafts, people
from campaigns.letter import Kind
from campaigns.terms import Absent, Problem

MOST_BYTES = 200_000_000
"""Of all files of one draft."""


@dataclass(frozen=True, slots=True)
class DraftFile:
    """One file as it was kept."""

    id: int
    draft: int
    sha256: str
    name: str
    kind: Kind  # found from its content
    bytes: int
    lines: int  # that were read from it; 0: a scan
    person: str
    at: datetime


COLUMNS = "f.id, f.draft, f.sha256, f.name, f.media, f.bytes, f.lines, f.person, f.at"
OF_CAMPAIGN = f"""
SELECT {COLUMNS}, min((e.details ->> 'campaign_version')::int)
FROM draft_event e JOIN LATERAL (SELECT * FROM draft_file f WHERE f.draft = e.draft
    AND f.sha256 = e.details ->> 'sha256' AND f.at <= e.at ORDER BY f.id DESC LIMIT 1) f ON true
WHERE e.state = 'submitted' AND e.details ->> 'campaign' = %s
GROUP BY {COLUMNS} ORDER BY f.id DESC
"""


def open_draft(conn: psycopg.Connection, draft: int, more: int) -> None:
    """Hold a draft that may take a file of so many bytes. Raises Problem where it may not."""
    found = drafts.locked(conn, draft)
    if found.state is not DraftState.OPEN:
        raise Problem("this draft is {state}: nothing was saved", state=found.state)
    if sum(each.bytes for each in of_draft(conn, draft)) + more > MOST_BYTES:
        raise Problem("more than {most} MB are kept with this draft: begin another one", most=MOST_BYTES // 1_000_000)


def add(
    conn: psycopg.Connection, draft: int, name: str, kind: Kind, kept: Kept, lines: int, person: str
) -> None:  # fmt: skip
    """Record a file that lies sealed in the data folder, beside those before it."""
    open_draft(conn, draft, kept.bytes)
    conn.execute(
        "INSERT INTO draft_file (draft, sha256, name, media, bytes, lines, person) VALUES (%s, %s, %s, %s, %s, %s, %s)",
        (draft, kept.sha256, name, kind.value, kept.bytes, lines, person),
    )
    people.record(conn, person, "draft.file", str(draft), file=name, sha256=kept.sha256)


def of_draft(conn: psycopg.Connection, draft: int) -> list[DraftFile]:
    """Every file of a draft, the newest first."""
    rows = conn.execute(f"SELECT {COLUMNS} FROM draft_file f WHERE f.draft = %s ORDER BY f.id DESC", (draft,))
    return [_file(row) for row in rows]


def get(conn: psycopg.Connection, draft: int, file: int) -> DraftFile:
    """One file of this very draft. Raises Absent."""
    row = conn.execute(f"SELECT {COLUMNS} FROM draft_file f WHERE f.draft = %s AND f.id = %s", (draft, file)).fetchone()
    if row is None:
        raise Absent("there is no page at this address")
    return _file(row)


def of_campaign(conn: psycopg.Connection, campaign: str) -> list[tuple[DraftFile, int]]:
    """The letters' files with which a campaign was submitted, each with the first version it made; newest first."""
    return [(_file(row[:-1]), int(row[-1])) for row in conn.execute(OF_CAMPAIGN, (campaign,))]


def _file(row: Sequence[object]) -> DraftFile:
    no, draft, sha256, name, media, *rest = row
    return DraftFile(no, draft, sha256, name, Kind(media), *rest)  # type: ignore[arg-type]
