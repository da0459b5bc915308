"""The pace of one worker inside its share: never more segments in any sliding second than its rate says.

Stamps of our own sends, no tokens: reserving tokens used 58 % of a licence at 30/s and overshot at 500/s (ledger:
section 9). Time is handed in, so tests fake it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

MARGIN = 0.0004
"""Seconds looked back beyond the period, for the carrier's clock: 0.04 % of a licence. Stamps are of a write's end.

Forgiving our own lateness within a larger margin was tried: it never uses more than the same safety without it."""
PERIODS = 8
"""Seconds at most over which a licence that makes no whole message a second is judged."""
WHOLE = 0.997
"""Part of a licence that whole messages in a period must reach for the period to be the licence's own."""
AHEAD = 1.25
"""Faster than its rate a worker may send while its last second is not full: it must be able to make up for a wait."""
GULP = 0.04
"""Seconds of a rate that may leave in one write: a carrier dislikes a whole second's load at once."""
AHEAD_SLOW, GULP_SLOW = 1.15, 0.02
"""The same, and GULP, where the rate is judged over more than a second."""
WORTH = 0.01
"""Seconds of a rate that are worth a write: fewer and larger ones at high rates."""
NAP = 0.0005
"""Seconds waited at least."""
LONGEST_WAIT = 1.0
"""Seconds told at most to somebody whose rate is 0: the rate may be another by then."""


class _Stamp(NamedTuple):
    """One write."""

    expires: float  # when it no longer counts
    at: float  # when it was sent
    n: int  # segments
    each: int  # segments of one message

    def under(self, rate: float) -> _Stamp:
        """The same where another rate has a shorter period."""
        return self._replace(expires=min(self.expires, self.at + own_period(rate, self.each)[0] + MARGIN))


class Pace:
    """How many messages may leave now."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._sent: deque[_Stamp] = deque()
        self._used = 0
        self._leaving = 0  # the newest stamps, whose write is not known to have ended
        self._ready = 0.0  # segments that may leave in one write
        self._fill = rate  # segments a second by which that grows
        self._filled = -math.inf
        self._before = 0.0  # the rate that the stamps of the last second may still show

    @property
    def rate(self) -> float:
        """Segments a second."""
        return self._rate

    def change(self, rate: float, now: float) -> None:
        """Another rate from now on."""
        if rate == self._rate:
            return
        self._before = self.using(now)
        self._rate = rate
        while self._sent and self._sent[0].at <= now - 1.0 - MARGIN:  # longer periods belonged to the rate before
            self._used -= self._sent.popleft().n
        if rate > 0:
            self._sent = deque(each.under(rate) for each in self._sent)

    def using(self, now: float) -> float:
        """Segments a second that may still be seen of this worker: the rate before, until its sends are older."""
        if self._before > self._rate:
            last = sum(each.n for each in self._sent if each.at > now - 1.0 - MARGIN)
            if last <= self._rate:
                self._before = 0.0
        return max(self._rate, self._before)

    def grant(self, now: float, want: int, segments: int) -> tuple[int, float]:
        """(messages of so many segments that may leave now, seconds to wait when 0); the granted ones count as sent."""
        if self._rate <= 0:
            return 0, LONGEST_WAIT
        period, most = own_period(self._rate, segments)
        n, least = self._fits(now, want, segments)
        if n < least:
            return 0, self._wait(now, most - segments - self._used, least * segments)
        self._ready -= n * segments
        self._sent.append(_Stamp(now + period + MARGIN, now, n * segments, segments))
        self._leaving += 1
        self._used += n * segments
        return n, 0.0

    def left(self, now: float) -> None:
        """What was granted is written by now: journal and socket may have taken a while, so it counts from here."""
        moved = [self._sent.pop() for _ in range(min(self._leaving, len(self._sent)))]
        self._sent.extend(each._replace(expires=each.expires + now - each.at, at=now) for each in reversed(moved))
        self._leaving = 0

    def room(self, now: float, want: int, segments: int) -> tuple[int, float]:
        """As `grant`, but nothing counts as sent."""
        if self._rate <= 0:
            return 0, LONGEST_WAIT
        n, least = self._fits(now, want, segments)
        if n >= least:
            return n, 0.0
        most = own_period(self._rate, segments)[1]
        return 0, self._wait(now, most - segments - self._used, least * segments)

    def _fits(self, now: float, want: int, segments: int) -> tuple[int, int]:
        """(messages that may leave now, how many must be possible for a write to be worth it)."""
        period, most = own_period(self._rate, segments)
        while self._sent and self._sent[0].expires <= now:
            self._used -= self._sent.popleft().n
        slow = period > 1.0  # whole messages a second are fewer than the rate: the second itself is kept by this
        deep = max(float(segments), self._rate * (GULP_SLOW if slow else GULP))
        since = min(now - self._filled, deep / self._rate + 1.0)
        self._fill = self._rate * (AHEAD_SLOW if slow else AHEAD)
        self._ready = min(deep, self._ready + since * self._fill)
        self._filled = now
        room = (most - self._used) // segments
        n = min(want, room, int(self._ready / segments + 1e-9))
        return n, max(1, min(want, room, int(self._rate * WORTH / segments)))

    def _wait(self, now: float, room: int, segments: int) -> float:
        """Until a message fits into the period (`room` is below 0 by what is missing) and so many into one write."""
        wait = (segments - self._ready) / self._fill if self._ready < segments else 0.0
        for each in self._sent:
            if room >= 0:
                break
            room += each.n
            wait = max(wait, each.expires - now)
        return max(NAP, wait)


def own_period(rate: float, segments: int) -> tuple[float, int]:
    """(seconds, segments) over which whole messages use up a rate: 7.5/s is 15 in two seconds, 0.5/s is 1 in two."""
    if rate * PERIODS < segments:
        return segments / rate, segments
    best = (1, 0)
    for seconds in range(1, PERIODS + 1):
        most = int(rate * seconds / segments + 1e-9) * segments
        if most * best[0] > best[1] * seconds:
            best = (seconds, most)
        if most >= WHOLE * rate * seconds:
            return float(seconds), most
    return float(best[0]), best[1]


LEAST = 1 / 32
"""Of a rate, however often the carrier says "not now"."""
SAME = 1.0
"""Seconds within which "not now" is one event: what was on the wire when the carrier first said it."""
REST = 2.0
"""Seconds without such a word before the rate rises again."""
CLIMB = 0.05
"""Of the rate, each second."""
FEW = 0.1
"""Of the latest answers: "not now" to fewer is about those messages, and slows by just that part."""
LATEST = 2.0
"""Seconds after which what was heard counts half."""
LONGEST_REST = 600.0
"""Seconds that a carrier's own "come again in" is obeyed at most."""


