"""Hours of an account and its carrier's maintenance, on the real database: the hours are moved, never the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta

import psycopg
import pytest

from campaigns.ledger import hours, shares, windows
from campaigns.schedule import ZONE
from campaigns.terms import Absent, Problem
from tests.cluster import Started
from workers.house import House

ACCOUNT = "sim-smpp"


def claim(house: House) -> windows.Batch | None:
    async def work() -> windows.Batch | None:
        async with await windows.connect(house.database) as conn:
            return await windows.claim(conn, ACCOUNT, 60)

    return asyncio.run(work())


def spans() -> tuple[tuple[time, time], tuple[time, time]]:
    """Hours that are open for a while from now, and hours that are not; of this day in the province."""
    now = datetime.now(ZONE)
    if now.hour >= 12:
        return (time(11), time(0)), (time(0, 0, 1), time(1))
    return (time(0), time(13)), (time(22), time(23))


@pytest.mark.parametrize("carrier", ["", "viettel"])
def test_closed_hours_of_an_account_hold_back_and_open_ones_end_in_time(
    house: House, started: Started, carrier: str
) -> None:
    """Nothing is rung or claimed outside; inside, a claim knows when they end; without them it goes on by itself."""
    started(n=40, account=ACCOUNT, seed=41)
    now_open, closed = spans()
    with house.begin() as conn:
        hours.set_hours(conn, ACCOUNT, closed, "an", "")
        assert ACCOUNT not in shares.due_accounts(conn)
    assert claim(house) is None
    with house.begin() as conn:
        hours.set_hours(conn, ACCOUNT, None, "an", "")
        hours.set_hours(conn, ACCOUNT, now_open, "an", carrier)
        assert ACCOUNT in shares.due_accounts(conn)
    batch = claim(house)
    assert batch is not None
    left = batch.closes_at - datetime.now(UTC).timestamp()
    assert left > 0
    if not carrier:
        assert left < 13 * 3600 + 60
    assert batch.validity > 3600


@pytest.mark.parametrize(("begins", "ends", "may"), [(-60, 60, False), (-120, -60, True), (60, 120, True)])
def test_maintenance_holds_back_while_it_lasts(
    house: House, started: Started, begins: int, ends: int, *, may: bool
) -> None:
    """Now: nothing; over: nothing of it; to come: the claim ends before it."""
    started(n=40, account=ACCOUNT, seed=42)
    now = datetime.now(UTC)
    with house.begin() as conn:
        hours.close_for(conn, ACCOUNT, now + timedelta(minutes=begins), now + timedelta(minutes=ends), "x", "an")
    batch = claim(house)
    assert (batch is not None) == may
    if batch is not None and begins > 0:
        assert batch.closes_at <= (now + timedelta(minutes=begins)).timestamp() + 1


def test_maintenance_entered_after_the_claim_stops_the_next_window(house: House, started: Started) -> None:
    """T1 asks again."""
    started(n=40, account=ACCOUNT, seed=43)
    batch = claim(house)
    assert batch is not None
    now = datetime.now(UTC)
    with house.begin() as conn:
        hours.close_for(conn, ACCOUNT, now - timedelta(minutes=1), now + timedelta(minutes=1), "x", "an")

    async def work() -> object:
        async with await windows.connect(house.database) as conn, conn.transaction():
            return await windows.intend(conn, batch, 5, journal="x", incarnation=1)

    assert asyncio.run(work()) == windows.Refusal("hours")


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda conn: hours.set_hours(conn, "nobody", None, "an"), Absent),
        (lambda conn: hours.set_hours(conn, ACCOUNT, (time(9), time(8)), "an"), Problem),
        (lambda conn: hours.set_hours(conn, ACCOUNT, (time(8), time(9)), "an", "nowhere"), Problem),
        (lambda conn: hours.close_for(conn, ACCOUNT, datetime.now(UTC), datetime.now(UTC) - timedelta(1), "", "an"),
         Problem),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(
    house: House, act: Callable[[psycopg.Connection], None], error: type[Problem]
) -> None:
    with house.begin() as conn, pytest.raises(error):
        act(conn)


@pytest.mark.parametrize("opens", [time(0), time(0, 0, 1)])
def test_hours_until_midnight_end_there_unless_they_are_the_whole_day(house: House, opens: time) -> None:
    """00:00 to 00:00 is every hour of every day; from a second later on, each day has an end."""
    with house.begin() as conn:
        row = conn.execute(
            "SELECT hours_end('-infinity', '2999-01-01', %s, '00:00'), clock_timestamp()", (opens,)
        ).fetchone()
    assert row
    end, now = row
    local = now.astimezone(ZONE)
    midnight = (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert end == (datetime(2999, 1, 1, tzinfo=UTC) if opens == time(0) else midnight)
