"""Shares of a licence in the real database: never above it, whoever writes, joins, leaves or is lowered."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest

from campaigns.ledger import shares
from campaigns.ledger.names import new_id
from campaigns.ledger.shares import Share
from tests.workers.stage import ACCOUNT, exit_code, fork
from workers.house import House
from workers.journal import Journal
from workers.throttle import Rate
from workers.watch import Watch

Hold = Callable[..., Awaitable[Share]]


@pytest.fixture
def hundred(house: House) -> Iterator[House]:
    """An account whose rate a person has set to 100 segments a second."""
    with house.begin() as conn:
        conn.execute("UPDATE account SET rate_set = 100 WHERE name = %s", (ACCOUNT,))
    yield house
    with house.begin() as conn:
        conn.execute("UPDATE account SET rate_set = NULL WHERE name = %s", (ACCOUNT,))
        conn.execute("DELETE FROM sender_rate")


def holder(conn: psycopg.AsyncConnection[Any], number: int) -> Hold:
    async def hold(using: float = 0.0, *, wants: bool = True, seconds: float = 5.0) -> Share:
        return await shares.hold(
            conn, ACCOUNT, number, journal=f"j{number}", using=using, wants=wants, seconds=seconds, says={}
        )

    return hold


def run(house: House, story: Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]]) -> None:
    async def told() -> None:
        async with await psycopg.AsyncConnection.connect(house.database, autocommit=True) as conn:
            await story(conn)

    asyncio.run(told())


def set_rate(house: House, rate: float) -> None:
    with house.begin() as conn:
        conn.execute("UPDATE account SET rate_set = %s WHERE name = %s", (rate, ACCOUNT))


def test_what_is_still_used_is_not_given_away(hundred: House) -> None:
    """The second worker gets its half when the first one's own stamps show no more than a half."""

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        first, second = holder(conn, 1), holder(conn, 2)
        assert (await first()).rate == 100
        assert (await second()).rate == 0
        assert (await first(100.0)).rate == 50  # told to go down; its last second still shows 100
        waiting = await second()
        assert (waiting.rate, waiting.short) == (0, True)
        assert (await first(50.0)).rate == 50
        given = await second()
        assert (given.rate, given.most, given.short, given.peers) == (50, 100, False, ["j1"])

    run(hundred, story)


def test_an_idle_worker_leaves_its_part(hundred: House) -> None:
    """Who has no work leaves it to who has; with nobody at work each keeps what it has; one of them asks."""

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        first, second = holder(conn, 1), holder(conn, 2)
        assert (await first(wants=False)).asks
        await second(wants=True)
        assert (await first(100.0, wants=False)).rate == 0
        await first(0.0, wants=False)
        all_of_it = await second()
        assert (all_of_it.rate, all_of_it.asks) == (100, True)

    run(hundred, story)


def test_a_lowered_licence_is_in_force_at_the_next_look(hundred: House) -> None:
    """Each goes down by itself, and nobody up, before the sum fits; raised again, all get more at once."""

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        first, second = holder(conn, 1), holder(conn, 2)
        await first()
        await second()
        await first(100.0)
        await first(50.0)
        await second()
        set_rate(hundred, 50)
        assert ((await first(50.0)).rate, (await second(50.0)).rate) == (25, 25)
        set_rate(hundred, 200)
        assert ((await first(25.0)).rate, (await second(25.0)).rate) == (100, 100)

    run(hundred, story)


def test_a_share_that_ran_out_counts_one_second_more(hundred: House) -> None:
    """Nobody knows what the dead one sent in its last second."""

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        first, second = holder(conn, 1), holder(conn, 2)
        await first(seconds=0.2)
        began = time.monotonic()
        while (await second()).rate == 0:
            assert time.monotonic() - began < 8
            await asyncio.sleep(0.02)
        assert time.monotonic() - began >= 1.0

    run(hundred, story)


def test_the_sum_is_kept_by_the_database_itself(hundred: House) -> None:
    """Written by hand, past the function, a share too many is refused; going down is always allowed."""
    row = "INSERT INTO share (account, holder, rate, until) VALUES (%s, %s, %s, now() + interval '1 h')"
    with hundred.begin() as conn:
        conn.execute(row, (ACCOUNT, 1, 60))
        conn.execute(row, (ACCOUNT, 2, 40))
    with pytest.raises(psycopg.errors.CheckViolation), hundred.begin() as conn:
        conn.execute(row, (ACCOUNT, 3, 1))
    with pytest.raises(psycopg.errors.CheckViolation), hundred.begin() as conn:
        conn.execute("UPDATE share SET rate = 50 WHERE holder = 2")
    set_rate(hundred, 40)
    with hundred.begin() as conn:
        conn.execute("UPDATE share SET rate = 30 WHERE holder = 1")
    with pytest.raises(psycopg.errors.CheckViolation), hundred.begin() as conn:
        conn.execute("UPDATE share SET rate = 35 WHERE holder = 1")


