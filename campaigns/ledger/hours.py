"""Hours of an account, stricter than a wave's, and its carrier's maintenance: set by a person, kept by T1."""

from __future__ import annotations

import json
from datetime import datetime, time
from typing import NamedTuple

import psycopg

from campaigns.ledger import people
from campaigns.terms import Absent, Problem


def set_hours(
    conn: psycopg.Connection, account: str, hours: tuple[time, time] | None, person: str, carrier: str = ""
) -> None:
    """From when to when this account may send each day, local time, to one network or all; None: at any time."""
    _known(conn, account)
    number = _network(conn, carrier)
    if hours and not (hours[1] == time(0) or hours[1] > hours[0]):
        raise Problem("hours end after they begin, on the same day: write for instance 08:00-20:00")
    conn.execute(
        "DELETE FROM sending_hours WHERE account = %s AND carrier IS NOT DISTINCT FROM %s::smallint", (account, number)
    )
    if hours:
        conn.execute("INSERT INTO sending_hours (account, carrier, opens, closes) VALUES (%s, %s, %s, %s)",
                     (account, number, *hours))  # fmt: skip
    said = f"{hours[0]:%H:%M}-{hours[1]:%H:%M}" if hours else ""
    people.record(conn, person, "account.hours", account, hours=said, carrier=carrier)
    _tell(conn, account)


def close_for(conn: psycopg.Connection, account: str, starts: datetime, ends: datetime, note: str, person: str) -> None:
    """The carrier works on its systems in that time: nothing is sent."""
    _known(conn, account)
    if ends <= starts:
        raise Problem("maintenance ends after it begins")
    conn.execute(
        "INSERT INTO maintenance (account, starts, ends, note, person) VALUES (%s, %s, %s, %s, %s)",
        (account, starts, ends, note, person),
    )
    people.record(conn, person, "account.maintenance", account, starts=starts.isoformat(), ends=ends.isoformat(),
                  note=note)  # fmt: skip
    _tell(conn, account)


class Hours(NamedTuple):
    """From when to when an account may send each day."""

    carrier: str  # "": every network
    opens: time
    closes: time  # 00:00: the end of the day


def hours_of(conn: psycopg.Connection, account: str) -> list[Hours]:
    """The hours of an account's own; none: a wave's hours alone."""
    rows = conn.execute(
        "SELECT coalesce(c.name, ''), h.opens, h.closes FROM sending_hours h LEFT JOIN carrier c ON c.id = h.carrier"
        " WHERE h.account = %s ORDER BY c.id NULLS FIRST",
        (account,),
    )
    return [Hours(*row) for row in rows]


class Maintenance(NamedTuple):
    """A time in which a carrier works on its systems."""

    id: int
    starts: datetime
    ends: datetime
    note: str
    person: str


def maintenance_of(conn: psycopg.Connection, account: str) -> list[Maintenance]:
    """What is under way or to come, the next first."""
    rows = conn.execute(
        "SELECT id, starts, ends, note, person FROM maintenance WHERE account = %s AND ends > now() ORDER BY starts",
        (account,),
    )
    return [Maintenance(*row) for row in rows]


def call_off(conn: psycopg.Connection, account: str, maintenance: int, person: str) -> None:
    """The carrier does not work on its systems then, after all. Raises Problem when that is over or not there."""
    gone = conn.execute(
        "DELETE FROM maintenance WHERE id = %s AND account = %s AND ends > now()", (maintenance, account)
    )
    if gone.rowcount != 1:
        raise Absent("there is no such maintenance of account {name}", name=account)
    people.record(conn, person, "account.maintenance-off", account, id=maintenance)
    _tell(conn, account)


def _known(conn: psycopg.Connection, account: str) -> None:
    if conn.execute("SELECT FROM account WHERE name = %s", (account,)).fetchone() is None:
        raise Absent("there is no account {name}: see `dispatcher account list`", name=account)


def _network(conn: psycopg.Connection, carrier: str) -> int | None:
    if not carrier:
        return None
    row = conn.execute("SELECT id FROM carrier WHERE name = %s", (carrier,)).fetchone()
    if row is None:
        raise Problem("there is no network {carrier} in carriers.toml", carrier=carrier)
    return int(row[0])


def _tell(conn: psycopg.Connection, account: str) -> None:
    conn.execute("SELECT pg_notify('dispatcher', %s)", (json.dumps({"account": account}),))