class Ease:
    """What of its rate a worker uses after the carrier said "not now": half at once, then back by itself."""

    def __init__(self) -> None:
        self._part = 1.0
        self._cut_at = self._rises_at = -math.inf
        self.not_before = -math.inf
        self._all = self._no = 0.0  # the latest answers, and those that said "not now"
        self._since = -math.inf

    def heard(self, answers: int, now: float) -> None:
        """So many answers came, of whatever kind."""
        if now - self._since > LATEST:
            self._all, self._no, self._since = self._all / 2, self._no / 2, now
        self._all += answers

    def throttled(self, now: float, wait: float = 0.0, n: int = 1) -> bool:
        """The carrier said "not now" to `n`, and when to come again if `wait`; True when the rate was halved."""
        self._no += n
        part = self._no / max(self._all, self._no)
        few = part < FEW
        before = self._level(now)  # not 0, though it may already want to be left alone: half of what it had
        if wait > 0 and not few:
            self.not_before = max(self.not_before, now + min(wait, LONGEST_REST))
        if now - self._cut_at < SAME:
            return False
        self._part = max(LEAST, before * (1 - part if few else 0.5))
        self._cut_at, self._rises_at = now, max(self._rises_at, now) if few else now + REST
        return not few

    def part(self, now: float) -> float:
        """Of the rate, 0 while the carrier wants to be left alone."""
        return 0.0 if now < self.not_before else self._level(now)

    def _level(self, now: float) -> float:
        """Of the rate, by how often and how long ago it said so."""
        quiet = now - max(self._rises_at, self.not_before)
        return min(1.0, self._part + max(0.0, quiet) * CLIMB) if self._part < 1.0 else 1.0


@dataclass(slots=True)
class Rate:
    """All limits of one worker: its share of the account, the same part of each sender's, and what the carrier says."""

    pace: Pace
    ease: Ease = field(default_factory=Ease)
    most: float = 0.0  # the account's licence, of which `pace` is this worker's share
    share: float = 0.0
    limits: dict[str, float] = field(default_factory=dict)  # sender -> segments a second of the whole account
    senders: dict[str, Pace] = field(default_factory=dict)

    @classmethod
    def of(cls, rate: float) -> Rate:
        """A worker that holds all of a rate."""
        return cls(Pace(rate), most=rate, share=rate)

    def hold(self, share: float, most: float, limits: dict[str, float], now: float) -> None:
        """This worker's share is another from now on."""
        self.share, self.most, self.limits = share, most, limits
        self._set(now)

    def using(self, now: float) -> float:
        """See Pace.using."""
        return max(self.share, self.pace.using(now))

    def throttled(self, now: float, wait: float = 0.0, n: int = 1) -> bool:
        """The carrier said "not now" to so many; True when the rate was halved."""
        halved = self.ease.throttled(now, wait, n)
        self._set(now)
        return halved

    def grant(self, now: float, want: int, segments: int, sender: str = "") -> tuple[int, float]:
        """As Pace.grant, for a message of this sender."""
        self._set(now)
        limit = self.senders.get(sender)
        if limit is None:
            return self.pace.grant(now, want, segments)
        room, wait = limit.room(now, want, segments)
        if not room:
            return 0, wait
        n, wait = self.pace.grant(now, room, segments)
        if n:
            limit.grant(now, n, segments)
        return n, wait

    def left(self, now: float, sender: str = "") -> None:
        """See Pace.left."""
        self.pace.left(now)
        if sender in self.senders:
            self.senders[sender].left(now)

    def _set(self, now: float) -> None:
        part = self.ease.part(now)
        self.pace.change(self.share * part, now)
        for sender in self.senders.keys() - self.limits.keys():
            del self.senders[sender]
        for sender, limit in self.limits.items():
            mine = limit * part * (self.share / self.most if self.most else 0.0)
            self.senders.setdefault(sender, Pace(mine)).change(mine, now)
