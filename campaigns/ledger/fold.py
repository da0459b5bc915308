"""The fold, called from Python: sql/0001_fold.sql does the work in sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from campaigns.ledger import late, waves
from campaigns.terms import State


@dataclass(frozen=True, slots=True)
class Policy:
    """How retries are made."""

    chunks: int  # most chunks a fold
    tries: int  # most tries a message
    first: float  # seconds before the second try
    slot: float  # seconds of due time that share one retry batch
    most: float = 600.0  # seconds between two tries at most
    throttled_codes: tuple[str, ...] = ()  # answers that mean "not now, too fast"
    throttled_tries: int = 50  # most tries of what was only ever too fast
    throttled_first: float = 2.0  # seconds before it is tried again


class Unfolded(NamedTuple):
    """What of a wave waits for its fold."""

    wave: int
    chunks: int
    oldest: float  # seconds since the oldest of them came
    newest: float  # seconds since the newest of them came
    receipts: float  # seconds since the oldest of them that holds receipts came; 0 where none does


# Plan at 1 M messages: the index of unfolded chunks alone, a few dozen rows.
UNFOLDED = """
SELECT wave, count(*)::int, extract(epoch FROM clock_timestamp() - min(at))::float8,
    extract(epoch FROM clock_timestamp() - max(at))::float8,
    coalesce(extract(epoch FROM clock_timestamp() - min(at) FILTER (WHERE receipts)), 0)::float8
FROM chunk WHERE NOT folded GROUP BY wave
"""


def unfolded(conn: psycopg.Connection) -> list[Unfolded]:
    """Waves with chunks to fold."""
    return [Unfolded(*row) for row in conn.execute(UNFOLDED).fetchall()]


def fold(conn: psycopg.Connection, wave: int, policy: Policy, young: float = 0.0) -> int:
    """Fold some chunks of a wave, in the caller's transaction; how many chunks.

    `young`: seconds; younger chunks of answers are left alone, those of receipts are not.
    """
    row = conn.execute(
        "SELECT chunks FROM fold(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (wave, policy.chunks, policy.tries, policy.first, policy.slot, policy.most, list(policy.throttled_codes),
         policy.throttled_tries, policy.throttled_first, young),
    ).fetchone()  # fmt: skip
    return int(row[0]) if row else 0


def close_waves(conn: psycopg.Connection) -> list[int]:
    """Finish what can move no more: cancelled rests counted, closed hours expired, done waves marked.

    A wave whose hours passed while nothing could send asks a person instead.
    """
    late.ask(conn)
    done = []
    ended = conn.execute(
        "SELECT id, state = 'cancelled' FROM wave WHERE finished_at IS NULL"
        " AND (state = 'cancelled' OR (state IN ('running', 'paused') AND closes_at <= now() AND (asks_since IS NULL"
        " OR NOT EXISTS (SELECT FROM wave_count c WHERE c.wave = wave.id AND c.state = 0 AND c.n > 0))))"
    ).fetchall()
    for wave, cancelled in ended:
        rest = State.CANCELLED if cancelled else State.EXPIRED
        row = conn.execute("SELECT cancel_rest(%s, %s::smallint)", (wave, rest.value)).fetchone()
        if row and row[0] >= 0:
            state = "state" if cancelled else "'finished'"
            conn.execute(f"UPDATE wave SET finished_at = now(), state = {state} WHERE id = %s", (wave,))
            done.append(int(wave))
    running = conn.execute("SELECT id FROM wave WHERE state = 'running'").fetchall()
    return done + [int(row[0]) for row in running if _rests(conn, row[0]) and waves.finish(conn, int(row[0]))]


def _rests(conn: psycopg.Connection, wave: int) -> bool:
    """Whether nobody folds this wave now, nor begins to in this transaction: what is folded after the end expires."""
    return conn.execute("SELECT pg_try_advisory_xact_lock(%s)", (wave,)).fetchone() == (True,)
