"""Persons, their keys, and the record of what they did (ledger: section 13)."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from dataclasses import dataclass
from typing import Any

import psycopg

from campaigns.terms import Absent, Problem

KEY_PREFIX = "dk_"
ALL_SCOPES = ("read", "write", "approve", "export", "admin")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who acts, with the scopes of the key that was shown."""

    login: str
    name: str
    roles: tuple[str, ...]  # with `deputy` while the person stands in for an approver
    scopes: tuple[str, ...] = ()

    @property
    def approves(self) -> bool:
        """Whether this person may approve plans and orders now: by role, or in an approver's place."""
        return bool({"approver", "deputy"} & set(self.roles))


def add_person(conn: psycopg.Connection, login: str, name: str, roles: list[str]) -> None:
    """Enter a person, or give a known one this name and these roles."""
    conn.execute(
        "INSERT INTO person (login, name, roles) VALUES (%s, %s, %s)"
        " ON CONFLICT (login) DO UPDATE SET name = excluded.name, roles = excluded.roles",
        (login, name, roles),
    )


EMAIL = re.compile(r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")  # as the ledger's own check


def set_email(conn: psycopg.Connection, login: str, email: str, by: str) -> None:
    """Where a person gets letters; "" takes the address away. Raises Problem.

    The province's account that was found by the old address is this person's no more.
    """
    address = email.strip().lower()
    if address and not (EMAIL.fullmatch(address) and len(address) <= 254):  # noqa: PLR2004 - RFC 5321
        raise Problem("{email} is no e-mail address: write it as name@example.vn", email=repr(email[:60]))
    if conn.execute("SELECT 1 FROM person WHERE email = %s AND login <> %s", (address, login)).fetchone():
        raise Problem("{email} is another person's address: each person has one of their own", email=address)
    made = conn.execute("UPDATE person SET email = %s WHERE login = %s RETURNING login", (address or None, login))
    if made.fetchone() is None:
        raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
    conn.execute("UPDATE province_subject SET ended_at = now() WHERE person = %s AND ended_at IS NULL", (login,))
    record(conn, by, "person.email", login, email=address)


def switch(conn: psycopg.Connection, login: str, by: str, *, on: bool) -> None:
    """Close a person's account, or open it again; at the next call every session and key of it is nobody's.

    Closing ends the sessions and revokes the keys for good. Raises Problem for one's own account.
    """
    if login == by:
        raise Problem("{login} cannot close or open their own account: another operator does", login=login)
    since = "NULL" if on else "coalesce(disabled_at, now())"
    done = conn.execute(f"UPDATE person SET disabled_at = {since} WHERE login = %s RETURNING login", (login,))
    if done.fetchone() is None:
        raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
    if not on:
        conn.execute("UPDATE person_key SET revoked_at = now() WHERE person = %s AND revoked_at IS NULL", (login,))
        conn.execute("UPDATE web_session SET ended_at = now() WHERE person = %s AND ended_at IS NULL", (login,))
        conn.execute("UPDATE invitation SET used_at = now() WHERE person = %s AND used_at IS NULL", (login,))
    record(conn, by, "person.open" if on else "person.close", login)


def new_key(conn: psycopg.Connection, login: str, scopes: list[str], *, days: int = 365) -> str:
    """A fresh key for a person, shown once; the database keeps its SHA-256 (256 random bits need no slow hash)."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    conn.execute(
        "INSERT INTO person_key (person, digest, scopes, expires_at)"
        " VALUES (%s, %s, %s, now() + make_interval(days => %s))",
        (login, _digest(key), scopes, days),
    )
    return key


def who(conn: psycopg.Connection, key: str) -> Person | None:
    """The person behind a key that is neither revoked nor over; None otherwise."""
    row = conn.execute(
        "SELECT p.login, p.name, roles_now(p), k.scopes FROM person_key k JOIN person p ON p.login = k.person"
        " WHERE k.digest = %s AND k.revoked_at IS NULL AND k.expires_at > now() AND p.disabled_at IS NULL",
        (_digest(key),),
    ).fetchone()
    return Person(row[0], row[1], tuple(row[2]), tuple(row[3])) if row else None


def require(conn: psycopg.Connection, login: str, key: str, scope: str) -> Person:
    """The person of this login and key, who may do this; a Problem otherwise (one sentence for every wrong pair)."""
    person = who(conn, key) if key else None
    if person is None or person.login != login:
        raise Problem("no person '{login}' with this key; put the key of that person into DISPATCHER_KEY", login=login)
    if scope not in person.scopes:
        raise Problem("the key of '{login}' does not allow '{scope}'", login=login, scope=scope)
    return person


def names(conn: psycopg.Connection) -> dict[str, str]:
    """Login -> name, of everybody who was ever entered."""
    return {str(login): str(name) for login, name in conn.execute("SELECT login, name FROM person")}


def approvers(conn: psycopg.Connection, *not_these: str | None) -> list[str]:
    """Names of those who could approve now what is of none of these logins."""
    rows = conn.execute(
        "SELECT name FROM person WHERE may_approve(login) AND NOT as_one(login) && %s::text[] ORDER BY login",
        ([login for login in not_these if login],),
    )
    return [str(row[0]) for row in rows]


BY_ITSELF = "dispatcher"
"""The record's person where the program acted by itself."""


def record(conn: psycopg.Connection, person: str, act: str, subject: str, **details: Any) -> None:
    """Write what somebody did into the audit log; never with a phone number in it."""
    conn.execute(
        "INSERT INTO audit (person, act, subject, details) VALUES (%s, %s, %s, %s)",
        (person, act, subject, json.dumps(details, ensure_ascii=False, default=str)),
    )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
