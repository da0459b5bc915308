"""Pictures of a wave over time, made on the server: lines of steps, quiet hours, the cap; their labels are HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from campaigns.ledger.delays import Delay
from campaigns.ledger.pace import SLOT, Slot
from campaigns.schedule import Window

STEPS = (SLOT, *(timedelta(seconds=n) for n in (30, 60, 300, 900, 3600, 14_400)))
MOST = 120
"""Points of a line: more than a phone can show apart."""
FEW = 60
"""Points of a line of delays: each is a sample of a hundred receipts to be looked up."""
MINUTE = timedelta(minutes=1)
GRID = 4
"""Spaces between gridlines."""
HIGH = 2.5
"""A cap so many times above the highest point would press the lines flat: it is told, not drawn."""
ROWS = 20
"""Heights at which a label can stand; one needs APART of them."""
APART = 2
TAIL = 0.25
"""Of the time of sending: how long late receipts are drawn after its end, at least a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class Point:
    """One step."""

    at: datetime
    taken: int
    receipts: int


@dataclass(frozen=True, slots=True)
class Label:
    """What stands at a line's end."""

    name: str  # taken | receipts | cap
    n: float  # messages a minute
    row: int  # from the top, of ROWS


@dataclass(frozen=True, slots=True)
class Chart:
    """All that a page draws; heights and places are per cent, lines lie in a square of 1,000.

    A step that is not over yet stands in `points` and is not drawn: it would look like a fall.
    """

    step: timedelta
    points: Sequence[Point]
    later: Point | None  # receipts that came after what is drawn
    top: int  # messages a minute at the top gridline
    taken: str
    receipts: str
    quiet: Sequence[tuple[float, float]]  # from, width
    cap: float  # messages a minute
    cap_at: float | None  # from the top; None: above the picture
    labels: Sequence[Label]
    marks: Sequence[datetime]  # below, evenly
    peak: Point
    whole: Point  # sums; `at` is the first step's

    @property
    def lines(self) -> Sequence[tuple[str, str]]:
        """What is drawn, the uppermost last."""
        return ("receipts", self.receipts), ("taken", self.taken)

    def a_minute(self, n: int) -> float:
        """A count of one step as messages a minute."""
        return n * (MINUTE / self.step)


@dataclass(frozen=True, slots=True)
class Delays:
    """How long receipts took, over the time of a chart of messages; seconds. Where none came there is no line."""

    step: timedelta
    points: Sequence[Delay]
    top: int
    lines: Sequence[tuple[str, str]]  # most | half
    quiet: Sequence[tuple[float, float]]
    labels: Sequence[Label]
    marks: Sequence[datetime]
    cap_at: None = None

    @property
    def last(self) -> Delay:
        """The newest step."""
        return self.points[-1]


def coarse(picture: Chart) -> timedelta:
    """The steps of delays beside a chart of messages: each is a sample, so they are few."""
    first, end = picture.marks[0], picture.marks[-1]
    return next((each for each in STEPS if each >= picture.step and (end - first) / each <= FEW), STEPS[-1])


