"""Auto-pause: a wave whose newest messages fail, or are in doubt, too often stops by itself and waits for a person."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import NamedTuple

import psycopg

from campaigns.ledger import waves
from campaigns.terms import State
from workers.house import House

log = logging.getLogger(__name__)

BY_ITSELF = "dispatcher"
"""Who paused, in the record, when it was nobody."""
FAILED = (State.REFUSED, State.UNDELIVERED, State.EXPIRED)
SETTLED = (*FAILED, State.ACCEPTED, State.DELIVERED, State.UNCERTAIN)
# Plan at 1 M messages: wave_count of the running waves, 63 rows each; 0.1 ms.
COUNTS = """
SELECT w.id, w.stop_seq, wc.state, sum(wc.n)::bigint FROM wave w JOIN wave_count wc ON wc.wave = w.id
WHERE w.state = 'running' GROUP BY w.id, w.stop_seq, wc.state
"""


class Mark(NamedTuple):
    """A wave's counts when a span of messages began."""

    stop_seq: int  # a person's act begins a new span: who resumes has looked
    settled: int
    failed: int
    uncertain: int


class Alarm:
    """Looks at spans of `auto_pause_span` messages, one after the other."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._marks: dict[int, Mark] = {}

    def look(self) -> int:
        """Pause the waves that fail; how many."""
        with self._house.begin() as conn:
            found = _counts(conn)
        paused = [wave for wave, now in found.items() if (why := self._why(wave, now)) and self._pause(wave, why)]
        self._marks = {wave: mark for wave, mark in self._marks.items() if wave in found and wave not in paused}
        return len(paused)

    def _why(self, wave: int, now: Mark) -> str:
        settings = self._house.settings
        before = self._marks.setdefault(wave, now)
        if before.stop_seq != now.stop_seq:
            before = self._marks[wave] = now
        n = now.settled - before.settled
        if n < settings.auto_pause_span:
            return ""
        self._marks[wave] = now
        for part, most, word in (
            (now.failed - before.failed, settings.auto_pause_failed, "failed"),
            (now.uncertain - before.uncertain, settings.auto_pause_uncertain, "uncertain"),
        ):
            if 100 * part > most * n:
                return f"auto-pause: {part} of {n} {word}"
        return ""

    def _pause(self, wave: int, why: str) -> bool:
        with self._house.begin() as conn:
            conn.execute("SET LOCAL lock_timeout = '1s'")
            waves.move(conn, wave, BY_ITSELF, "pause", why)
        log.error("wave %s pauses by itself: %s", wave, why)
        return True


def _counts(conn: psycopg.Connection) -> Mapping[int, Mark]:
    counts: dict[int, dict[State, int]] = {}
    stops: dict[int, int] = {}
    for wave, stop_seq, state, n in conn.execute(COUNTS):
        counts.setdefault(wave, {})[State(state)] = n
        stops[wave] = stop_seq
    return {
        wave: Mark(stops[wave], sum(of.get(state, 0) for state in SETTLED), sum(of.get(state, 0) for state in FAILED),
                   of.get(State.UNCERTAIN, 0))
        for wave, of in counts.items()
    }  # fmt: skip
