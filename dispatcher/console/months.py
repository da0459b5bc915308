"""A schedule as a picture: months from Monday on with waves and the letter's days, and one day with its quiet hours."""

from __future__ import annotations

import calendar
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from campaigns import rules
from campaigns.definition import Campaign
from campaigns.ledger.waves import Wave
from campaigns.schedule import ZONE, WavePlan

MOST_MONTHS = 4
DAY_MINUTES = 24 * 60


class Entry(NamedTuple):
    """A wave on a day."""

    name: str
    mine: bool  # of the draft; else it is there already
    opens: time
    closes: time
    path: str = ""

    @property
    def x(self) -> float:
        """Where it begins, percent of the day."""
        return percent(self.opens)

    @property
    def width(self) -> float:
        """How long it lasts; a wave that closes at midnight lasts until then."""
        return (percent(self.closes) or 100.0) - self.x


@dataclass(slots=True)
class Day:
    """One square."""

    date: date
    entries: list[Entry] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)  # sentences of ours
    peak: bool = False
    today: bool = False


@dataclass(frozen=True, slots=True)
class Month:
    """One grid; None where a week reaches into the next month."""

    first: date
    weeks: list[list[Day | None]]


def percent(at: time) -> float:
    """An hour as a part of its day."""
    return round(100 * (at.hour * 60 + at.minute) / DAY_MINUTES, 2)


QUIET = ((0.0, percent(rules.EARLIEST)), (percent(rules.LATEST), 100 - percent(rules.LATEST)))
"""(x, width) of the hours in which nothing is sent."""


def months(campaign: Campaign, others: Sequence[Wave], today: date) -> list[Month]:
    """The months in which the draft's waves lie, or the one in which the letter's peak period begins."""
    named = [first_of(each.date) for each in campaign.waves] or [
        first_of(campaign.mandate.peak_from if campaign.mandate.peak_from != date.min else today)
    ]
    if campaign.mandate.report_before != date.min:
        named.append(first_of(campaign.mandate.report_by))
    return [Month(first, _weeks(campaign, others, first, today)) for first in sorted(set(named))[:MOST_MONTHS]]


def first_of(day: date) -> date:
    """The first of its month."""
    return day.replace(day=1)


def _weeks(campaign: Campaign, others: Sequence[Wave], first: date, today: date) -> list[list[Day | None]]:
    grid = calendar.Calendar(calendar.MONDAY).monthdatescalendar(first.year, first.month)
    return [
        [one_day(campaign, others, day, today) if day.month == first.month else None for day in week] for week in grid
    ]


def one_day(campaign: Campaign, others: Sequence[Wave], day: date, today: date) -> Day:
    """What lies on a day."""
    mandate = campaign.mandate
    found = Day(day, peak=mandate.peak_from <= day <= mandate.peak_to, today=day == today)
    found.entries += [Entry(each.name, True, each.opens, each.closes) for each in campaign.waves if _on(each, day)]  # noqa: FBT003 - a field of a record
    found.entries += _others(others, day)
    if mandate.report_before != date.min and day == mandate.report_by:
        found.marks.append("report due")
    if day == mandate.observance_day:
        found.marks.append("day of the letter")
    return found


def _on(wave: WavePlan, day: date) -> bool:
    return wave.date <= day <= wave.until


def _others(others: Iterable[Wave], day: date) -> list[Entry]:
    """Waves that are there already, with the hours of that day."""
    found = []
    for wave in others:
        opens, closes = (at.astimezone(ZONE) for at in (wave.opens_at, wave.closes_at - timedelta(microseconds=1)))
        if opens.date() <= day <= closes.date():
            hours = [time.fromisoformat(wave.plan["window"][name]) for name in ("day_opens", "day_closes")]
            path = f"/console/waves/{wave.id}"
            found.append(Entry(f"{wave.campaign} · {wave.name}", False, hours[0], hours[1], path))  # noqa: FBT003 - as above
    return found


def suggested(campaign: Campaign, today: date) -> dict[str, str]:
    """Waves that the letter's own days suggest, as fields of the form: its peak period's first days, and its day."""
    mandate = campaign.mandate
    days = {mandate.peak_from, mandate.observance_day}
    if mandate.peak_from != date.min:
        days.add(mandate.peak_from + timedelta(14))
    wanted = sorted(day for day in days if day != date.min and mandate.peak_from <= day <= mandate.peak_to)
    coming = [day for day in wanted if day >= today] or wanted
    return {
        f"w{no}_{part}": value
        for no, day in enumerate(coming, 1)
        for part, value in (("name", f"Đợt {no}"), ("date", f"{day.day}/{day.month}/{day.year}"), ("opens", "08:00"),
                            ("closes", "20:00"))
    }  # fmt: skip


def day_of(said: str) -> date | None:
    """The day of an address; None for what is none."""
    try:
        return datetime.strptime(said, "%Y-%m-%d").replace(tzinfo=ZONE).date()
    except ValueError:
        return None
