"""Who is killed for holding a lease that is over: a stopped process of the present, nobody else."""

from __future__ import annotations

import time

import psycopg
import pytest

from dispatcher.assemble import Site
from dispatcher.overdue import TWICE, Overdue
from tests.cluster import Started
from workers.house import House

LEASE = 2.0
ACCOUNT = "sim-smpp"


def looked(overdue: Overdue, forked: float) -> list[str]:
    """The answer of as many looks as it takes."""
    names: list[str] = []
    for _ in range(TWICE):
        overdue._next = 0.0
        names = overdue.names({ACCOUNT: forked})
    return names


@pytest.mark.parametrize(
    ("over", "age", "killed"),
    [
        (-1.0, 60.0, []),  # the lease is not over
        (1.0, 60.0, []),  # over, but not for one lease time
        (3.0, 60.0, [ACCOUNT]),  # F12: over for more than a lease, its holder lives
        (3.0, 1.0, []),  # the holder was an earlier process, and this one is its successor
    ],
)
def test_only_the_holder_of_a_lease_that_is_long_over_is_killed(
    site: Site, house: House, started: Started, over: float, age: float, killed: list[str]
) -> None:
    """F12: a worker stopped for twice its lease is killed by its parent; a successor is not."""
    wave = started(n=40, account=ACCOUNT)
    with psycopg.connect(site.owner) as conn:  # the leases of the other cases are not over
        conn.execute("UPDATE batch SET lease_until = clock_timestamp() + interval '1 h' WHERE lease_until IS NOT NULL")
        conn.execute(
            "UPDATE batch SET lease_token = 1, lease_until = clock_timestamp() - make_interval(secs => %s)"
            " WHERE wave = %s",
            (over, wave.id),
        )
    assert looked(Overdue(house.database, LEASE), time.monotonic() - age) == killed


def test_one_look_kills_nobody_and_an_outage_neither(site: Site, started: Started) -> None:
    """F19: after an outage a living worker first lets go of what it lost."""
    wave = started(n=40, account=ACCOUNT)
    with psycopg.connect(site.owner) as conn:
        conn.execute(
            "UPDATE batch SET lease_token = 1, lease_until = clock_timestamp() - interval '9 s' WHERE wave = %s",
            (wave.id,),
        )
    assert Overdue(site.app, LEASE).names({ACCOUNT: time.monotonic() - 60}) == []
    assert looked(Overdue("postgresql://127.0.0.1:9/x", LEASE), time.monotonic() - 60) == []