def test_whatever_workers_do_the_sum_stays_within_the_licence(hundred: House) -> None:
    """Five workers in a random order join, idle, are killed: together they may never use more than the licence."""
    dice = random.Random(20)  # noqa: S311 - the same story in each run
    using: dict[int, float] = {}

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        for _ in range(400):
            number = dice.randint(1, 5)
            if dice.random() < 0.1:  # killed, and its journal says so: a second later it counts no more
                await shares.give_back(conn, ACCOUNT, journal=f"j{number}")
                await conn.execute(
                    "UPDATE share SET until = until - interval '2 s' WHERE journal = %s", (f"j{number}",)
                )
                using.pop(number, None)
                continue
            lately = max(using.get(number, 0.0), 0.0)
            share = await holder(conn, number)(lately, wants=dice.random() < 0.8)
            using[number] = max(share.rate, lately if dice.random() < 0.5 else 0.0)
            assert sum(using.values()) <= 100 * (1 + 1e-6)

    run(hundred, story)


def test_other_accounts_do_not_wait(hundred: House) -> None:
    """While one account's row is locked, another account's worker renews."""

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        with hundred.begin() as other:
            other.execute("SELECT FROM account WHERE name = %s FOR UPDATE", (ACCOUNT,))
            share = await asyncio.wait_for(
                shares.hold(conn, "sim-esms", 9, journal="", using=0, wants=True, seconds=5, says={}), 5
            )
        assert share.rate == share.most > 0

    run(hundred, story)


def test_limits_of_senders_come_with_the_share(hundred: House) -> None:
    """Set once in the ledger, known to every worker at its next look."""
    with hundred.begin() as conn:
        conn.execute("INSERT INTO sender_rate VALUES (%s, 'LAICHAU-SIM', 2.5)", (ACCOUNT,))

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        assert (await holder(conn, 1)()).senders == {"LAICHAU-SIM": 2.5}

    run(hundred, story)


def test_a_killed_workers_share_comes_back_by_its_journal(hundred: House) -> None:
    """Long before the share runs out: the kernel freed the journal's lock, so its writer can send no more."""
    folder, number = hundred.folder("journals"), new_id()

    def life() -> None:
        journal = Journal(folder, number, 0)

        async def work() -> None:
            async with await psycopg.AsyncConnection.connect(hundred.database, autocommit=True) as conn:
                await shares.hold(
                    conn, ACCOUNT, number, journal=journal.name, using=0, wants=True, seconds=3600, says={}
                )

        asyncio.run(work())

    assert exit_code(fork(life)) == 0
    rate = Rate.of(1000.0)
    watch = Watch(
        hundred.database, ACCOUNT, 2, rate=rate, share=5.0, stop_file=hundred.settings.kill_switch_file, journals=folder
    )

    async def work() -> None:
        watch.start()
        began = time.monotonic()
        while not watch.owner:
            assert time.monotonic() - began < 10
            await asyncio.sleep(0.01)
        assert rate.share == 100
        await watch.stop()

    asyncio.run(work())
    for path in folder.glob("*.journal"):
        path.unlink()


def test_a_slow_licence_is_not_cut(hundred: House) -> None:
    """Below 20/s one worker holds all of it, whoever joins; idle or dead, the next one takes it over whole."""
    set_rate(hundred, 7.5)

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        first, second, third = holder(conn, 5), holder(conn, 2), holder(conn, 9)
        assert (await first()).rate == 7.5
        assert [(await each()).rate for each in (second, third, first, second)] == [0, 0, 7.5, 0]
        assert (await first(wants=False)).rate == 0
        assert (await second()).rate == 7.5
        assert (await first()).rate == 0
        await shares.give_back(conn, ACCOUNT, journal="j2")
        await conn.execute("UPDATE share SET until = until - interval '2 s' WHERE journal = 'j2'")
        assert [(await each()).rate for each in (third, first, third)] == [0, 7.5, 0]

    run(hundred, story)


def test_two_that_begin_at_once_agree_on_one(hundred: House) -> None:
    """A licence that is lowered below the line while two hold halves of it: one gives up, the other gets all."""
    set_rate(hundred, 30)

    async def story(conn: psycopg.AsyncConnection[Any]) -> None:
        first, second = holder(conn, 1), holder(conn, 2)
        for using in (30.0, 15.0):
            await first(using)
            await second(0.0)
        set_rate(hundred, 10)
        for _ in range(2):
            found = [(await each(0.0)).rate for each in (second, first)]
        assert found == [0, 10]

    run(hundred, story)
