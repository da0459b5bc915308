"""Whether an account's carrier is worth asking: a breaker that opens on failures and is closed by one good answer.

Open: nothing is sent, for a while that doubles each time. Half open: one message goes and its answer decides, because a
half-dead carrier turns each message that it gets into one in doubt. Time is handed in.
"""

from __future__ import annotations

import math
import random
from collections import deque
from enum import Enum

SPAN = 10.0
"""Seconds over which answers are judged together."""
LEAST = 20
"""Bad ones in it before they mean anything."""
BUCKET = 0.5
"""Seconds of answers that are kept as one."""
HALF = 0.5
"""Part of all answers from which on the bad ones open it."""
FIRST, MOST = 0.5, 30.0
"""Seconds that it stays open, doubled each time it opens again without a good answer between."""


class State(Enum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """One account's, in one worker."""

    def __init__(self, first: float = FIRST, most: float = MOST) -> None:
        self._first, self._most = first, most
        self._answers: deque[tuple[float, int, int]] = deque()  # (when, good, bad)
        self._opened = 0  # times in a row
        self._open = False
        self.next_try = -math.inf
        self.since = -math.inf  # when it opened first, of the times in a row
        self.code = ""  # what opened it

    def state(self, now: float) -> State:
        """What it allows now."""
        if not self._open:
            return State.CLOSED
        return State.OPEN if now < self.next_try else State.HALF_OPEN

    def told(self, good: int, bad: int, code: str, now: float) -> bool:
        """Answers came: the carrier took, refused or put off so many, and failed at so many; True when it opened."""
        if self._open:
            if good and self.state(now) is State.HALF_OPEN:
                self._close()
            elif bad and self.state(now) is State.HALF_OPEN:
                self._trip(code, now)
                return True
            return False
        if self._answers and now - self._answers[-1][0] < BUCKET:
            at, goods, bads = self._answers.pop()
            self._answers.append((at, goods + good, bads + bad))
        else:
            self._answers.append((now, good, bad))
        while self._answers[0][0] < now - SPAN:
            self._answers.popleft()
        if not bad:
            return False
        goods, bads = sum(each[1] for each in self._answers), sum(each[2] for each in self._answers)
        if bads >= LEAST and bads >= HALF * (goods + bads):
            self._trip(code, now)
            return True
        return False

    def fell(self, code: str, now: float) -> bool:
        """The carrier cannot be reached at all; True unless it is known."""
        if self._open and now < self.next_try:  # the other windows of the same fall
            return False
        self._trip(code, now)
        return True

    def _trip(self, code: str, now: float) -> None:
        self.since = self.since if self._opened else now
        wait = min(self._most, self._first * 2**self._opened)
        self.next_try = now + wait * random.uniform(0.8, 1.2)  # noqa: S311 - workers must not come back in step
        self._opened, self._open, self.code = min(self._opened + 1, 16), True, code
        self._answers.clear()

    def _close(self) -> None:
        self._open, self._opened, self.code = False, 0, ""
        self._answers.clear()
