"""What stops: the kill switch with its two persons, and whether every worker has heard of a stop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from campaigns.ledger import people, recovery
from campaigns.terms import Problem

BY_FILE = "file"
"""Who stopped, when it was the file."""
STOP = recovery.STOP


@dataclass(frozen=True, slots=True)
class Halt:
    """The kill switch while it is on."""

    by: str
    reason: str
    at: datetime
    asked_by: str | None  # who has said that sending may go on; a second person agrees
    asked_why: str


def current(conn: psycopg.Connection) -> Halt | None:
    """The kill switch; None when it is off."""
    row = conn.execute("SELECT by, reason, at, asked_by, asked_why FROM halt WHERE lifted_at IS NULL").fetchone()
    return Halt(*row) if row else None


def stop(conn: psycopg.Connection, person: str, reason: str) -> bool:
    """Nothing of any wave leaves from now on; True when it was off before. It outlives every process."""
    row = conn.execute("SELECT stop_all(%s, %s)", (person, reason)).fetchone()
    return row == (True,)


async def stop_by_file(conn: psycopg.AsyncConnection[Any]) -> None:
    """The file can only stop: once a worker has seen it, taking it away opens nothing."""
    await conn.execute("SELECT stop_all(%s, %s)", (BY_FILE, "the file of the kill switch"))


def lift(conn: psycopg.Connection, person: people.Person, reason: str, *, file_there: bool) -> bool:
    """The first person asks, a second one who approves agrees; True when sending is open again. Raises Problem."""
    conn.execute("SELECT FROM installation FOR UPDATE")
    found = current(conn)
    if found is None:
        raise Problem("the kill switch is off: nothing is to be lifted")
    if file_there:
        raise Problem("the file of the kill switch is still there: take it away first")
    if not reason.strip():
        raise Problem("say with --reason why sending may go on; it goes into the record")
    if found.asked_by in (None, person.login):
        conn.execute(
            "UPDATE halt SET asked_by = %s, asked_why = %s, asked_at = clock_timestamp() WHERE lifted_at IS NULL",
            (person.login, reason),
        )
        people.record(conn, person.login, "sending.lift-asked", "installation", reason=reason)
        return False
    if "approver" not in person.roles:
        raise Problem("{login} is not an approver", login=person.login)
    conn.execute(
        "UPDATE halt SET lifted_by = %s, lifted_why = %s, lifted_at = clock_timestamp() WHERE lifted_at IS NULL",
        (person.login, reason),
    )
    recovery.end_stop(conn)
    people.record(conn, person.login, "sending.lift", "installation", reason=reason, asked_by=found.asked_by)
    conn.execute("SELECT pg_notify('dispatcher', '{}')")
    return True


def stop_number(conn: psycopg.Connection) -> int:
    """Grows with each start, pause, resume and cancel of any wave; workers tell how far they have heard."""
    row = conn.execute("SELECT coalesce(sum(stop_seq), 0)::bigint FROM wave").fetchone()
    return int(row[0]) if row else 0


class Hearing(NamedTuple):
    """One living worker, as it last told of itself."""

    account: str
    heard: int  # the stop number whose stops are in force in it
    locked: bool  # it sends nothing of any wave
    wire: Mapping[str, int]  # wave -> messages that left and have no answer


def hearings(conn: psycopg.Connection) -> list[Hearing]:
    """Every worker that holds a share."""
    rows = conn.execute("SELECT account, says FROM share WHERE until > clock_timestamp()")
    return [
        Hearing(account, int(says.get("heard", -1)), bool(says.get("locked")), says.get("wire") or {})
        for account, says in rows
    ]
