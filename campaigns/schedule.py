"""When a wave may send: local dates and hours in, UTC instants out. Pure; the caller brings the time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

ZONE_NAME = "Asia/Ho_Chi_Minh"
ZONE = ZoneInfo(ZONE_NAME)  # no summer time, UTC+7 since 1975

_MIDNIGHT = time(0, 0)


@dataclass(frozen=True, slots=True)
class WavePlan:
    """One dated send (đợt): on each day from `date` to `until` it may send from `opens` to `closes`, local time."""

    no: int
    name: str
    date: dt.date
    until: dt.date  # the last day, the same day for a wave of one day
    opens: time
    closes: time  # 00:00 means the end of the day


class Window(NamedTuple):
    """The instants between which a wave may send, both UTC; the first belongs to it, the last does not."""

    opens_at: datetime
    closes_at: datetime


def windows(wave: WavePlan) -> tuple[Window, ...]:
    """The wave's windows in order, one a day."""
    days = (wave.date + timedelta(n) for n in range((wave.until - wave.date).days + 1))
    return tuple(_window(day, wave.opens, wave.closes) for day in days)


def between(opens_at: datetime, closes_at: datetime, opens: time, closes: time) -> tuple[Window, ...]:
    """The windows of a wave of which only the first and the last instant and the hours of each day are left."""
    days = opens_at.astimezone(ZONE).date(), (closes_at - timedelta(microseconds=1)).astimezone(ZONE).date()
    return windows(WavePlan(0, "", *days, opens, closes))


def is_open(now: datetime, window: Window) -> bool:
    """Whether a message may leave now."""
    return window.opens_at <= now < window.closes_at


def open_window(wave: WavePlan, now: datetime) -> Window | None:
    """The window that is open now."""
    return next((window for window in windows(wave) if is_open(now, window)), None)


def next_opening(wave: WavePlan, now: datetime) -> datetime | None:
    """The first instant from now on at which the wave may send: `now` itself while open, None when it is over."""
    return next((max(now, window.opens_at) for window in windows(wave) if now < window.closes_at), None)


def is_over(wave: WavePlan, now: datetime) -> bool:
    """Whether the last window has closed; such a wave asks, it never fires by itself."""
    return next_opening(wave, now) is None


def next_wave(waves: Iterable[WavePlan], now: datetime) -> WavePlan | None:
    """The wave that may send first from now on."""
    ahead = [(opening, wave.no, wave) for wave in waves if (opening := next_opening(wave, now))]
    return min(ahead, key=lambda each: each[:2])[2] if ahead else None


def rehearse(wave: WavePlan, now: datetime) -> WavePlan:
    """The wave for a rehearsal (diễn tập): from today, open day and night until the end of tomorrow.

    Tomorrow too, so that a rehearsal begun before midnight does not stop at it.
    """
    today = now.astimezone(ZONE).date()
    return replace(wave, date=today, until=today + timedelta(1), opens=_MIDNIGHT, closes=_MIDNIGHT)


def again(wave: WavePlan, now: datetime, least: timedelta = timedelta(hours=1)) -> WavePlan:
    """The wave for those of it who get another message: as it is, or when it is over today, in its daily hours.

    Tomorrow when today's hours do not last another `least`.
    """
    if not is_over(wave, now + least):
        return wave
    today = now.astimezone(ZONE).date()
    left = _window(today, wave.opens, wave.closes).closes_at - now
    day = today if left >= least else today + timedelta(1)
    return replace(wave, date=day, until=day)


def instant(day: dt.date, at: time) -> datetime:
    """A local date and time as UTC."""
    return datetime.combine(day, at, ZONE).astimezone(UTC)


def _window(day: dt.date, opens: time, closes: time) -> Window:
    last = day + timedelta(1) if closes == _MIDNIGHT else day
    return Window(instant(day, opens), instant(last, closes))
