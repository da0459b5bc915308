"""What people type into a form: days, hours and figures as they are written here, each refused in words."""

from __future__ import annotations

import re
from datetime import date, time

from campaigns.terms import Problem

_DAY = re.compile(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{4})")
_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)")
_LONG = re.compile(r"(?:ngày\s+)?(\d{1,2})\s+tháng\s+(\d{1,2})\s+năm\s+(\d{4})", re.IGNORECASE)
_CLOCK = re.compile(r"(\d{1,2})\s*(?:(?::|h|giờ)\s*(\d{2})?)?", re.IGNORECASE)
_GROUPED = re.compile(r"\d{1,3}(?:[., \u00a0]\d{3})+|\d+")
_MOST_DIGITS = 12
_MONTHS = 12


def lines(said: str) -> list[tuple[int, str]]:
    """(its number from 1 on, what stands in it) of each line of a box; empty ones are none."""
    return [(no, line.strip()) for no, line in enumerate(said.splitlines(), 1) if line.strip()]


def day(said: str) -> date:
    """30/7/2024, 30-07-2024, 30.7.2024, 2024-07-30 and "30 tháng 7 năm 2024" are one day. Raises Problem."""
    said = said.strip()
    if match := _DAY.fullmatch(said) or _LONG.fullmatch(said):
        no, month, year = (int(each) for each in match.groups())
    elif match := _ISO.fullmatch(said):
        year, month, no = (int(each) for each in match.groups())
    else:
        raise Problem("{value} is no day: write it as 30/7/2024", value=said[:40])
    if month > _MONTHS >= no:
        raise Problem("{value}: there is no month {month}; the day stands first: {right}", value=said, month=month,
                      right=f"{month}/{no}/{year}")  # fmt: skip
    try:
        return date(year, month, no)
    except ValueError:
        raise Problem("{value} is not in the calendar: look at the day again", value=said) from None


def clock(said: str) -> time:
    """08:00, 8:00, 8h00, 8h and "8 giờ" are one hour. Raises Problem."""
    match = _CLOCK.fullmatch(said.strip())
    if not match:
        raise Problem("{value} is no hour: write it as 08:00", value=said.strip()[:40])
    try:
        return time(int(match[1]), int(match[2] or 0))
    except ValueError:
        raise Problem("{value} is no hour of the day: write it as 08:00", value=said.strip()) from None


def whole(said: str) -> int:
    """412.345, 412,345, 412 345 and 412345 are one number; 1 or more. Raises Problem."""
    said = said.strip()
    digits = "".join(sign for sign in said if sign.isdigit())
    if not _GROUPED.fullmatch(said) or len(digits) > _MOST_DIGITS or not int(digits):
        raise Problem("{value} is no number from 1 on: write it as 412.345", value=said[:40])
    return int(digits)
