"""A wave's budget: ceilings of its approved plan, what is used of them, and other ceilings by two persons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from campaigns.ledger import people
from campaigns.ledger.waves import Wave, get
from campaigns.terms import Problem

SCOPES = ("wave", "day")
UNITS = ("messages", "segments", "dong")
ALERT = 0.8
"""From this part on status tells that a budget comes to its end."""

Ceilings = Mapping[str, Mapping[str, int]]
""""wave" and "day" -> unit -> the most that may leave."""


@dataclass(frozen=True, slots=True)
class Line:
    """One ceiling and what is used of it: intents, without those that were proved not to be taken."""

    scope: str  # "wave" | "day": since the day's first intent, in the province's time
    unit: str
    ceiling: int
    used: int

    @property
    def part(self) -> float:
        """Used part, 1.0 when nothing is left."""
        return self.used / self.ceiling

    @property
    def alert(self) -> bool:
        """Whether status must tell it."""
        return self.part >= ALERT


def checked(found: Ceilings) -> dict[str, dict[str, int]]:
    """Ceilings without what is not set; raises Problem for what is no ceiling."""
    for scope, of in found.items():
        for unit, most in of.items():
            if scope not in SCOPES or unit not in UNITS or not 0 < most < 1 << 53:
                raise Problem("{value} is no ceiling: write messages, segments or dong with a whole number above 0,"
                              " for instance dong=5000000", value=f"{unit}={most}")  # fmt: skip
    return {scope: dict(of) for scope, of in found.items() if of}


def lines(conn: psycopg.Connection, wave: int) -> list[Line]:
    """The ceilings in force; none: no budget."""
    return [Line(*row) for row in conn.execute("SELECT * FROM budget_lines(%s)", (wave,))]


def change(
    conn: psycopg.Connection, wave: int, ceilings: Ceilings, person: people.Person, reason: str
) -> bool:  # fmt: skip
    """Ask for other ceilings, or agree to those that somebody else asked for; True when they are in force now.

    They stand in place of the plan's. Whoever agrees gives the same figures; the author of the wave cannot.
    """
    found, wanted = get(conn, wave), checked(ceilings)
    if "budget" not in found.plan:
        raise Problem("wave {wave} was planned without a budget: there is none to change", wave=wave)
    if found.state in {"cancelled", "finished"}:
        raise Problem("wave {wave} is {state}: its budget is over", wave=wave, state=found.state)
    if not wanted:
        raise Problem("say the whole new budget, for instance --budget dong=5000000")
    conn.execute("SELECT FROM wave WHERE id = %s FOR SHARE", (wave,))
    asked = conn.execute(
        "SELECT id, ceilings, asked_by FROM budget_change WHERE wave = %s AND plan_hash = %s AND agreed_at IS NULL"
        " ORDER BY id DESC LIMIT 1 FOR UPDATE",
        (wave, found.plan_hash),
    ).fetchone()
    if asked and asked[1] == wanted and asked[2] != person.login:
        return _agree(conn, found, asked[0], wanted, person)
    return _ask(conn, found, wanted, person, reason)


def _agree(
    conn: psycopg.Connection, wave: Wave, asked: int, wanted: Ceilings, person: people.Person
) -> bool:  # fmt: skip
    if "approver" not in person.roles:
        raise Problem("{login} is not an approver", login=person.login)
    if person.login == wave.author:
        raise Problem("{login} planned this wave and may not approve it: another person must", login=person.login)
    conn.execute("UPDATE budget_change SET agreed_by = %s, agreed_at = clock_timestamp() WHERE id = %s",
                 (person.login, asked))  # fmt: skip
    people.record(conn, person.login, "budget.agree", str(wave.id), ceilings=wanted)
    return True


def _ask(conn: psycopg.Connection, wave: Wave, wanted: Ceilings, person: people.Person, reason: str) -> bool:
    if not reason.strip():
        raise Problem("say with --reason why the budget is changed; it goes into the record")
    conn.execute(
        "INSERT INTO budget_change (wave, plan_hash, ceilings, asked_by, asked_why) VALUES (%s, %s, %s, %s, %s)",
        (wave.id, wave.plan_hash, json.dumps(wanted), person.login, reason),
    )
    people.record(conn, person.login, "budget.ask", str(wave.id), ceilings=wanted, reason=reason)
    return False
