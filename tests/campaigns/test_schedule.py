"""Windows: local hours as UTC instants, their edges, what comes next, and rehearsals."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import schedule
from campaigns.schedule import WavePlan, Window, is_open, next_opening, rehearse, windows

DAY = date(2024, 7, 30)
WAVE = WavePlan(3, "Đợt 3", DAY, DAY, time(8), time(20))
TWO_DAYS = WavePlan(4, "Đợt 4", DAY, DAY + timedelta(1), time(8), time(20))


def utc(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2024, 7, day, hour, minute, second, tzinfo=UTC)


def test_local_hours_are_seven_ahead_of_utc() -> None:
    """08:00 to 20:00 in Việt Nam is 01:00 to 13:00 UTC, the whole year."""
    assert windows(WAVE) == (Window(utc(30, 1), utc(30, 13)),)
    assert schedule.instant(date(2024, 1, 1), time(8)) == datetime(2024, 1, 1, 1, tzinfo=UTC)


def test_a_wave_of_two_days_closes_for_the_night() -> None:
    assert windows(TWO_DAYS) == (Window(utc(30, 1), utc(30, 13)), Window(utc(31, 1), utc(31, 13)))


@pytest.mark.parametrize(
    ("now", "open_", "opening"),
    [
        (utc(29, 23), False, utc(30, 1)),
        (utc(30, 0, 59, 59), False, utc(30, 1)),
        (utc(30, 1), True, utc(30, 1)),
        (utc(30, 12, 59, 59), True, utc(30, 12, 59, 59)),
        (utc(30, 13), False, utc(31, 1)),
        (utc(31, 12, 59, 59), True, utc(31, 12, 59, 59)),
        (utc(31, 13), False, None),
    ],
)
def test_edges(now: datetime, open_: bool, opening: datetime | None) -> None:  # noqa: FBT001 - a column of the table
    """A window holds its first instant and not its last; after the last one there is no next opening."""
    assert any(is_open(now, window) for window in windows(TWO_DAYS)) is open_
    assert (schedule.open_window(TWO_DAYS, now) is not None) is open_
    assert next_opening(TWO_DAYS, now) == opening
    assert schedule.is_over(TWO_DAYS, now) is (opening is None)


def test_the_next_wave_is_the_one_that_may_send_first() -> None:
    """Waves are taken by their openings, not by their place in the file; a past one is never next."""
    early = WavePlan(1, "Đợt 1", date(2024, 7, 1), date(2024, 7, 1), time(8), time(20))
    assert schedule.next_wave([WAVE, early], utc(1, 0)) == early
    assert schedule.next_wave([WAVE, early], utc(2, 0)) == WAVE
    assert schedule.next_wave([WAVE, early], utc(31, 0)) is None


@given(st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive by contract
def test_a_rehearsal_is_open_now_and_for_a_day(now: datetime) -> None:
    """Whenever a rehearsal begins, it is open at once and for 24 hours without a gap; the wave is only copied."""
    copy = rehearse(WAVE, now)
    assert next_opening(copy, now) == now
    for hours in range(25):
        assert schedule.open_window(copy, now + timedelta(hours=hours))
    assert (copy.no, copy.name) == (WAVE.no, WAVE.name)
    assert WAVE.date == DAY
