"""Accounts as people see and steer them: their rate now, who holds it, and a person's rate below the licence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from campaigns.ledger import people
from campaigns.terms import Absent, Problem

MAY_STEER = frozenset({"operator", "approver"})
"""Roles that may steer accounts."""


def may_steer(person: people.Person) -> None:
    """Raise Problem where this person may not steer accounts."""
    if not MAY_STEER & set(person.roles):
        raise Problem("{login} may not steer accounts: an operator or an approver may", login=person.login)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker's share of an account, as it stood at its last renewal."""

    rate: float  # segments a second
    until: datetime
    says: Mapping[str, Any]  # what it tells of itself


@dataclass(frozen=True, slots=True)
class Standing:
    """One account now."""

    name: str
    enabled: bool
    licence: float  # of the contract, segments a second
    rate_set: float | None  # a person's, below it
    senders: Mapping[str, float]
    workers: tuple[Worker, ...]
    trial: bool = False  # sends to its allow-list only

    @property
    def rate(self) -> float:
        """Segments a second that may be used now."""
        return self.rate_set or self.licence


def standing(conn: psycopg.Connection) -> list[Standing]:
    """Every account by name; one statement, a handful of rows."""
    rows = conn.execute(
        "SELECT a.name, a.enabled, a.licence, a.rate_set,"
        " (SELECT coalesce(jsonb_object_agg(r.sender, r.rate), '{}') FROM sender_rate r WHERE r.account = a.name),"
        " (SELECT coalesce(jsonb_agg(jsonb_build_array(s.rate, s.until, s.says) ORDER BY s.holder), '[]')"
        "  FROM share s WHERE s.account = a.name AND s.until > now()), in_trial(a.name) FROM account a ORDER BY a.name"
    )
    return [
        Standing(name, enabled, licence, rate_set, senders,
                 tuple(Worker(float(rate), datetime.fromisoformat(until), says) for rate, until, says in workers),
                 trial)
        for name, enabled, licence, rate_set, senders, workers, trial in rows
    ]  # fmt: skip


def set_rate(conn: psycopg.Connection, account: str, rate: float | None, person: str, sender: str = "") -> None:
    """Another rate from now on, for the account or one sender of it; None: as the contract says.

    In force at each worker's next look, which is at once: it is told. Raises Problem.
    """
    row = conn.execute("SELECT licence FROM account WHERE name = %s FOR UPDATE", (account,)).fetchone()
    if row is None:
        raise Absent("there is no account {name}: see `dispatcher account list`", name=account)
    if rate is not None and not 0 < rate <= row[0]:
        raise Problem(
            "{rate} is no rate for account {name}: above 0 and at most the licence in carriers.toml, {licence} segments"
            " a second; to stop it, pause its waves",
            rate=f"{rate:g}", name=account, licence=f"{row[0]:g}",
        )  # fmt: skip
    if not sender:
        conn.execute("UPDATE account SET rate_set = %s WHERE name = %s", (rate, account))
    elif rate is None:
        conn.execute("DELETE FROM sender_rate WHERE account = %s AND sender = %s", (account, sender))
    else:
        conn.execute(
            "INSERT INTO sender_rate (account, sender, rate) VALUES (%s, %s, %s)"
            " ON CONFLICT (account, sender) DO UPDATE SET rate = excluded.rate",
            (account, sender, rate),
        )
    people.record(conn, person, "account.rate", account, rate=rate, sender=sender)
    conn.execute("SELECT pg_notify('dispatcher', %s)", (json.dumps({"account": account}),))
