"""Signing in: invitations, passwords, authenticators, tries and sessions; digests only, no secret in clear."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.ledger.people import Person
from campaigns.terms import Absent, Problem

INVITED_HOURS = 72
"""An invitation that nobody opened by then is worth nothing."""
WINDOW = "15 minutes"
"""In which tries are counted."""
OF_PAIR, OF_PERSON, OF_ADDRESS = 5, 20, 60
"""Wrong tries within WINDOW of a person from one address; of a person from anywhere; of one address."""
KNOWN = "30 days"
"""An address from which a person passed within this time hears only OF_PAIR: strangers cannot lock an approver out."""
IDLE, WHOLE = "30 minutes", "12 hours"
"""A session ends after this long without a call, and after this long in any case."""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may act here, and what of an account is there."""

    login: str
    name: str
    roles: tuple[str, ...]
    active: bool
    has_password: bool
    has_code: bool
    email: str | None


ROSTER = """
SELECT p.login, p.name, p.roles, p.disabled_at IS NULL,
    EXISTS (SELECT FROM password w WHERE w.person = p.login AND w.ended_at IS NULL),
    EXISTS (SELECT FROM authenticator a WHERE a.person = p.login AND a.confirmed_at IS NOT NULL AND a.ended_at IS NULL),
    p.email
FROM person p ORDER BY p.login
"""


def roster(conn: psycopg.Connection) -> list[Account]:
    """Everybody, closed accounts too."""
    return [Account(row[0], row[1], tuple(row[2]), *row[3:]) for row in conn.execute(ROSTER)]


def may_enter(conn: psycopg.Connection, login: str) -> bool:
    """Whether there is a person of this login whose account is not closed."""
    return conn.execute("SELECT FROM person WHERE login = %s AND disabled_at IS NULL", (login,)).fetchone() is not None


def invite(conn: psycopg.Connection, login: str, by: str) -> str:
    """A one-time word for a person, shown once; older ones of that person end."""
    word = secrets.token_urlsafe(32)
    conn.execute("UPDATE invitation SET used_at = now() WHERE person = %s AND used_at IS NULL", (login,))
    conn.execute(
        "INSERT INTO invitation (digest, person, made_by, expires_at)"
        " VALUES (%s, %s, %s, now() + make_interval(hours => %s))",
        (digest(word), login, by, INVITED_HOURS),
    )
    return word


def invite_new(conn: psycopg.Connection, login: str, by: str) -> str:
    """The same for somebody without a password. Raises Absent for nobody, Problem for who has one: that is a reset."""
    if not may_enter(conn, login):
        raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
    if password_of(conn, login) is not None:
        raise Problem("{login} has a password: a new one needs two operators, on the page People, or where there is one"
                      " operator only `dispatcher person reset`", login=login)  # fmt: skip
    return invite(conn, login, by)


INVITED = (
    "SELECT p.login, p.name, p.roles FROM invitation i JOIN person p ON p.login = i.person"
    " WHERE i.digest = %s AND i.used_at IS NULL AND i.expires_at > now() AND p.disabled_at IS NULL"
)


def invited(conn: psycopg.Connection, word: str) -> Person | None:
    """Whom an invitation is for, while it is good."""
    row = conn.execute(INVITED, (digest(word),)).fetchone()
    return Person(row[0], row[1], tuple(row[2])) if row else None


def accept(conn: psycopg.Connection, word: str, password_hash: str) -> Person | None:
    """Use an invitation up for a new password; of two at once one finds it used. All sessions of the person end."""
    person = invited(conn, word)
    used = "UPDATE invitation SET used_at = now() WHERE digest = %s AND used_at IS NULL RETURNING person"
    if person is None or conn.execute(used, (digest(word),)).fetchone() is None:
        return None
    set_password(conn, person.login, password_hash)
    end_all(conn, person.login)
    return person


def anybody(conn: psycopg.Connection) -> bool:
    """Whether somebody of this installation has ever chosen a password."""
    return conn.execute("SELECT FROM password LIMIT 1").fetchone() is not None


def set_password(conn: psycopg.Connection, login: str, password_hash: str) -> None:
    """The newest counts."""
    conn.execute("INSERT INTO password (person, hash) VALUES (%s, %s)", (login, password_hash))


def password_of(conn: psycopg.Connection, login: str) -> tuple[Person, str] | None:
    """A person who may sign in, and the hash of the password."""
    row = conn.execute(
        "SELECT p.login, p.name, p.roles, w.hash FROM person p JOIN password w ON w.person = p.login"
        " WHERE p.login = %s AND p.disabled_at IS NULL AND w.ended_at IS NULL ORDER BY w.id DESC LIMIT 1",
        (login,),
    ).fetchone()
    return (Person(row[0], row[1], tuple(row[2])), str(row[3])) if row else None


# -- tries -------------------------------------------------------------------------------------------------------------

