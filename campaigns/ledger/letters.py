"""Letters that ask for approvals: entered once for each plan and person, tried again only while nobody took them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.asking import Asked

TRIES = 8
"""Then, after about four hours, it is left alone, and the page of the wave says so."""
FIRST = 60
"""Seconds before the second try, doubled each time."""

# A canary is approved with the wave that waits for it.
NEW = """
INSERT INTO approval_letter (wave, plan_hash, person, outlet)
SELECT w.id, w.plan_hash, p.login, CASE WHEN %(mail)s AND p.email IS NOT NULL THEN 'mail' ELSE 'webhook' END
FROM wave w, asked_of(w) p
WHERE w.state = 'planned' AND w.closes_at > now() AND NOT EXISTS (SELECT FROM wave o WHERE o.canary = w.id)
    AND (SELECT count(*) FROM approval a WHERE a.wave = w.id AND a.plan_hash = w.plan_hash) < w.approvals_due
    AND (%(webhook)s OR %(mail)s AND p.email IS NOT NULL)
ON CONFLICT DO NOTHING
"""
CLAIMED = """
WITH due AS (SELECT l.wave, l.plan_hash, l.person FROM approval_letter l JOIN wave w ON w.id = l.wave
    WHERE l.outlet = %(outlet)s AND l.told_at IS NULL AND l.next_try <= now() AND l.tries < %(tries)s
        AND w.state = 'planned' AND w.plan_hash = l.plan_hash ORDER BY l.wave, l.person LIMIT 20
        FOR UPDATE OF l SKIP LOCKED)
UPDATE approval_letter l
SET tries = l.tries + 1, next_try = now() + make_interval(secs => %(first)s * power(2, l.tries))
FROM due, wave w, person p, person a
WHERE (l.wave, l.plan_hash, l.person) = (due.wave, due.plan_hash, due.person) AND w.id = l.wave AND p.login = l.person
    AND a.login = coalesce(w.reopened_by, w.author)
RETURNING w.id, w.plan_hash, p.login, p.email, a.name, w.campaign, w.name, w.n, w.opens_at, w.closes_at,
    w.approvals_due,
    (SELECT count(*) FROM approval g WHERE g.wave = w.id AND g.plan_hash = w.plan_hash),
    (SELECT name FROM person WHERE login = principal_of(p.login))
"""


def enter(conn: psycopg.Connection, outlets: Sequence[str]) -> int:
    """A letter for everybody who could give what a plan lacks and can be reached; how many are new."""
    return conn.execute(NEW, {"mail": "mail" in outlets, "webhook": "webhook" in outlets}).rowcount


def claim(conn: psycopg.Connection, outlet: str) -> list[Asked]:
    """What is to leave now; each try pushes the next one away, whatever becomes of this one."""
    return [Asked(*row) for row in conn.execute(CLAIMED, {"outlet": outlet, "tries": TRIES, "first": FIRST})]


def told(conn: psycopg.Connection, asked: Asked, error: str = "") -> None:
    """It was taken, or was not for this reason."""
    conn.execute(
        "UPDATE approval_letter SET error = %(error)s, told_at = CASE WHEN %(error)s = '' THEN now() END"
        " WHERE wave = %(wave)s AND plan_hash = %(hash)s AND person = %(person)s AND told_at IS NULL",
        {"error": error[:300], "wave": asked.wave, "hash": asked.plan_hash, "person": asked.person},
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """Somebody who could approve a plan, and whether a letter got there."""

    name: str
    outlet: str | None  # None: no way, or not looked at yet
    told_at: datetime | None
    tries: int
    error: str
    has_address: bool


def reached(conn: psycopg.Connection, wave: int) -> list[Reached]:
    """Everybody whose approval a planned wave could still get."""
    rows = conn.execute(
        "SELECT p.name, l.outlet, l.told_at, coalesce(l.tries, 0), coalesce(l.error, ''), p.email IS NOT NULL"
        " FROM wave w, LATERAL asked_of(w) p LEFT JOIN approval_letter l ON l.wave = %(wave)s AND l.person = p.login"
        " AND l.plan_hash = (SELECT plan_hash FROM wave WHERE id = %(wave)s) WHERE w.id = %(wave)s ORDER BY p.login",
        {"wave": wave},
    )
    return [Reached(*row) for row in rows]
