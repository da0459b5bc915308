"""Shares of a licence, and what stops a wave: small rows that every sending worker looks at twice a second."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg


class Share(NamedTuple):
    """What a worker may use of its account's licence until it asks again; segments a second."""

    rate: float
    most: float  # of the whole account: the contract's licence, or what a person has set below it
    senders: Mapping[str, float]  # brandname -> its own limit in the whole account
    asks: bool  # of all workers of this account it is this one that asks about what is uncertain
    short: bool  # it will be more as soon as others have let go
    peers: list[str]  # journals of the others that hold a share


async def hold(
    conn: psycopg.AsyncConnection[Any],
    account: str,
    holder: int,
    *,
    journal: str,
    using: float,
    wants: bool,
    seconds: float,
    says: Mapping[str, object],
) -> Share:
    """Take or keep a share for some seconds; `using` is what our own stamps of the last second still show."""
    cur = await conn.execute(
        "SELECT granted, most, senders, asks, short, peers FROM hold_share(%s, %s, %s, %s, %s, %s, %s)",
        (account, holder, journal, using, wants, seconds, json.dumps(says)),
    )
    row = await cur.fetchone()
    return Share(*row) if row and row[1] is not None else Share(0.0, 0.0, {}, asks=False, short=False, peers=[])


async def give_back(conn: psycopg.AsyncConnection[Any], account: str, *, holder: int = 0, journal: str = "") -> None:
    """End a share now: our own, or that of a writer whose journal proves it dead; others may use it in a second."""
    await conn.execute(
        "UPDATE share SET until = least(until, clock_timestamp()) WHERE account = %s AND (holder = %s OR journal = %s)",
        (account, holder, journal or "-"),
    )
    await conn.execute("SELECT pg_notify('dispatcher', %s)", (json.dumps({"share": account}),))


@dataclass(frozen=True, slots=True)
class StopFacts:
    """What may have stopped a wave since it was claimed."""

    locked: str
    stop_seq: dict[int, int]
    incarnation: int
    unfolded: float  # seconds since the oldest unfolded chunk came
    heard: int = 0  # see halts.stop_number; never newer than stop_seq


# Plan at 1 M messages: the index of unfolded chunks alone, a few dozen rows.
OLDEST_UNFOLDED = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM chunk WHERE NOT folded
"""


async def stop_facts(conn: psycopg.AsyncConnection[Any]) -> StopFacts:
    """The lock of the installation, and the stop number of each wave that is not finished."""
    cur = await conn.execute(
        "SELECT locked_reason, incarnation, (SELECT coalesce(sum(stop_seq), 0)::bigint FROM wave) FROM installation"
    )
    row = await cur.fetchone()
    cur = await conn.execute("SELECT id, stop_seq FROM wave WHERE state IN ('running', 'paused', 'cancelled')")
    locked, incarnation, heard = row or ("no installation", 0, 0)
    stop_seq = {r[0]: r[1] for r in await cur.fetchall()}
    cur = await conn.execute(OLDEST_UNFOLDED)
    oldest = await cur.fetchone()
    return StopFacts(str(locked), stop_seq, int(incarnation), oldest[0] if oldest else 0.0, int(heard))


def at_work(conn: psycopg.Connection) -> list[str]:
    """Accounts whose licence a living worker holds now."""
    rows = conn.execute("SELECT DISTINCT account FROM share WHERE until > now() ORDER BY account")
    return [str(row[0]) for row in rows]


def due_accounts(conn: psycopg.Connection) -> list[str]:
    """Accounts with a batch that may be worked on now: what the sweeper rings."""
    rows = conn.execute(
        "SELECT DISTINCT b.account FROM batch b JOIN wave w ON w.id = b.wave"
        " JOIN account a ON a.name = b.account AND a.enabled WHERE b.cursor < b.hi"
        " AND b.not_before <= now() AND NOT route_stopped(b.account, b.carrier, b.wave)"
        " AND route_hours_end(b.account, b.carrier) IS NOT NULL AND trial_open(b)"
        " AND (b.lease_until IS NULL OR b.lease_until < now()) AND w.state = 'running'"
        " AND hours_end(w.opens_at, w.closes_at, w.day_opens, w.day_closes) IS NOT NULL"
    )
    return [str(row[0]) for row in rows]


# A lease is renewed to its whole length, so its holder was last heard of one lease before its end. Ages, not times:
# whoever asks compares them with the age of a process on its own clock. Plan: the few hundred rows of batch.
OVERDUE = """
SELECT account, extract(epoch FROM min(clock_timestamp() - lease_until))::float8 + %(lease)s FROM batch
WHERE lease_token IS NOT NULL AND lease_until < clock_timestamp() - make_interval(secs => %(lease)s) GROUP BY account
"""


def overdue(conn: psycopg.Connection, lease: float) -> dict[str, float]:
    """Accounts with a lease that has been over for one lease time -> seconds since its holder was last heard of."""
    return {str(row[0]): float(row[1]) for row in conn.execute(OVERDUE, {"lease": lease})}
