"""Lists of people who must not be texted: filled, counted and emptied, never read out (docs/audience.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.compliance import LISTS
from campaigns.ledger import people
from campaigns.terms import Problem

POLICE = "police"


@dataclass(frozen=True, slots=True)
class Listed:
    """One list: how many people are on it, and since when the newest."""

    list: str
    n: int
    newest: datetime | None


def add(conn: psycopg.Connection, name: str, hashes: Sequence[bytes], person: people.Person) -> int:
    """Put people on a list, in force for each wave that is not over; how many are new to it."""
    return _change(conn, "suppress", name, hashes, person)


def remove(conn: psycopg.Connection, name: str, hashes: Sequence[bytes], person: people.Person) -> int:
    """Take people off a list; waves that are planned already go on leaving them out. How many were on it."""
    return _change(conn, "unsuppress", name, hashes, person)


def allow(name: str, person: people.Person) -> None:
    """Raise Problem where there is no such list, or this person's key may not change it."""
    if name not in LISTS:
        raise Problem("there is no list {name}; there are {known}", name=repr(name), known=", ".join(LISTS))
    if name == POLICE and "admin" not in person.scopes:
        raise Problem("the list of the police is kept by an operator: the key of '{login}' does not allow 'admin'",
                      login=person.login)  # fmt: skip


def _change(conn: psycopg.Connection, act: str, name: str, hashes: Sequence[bytes], person: people.Person) -> int:
    allow(name, person)
    if act == "suppress":
        row = conn.execute("SELECT suppress(%s, %s, %s)", (name, list(hashes), person.login)).fetchone()
    else:
        row = conn.execute("SELECT unsuppress(%s, %s)", (name, list(hashes))).fetchone()
    changed = int(row[0]) if row else 0
    people.record(conn, person.login, f"list.{act}", name, given=len(hashes), changed=changed)
    return changed


def counts(conn: psycopg.Connection) -> list[Listed]:
    """Every list, the empty ones too."""
    found = {row[0]: Listed(row[0], int(row[1]), row[2]) for row in conn.execute("SELECT * FROM suppression_counts()")}
    return [found.get(name, Listed(name, 0, None)) for name in LISTS]


@dataclass(frozen=True, slots=True)
class Repeat:
    """Another wave with the same text for some of the same people."""

    wave: int
    campaign: str
    name: str
    people: int


def repeats(conn: psycopg.Connection, wave: int) -> list[Repeat]:
    """Who of a wave gets, or got, its very text from another campaign, or from the same wave planned before."""
    return [Repeat(*row) for row in conn.execute("SELECT * FROM same_text(%s)", (wave,))]


def forget(conn: psycopg.Connection, days: int, person: str) -> int:
    """Let go of the hashes by which ended waves are compared; how many."""
    row = conn.execute("SELECT forget_people(%s, %s)", (days, person)).fetchone()
    return int(row[0]) if row else 0
