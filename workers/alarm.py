"""Auto-pause: a wave whose newest messages fail, or are in doubt, too often stops by itself and waits for a person."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import psycopg

from campaigns.ledger import people, progress, waves
from campaigns.terms import State
from workers.house import House

log = logging.getLogger(__name__)

LAG = 60.0
"""Seconds by which counts may lag behind what was written down, when the books were not kept for a while."""
ANSWERED = (
    State.REFUSED, State.UNDELIVERED, State.EXPIRED, State.ACCEPTED, State.DELIVERED, State.UNCERTAIN,
)  # fmt: skip
TOLD = (State.DELIVERED, State.UNDELIVERED)
SHARES: Final[Mapping[str, tuple[tuple[State, ...], tuple[State, ...]]]] = {
    "answers": ((State.REFUSED, State.EXPIRED), ANSWERED),
    "receipts": ((State.UNDELIVERED,), TOLD),
}
"""What failed, and of what: a flood of late receipts says nothing of the few messages that left meanwhile."""
# Plan at 1 M messages: wave_count of the running waves, 63 rows each; 0.1 ms.
COUNTS = """
SELECT w.id, w.stop_seq, wc.state, sum(wc.n)::bigint FROM wave w JOIN wave_count wc ON wc.wave = w.id
WHERE w.state = 'running' GROUP BY w.id, w.stop_seq, wc.state
"""


class Mark(NamedTuple):
    """A wave's counts when a span of messages began."""

    stop_seq: int  # a person's act begins a new span: who resumes has looked
    n: int  # answers, or receipts
    failed: int
    uncertain: int
    at: float  # unix time


class Alarm:
    """Looks at spans of `auto_pause_span` answers and of as many receipts, one after the other."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._marks: dict[tuple[int, str], Mark] = {}

    def look(self) -> int:
        """Pause the waves that fail; how many."""
        with self._house.begin() as conn:
            found = _counts(conn)
        paused: set[int] = set()
        for (wave, kind), now in found.items():
            why = self._why(wave, kind, now)
            if why and wave not in paused and self._pause(wave, why):
                paused.add(wave)
        self._marks = {key: mark for key, mark in self._marks.items() if key in found and key[0] not in paused}
        return len(paused)

    def _why(self, wave: int, kind: str, now: Mark) -> str:
        settings = self._house.settings
        before = self._marks.setdefault((wave, kind), now)
        if before.stop_seq != now.stop_seq:
            before = self._marks[wave, kind] = now
        n = now.n - before.n
        if n < settings.auto_pause_span:
            return ""
        self._marks[wave, kind] = now
        failed, uncertain = now.failed - before.failed, now.uncertain - before.uncertain
        if 100 * failed > settings.auto_pause_failed * n:
            return f"auto-pause: {failed} of {n} failed"
        most = settings.auto_pause_uncertain * n
        if 100 * uncertain > most and 100 * (uncertain - self._ours(wave, before)) > most:
            return f"auto-pause: {uncertain} of {n} uncertain"
        return ""

    def _ours(self, wave: int, before: Mark) -> int:
        """How many are in doubt because a worker was killed: no reason to ask the carrier, receipts settle it."""
        with self._house.begin() as conn:
            return progress.crashed(conn, wave, before.at - LAG)

    def _pause(self, wave: int, why: str) -> bool:
        with self._house.begin() as conn:
            conn.execute("SET LOCAL lock_timeout = '1s'")
            waves.move(conn, wave, people.BY_ITSELF, "pause", why)
        log.error("wave %s pauses by itself: %s", wave, why)
        return True


def _counts(conn: psycopg.Connection) -> Mapping[tuple[int, str], Mark]:
    counts: dict[int, dict[State, int]] = {}
    stops: dict[int, int] = {}
    for wave, stop_seq, state, n in conn.execute(COUNTS):
        counts.setdefault(wave, {})[State(state)] = n
        stops[wave] = stop_seq
    return {
        (wave, kind): Mark(stops[wave], _sum(of, whole), _sum(of, failed),
                           of.get(State.UNCERTAIN, 0) if kind == "answers" else 0, time.time())
        for wave, of in counts.items() for kind, (failed, whole) in SHARES.items()
    }  # fmt: skip


def _sum(of: Mapping[State, int], states: tuple[State, ...]) -> int:
    return sum(of.get(state, 0) for state in states)
