"""Hotline-aware pacing, on the real database: no more intents than their part of the hour, over all accounts."""

from __future__ import annotations

import psycopg
import pytest

from campaigns.ledger import calls
from campaigns.terms import Problem
from tests.cluster import Planned, Started
from tests.hand import one
from workers.house import House


@pytest.mark.parametrize(
    ("most", "per", "an_hour"), [(600, 500, 120_000), (1, 100_000, 1), (7, 333, 2_102), (10**6, 1, 2_000_000_000)]
)
def test_what_a_plan_says_of_it(most: int, per: int, an_hour: int) -> None:
    """Never more messages than the calls allow; rounded down."""
    found = calls.planned(most, per)
    assert found["messages_an_hour"] == an_hour
    assert found["messages_an_hour"] * per <= most * calls.OF


@pytest.mark.parametrize(("most", "per"), [(1, 0), (0, 1), (-1, 5), (5, 100_001)])
def test_half_a_figure_is_told(most: int, per: int) -> None:
    assert calls.planned(0, 0) == {}
    with pytest.raises(Problem, match="give both"):
        calls.planned(most, per)


def room(conn: psycopg.Connection, wave: int) -> int | None:
    found: int | None = one(conn, "SELECT calls_room(%s)", wave)[0]
    return found


def intend(conn: psycopg.Connection, wave: int, lo: int, hi: int, ago: float) -> None:
    conn.execute(
        "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal, at) VALUES"
        " (%s, %s, 'first', 0, 1, %s, %s, '', 'sim-smpp', 'j', clock_timestamp() - make_interval(secs => %s))",
        (hi, wave, lo, hi, ago),
    )


def test_ten_seconds_hold_their_part_of_the_hour(house: House, planned: Planned) -> None:
    """3,600 an hour are 10 in ten seconds; what is older counts no more there, and still in the last hour's figure."""
    wave = planned(n=40, seed=71, account="sim-smpp", batch_size=1000, calls=calls.planned(36, 1_000)).id
    assert wave
    with house.begin() as conn:
        assert room(conn, wave) == 10
        intend(conn, wave, 0, 7, 5)
        assert room(conn, wave) == 3
        intend(conn, wave, 7, 12, 2)
        assert room(conn, wave) == -2
        conn.rollback()
    with house.begin() as conn:
        intend(conn, wave, 0, 7, 11)
        assert room(conn, wave) == 10
        found = calls.of(conn, wave)
        assert found is not None
        assert (found.last_hour, found.expected, found.messages_an_hour) == (7, 0, 3_600)
        conn.rollback()


def test_a_very_slow_wave_has_a_longer_span(house: House, planned: Planned) -> None:
    """6 an hour: one in ten minutes, not none."""
    wave = planned(n=40, seed=72, account="sim-smpp", batch_size=1000, calls=calls.planned(6, calls.OF)).id
    with house.begin() as conn:
        assert room(conn, wave) == 1
        intend(conn, wave, 0, 1, 500)
        assert room(conn, wave) == 0
        conn.rollback()
    with house.begin() as conn:
        intend(conn, wave, 0, 1, 601)
        assert room(conn, wave) == 1
        conn.rollback()


def test_other_waves_are_not_slowed_down(house: House, started: Started) -> None:
    wave = started(n=40, seed=73)
    with house.begin() as conn:
        assert (room(conn, wave.id), calls.of(conn, wave.id)) == (None, None)
