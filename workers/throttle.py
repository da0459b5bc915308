"""The pace of one account inside its share: never more segments in any sliding second than the licence says.

Stamps of our own sends over 1.010 s, no tokens: reserving tokens used 58 % of a licence at 30/s and overshot at 500/s
(ledger: section 9). Time is handed in, so tests fake it.
"""

from __future__ import annotations

from collections import deque

WINDOW = 1.010
"""Seconds looked back: one second, and 10 ms for the way to the carrier's clock."""


class Pace:
    """How many messages may leave now."""

    def __init__(self, licence: float) -> None:
        self.licence = licence
        self._sent: deque[tuple[float, int]] = deque()  # (when it no longer counts, segments)
        self._used = 0

    def grant(self, now: float, want: int, segments: int) -> tuple[int, float]:
        """(messages of so many segments that may leave now, seconds to wait when 0); the granted ones count as sent."""
        period = max(WINDOW, segments / self.licence)
        while self._sent and self._sent[0][0] <= now:
            self._used -= self._sent.popleft()[1]
        room = max(int(self.licence), segments) - self._used
        n = min(want, room // segments, self._gulp(segments))
        if n <= 0:
            return 0, max(0.001, self._sent[0][0] - now)
        self._sent.append((now + period, n * segments))
        self._used += n * segments
        return n, 0.0

    def _gulp(self, segments: int) -> int:
        """At most a tenth of a second at once: a carrier dislikes a whole second's load in one write."""
        return max(1, int(self.licence / segments / 10))
