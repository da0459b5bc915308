"""Drafts of campaigns in the ledger: each saving is a version, none is written over, a newer one is never lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from campaigns.drafting import KEPT_DAYS, TRANSITIONS, DraftState, Fields
from campaigns.ledger import people
from campaigns.ledger.names import new_id
from campaigns.terms import Absent, Problem

ACTS = {DraftState.OPEN: "draft.reopen", DraftState.SUBMITTED: "draft.submit", DraftState.DELETED: "draft.delete"}
"""What the audit log calls the way into each state."""


@dataclass(frozen=True, slots=True)
class Version:
    """One saving: all fields as they were then."""

    version: int
    step: str  # the form that was sent
    fields: Fields
    person: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft with its newest version."""

    id: int
    author: str
    state: DraftState
    began_at: datetime
    moved_at: datetime | None  # into its present state
    newest: Version

    @property
    def fields(self) -> Fields:
        """As they are now."""
        return self.newest.fields


class Overtaken(Problem):
    """Somebody else saved the same form meanwhile: nothing was stored, both are to be looked at."""

    def __init__(self, now: Draft, base: Version) -> None:
        super().__init__("{name} has saved this page meanwhile: compare before saving again", name=now.newest.person)
        self.now, self.base = now, base


VERSION = "v.version, v.step, v.fields, v.person, v.at"
DRAFTS = f"""
SELECT d.id, d.author, d.state::text, d.began_at, (SELECT max(at) FROM draft_event e WHERE e.draft = d.id), {VERSION}
FROM draft d JOIN LATERAL (SELECT * FROM draft_version v WHERE v.draft = d.id ORDER BY version DESC LIMIT 1) v ON true
"""


def begin(conn: psycopg.Connection, person: str, fields: Fields) -> Draft:
    """A new draft, empty or with what another one holds."""
    draft = new_id()
    conn.execute("INSERT INTO draft (id, author) VALUES (%s, %s)", (draft, person))
    _add(conn, draft, 1, "letter", fields, person)
    people.record(conn, person, "draft.begin", str(draft))
    return get(conn, draft)


def get(conn: psycopg.Connection, draft: int) -> Draft:
    """One draft; a Problem when there is none."""
    row = conn.execute(f"{DRAFTS} WHERE d.id = %s", (draft,)).fetchone()
    if row is None:
        raise Absent("there is no draft {draft}: it was never begun here", draft=str(draft))
    return _draft(row)


def all_drafts(conn: psycopg.Connection) -> list[Draft]:
    """Every draft that can be seen, the newest saving first; those deleted long ago are gone."""
    rows = conn.execute(
        f"{DRAFTS} WHERE d.state <> 'deleted' OR EXISTS (SELECT FROM draft_event e WHERE e.draft = d.id"
        " AND e.state = 'deleted' AND e.at > now() - make_interval(days => %s)) ORDER BY v.at DESC",
        (KEPT_DAYS,),
    )
    return [_draft(row) for row in rows]


def _draft(row: Any) -> Draft:
    no, author, state, began_at, moved_at, *newest = row
    return Draft(no, author, DraftState(state), began_at, moved_at, Version(*newest))


def versions(conn: psycopg.Connection, draft: int) -> list[Version]:
    """Every version, the newest first."""
    rows = conn.execute(f"SELECT {VERSION} FROM draft_version v WHERE v.draft = %s ORDER BY version DESC", (draft,))
    return [Version(*row) for row in rows]


def save(conn: psycopg.Connection, draft: int, base: int, step: str, changes: Mapping[str, str], person: str) -> Draft:
    """Store one form's fields as the next version; raises Overtaken when it was changed since version `base`.

    A form that changes nothing makes no version.
    """
    now = locked(conn, draft)
    if now.state is not DraftState.OPEN:
        raise Problem("this draft is {state}: nothing was saved", state=now.state)
    old = next((each for each in versions(conn, draft) if each.version == base), None)
    if old is None:
        raise Problem("the form is not whole: open the page again and send it once more")
    theirs = [name for name in changes if old.fields.get(name, "") != now.fields.get(name, "")]
    if any(now.fields.get(name, "") != changes[name] for name in theirs):
        raise Overtaken(now, old)
    fields = {name: value for name, value in {**now.fields, **changes}.items() if value}
    if fields == now.fields:
        return now
    _add(conn, draft, now.newest.version + 1, step, fields, person)
    return get(conn, draft)


def _add(conn: psycopg.Connection, draft: int, version: int, step: str, fields: Fields, person: str) -> None:
    conn.execute(
        "INSERT INTO draft_version (draft, version, step, fields, person) VALUES (%s, %s, %s, %s, %s)",
        (draft, version, step, json.dumps(dict(fields), ensure_ascii=False), person),
    )


def locked(conn: psycopg.Connection, draft: int) -> Draft:
    """A draft that nobody else can change until the end of this transaction."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", (draft,))
    return get(conn, draft)


def _too_late(found: Draft) -> bool:
    """The trigger says the same; here it becomes a sentence."""
    return (
        found.state is DraftState.DELETED
        and found.moved_at is not None
        and datetime.now(UTC) - found.moved_at > timedelta(KEPT_DAYS)
    )


def move(
    conn: psycopg.Connection, draft: int, version: int, state: DraftState, person: str, **details: object
) -> Draft:
    """Submit, delete or open again, as it was at this very version. Raises Problem when it is not there any more."""
    found = locked(conn, draft)
    if found.newest.version != version:
        raise Problem("the draft was changed since this page was shown: look at it again")
    if state not in TRANSITIONS[found.state] or _too_late(found):
        raise Problem("this draft is {state}: nothing was saved", state=found.state)
    conn.execute(
        "INSERT INTO draft_event (draft, version, state, person, details) VALUES (%s, %s, %s::draft_state, %s, %s)",
        (draft, version, state.value, person, json.dumps(details, ensure_ascii=False)),
    )
    people.record(conn, person, ACTS[state], str(draft), version=version, **details)
    return get(conn, draft)


def submission(conn: psycopg.Connection, draft: int) -> dict[str, Any]:
    """What the last submission made: campaign, version, waves, orders; {} before one."""
    row = conn.execute(
        "SELECT details FROM draft_event WHERE draft = %s AND state = 'submitted' ORDER BY id DESC LIMIT 1", (draft,)
    ).fetchone()
    return dict(row[0]) if row else {}


UNDECIDED_WAVES = """
SELECT w.id, w.name, w.state::text, EXISTS (SELECT FROM approval a WHERE a.wave = w.id AND a.plan_hash = w.plan_hash)
FROM wave w WHERE w.id = ANY(%s) ORDER BY w.no FOR UPDATE
"""


def withdrawable(conn: psycopg.Connection, found: list[int]) -> list[int]:
    """Of these waves, those that still wait, held; raises Problem when somebody has decided about one."""
    waiting = []
    for wave, name, state, approved in conn.execute(UNDECIDED_WAVES, (found,)):
        if state not in {"planned", "cancelled"} or approved:
            raise Problem("{name} is decided already: pause or cancel it on its own page", name=name)
        waiting += [int(wave)] if state == "planned" else []
    return waiting
