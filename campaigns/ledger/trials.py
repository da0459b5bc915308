"""Accounts in trial: they send to an allow-list only, until two persons have let them go live (sql/0022_trial.sql)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from campaigns.ledger import people
from campaigns.ledger.accounts import may_steer
from campaigns.terms import Absent, Problem

MOST = 100
"""Numbers of an allow-list: it is for our own phones. The database holds the same."""
RESTORED = "restored"
WHY = {"new": "the account is new", "changed": "another carrier by the same name",
       RESTORED: "the database is from before its trial"}  # fmt: skip
"""Reasons that the program gave itself, as the ledger has them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One account's stay in trial."""

    account: str
    by: str  # a person, or the program: the account is new
    reason: str
    since: datetime
    asked_by: str | None  # who says that it may go live; a second person agrees
    asked_why: str
    allowed: int  # numbers of its list


def current(conn: psycopg.Connection) -> list[Trial]:
    """Accounts in trial, by name; one statement."""
    rows = conn.execute(
        "SELECT t.account, t.by, t.reason, t.since, t.asked_by, t.asked_why, coalesce(c.n, 0) FROM account_trial t"
        " LEFT JOIN trial_counts() c ON c.account = t.account WHERE t.live_at IS NULL ORDER BY t.account"
    )
    return [Trial(*row) for row in rows]


def names(conn: psycopg.Connection) -> set[str]:
    """Accounts in trial."""
    return {str(row[0]) for row in conn.execute("SELECT account FROM account_trial WHERE live_at IS NULL")}


def enter(conn: psycopg.Connection, account: str, person: people.Person, reason: str) -> bool:
    """Put an account back into trial, which one person does alone; False when it is there already. Raises Problem.

    In force for every intent at once; what was taken and has not left is given back.
    """
    _must_be(conn, account)
    may_steer(person)
    if not reason.strip():
        raise Problem("say with --reason why the account goes back into trial; it goes into the record")
    row = conn.execute("SELECT enter_trial(%s, %s, %s)", (account, person.login, reason)).fetchone()
    return row == (True,)


def go_live(conn: psycopg.Connection, account: str, person: people.Person, reason: str) -> bool:
    """The first person asks, a second one who approves agrees; True when the account is live now. Raises Problem."""
    _must_be(conn, account)
    may_steer(person)
    row = conn.execute(
        "SELECT id, asked_by FROM account_trial WHERE account = %s AND live_at IS NULL FOR UPDATE", (account,)
    ).fetchone()
    if row is None:
        raise Problem("account {name} is live: it is not in trial", name=account)
    if not reason.strip():
        raise Problem("say with --reason why the account may send to everybody; it goes into the record")
    trial, asked_by = row
    if asked_by in (None, person.login):
        conn.execute(
            "UPDATE account_trial SET asked_by = %s, asked_why = %s, asked_at = clock_timestamp() WHERE id = %s",
            (person.login, reason, trial),
        )
        people.record(conn, person.login, "account.live-asked", account, reason=reason)
        return False
    if "approver" not in person.roles:
        raise Problem("{login} is not an approver", login=person.login)
    conn.execute(
        "UPDATE account_trial SET live_by = %s, live_why = %s, live_at = clock_timestamp() WHERE id = %s",
        (person.login, reason, trial),
    )
    people.record(conn, person.login, "account.live", account, reason=reason, asked_by=asked_by)
    conn.execute("SELECT pg_notify('dispatcher', '{}')")
    return True


def allow(conn: psycopg.Connection, account: str, hashes: Sequence[bytes], person: people.Person) -> int:
    """Put numbers on an account's list, by the installation's hash; how many are new to it. Raises Problem."""
    _must_be(conn, account)
    may_steer(person)
    try:
        with conn.transaction():
            row = conn.execute("SELECT trial_allow(%s, %s, %s)", (account, list(hashes), person.login)).fetchone()
    except psycopg.errors.CheckViolation:
        raise Problem("the allow-list of {name} would hold more than {most} numbers: it is for your own phones; to"
                      " send to everybody, let the account go live", name=account, most=MOST) from None  # fmt: skip
    changed = int(row[0]) if row else 0
    people.record(conn, person.login, "account.allow", account, given=len(hashes), changed=changed)
    return changed


def disallow(conn: psycopg.Connection, account: str, hashes: Sequence[bytes], person: people.Person) -> int:
    """Take numbers off an account's list; how many were on it. Raises Problem."""
    _must_be(conn, account)
    may_steer(person)
    row = conn.execute("SELECT trial_disallow(%s, %s)", (account, list(hashes))).fetchone()
    changed = int(row[0]) if row else 0
    people.record(conn, person.login, "account.disallow", account, given=len(hashes), changed=changed)
    return changed


def marks(conn: psycopg.Connection) -> dict[str, str]:
    """Account in trial -> the moment it went there: what names this stay outside of the database."""
    return {account: since.isoformat() for account, since in conn.execute(
        "SELECT account, since FROM account_trial WHERE live_at IS NULL"
    )}  # fmt: skip


def restore(conn: psycopg.Connection, noted: Mapping[str, str]) -> list[str]:
    """Put accounts into trial again whose stay this database knows nothing of; those that were live in it."""
    lost = conn.execute(
        "SELECT m.key FROM jsonb_each_text(%s) m JOIN account a ON a.name = m.key WHERE NOT EXISTS"
        " (SELECT FROM account_trial t WHERE t.account = m.key AND t.since = m.value::timestamptz)",
        (json.dumps(dict(noted)),),
    ).fetchall()
    asked = "SELECT enter_trial(%s, %s, %s)"
    return [name for (name,) in lost if conn.execute(asked, (name, people.BY_ITSELF, RESTORED)).fetchone() == (True,)]


class Waiting(NamedTuple):
    """What of a wave waits on an account in trial, one carrier's."""

    account: str
    carrier: str
    waiting: int  # messages that have not left
    allowed: int  # of these, to numbers of the list: they leave
    next: str | None  # the live account of the route by which the others go; None: they wait


def of_wave(conn: psycopg.Connection, wave: int) -> list[Waiting]:
    """Where a wave meets accounts in trial; none: it does not."""
    return [Waiting(*row) for row in conn.execute("SELECT * FROM trial_standing(%s)", (wave,))]


def of_seeds(conn: psycopg.Connection, wave: int) -> list[Waiting]:
    """The same of the seed phones that a wave waits for."""
    asked = "SELECT t.* FROM wave w, trial_standing(w.canary) t WHERE w.id = %s AND w.canary IS NOT NULL"
    return [Waiting(*row) for row in conn.execute(asked, (wave,))]


def _must_be(conn: psycopg.Connection, account: str) -> None:
    if conn.execute("SELECT FROM account WHERE name = %s", (account,)).fetchone() is None:
        raise Absent("there is no account {name}: see `dispatcher account list`", name=account)
