"""Carriers' engineers: which accounts are theirs; they see nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from campaigns.ledger import people
from campaigns.terms import Absent, Problem

ENGINEER = "engineer"


def accounts_of(conn: psycopg.Connection, login: str) -> list[str]:
    """The accounts that a person is tied to, by name."""
    rows = conn.execute("SELECT account FROM person_account WHERE person = %s ORDER BY account", (login,))
    return [str(row[0]) for row in rows]


def of_account(conn: psycopg.Connection, account: str) -> list[tuple[str, str]]:
    """(login, name) of an account's engineers whose access is not closed."""
    rows = conn.execute(
        "SELECT p.login, p.name FROM person_account a JOIN person p ON p.login = a.person"
        " WHERE a.account = %s AND p.disabled_at IS NULL ORDER BY p.login",
        (account,),
    )
    return [(str(login), str(name)) for login, name in rows]


def everybody(conn: psycopg.Connection) -> list[tuple[str, str]]:
    """(login, name) of all engineers whose access is not closed."""
    rows = conn.execute(
        "SELECT login, name FROM person WHERE %s = ANY(roles) AND disabled_at IS NULL ORDER BY login", (ENGINEER,)
    )
    return [(str(login), str(name)) for login, name in rows]


def tie(conn: psycopg.Connection, login: str, accounts: Sequence[str], by: str) -> None:
    """Let an engineer see these accounts from now on, beside those he sees already. Raises Problem."""
    row = conn.execute("SELECT roles FROM person WHERE login = %s AND disabled_at IS NULL", (login,)).fetchone()
    if row is None:
        raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
    if ENGINEER not in row[0]:
        raise Problem("{login} is no carrier's engineer: only an engineer is tied to an account", login=login)
    for account in accounts:
        if conn.execute("SELECT FROM account WHERE name = %s", (account,)).fetchone() is None:
            raise Absent("there is no account {name}: see `dispatcher account list`", name=account)
        conn.execute(
            "INSERT INTO person_account (person, account) VALUES (%s, %s) ON CONFLICT DO NOTHING", (login, account)
        )
        people.record(conn, by, "person.tie", login, account=account)


def untie(conn: psycopg.Connection, login: str, account: str, by: str) -> None:
    """From now on this engineer does not see the account. Raises Problem when he did not."""
    gone = conn.execute("DELETE FROM person_account WHERE person = %s AND account = %s", (login, account))
    if gone.rowcount != 1:
        raise Absent("{login} is not tied to account {name}", login=login, name=account)
    people.record(conn, by, "person.untie", login, account=account)
