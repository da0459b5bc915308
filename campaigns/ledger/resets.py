"""A lost password or phone: one operator asks, another one agrees, and what the person signed in with ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.ledger import logins, people
from campaigns.terms import Absent, Problem

REASON_MOST = 500


@dataclass(frozen=True, slots=True)
class Reset:
    """What one operator asked for."""

    id: int
    person: str
    reason: str
    asked_by: str
    asked_at: datetime
    waits: bool  # nobody has decided yet


COLUMNS = "id, person, reason, asked_by, asked_at, agreed_at IS NULL AND dropped_at IS NULL"


def waiting(conn: psycopg.Connection) -> list[Reset]:
    """What a second operator is to decide, oldest first."""
    rows = conn.execute(
        f"SELECT {COLUMNS} FROM person_reset WHERE agreed_at IS NULL AND dropped_at IS NULL ORDER BY id"
    )
    return [Reset(*row) for row in rows]


def deciders(conn: psycopg.Connection, login: str) -> list[str]:
    """Logins of the operators who may decide on this person: never the person."""
    row = conn.execute("SELECT other_operators(%s)", (login,)).fetchone()
    return list(row[0]) if row else []


def ask(conn: psycopg.Connection, login: str, reason: str, by: str) -> int:
    """Ask that a person begins anew; nothing ends until somebody else agrees. Raises Problem."""
    if not set(deciders(conn, login)) - {by}:
        raise Problem("no other operator can agree: use `dispatcher person reset {login}` on the command line",
                      login=login)  # fmt: skip
    return _enter(conn, login, reason, by)


def agree(conn: psycopg.Connection, reset: int, by: str) -> tuple[str, str]:
    """The second operator's yes: all ends at once; (login, a one-time word for a new password). Raises Problem."""
    found = _undecided(conn, reset)
    if found.asked_by == by:
        raise Problem("{login} asked for this: another operator must agree", login=by)
    _not_oneself(found.person, by)
    if not logins.may_enter(conn, found.person):
        raise Problem("the account of {login} is closed: open it first", login=found.person)
    return found.person, _end(conn, found, by, alone=False)


def drop(conn: psycopg.Connection, reset: int, by: str) -> None:
    """Nothing comes of it: by whoever asked, or by another operator who does not agree; never by the person."""
    found = _undecided(conn, reset)
    _not_oneself(found.person, by)
    conn.execute("UPDATE person_reset SET dropped_by = %s, dropped_at = now() WHERE id = %s", (by, reset))
    people.record(conn, by, "person.reset-dropped", found.person, asked_by=found.asked_by)


def alone(conn: psycopg.Connection, login: str, reason: str, by: str) -> str:
    """One operator for both, on a machine's command line, where there is no second one; the word. Raises Problem."""
    _not_oneself(login, by)
    able = set(deciders(conn, login))
    if by not in able:
        raise Problem("{login} is not an operator", login=by)
    if able != {by}:
        raise Problem("there are two operators: one asks on the page People, the other one agrees")
    waits = next((each for each in waiting(conn) if each.person == login), None)
    if waits is not None:  # whoever asked for it is no operator any more
        drop(conn, waits.id, by)
    return _end(conn, _undecided(conn, _enter(conn, login, reason, by)), by, alone=True)


def _enter(conn: psycopg.Connection, login: str, reason: str, by: str) -> int:
    _not_oneself(login, by)
    why = reason.strip()[:REASON_MOST]
    if not why:
        raise Problem("write why this person begins anew: the record keeps it")
    if not logins.may_enter(conn, login):
        raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('reset'), hashtext(%s))", (login,))
    if any(each.person == login for each in waiting(conn)):
        raise Problem("it was asked for {login} already: agree to it or drop it first", login=login)
    row = conn.execute(
        "INSERT INTO person_reset (person, reason, asked_by) VALUES (%s, %s, %s) RETURNING id",
        (login, why, by),
    ).fetchone()
    people.record(conn, by, "person.reset-asked", login, reason=why)
    return int(row[0]) if row else 0


def _end(conn: psycopg.Connection, found: Reset, by: str, *, alone: bool) -> str:
    """The row's own trigger ends everything, so that agreeing without it cannot be; then a new word."""
    conn.execute(
        "UPDATE person_reset SET agreed_by = %s, agreed_at = now(), alone = %s WHERE id = %s", (by, alone, found.id)
    )
    people.record(conn, by, "person.reset", found.person, asked_by=found.asked_by, reason=found.reason, alone=alone)
    return logins.invite(conn, found.person, by)


def _undecided(conn: psycopg.Connection, reset: int) -> Reset:
    """Held for the rest of the transaction: it is decided once."""
    row = conn.execute(f"SELECT {COLUMNS} FROM person_reset WHERE id = %s FOR UPDATE", (reset,)).fetchone()
    if row is None:
        raise Absent("nobody asked for {id}", id=reset)
    found = Reset(*row)
    if not found.waits:
        raise Problem("this was decided already")
    return found


def _not_oneself(login: str, by: str) -> None:
    if login == by:
        raise Problem("{login} cannot decide on their own account: another operator does", login=login)
