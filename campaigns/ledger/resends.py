"""Which people of a wave a wave after it is for: a correction, what failed for now, or what was stopped."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, State

KINDS = ("correction", "failed", "rest")
CORRECTION, FAILED, REST = KINDS
"""Whose text may have gone out; which no carrier took before tries or hours ran out; stopped before their turn."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The people of a wave that one kind is for, at one moment."""

    kind: str
    states: Mapping[State, int]
    carriers: Mapping[str, int]

    @property
    def n(self) -> int:
        """How many; states and carriers both sum to it."""
        return sum(self.states.values())


def counted(conn: psycopg.Connection, wave: int, kind: str) -> Chosen:
    """The sums of a set."""
    rows = conn.execute(
        "SELECT s.state, c.name, count(*) FROM resend_set(%s, %s) s JOIN carrier c ON c.id = s.carrier"
        " GROUP BY s.state, c.id, c.name ORDER BY s.state, c.id",
        (wave, kind),
    ).fetchall()
    states: dict[State, int] = {}
    carriers: dict[str, int] = {}
    for state, carrier, n in rows:
        states[State(state)] = states.get(State(state), 0) + n
        carriers[carrier] = carriers.get(carrier, 0) + n
    return Chosen(kind, states, carriers)


def hashes(conn: psycopg.Connection, wave: int, kind: str) -> set[bytes]:
    """The people of a set, by the campaign's hash."""
    return {row[0] for row in conn.execute("SELECT number_hash FROM resend_set(%s, %s)", (wave, kind))}


def digest(found: set[bytes]) -> str:
    """What an approval is bound to: SHA-256 over the sorted hashes."""
    return hashlib.sha256(b"".join(sorted(found))).hexdigest()


def must_be_over(conn: psycopg.Connection, wave: Wave, kind: str) -> None:
    """Raise Problem while a wave may still change who belongs to a set."""
    if wave.started_at is None:
        raise Problem("{wave} was never started: nobody got its text", wave=wave.name)
    if wave.state not in {"cancelled", "finished"}:
        raise Problem("{wave} is {state}: stop it for good first, or say --stop", wave=wave.name, state=wave.state)
    row = conn.execute("SELECT resend_moving(%s)", (wave.id,)).fetchone()
    if row and row[0]:
        raise Problem("{n} messages of {wave} are still on their way: try again in a minute", n=row[0], wave=wave.name)
    left = "SELECT sum(n) > 0 FROM wave_count WHERE wave = %s AND state = 0"
    if kind == REST and conn.execute(left, (wave.id,)).fetchone() == (True,):
        raise Problem("what {wave} did not send is not counted yet: try again in a minute", wave=wave.name)


@dataclass(frozen=True, slots=True)
class Relation:
    """Another wave that comes before this one, or after it."""

    wave: int
    name: str
    kind: str
    n: int  # messages of the later one
    state: str
    before: bool  # the other one is the earlier


def relations(conn: psycopg.Connection, wave: int) -> list[Relation]:
    """The wave that this one follows, then those that follow it; cancelled plans that never began are not told."""
    rows = conn.execute(
        "SELECT p.id, p.name, w.resend, w.n, p.state::text, true FROM wave w JOIN wave p ON p.id = w.parent"
        " WHERE w.id = %(wave)s UNION ALL (SELECT id, name, resend, n, state::text, false FROM wave"
        " WHERE parent = %(wave)s AND (state <> 'cancelled' OR started_at IS NOT NULL) ORDER BY planned_at)",
        {"wave": wave},
    )
    return [Relation(*row) for row in rows]
