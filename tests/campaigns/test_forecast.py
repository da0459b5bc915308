"""Cost and finishing time before a wave: accounts side by side, within the hours, at the licensed pace."""

import datetime as dt
from datetime import UTC, datetime, time

import pytest

from campaigns import schedule
from campaigns.forecast import Lane, Share, compared, forecast, summed
from campaigns.schedule import WavePlan

WAVE = WavePlan(1, "Đợt 1", dt.date(2024, 7, 1), dt.date(2024, 7, 3), time(8), time(20))
WINDOWS = schedule.windows(WAVE)
BEFORE = datetime(2024, 6, 30, tzinfo=UTC)
DAY = 12 * 3600


def lane(n: int, *, segments: int = 1, account: str = "a", licence: float = 1, price: int = 300) -> Lane:
    return Lane("viettel", account, n, segments, price, licence)


@pytest.mark.parametrize(
    ("lanes", "finishes", "left_over"),
    [
        ([lane(3600)], datetime(2024, 7, 1, 2, tzinfo=UTC), 0),
        ([lane(3600, segments=4)], datetime(2024, 7, 1, 5, tzinfo=UTC), 0),
        ([lane(3600), lane(3600)], datetime(2024, 7, 1, 3, tzinfo=UTC), 0),  # one account: one after the other
        ([lane(3600), lane(7200, account="b")], datetime(2024, 7, 1, 3, tzinfo=UTC), 0),  # two: side by side
        ([lane(DAY + 60)], datetime(2024, 7, 2, 1, 1, tzinfo=UTC), 0),  # goes on the next morning
        ([lane(4 * DAY)], None, DAY),
        ([lane(0)], None, 0),
    ],
)
def test_finishing_time(lanes: list[Lane], finishes: datetime | None, left_over: int) -> None:
    found = forecast(lanes, WINDOWS, BEFORE)
    assert (found.finishes_at, found.left_over) == (finishes, left_over)


def test_sums_and_now() -> None:
    """Cost is recipients x segments x price; what has passed of the windows no longer counts."""
    noon = datetime(2024, 7, 1, 5, tzinfo=UTC)
    found = forecast([lane(100, segments=4), lane(10, segments=2, account="b", price=850)], WINDOWS, noon)
    assert (found.recipients, found.segments, found.dong) == (110, 420, 400 * 300 + 20 * 850)
    assert found.starts_at == noon
    assert found.as_json()["seconds"] == 400.0
    assert forecast([lane(1)], WINDOWS, datetime(2024, 8, 1, tzinfo=UTC)).finishes_at is None


def test_windows_come_back_from_their_first_and_last_instant() -> None:
    """A stored wave has its windows again: of one day, of several, and a rehearsal's two whole days."""
    for wave in (WAVE, dt_of(1), schedule.rehearse(WAVE, BEFORE)):
        spans = schedule.windows(wave)
        assert schedule.between(spans[0].opens_at, spans[-1].closes_at, wave.opens, wave.closes) == spans


def dt_of(days: int) -> WavePlan:
    return WavePlan(1, "", dt.date(2024, 7, 30), dt.date(2024, 7, 29 + days), time(7), time(22))


def test_what_happened_stands_beside_what_was_foreseen() -> None:
    """The forecast's own segments and prices, for as many messages as were taken; late only once the wave is over."""
    told = forecast([lane(100, segments=4), lane(0, account="b")], WINDOWS, BEFORE).as_json()
    ends = datetime.fromisoformat(told["finishes_at"])
    last = ends + dt.timedelta(minutes=5)
    found = compared(told, BEFORE, {"viettel": 97}, (BEFORE, last), over=True)
    assert found.actual[0] == Share("viettel", 97, 388, 388 * 300)
    assert summed(found.forecast) == Share("", 100, 400, 120_000)
    assert (found.late, found.as_json()["late_seconds"]) == (dt.timedelta(minutes=5), 300)
    assert compared(told, BEFORE, {}, (None, None), over=False).late is None
    assert summed(()) == Share("", 0, 0, 0)
