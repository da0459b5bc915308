"""Alerts in the ledger: what is so now, since when, and which outlet was told; nothing is told twice for one cause."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import psycopg

from campaigns.alerts import Alert, Found

COLUMNS = "id, kind, about, facts, began_at, ended_at"
FIRST, MOST = 30, 3_600
"""Seconds before an outlet that failed is tried again, doubled each time, and at most."""
TRIES = 20
"""Then an outlet is left alone with this alert: about twelve hours."""


def now(conn: psycopg.Connection, with_receipts: Sequence[str]) -> list[Found]:
    """Everything that people must be told, as the ledger sees it; `with_receipts`: accounts that promise them."""
    return [Found(*row) for row in conn.execute("SELECT * FROM alerts_now(%s)", (list(with_receipts),))]


def note(conn: psycopg.Connection, found: Iterable[Found], outlets: Sequence[str]) -> tuple[int, int]:
    """Open what is new, with a message for each outlet, and end what is no more; how many of each.

    Several sweepers may look at once: the second finds the first one's row.
    """
    rows = [(each.kind, each.about, json.dumps(dict(each.facts), ensure_ascii=False)) for each in found]
    ended = conn.execute(
        "UPDATE alert SET ended_at = now() WHERE ended_at IS NULL AND kind <> 'test'"
        " AND (kind, about) NOT IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
        ([row[0] for row in rows], [row[1] for row in rows]),
    ).rowcount
    opened = 0
    for row in rows:
        made = conn.execute(
            "INSERT INTO alert (kind, about, facts) VALUES (%s, %s, %s) ON CONFLICT (kind, about)"
            " WHERE ended_at IS NULL DO NOTHING RETURNING id",
            row,
        ).fetchone()
        if made:
            opened += 1
            _tell(conn, made[0], outlets)
    return opened, ended


def test(conn: psycopg.Connection, outlets: Sequence[str]) -> int:
    """An alert that says only that the outlets work; its id."""
    alert = next(conn.execute(
        "INSERT INTO alert (kind, about, facts, ended_at) VALUES ('test', 'test', '{}', now()) RETURNING id"
    ))[0]  # fmt: skip
    _tell(conn, alert, outlets)
    return int(alert)


def _tell(conn: psycopg.Connection, alert: int, outlets: Sequence[str]) -> None:
    conn.execute("INSERT INTO alert_message (alert, outlet) SELECT %s, unnest(%s::text[])", (alert, list(outlets)))


def claim(conn: psycopg.Connection, outlet: str) -> list[Alert]:
    """What is to be told by an outlet now; each try pushes the next one away, whatever becomes of this one."""
    rows = conn.execute(
        "WITH due AS (SELECT alert FROM alert_message WHERE outlet = %(outlet)s AND told_at IS NULL"
        " AND next_try <= now() AND tries < %(tries)s ORDER BY alert LIMIT 50 FOR UPDATE SKIP LOCKED)"
        " UPDATE alert_message m SET tries = m.tries + 1,"
        " next_try = now() + make_interval(secs => least(%(most)s, %(first)s * power(2, m.tries)))"
        f" FROM due, alert a WHERE m.alert = due.alert AND m.outlet = %(outlet)s AND a.id = m.alert"
        f" RETURNING {', '.join(f'a.{name}' for name in COLUMNS.split(', '))}",
        {"outlet": outlet, "tries": TRIES, "most": MOST, "first": FIRST},
    ).fetchall()
    return sorted(Alert(*row) for row in rows)


def told(conn: psycopg.Connection, outlet: str, some: Sequence[Alert], error: str = "") -> None:
    """The outlet took these alerts, or did not for this reason."""
    conn.execute(
        "UPDATE alert_message SET error = %(error)s, told_at = CASE WHEN %(error)s = '' THEN now() END"
        " WHERE outlet = %(outlet)s AND alert = ANY (%(ids)s) AND told_at IS NULL",
        {"outlet": outlet, "error": error[:300], "ids": [each.id for each in some]},
    )


def in_rehearsal(conn: psycopg.Connection) -> bool:
    """Whether this is a rehearsal: its alerts say so."""
    return conn.execute("SELECT rehearsal FROM installation").fetchone() == (True,)


def latest(conn: psycopg.Connection, *, ended: int = 0) -> list[Alert]:
    """Alerts that are open, the oldest first, and then so many that have ended."""
    still = conn.execute(f"SELECT {COLUMNS} FROM alert WHERE ended_at IS NULL ORDER BY id").fetchall()
    over = conn.execute(
        f"SELECT {COLUMNS} FROM alert WHERE ended_at IS NOT NULL AND kind <> 'test' ORDER BY ended_at DESC LIMIT %s",
        (ended,),
    ).fetchall()
    return [Alert(*row) for row in (*still, *over)]


def failing(conn: psycopg.Connection) -> dict[str, str]:
    """Outlets whose last try failed, with what they said."""
    rows = conn.execute(
        "SELECT DISTINCT ON (outlet) outlet, error FROM alert_message WHERE tries > 0 ORDER BY outlet, alert DESC"
    )
    return {outlet: error for outlet, error in rows if error}
