"""Changes of the settings: proposed by one person, agreed by another, versioned, in force from a day on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from campaigns.ledger import people
from campaigns.terms import Absent, Problem

HOTLINE, PRICE, ROUTE, SENDER = "hotline", "price", "route", "sender"
TOPICS = (HOTLINE, PRICE, ROUTE, SENDER)
MISSING = {
    HOTLINE: "dial {subject} first, then write who answered and what was said",
    SENDER: "read the carrier's confirmation first, then write its number and day",
}
"""What the second person does before agreeing, where a yes alone proves nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of one file, as it is to be from a day on."""

    id: int
    topic: str  # one of TOPICS
    subject: str  # a hotline's number, an account, a carrier, an account and a carrier
    version: int  # of this subject
    value: Mapping[str, Any]
    effective_on: date
    reason: str
    proposed_by: str
    proposed_at: datetime
    agreed_by: str | None
    agreed_at: datetime | None
    tested: str  # who answered the hotline; which confirmation names the sender
    dropped_by: str | None
    dropped_at: datetime | None

    @property
    def waits(self) -> bool:
        """Whether nobody has decided yet."""
        return self.agreed_at is None and self.dropped_at is None


COLUMNS = (
    "id, topic::text, subject, version, value, effective_on, reason, proposed_by, proposed_at, agreed_by, agreed_at,"
    " tested, dropped_by, dropped_at"
)


def changes(conn: psycopg.Connection, topic: str) -> list[Change]:
    """All of a topic, the newest first; a few a year."""
    rows = conn.execute(f"SELECT {COLUMNS} FROM setting_change WHERE topic = %s ORDER BY id DESC", (topic,))
    return [Change(*row) for row in rows]


def in_force(conn: psycopg.Connection, topic: str, day: date = date.max) -> list[Change]:
    """What was agreed and takes effect by a day, in the order in which it does."""
    rows = conn.execute(
        f"SELECT {COLUMNS} FROM setting_change WHERE topic = %s AND agreed_at IS NOT NULL AND effective_on <= %s"
        " ORDER BY effective_on, id",
        (topic, day),
    )
    return [Change(*row) for row in rows]


def get(conn: psycopg.Connection, change: int) -> Change:
    """One change; raises Absent. Held for the rest of the transaction: it is decided once."""
    row = conn.execute(f"SELECT {COLUMNS} FROM setting_change WHERE id = %s FOR UPDATE", (change,)).fetchone()
    if row is None:
        raise Absent("there is no change {id} of the settings", id=change)
    return Change(*row)


def propose(
    conn: psycopg.Connection, topic: str, subject: str, value: Mapping[str, Any], effective_on: date, reason: str,
    person: str, today: date,
) -> int:  # fmt: skip
    """Ask for a change; nothing is another way until somebody else agrees. Raises Problem."""
    if not reason.strip():
        raise Problem("write why the setting is changed: the record keeps it")
    if effective_on < today:
        raise Problem("{day} is over: a change takes effect today or later", day=effective_on)
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('setting'), hashtext(%s))", (f"{topic}|{subject}",))
    known: Sequence[Change] = [each for each in changes(conn, topic) if each.subject == subject]
    if any(each.waits for each in known):
        raise Problem("a change of {subject} waits already: agree to it or drop it first", subject=subject)
    row = conn.execute(
        "INSERT INTO setting_change (topic, subject, version, value, effective_on, reason, proposed_by)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING id",
        (topic, subject, 1 + max((each.version for each in known), default=0),
         json.dumps(dict(value), ensure_ascii=False), effective_on, reason.strip(), person),
    ).fetchone()  # fmt: skip
    made = int(row[0]) if row else 0
    people.record(conn, person, "setting.propose", f"{topic} {subject}", change=made, value=dict(value),
                  effective_on=effective_on.isoformat(), reason=reason.strip())  # fmt: skip
    return made


def agree(conn: psycopg.Connection, change: int, person: str, today: date, tested: str = "") -> Change:
    """The second person's yes. Raises Problem for one's own, for what is decided, and for a day that is over."""
    found = get(conn, change)
    _must_wait(found)
    if found.proposed_by == person:
        raise Problem("{login} proposed this change: another operator must agree", login=person)
    if found.effective_on < today:
        raise Problem("{day} is over: a change takes effect today or later", day=found.effective_on)
    if found.topic in MISSING and not tested.strip():
        raise Problem(MISSING[found.topic], subject=found.subject)
    conn.execute(
        "UPDATE setting_change SET agreed_by = %s, agreed_at = now(), tested = %s WHERE id = %s",
        (person, tested.strip(), change),
    )
    people.record(conn, person, "setting.agree", f"{found.topic} {found.subject}", change=change, tested=tested.strip())
    return found


def drop(conn: psycopg.Connection, change: int, person: str) -> Change:
    """Nothing comes of it: by whoever proposed it, or by another operator who does not agree."""
    found = get(conn, change)
    _must_wait(found)
    conn.execute("UPDATE setting_change SET dropped_by = %s, dropped_at = now() WHERE id = %s", (person, change))
    people.record(conn, person, "setting.drop", f"{found.topic} {found.subject}", change=change)
    return found


def _must_wait(found: Change) -> None:
    if not found.waits:
        raise Problem("change {id} is decided already", id=found.id)
