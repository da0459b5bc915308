"""The life of one message: found by its number's hash, told by its windows, answers, receipts and look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.ledger.names import log_table, message_table
from campaigns.terms import Outcome, State

TABLES = 200
"""Waves that one statement asks: each table costs some locks and a part of a millisecond of planning."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it stands."""

    no: int
    carrier: str
    state: State


@dataclass(frozen=True, slots=True)
class Event:
    """One piece of evidence, or the intent before it."""

    at: datetime
    attempt: int
    kind: str  # "sent" for the intent of a window, else answer | receipt | look-up | closed
    account: str
    outcome: Outcome | None  # None for an intent
    code: str  # the carrier's own, raw
    ref: str


def of_number(conn: psycopg.Connection, hashes: Mapping[int, bytes]) -> dict[int, Message]:
    """Wave -> its message to one number; `hashes`: wave -> the number's hash under its campaign's key.

    One statement for TABLES waves: a look-up in the index of each.
    """
    found: dict[int, Message] = {}
    every = list(hashes)
    for lo in range(0, len(every), TABLES):
        some = every[lo : lo + TABLES]
        asked = " UNION ALL ".join(
            f"SELECT {wave:d}::bigint AS wave, no, carrier, state FROM {message_table(wave)}"
            f" WHERE number_hash = %({hashes[wave].hex()})s"
            for wave in some
        )
        rows = conn.execute(
            f"SELECT m.wave, m.no, c.name, m.state FROM ({asked}) m JOIN carrier c ON c.id = m.carrier",
            {hashes[wave].hex(): hashes[wave] for wave in some},
        )
        found |= {wave: Message(no, carrier, State(state)) for wave, no, carrier, state in rows}
    return found


# The windows that hold a message, its own and those of its retries, and what came back of each. A window has at most a
# thousand lines, found by the index over "window".
LIFE = """
WITH mine AS (
    SELECT w.id, w.at, w.account, w.skip, w.lo, %(no)s::int AS idx, 1 AS attempt FROM send_window w
    WHERE w.wave = %(wave)s AND w.kind = 'first' AND int4range(w.lo, w.hi) @> %(no)s::int
    UNION ALL
    SELECT w.id, w.at, w.account, w.skip, w.lo, r.idx, r.attempt FROM retry_item r JOIN send_window w
    ON w.wave = r.wave AND w.kind = 'retry' AND w.batch = r.batch AND int4range(w.lo, w.hi) @> r.idx
    WHERE r.wave = %(wave)s AND r.message_no = %(no)s)
SELECT m.at, m.attempt, m.account, m.skip, m.idx - m.lo, l.kind::text, l.outcome, l.provider_code, l.provider_ref, l.at
FROM mine m LEFT JOIN {log} l ON l."window" = m.id AND l.idx = m.idx
ORDER BY m.attempt, m.at, l.at
"""


def life(conn: psycopg.Connection, wave: int, no: int) -> Sequence[Event]:
    """Everything that is known of a message, oldest first within each attempt."""
    found: list[Event] = []
    rows = conn.execute(LIFE.format(log=log_table(wave)), {"wave": wave, "no": no})
    for at, attempt, account, skip, place, kind, outcome, code, ref, told_at in rows:
        sent = Event(at, attempt, "left out" if _skipped(skip, place) else "sent", account, None, "", "")
        if sent not in found:
            found.append(sent)
        if kind is not None:
            found.append(Event(told_at, attempt, kind, account, Outcome(outcome), code, ref))
    return found


def _skipped(skip: bytes, place: int) -> bool:
    """Whether the window's intent leaves this index out: bit `place` as PostgreSQL's set_bit numbers it."""
    return place // 8 < len(skip) and bool(skip[place // 8] >> place % 8 & 1)
