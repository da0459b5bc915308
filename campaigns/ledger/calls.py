"""Hotline-aware pacing: a wave leaves so slowly that the calls it is expected to cause stay under a figure."""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from campaigns.terms import Problem

OF = 100_000
"""Messages to which an expectation of calls refers."""


class Calls(NamedTuple):
    """What a wave does to a hotline."""

    most_an_hour: int  # calls that the hotline is to get of this wave
    per_100_000: int  # calls expected of so many messages
    messages_an_hour: int  # what follows
    last_hour: int  # messages that were let go in the last hour, all accounts

    @property
    def expected(self) -> int:
        """Calls expected of the messages of the last hour."""
        return round(self.last_hour * self.per_100_000 / OF)


def planned(most_an_hour: int, per_100_000: int) -> dict[str, int]:
    """What a plan says of it; {} for 0 and 0. Raises Problem where no message an hour would be left."""
    if most_an_hour == per_100_000 == 0:
        return {}
    if most_an_hour <= 0 or not 0 < per_100_000 <= OF:
        raise Problem("give both: the most calls an hour, and how many calls a thousand messages are expected to cause")
    messages = most_an_hour * OF // per_100_000
    return {"most_an_hour": most_an_hour, "per_100_000": per_100_000, "messages_an_hour": min(messages, 2_000_000_000)}


# Plan at 1 M messages: the windows of the last hour by the index on wave and time.
LAST_HOUR = """
SELECT plan -> 'calls', (SELECT coalesce(sum(hi - lo), 0)::bigint FROM send_window s
    WHERE s.wave = wave.id AND s.at > clock_timestamp() - interval '1 h') FROM wave WHERE id = %s AND plan ? 'calls'
"""


def of(conn: psycopg.Connection, wave: int) -> Calls | None:
    """The figures of a wave that is paced so."""
    row = conn.execute(LAST_HOUR, (wave,)).fetchone()
    if row is None:
        return None
    plan: dict[str, Any] = row[0]
    return Calls(plan["most_an_hour"], plan["per_100_000"], plan["messages_an_hour"], int(row[1]))
