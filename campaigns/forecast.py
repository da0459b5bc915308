"""What a wave will cost and when it will be done, before anybody approves it; and what it did cost afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from campaigns.schedule import Window


@dataclass(frozen=True, slots=True)
class Lane:
    """Recipients who get the same text through the same account."""

    carrier: str
    account: str
    recipients: int
    segments: int  # a message
    price: int  # dong a segment
    licence: float  # segments a second, shared by all lanes of the account

    @property
    def all_segments(self) -> int:
        """Segments of the lane."""
        return self.recipients * self.segments

    @property
    def dong(self) -> int:
        """What the lane costs when every message goes out once."""
        return self.all_segments * self.price


@dataclass(frozen=True, slots=True)
class Forecast:
    """All lanes of a wave at the licensed pace, each message tried once."""

    lanes: tuple[Lane, ...]
    starts_at: datetime | None  # the first instant at which it may send; None when all windows are over
    finishes_at: datetime | None  # None when the windows do not suffice
    left_over: int  # segments that do not fit into the windows

    @property
    def recipients(self) -> int:
        """People."""
        return sum(lane.recipients for lane in self.lanes)

    @property
    def segments(self) -> int:
        """Segments (tin quy đổi)."""
        return sum(lane.all_segments for lane in self.lanes)

    @property
    def dong(self) -> int:
        """Money."""
        return sum(lane.dong for lane in self.lanes)

    @property
    def seconds(self) -> float:
        """Sending time of the slowest account."""
        return max((_seconds(lanes) for lanes in _accounts(self.lanes)), default=0.0)

    def as_json(self) -> dict[str, Any]:
        """For programs; times are UTC."""
        return {
            "recipients": self.recipients, "segments": self.segments, "dong": self.dong,
            "seconds": round(self.seconds, 1), "left_over": self.left_over,
            "starts_at": self.starts_at and self.starts_at.isoformat(),
            "finishes_at": self.finishes_at and self.finishes_at.isoformat(),
            "carriers": [
                {"carrier": lane.carrier, "account": lane.account, "recipients": lane.recipients,
                 "segments": lane.all_segments, "dong": lane.dong} for lane in self.lanes
            ],
        }  # fmt: skip


def forecast(lanes: Iterable[Lane], windows: Sequence[Window], now: datetime) -> Forecast:
    """Lay the segments of each account into the windows that are still to come; accounts send side by side."""
    all_lanes = tuple(lanes)
    ahead = [Window(max(window.opens_at, now), window.closes_at) for window in windows if window.closes_at > now]
    ends: list[datetime | None] = []
    left_over = 0
    for group in _accounts(all_lanes):
        end, short = _laid(_seconds(group), ahead)
        ends.append(end)
        left_over += round(short * group[0].licence)
    starts = ahead[0].opens_at if ahead else None
    done = [end for end in ends if end is not None]
    return Forecast(all_lanes, starts, max(done) if done and len(done) == len(ends) else None, left_over)


def _accounts(lanes: Sequence[Lane]) -> list[list[Lane]]:
    groups: dict[str, list[Lane]] = {}
    for lane in lanes:
        if lane.recipients:
            groups.setdefault(lane.account, []).append(lane)
    return list(groups.values())


def _seconds(lanes: Sequence[Lane]) -> float:
    return sum(lane.all_segments for lane in lanes) / lanes[0].licence


def _laid(seconds: float, windows: Sequence[Window]) -> tuple[datetime | None, float]:
    """When so many seconds of sending are over, and how many find no room."""
    for window in windows:
        room = (window.closes_at - window.opens_at).total_seconds()
        if seconds <= room:
            return window.opens_at + timedelta(seconds=seconds), 0.0
        seconds -= room
    return None, seconds


class Share(NamedTuple):
    """One carrier's part of a wave, forecast or done."""

    carrier: str
    messages: int
    segments: int
    dong: int


@dataclass(frozen=True, slots=True)
class Compared:
    """A wave's forecast, as it was when the approver approved, beside what the wave has done so far."""

    told_at: datetime  # of the approval
    forecast: tuple[Share, ...]
    finishes_at: datetime | None  # by the forecast; None when the windows did not suffice
    actual: tuple[
        Share, ...
    ]  # the same carriers in the same order; only messages that a carrier is known to have taken
    first_at: datetime | None  # when the first and the last of its windows began; a window lasts 2 s at most
    last_at: datetime | None
    over: bool  # nothing more can leave

    @property
    def late(self) -> timedelta | None:
        """How much later than forecast the last message left; negative: earlier. None while it is not known."""
        return self.last_at - self.finishes_at if self.over and self.last_at and self.finishes_at else None

    def as_json(self) -> dict[str, Any]:
        """For programs; times are UTC."""
        return {
            "told_at": self.told_at.isoformat(), "over": self.over,
            "forecast": _shares_json(self.forecast, {"finishes_at": self.finishes_at}),
            "actual": _shares_json(self.actual, {"first_at": self.first_at, "last_at": self.last_at}),
            "late_seconds": None if self.late is None else round(self.late.total_seconds()),
        }  # fmt: skip


def summed(shares: Sequence[Share]) -> Share:
    """All carriers together."""
    return Share("", *(sum(column) for column in list(zip(*shares, strict=True))[1:])) if shares else Share("", 0, 0, 0)


def compared(
    stored: Mapping[str, Any],
    told_at: datetime,
    taken: Mapping[str, int],
    times: tuple[datetime | None, datetime | None],
    *,
    over: bool,
) -> Compared:
    """A stored `Forecast.as_json` beside counts of taken messages by carrier, at the forecast's own prices."""
    told = tuple(Share(each["carrier"], each["recipients"], each["segments"], each["dong"])
                 for each in stored["carriers"])  # fmt: skip
    done = tuple(_scaled(each, taken.get(each.carrier, 0)) for each in told)
    ends = stored["finishes_at"]
    return Compared(told_at, told, datetime.fromisoformat(ends) if ends else None, done, *times, over)


def _scaled(told: Share, taken: int) -> Share:
    """The forecast's segments and price of one message, for as many as were taken."""
    each = max(1, told.messages)
    return Share(told.carrier, taken, taken * (told.segments // each), taken * (told.dong // each))


def _shares_json(shares: Sequence[Share], times: Mapping[str, datetime | None]) -> dict[str, Any]:
    whole = summed(shares)
    return {
        "messages": whole.messages, "segments": whole.segments, "dong": whole.dong,
        "carriers": [each._asdict() for each in shares],
    } | {name: at and at.isoformat() for name, at in times.items()}  # fmt: skip