# When the oldest of the newest N wrong tries leaves the window, there is room again. Plans: the two indexes of sign_in.
FULL = (
    "SELECT min(at) + interval '" + WINDOW + "' FROM (SELECT at FROM sign_in WHERE NOT passed AND {whose}"
    " AND at > now() - interval '" + WINDOW + "' ORDER BY at DESC LIMIT %(most)s) newest HAVING count(*) >= %(most)s"
)
ONCE_HERE = (
    "SELECT FROM sign_in WHERE person = %s AND address = %s AND passed AND at > now() - interval '"
    + KNOWN
    + "' LIMIT 1"
)


def closed_until(conn: psycopg.Connection, login: str | None, address: str) -> datetime | None:
    """Until when no try is looked at, of this person from this address; None: now. The caller holds lock_tries."""
    limits = []
    if login:
        limits.append(("person = %(login)s AND address = %(address)s", OF_PAIR))
    if not login or conn.execute(ONCE_HERE, (login, address)).fetchone() is None:
        limits.append(("address = %(address)s", OF_ADDRESS))
        limits += [("person = %(login)s", OF_PERSON)] if login else []
    found = []
    for whose, most in limits:
        values = {"login": login, "address": address, "most": most}
        if (row := conn.execute(FULL.format(whose=whose), values).fetchone()) and row[0]:
            found.append(row[0])
    return max(found, default=None)


def lock_tries(conn: psycopg.Connection, login: str | None, address: str) -> None:
    """Tries of one person, and of one address without a person, are looked at in turn: 50 at once are 50."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('sign in'), hashtext(%s))", (login or address,))


def note_try(conn: psycopg.Connection, login: str | None, address: str, what: str, *, passed: bool) -> None:
    """Keep one try."""
    conn.execute(
        "INSERT INTO sign_in (person, address, what, passed) VALUES (%s, %s, %s, %s)", (login, address, what, passed)
    )


# -- sessions ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody signed in."""

    person: Person
    began_at: datetime
    way: str  # password, or province


def begin_session(conn: psycopg.Connection, login: str, address: str, way: str = "password") -> str:
    """A fresh word for a browser; only its digest is kept."""
    word = secrets.token_urlsafe(32)
    conn.execute(
        "INSERT INTO web_session (digest, person, address, way) VALUES (%s, %s, %s, %s)",
        (digest(word), login, address, way),
    )
    return word


SEEN = (
    "UPDATE web_session s SET seen_at = now() FROM person p WHERE s.digest = %s AND p.login = s.person"
    " AND s.ended_at IS NULL AND p.disabled_at IS NULL AND s.seen_at > now() - interval '" + IDLE + "'"
    " AND s.began_at > now() - interval '" + WHOLE + "' RETURNING p.login, p.name, roles_now(p), s.began_at, s.way"
)
LOOKED = SEEN.replace("seen_at = now()", "seen_at = s.seen_at", 1)


def session(conn: psycopg.Connection, word: str, *, seen: bool = True) -> Session | None:
    """The session of a browser's word, while it lasts; `seen` renews it, which a page's own stream does not."""
    row = conn.execute(SEEN if seen else LOOKED, (digest(word),)).fetchone()
    return Session(Person(row[0], row[1], tuple(row[2])), *row[3:]) if row else None


def end_session(conn: psycopg.Connection, word: str) -> None:
    """Sign out."""
    conn.execute("UPDATE web_session SET ended_at = now() WHERE digest = %s AND ended_at IS NULL", (digest(word),))


def end_all(conn: psycopg.Connection, login: str) -> None:
    """End every session of a person: after a new password or a new authenticator."""
    conn.execute("UPDATE web_session SET ended_at = now() WHERE person = %s AND ended_at IS NULL", (login,))


# -- authenticators ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Authenticator:
    """A sealed secret and the last step that was used."""

    id: int
    sealed: bytes
    last_step: int


def add_authenticator(conn: psycopg.Connection, login: str, sealed: bytes) -> None:
    """Keep a new secret; it counts once it is confirmed by a code."""
    conn.execute("INSERT INTO authenticator (person, sealed) VALUES (%s, %s)", (login, sealed))


def authenticator(conn: psycopg.Connection, login: str, *, confirmed: bool = True) -> Authenticator | None:
    """The newest one of a person, held for this transaction: a code is looked at by one call at a time."""
    row = conn.execute(
        "SELECT id, sealed, last_step FROM authenticator WHERE person = %s AND (confirmed_at IS NOT NULL) = %s"
        " AND ended_at IS NULL ORDER BY id DESC LIMIT 1 FOR UPDATE",
        (login, confirmed),
    ).fetchone()
    return Authenticator(*row) if row else None


def use_step(conn: psycopg.Connection, found: Authenticator, step: int) -> None:
    """A code is good once; using the first one confirms the secret."""
    conn.execute(
        "UPDATE authenticator SET last_step = %s, confirmed_at = coalesce(confirmed_at, now()) WHERE id = %s",
        (step, found.id),
    )


def digest(word: str) -> bytes:
    """SHA-256: words of 256 random bits need no slow hash."""
    return hashlib.sha256(word.encode()).digest()
