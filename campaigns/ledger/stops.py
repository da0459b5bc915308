"""What stopped by itself, waits for a person, and is told: stops of a route, breakers, failovers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from campaigns.ledger import people
from campaigns.terms import Problem


@dataclass(frozen=True, slots=True)
class Stop:
    """A route that a carrier's answer stopped."""

    account: str
    scope: str  # "account" | "sender" (of one network) | "text" (of one wave)
    code: str
    detail: str
    carrier: str | None
    wave: int | None
    at: datetime


def stops(conn: psycopg.Connection) -> list[Stop]:
    """What waits for a person now, the newest first."""
    rows = conn.execute(
        "SELECT r.account, r.scope, r.code, r.detail, c.name, r.wave, r.at FROM route_stop r"
        " LEFT JOIN carrier c ON c.id = r.carrier WHERE r.lifted_at IS NULL ORDER BY r.id DESC"
    )
    return [Stop(*row) for row in rows]


async def stop(
    conn: psycopg.AsyncConnection[Any], account: str, scope: str, code: str, detail: str, *, carrier: int, wave: int
) -> bool:
    """Stop an account, one network's sender of it, or one text on it; False when it is stopped already."""
    async with conn.transaction():
        cur = await conn.execute(
            "INSERT INTO route_stop (account, carrier, wave, scope, code, detail) VALUES (%s, %s, %s, %s, %s, %s)"
            " ON CONFLICT DO NOTHING",
            (account, None if scope == "account" else carrier, wave if scope == "text" else None, scope, code, detail),
        )
        if cur.rowcount != 1:
            return False
        if scope == "account":
            await conn.execute("UPDATE account SET enabled = false WHERE name = %s", (account,))
        await note(conn, "route.stop", account, scope=scope, code=code, detail=detail)
        return True


async def note(conn: psycopg.AsyncConnection[Any], act: str, subject: str, **details: object) -> None:
    """Into the record, in the name of the program."""
    await conn.execute(
        "INSERT INTO audit (person, act, subject, details) VALUES (%s, %s, %s, %s)",
        (people.BY_ITSELF, act, subject, json.dumps(details, ensure_ascii=False)),
    )


def lift(conn: psycopg.Connection, account: str, person: str, reason: str) -> list[Stop]:
    """A person has mended what stopped this account or parts of it; what was lifted. Raises Problem."""
    found = [each for each in stops(conn) if each.account == account]
    if not found:
        raise Problem("nothing of account {name} is stopped", name=account)
    if not reason.strip():
        raise Problem("say with --reason what was mended; it goes into the record")
    conn.execute(
        "UPDATE route_stop SET lifted_at = now(), lifted_by = %s WHERE account = %s AND lifted_at IS NULL",
        (person, account),
    )
    if any(each.scope == "account" for each in found):
        conn.execute("UPDATE account SET enabled = true WHERE name = %s", (account,))
    people.record(conn, person, "route.lift", account, reason=reason, lifted=[each.code for each in found])
    return found


class Moved(NamedTuple):
    """Messages that went to the next account of their route."""

    wave: int
    carrier: str
    was: str
    became: str
    messages: int


RESTING = """
SELECT account FROM share WHERE until > now() GROUP BY account
HAVING bool_and(coalesce((says ->> 'down')::float8, 0) > %s)
"""


def fail_over(conn: psycopg.Connection, after: float) -> list[Moved]:
    """Move what waits away from accounts that are off, stopped, or down for longer than `after` seconds."""
    resting = [row[0] for row in conn.execute(RESTING, (after,))]
    moved = [Moved(*row) for row in conn.execute("SELECT * FROM fail_over(%s)", (resting,)).fetchall()]
    for each in moved:
        people.record(conn, people.BY_ITSELF, "failover", str(each.wave), carrier=each.carrier, was=each.was,
                      became=each.became, messages=each.messages)  # fmt: skip
    return moved


class Due(NamedTuple):
    """Messages that are tried again."""

    carrier: str
    account: str
    reason: str  # "not-sent" | "deferred" | "throttled" | "given-back" | "crashed" | "parked"
    messages: int
    next_try: datetime


def due(conn: psycopg.Connection, wave: int) -> Sequence[Due]:
    """What of a wave waits for its next attempt, and when that is."""
    rows = conn.execute(
        "SELECT c.name, b.account, b.class, sum(b.hi - b.cursor)::bigint, min(b.not_before) FROM batch b"
        " JOIN carrier c ON c.id = b.carrier WHERE b.wave = %s AND b.kind = 'retry' AND b.cursor < b.hi"
        " GROUP BY c.id, c.name, b.account, b.class ORDER BY c.id, 5",
        (wave,),
    )
    return [Due(*row) for row in rows]
