"""Waves whose hours passed while nothing could send: they ask a person, who gives them new hours or ends them.

An account without a living worker for more than a minute of a wave's open hours is "down" (sql/0012_late.sql). Such a
wave neither expires nor sends on by itself. New hours are a new plan under a new hash, to be approved like the first.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import Any, NamedTuple

import psycopg

from campaigns.canonical import canonical, digest
from campaigns.ledger import people
from campaigns.ledger.waves import Wave, get
from campaigns.terms import Problem

TOO_LATE = "too late"
"""The reason of such a pause, as the ledger has it; faces say it in the reader's language."""

# Accounts with a living worker: since when they had none, and that they have one now. At most one row an account.
SEEN = """
WITH alive AS (SELECT DISTINCT account FROM share WHERE until > clock_timestamp()),
gone AS (
    INSERT INTO outage SELECT a.account, coalesce(s.at, '-infinity'), clock_timestamp()
    FROM alive a LEFT JOIN account_seen s ON s.account = a.account
    WHERE s.at IS NULL OR s.at < clock_timestamp() - interval '1 min'
)
INSERT INTO account_seen SELECT account, clock_timestamp() FROM alive
ON CONFLICT (account) DO UPDATE SET at = excluded.at WHERE account_seen.at < excluded.at - interval '5 s'
"""
ASK = """
UPDATE wave SET state = 'paused', asks_since = now(), stop_seq = stop_seq + 1, state_reason = %(why)s
WHERE state IN ('running', 'paused') AND closes_at <= now() AND asks_since IS NULL AND finished_at IS NULL
    AND EXISTS (SELECT FROM wave_count c WHERE c.wave = wave.id AND c.state = 0 AND c.n > 0) AND is_late(wave)
RETURNING id, closes_at, missed_hours(wave)
"""


def see(conn: psycopg.Connection) -> None:
    """Note which accounts have a living worker; to be called every few seconds."""
    conn.execute(SEEN)


def ask(conn: psycopg.Connection) -> list[int]:
    """Waves that ask from now on, instead of ending."""
    found = conn.execute(ASK, {"why": TOO_LATE}).fetchall()
    for wave, closed, missed in found:
        people.record(conn, people.BY_ITSELF, "wave.ask", str(wave), closed=closed.isoformat(),
                      missed=str(missed))  # fmt: skip
    return [int(wave) for wave, *_ in found]


class Hours(NamedTuple):
    """New hours: each day between two instants from `day_opens` to `day_closes`, local time; 00:00 ends the day."""

    opens_at: datetime
    closes_at: datetime
    day_opens: time
    day_closes: time


def reopen(conn: psycopg.Connection, wave: int, person: people.Person, hours: Hours, reason: str) -> Wave:
    """Give a wave that asks new hours: planned again under a new hash, so that every approval is due once more.

    The messages, their text, what has left and the budget in force stay as they are. Whoever does this may not approve
    it.
    """
    conn.execute("SELECT FROM wave WHERE id = %s FOR UPDATE", (wave,))
    found = get(conn, wave)
    if found.asks_since is None and not (found.state == "planned" and found.started_at):
        raise Problem("wave {wave} is {state} and does not ask: only a wave whose hours passed while the system was"
                      " down gets new hours", wave=wave, state=found.state)  # fmt: skip
    if hours.closes_at <= datetime.now(UTC):
        raise Problem("the new hours are over already: name a day that is still to come")
    if not reason.strip():
        raise Problem("say why the wave may still go out so late: it stands in the record")
    if _on_the_way(conn, wave):
        raise Problem("what was on its way when the system went down is still being looked at: try again in a minute")
    plan = _with(found.plan | _budget(conn, wave), hours) | {"before": found.plan_hash}
    conn.execute("SELECT reopen_wave(%s, %s, %s, %s)", (wave, canonical(plan).decode(), digest(plan), person.login))
    people.record(conn, person.login, "wave.reopen", str(wave), plan_hash=digest(plan), before=found.plan_hash,
                  window=plan["window"], window_before=found.plan["window"], reason=reason,
                  **({"budget": plan["budget"]} if "budget" in plan else {}))  # fmt: skip
    conn.execute("SELECT pg_notify('dispatcher', %s)", (json.dumps({"wave": str(wave)}),))
    return get(conn, wave)


def ask_again(conn: psycopg.Connection, wave: int) -> None:
    """New hours that an approver does not want: the question stands as before."""
    conn.execute(
        "UPDATE wave SET state = 'paused', asks_since = now(), stop_seq = stop_seq + 1, state_reason = %s"
        " WHERE id = %s AND state = 'planned' AND started_at IS NOT NULL",
        (TOO_LATE, wave),
    )


def _on_the_way(conn: psycopg.Connection, wave: int) -> bool:
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM send_window WHERE wave = %(wave)s AND closed IS NULL)"
        " OR EXISTS (SELECT FROM chunk WHERE wave = %(wave)s AND NOT folded)",
        {"wave": wave},
    ).fetchone()
    return row == (True,)


def _budget(conn: psycopg.Connection, wave: int) -> dict[str, Any]:
    """The ceilings in force: those of the plan, or what two persons have agreed to since; {}: none."""
    row = conn.execute("SELECT budget_of(%s)", (wave,)).fetchone()
    return {"budget": row[0]} if row and row[0] else {}


def _with(plan: dict[str, Any], hours: Hours) -> dict[str, Any]:
    opens = max(hours.opens_at, datetime.now(UTC).replace(microsecond=0))
    return plan | {
        "window": {
            "opens": opens.isoformat(),
            "closes": hours.closes_at.isoformat(),
            "day_opens": hours.day_opens.isoformat(),
            "day_closes": hours.day_closes.isoformat(),
        }
    }
