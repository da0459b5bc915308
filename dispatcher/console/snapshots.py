"""Where a wave stands, for people: six buckets that add up, speed, time left; read once a second however many look."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock

from campaigns.ledger import canaries, figures, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import State
from dispatcher.console.pages import now
from workers.house import House

FRESH = 0.9
"""Seconds a snapshot serves all who look."""
SPAN = 20.0
"""Seconds over which speed is measured: a window of messages comes at once, a second shows too little."""
BUCKETS = ("ok", "acc", "unk", "bad", "run", "wait", "off")
"""Delivered; accepted; uncertain; failed or expired; in flight; queued; left out or cancelled. They sum to the wave."""
OF_STATE: Mapping[State, str] = {
    State.DELIVERED: "ok", State.ACCEPTED: "acc", State.UNCERTAIN: "unk", State.REFUSED: "bad",
    State.UNDELIVERED: "bad", State.EXPIRED: "bad", State.SUPPRESSED: "off", State.CANCELLED: "off",
    State.QUEUED: "wait",
}  # fmt: skip
LEAST = 0.8
"""Per cent of a bar that a bucket which is not empty gets at least, taken from the largest."""


@dataclass(frozen=True, slots=True)
class Row:
    """One carrier, or all together."""

    carrier: str
    n: Mapping[str, int]  # bucket -> messages
    speed: float  # messages a second that left, over SPAN
    slowest: timedelta | None = None  # of all together: what the slowest carrier needs
    lost: int = 0  # of the failed ones: taken by the carrier, and told to have reached no phone

    @property
    def total(self) -> int:
        """All buckets."""
        return sum(self.n.values())

    @property
    def taken(self) -> int:
        """What carriers took, whatever became of it: the report's column of this name."""
        return self.n["ok"] + self.n["acc"] + self.lost

    @property
    def open(self) -> int:
        """In flight and queued."""
        return self.n["run"] + self.n["wait"]

    @property
    def begun(self) -> bool:
        """Whether anything has left."""
        return self.total > self.n["wait"] + self.n["off"]

    @property
    def left(self) -> timedelta | None:
        """Until the last has left at this speed; None while nothing moves."""
        if not self.speed or not self.open:
            return None
        alone = timedelta(seconds=self.open / self.speed)
        return max(alone, self.slowest) if self.slowest else alone


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment of a wave."""

    seq: int
    at: datetime
    wave: Wave
    rows: tuple[Row, ...]
    whole: Row
    canary: tuple[canaries.Standing, ...] = ()


@dataclass(slots=True)
class _Kept:
    newest: Snapshot | None = None
    read_at: float = 0.0
    seq: int = 0
    past: deque[tuple[float, Mapping[str, int]]] = field(default_factory=lambda: deque(maxlen=64))
    lock: Lock = field(default_factory=Lock)


class Snapshots:
    """The newest of each wave that somebody looks at."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._kept: dict[int, _Kept] = {}
        self._lock = Lock()

    def of(self, wave: int) -> Snapshot:
        """At most FRESH seconds old. Raises Absent."""
        with self._lock:
            kept = self._kept.setdefault(wave, _Kept())
        with kept.lock:
            at = time.monotonic()
            if kept.newest is None or at - kept.read_at > FRESH:
                kept.newest = self._read(kept, wave, at)
                kept.read_at = at
            return kept.newest

    def forget(self, wave: int) -> None:
        """After an act the next look is a fresh one."""
        if (kept := self._kept.get(wave)) is not None:
            kept.read_at = 0.0

    def _read(self, kept: _Kept, wave: int, at: float) -> Snapshot:
        with self._house.begin() as conn:
            figures.hold_still(conn)
            found, standing = waves.get(conn, wave), figures.standing(conn, wave)
            canary = tuple(canaries.standing(conn, wave)) if "canary" in found.plan else ()
        counted = {each.carrier: buckets(each) for each in standing}
        gone = {carrier: sum(n.values()) - n["wait"] for carrier, n in counted.items()}
        speeds = _speeds(kept, at, gone)
        lost = {each.carrier: each.counts.get(State.UNDELIVERED, 0) for each in standing}
        rows = tuple(Row(carrier, n, speeds[carrier], lost=lost[carrier]) for carrier, n in counted.items())
        kept.seq += 1
        return Snapshot(kept.seq, now(), found, rows, whole(rows), canary)


def buckets(each: figures.Standing) -> dict[str, int]:
    """The nine states and what is in flight as the buckets of a page."""
    n = dict.fromkeys(BUCKETS, 0)
    for state, count in each.counts.items():
        n[OF_STATE[state]] += count
    n["run"], n["wait"] = each.in_flight, n["wait"] - each.in_flight
    return n


def whole(rows: tuple[Row, ...]) -> Row:
    """All carriers together."""
    n = {name: sum(row.n[name] for row in rows) for name in BUCKETS}
    slowest = max((row.left for row in rows if row.left), default=None)
    return Row("", n, sum(row.speed for row in rows), slowest, sum(row.lost for row in rows))


def _speeds(kept: _Kept, at: float, gone: Mapping[str, int]) -> dict[str, float]:
    while kept.past and at - kept.past[0][0] > SPAN:
        kept.past.popleft()
    first_at, first = kept.past[0] if kept.past else (at, gone)
    kept.past.append((at, gone))
    span = at - first_at
    return {carrier: max(0, n - first.get(carrier, 0)) / span if span else 0.0 for carrier, n in gone.items()}


def bar(n: Mapping[str, int]) -> list[tuple[str, float, float]]:
    """(bucket, x, width) in per cent of a bar: each bucket that is not empty can be seen."""
    total = sum(n.values()) or 1
    widths = {name: 100 * n[name] / total for name in BUCKETS}
    for name in BUCKETS:
        if n[name] and widths[name] < LEAST:
            largest = max(widths, key=lambda each: widths[each])
            widths[largest] -= LEAST - widths[name]
            widths[name] = LEAST
    drawn, x = [], 0.0
    for name in BUCKETS:
        drawn.append((name, round(x, 2), round(widths[name], 2)))
        x += widths[name]
    return drawn
