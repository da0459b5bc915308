"""What a sending worker tells of itself with each renewal of its share, for people and for the status."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping

from workers.window import WindowRun

OVER = 3.0
"""Seconds over which the rate is told."""


class Telling:
    """Counts what left; asked at each poll, so nothing of it is on the way of a message."""

    def __init__(self, runs: Mapping[asyncio.Task[None], WindowRun]) -> None:
        self._runs = runs
        self._ended = 0  # segments of windows that are over
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def ended(self, run: WindowRun) -> None:
        """A window is over."""
        self._ended += run.segments_sent

    def __call__(self) -> dict[str, object]:
        """Messages without an answer by wave; segments a second of the last seconds; when it was told (unix time)."""
        now, wire = time.monotonic(), Counter[str]()
        sent = self._ended
        for run in self._runs.values():
            sent += run.segments_sent
            wire[str(run.wave)] += run.on_wire
        self._marks.append((now, sent))
        while len(self._marks) > 2 and self._marks[1][0] <= now - OVER:  # noqa: PLR2004 - one mark before and one now
            self._marks.popleft()
        since, before = self._marks[0]
        rate = (sent - before) / max(0.05, now - since)
        return {"wire": +wire, "speed": round(rate, 1), "told": round(time.time(), 2)}
