"""Who signs in by the province's accounts: a subject of an issuer is one person, who was entered here before."""

from __future__ import annotations

import psycopg

from campaigns.ledger import people
from campaigns.ledger.logins import digest
from campaigns.ledger.people import Person

TIED = (
    "SELECT p.login, p.name, roles_now(p), p.disabled_at IS NULL FROM province_subject s"
    " JOIN person p ON p.login = s.person"
    " WHERE s.issuer = %s AND s.subject = %s AND s.ended_at IS NULL"
)
BY_ADDRESS = (
    "SELECT p.login, p.name, roles_now(p) FROM person p WHERE p.email = %(email)s AND p.disabled_at IS NULL"
    " AND NOT EXISTS (SELECT FROM province_subject s WHERE s.issuer = %(issuer)s AND s.person = p.login"
    " AND s.ended_at IS NULL)"
)


def person_of(conn: psycopg.Connection, issuer: str, subject: str, email: str) -> Person | None:
    """The person of a subject; the first time by the address that an operator gave the person. None: nobody here.

    Never makes a person, and gives no role: both are the operators'.
    """
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('province'), hashtext(%s))", (subject,))
    tied = conn.execute(TIED, (issuer, subject)).fetchone()
    if tied:
        return Person(tied[0], tied[1], tuple(tied[2])) if tied[3] else None
    found = conn.execute(BY_ADDRESS, {"email": email, "issuer": issuer}).fetchone()
    if found is None:
        return None
    made = conn.execute(
        "INSERT INTO province_subject (issuer, subject, person) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
        " RETURNING id",
        (issuer, subject, found[0]),
    ).fetchone()
    if made is None:
        return None  # another subject was tied to this person meanwhile
    people.record(conn, found[0], "console.province", found[0], issuer=issuer)
    return Person(found[0], found[1], tuple(found[2]))


def use(conn: psycopg.Connection, nonce: str) -> bool:
    """Whether the proof of this nonce is new: of fifty at once one is."""
    made = conn.execute(
        "INSERT INTO province_proof (digest) VALUES (%s) ON CONFLICT DO NOTHING RETURNING at", (digest(nonce),)
    ).fetchone()
    return made is not None