def delayed(points: Sequence[Delay], picture: Chart, step: timedelta) -> Delays | None:
    """The delays beside a chart of messages, over the same time; None before a receipt came."""
    if not points:
        return None
    first, end = picture.marks[0], picture.marks[-1]
    top = _top(max(each.most for each in points))
    wide = 1000 * (step / (end - first))

    def line(heights: Sequence[tuple[int, float]]) -> str:
        """Steps; a new beginning after each gap."""
        parts, right = [], -1
        for n, height in heights:
            y = round(1000 - 1000 * height / top)
            parts.append(f"V{y}" if n == right else f"M{round(wide * n)} {y}")
            parts.append(f"H{min(1000, round(wide * (n + 1)))}")
            right = n + 1
        return "".join(parts)

    places = [(each.at - first) // step for each in points]
    lines = [(name, line([(n, getattr(each, name)) for n, each in zip(places, points, strict=True)]))
             for name in ("most", "half")]  # fmt: skip
    ends = [("half", points[-1].half), ("most", points[-1].most)]
    return Delays(step, points, top, lines, picture.quiet, _labels(ends, top), picture.marks)


def chart(slots: Sequence[Slot], windows: Sequence[Window], cap: float, *, now: datetime, over: bool) -> Chart | None:
    """The picture of a wave; None before anything happened. `cap`: messages a minute that the contracts allow."""
    if not slots:
        return None
    first = slots[0].at
    end = _end(slots, now, over=over)
    step = next((each for each in STEPS if (end - first) / each <= MOST), STEPS[-1])
    first = datetime.fromtimestamp(first.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
    points = _points([each for each in slots if each.at < end], first, end, step)
    late = sum(each.receipts for each in slots if each.at >= end)
    a_minute = MINUTE / step
    drawn = points[:-1] if not over and len(points) > 1 and now < points[-1].at + step else points
    most = max(max(each.taken, each.receipts) for each in drawn) * a_minute
    shown = cap if most and cap <= most * HIGH else 0.0
    top, last, end = _top(max(most, shown)), drawn[-1], drawn[-1].at + step
    ends = [("taken", last.taken * a_minute), ("receipts", last.receipts * a_minute)]
    return Chart(
        step, points, Point(end, 0, late) if late else None, top,
        _line([each.taken * a_minute / top for each in drawn]),
        _line([each.receipts * a_minute / top for each in drawn]),
        _quiet(windows, first, end), cap, 100 - 100 * cap / top if shown else None,
        _labels([*ends, ("cap", cap)] if shown else ends, top),
        [first + (end - first) * n / GRID for n in range(GRID + 1)], max(drawn, key=lambda each: each.taken),
        Point(first, sum(each.taken for each in slots), sum(each.receipts for each in slots)),
    )  # fmt: skip


def _end(slots: Sequence[Slot], now: datetime, *, over: bool) -> datetime:
    """Of the picture: now, or some time after the last message was taken, for receipts trickle in for days."""
    if not over:
        return max(now, slots[-1].at + SLOT)
    sent = max((each.at for each in slots if each.taken), default=slots[-1].at) + SLOT
    return min(slots[-1].at + SLOT, sent + max((sent - slots[0].at) * TAIL, timedelta(minutes=15)))


def _points(slots: Sequence[Slot], first: datetime, end: datetime, step: timedelta) -> list[Point]:
    """Every step of the picture, the empty ones too."""
    found = [[0, 0] for _ in range(max(1, -((first - end) // step)))]
    for each in slots:
        place = found[(each.at - first) // step]
        place[0] += each.taken
        place[1] += each.receipts
    return [Point(first + step * n, *sums) for n, sums in enumerate(found)]


def _top(most: float) -> int:
    """A round number above, which GRID parts divide into round ones."""
    unit = 1
    while True:
        for tenths in (10, 15, 20, 30, 40, 50, 60, 80):
            space, odd = divmod(tenths * unit, 10)
            if not odd and space * GRID >= most:
                return space * GRID
        unit *= 10


def _line(heights: Sequence[float]) -> str:
    """Steps from left to right; a height of 1 is the top."""
    parts, wide = [], 1000 / len(heights)
    for n, height in enumerate(heights):
        y = round(1000 - 1000 * height)
        parts.append(f"{'V' if n else 'M0 '}{y}H{round(wide * (n + 1))}")
    return "".join(parts)


def _quiet(windows: Sequence[Window], first: datetime, end: datetime) -> list[tuple[float, float]]:
    """What of the picture lies outside the hours."""
    found, at = [], first
    for window in windows:
        if window.opens_at > at and at < end:
            found.append((at, min(window.opens_at, end)))
        at = max(at, window.closes_at)
    if at < end:
        found.append((at, end))
    whole = end - first
    return [(round(100 * ((a - first) / whole), 2), round(100 * ((b - a) / whole), 2)) for a, b in found if b > a]


def _labels(ends: Sequence[tuple[str, float]], top: int) -> list[Label]:
    """Beside the lines' ends, none over another: pushed down, and up again where the ground is reached."""
    placed = sorted(((round(ROWS - ROWS * n / top), name, n) for name, n in ends))
    rows, least = [], 0
    for row, _, _ in placed:
        rows.append(max(row, least))
        least = rows[-1] + APART
    most = ROWS
    for n in reversed(range(len(rows))):
        rows[n] = min(rows[n], most)
        most = rows[n] - APART
    return [Label(name, n, row) for row, (_, name, n) in zip(rows, placed, strict=True)]
