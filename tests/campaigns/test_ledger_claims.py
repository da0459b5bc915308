"""Two at once: claims, windows and pauses on lines of their own, each waiting for the other where it must."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from campaigns.ledger import fold, windows
from campaigns.ledger.reading import Numbers
from campaigns.ledger.waves import move
from campaigns.terms import State
from dispatcher.assemble import Site
from tests.cluster import APPROVER, Started
from tests.hand import messages, one, right, take
from workers.house import House


def meanwhile(site: Site, act: Callable[[psycopg.Connection], Any]) -> tuple[threading.Thread, list[Any]]:
    """Do something on another line, in another thread; returns when it waits for a lock or is done."""
    found: list[Any] = []
    line = psycopg.connect(site.app)
    pid = line.info.backend_pid

    def run() -> None:
        with line:
            found.append(act(line))

    thread = threading.Thread(target=run)
    thread.start()
    with psycopg.connect(site.app, autocommit=True) as look:
        while thread.is_alive() and not one(look, "SELECT pg_blocking_pids(%s) <> '{}'", pid)[0]:
            pass
    return thread, found


def test_of_two_workers_at_one_batch_one_wins(site: Site, started: Started, app: psycopg.Connection) -> None:
    """Both hold the lease's token and the same cursor: the second waits for the first and then gets nothing."""
    wave = started(n=20, account="sim-smpp")
    arguments = right(app, wave.id)
    app.commit()
    assert take(app, arguments)[0] == "ok"
    thread, found = meanwhile(site, lambda line: take(line, arguments | {"id": arguments["id"] ^ 1}))
    assert not found
    app.commit()
    thread.join()
    assert found == [("cursor", None, None)]
    assert one(app, "SELECT count(*) FROM send_window WHERE wave = %s", wave.id) == (1,)


def test_a_pause_waits_for_a_window_under_way(site: Site, started: Started, app: psycopg.Connection) -> None:
    """Who has paused a wave knows that every window there will be is already written."""
    wave = started(n=20, account="sim-smpp")
    assert take(app, right(app, wave.id, want=5))[0] == "ok"
    thread, found = meanwhile(site, lambda line: move(line, wave.id, APPROVER.login, "pause").state)
    assert not found
    app.commit()
    thread.join()
    assert found == ["paused"]
    assert take(app, right(app, wave.id))[0] == "stopped"


def test_a_window_waits_for_a_pause_under_way(site: Site, started: Started, app: psycopg.Connection) -> None:
    """A pause that is being written stops the window that comes after it."""
    wave = started(n=20, account="sim-smpp")
    arguments = right(app, wave.id)
    app.commit()
    move(app, wave.id, APPROVER.login, "pause")
    thread, found = meanwhile(site, lambda line: take(line, arguments)[0])
    assert not found
    app.commit()
    thread.join()
    assert found == ["stopped"]


def test_hours_that_end_during_a_window_wait_for_it(
    site: Site, started: Started, owner: psycopg.Connection, app: psycopg.Connection
) -> None:
    """A window taken in the last moment is seen by the book-keeper who ends the wave: its messages do not expire."""
    wave = started(n=20, account="sim-smpp")
    arguments = right(app, wave.id, want=5)
    app.commit()
    with app.transaction(force_rollback=True):
        assert take(app, arguments)[0] == "ok"
        row = one(app, "SELECT w FROM send_window w WHERE id = %s", arguments["id"])
    owner.execute("UPDATE wave SET opens_at = '2024-01-01', closes_at = clock_timestamp() WHERE id = %s", (wave.id,))
    owner.commit()
    app.execute("SELECT FROM wave WHERE id = %s FOR SHARE", (wave.id,))  # as T1 does, a moment before the end
    app.execute("INSERT INTO send_window SELECT (%s::send_window).*", row)
    thread, found = meanwhile(site, fold.close_waves)
    app.commit()
    thread.join()
    assert found == [[]]
    assert {state for state, _, _ in messages(app, wave.id).values()} == {State.QUEUED}
    assert take(app, right(app, wave.id))[0] == "hours"


async def claim(site: Site) -> windows.Batch | None:
    async with await psycopg.AsyncConnection.connect(site.app) as line:
        return await windows.claim(line, "sim-smpp", 60)


def test_each_due_batch_is_claimed_once(site: Site, started: Started) -> None:
    """Eight workers claim at once: each batch has one holder, and the rest go home with nothing."""
    wave = started(n=30, account="sim-smpp", batch_size=1000)

    async def claim_all() -> list[windows.Batch | None]:
        return await asyncio.gather(*(claim(site) for _ in range(8)))

    claimed = [(b.wave, b.seq) for b in asyncio.run(claim_all()) if b]
    with psycopg.connect(site.app) as line:
        due = line.execute("SELECT wave, seq FROM batch WHERE wave = %s ORDER BY seq", (wave.id,)).fetchall()
    assert len(due) < 8
    assert sorted(claimed) == due


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE batch SET not_before = now() + interval '1 min' WHERE wave = %s",
        "UPDATE batch SET cursor = hi WHERE wave = %s",
        "UPDATE batch SET lease_token = 1, lease_until = now() + interval '1 min' WHERE wave = %s",
        "UPDATE batch SET account = 'sim-esms' WHERE wave = %s",
        "UPDATE wave SET state = 'paused' WHERE id = %s",
        "UPDATE wave SET state = 'finished' WHERE id = %s",
        "UPDATE wave SET opens_at = now() + interval '1 min' WHERE id = %s",
        "UPDATE wave SET day_closes = '00:00:00.000001' WHERE id = %s",
    ],
)
def test_what_is_not_due_is_not_claimed(site: Site, started: Started, owner: psycopg.Connection, change: str) -> None:
    """Too early, worked through, leased, another account's, stopped or outside the hours: nothing to claim."""
    wave = started(n=1, account="sim-smpp")
    owner.execute(change, (wave.id,))
    owner.commit()
    assert asyncio.run(claim(site)) is None


def test_a_lease_that_ran_out_is_claimed_anew(site: Site, started: Started, app: psycopg.Connection) -> None:
    """The epoch rises with each claim; the worker that comes back late gets no window, no renewal and frees nothing."""
    wave = started(n=1, account="sim-smpp")
    old = right(app, wave.id, seq=one(app, "SELECT seq FROM batch WHERE wave = %s", wave.id)[0])
    app.commit()
    assert asyncio.run(claim(site)) is None
    app.execute("UPDATE batch SET lease_until = clock_timestamp() WHERE wave = %s", (wave.id,))
    app.commit()
    new = asyncio.run(claim(site))
    assert new
    assert new.epoch == 2

    async def late(token: int) -> bool:
        async with await psycopg.AsyncConnection.connect(site.app) as line:
            batch = replace(new, token=token)
            if token == old["token"]:
                await windows.release(line, batch)
            return await windows.renew(line, batch, 60)

    assert not asyncio.run(late(old["token"]))
    assert take(app, old)[0] == "lease"
    app.rollback()
    assert asyncio.run(late(new.token))
    assert take(app, old | {"token": new.token})[0] == "ok"


def test_a_window_opens_exactly_its_numbers(house: House, site: Site, started: Started) -> None:
    """What the worker gets are the numbers of its indexes, with 0 for those to leave out."""
    wave = started(n=60, account="sim-smpp", batch_size=1000)
    with house.begin() as conn:
        conn.execute("INSERT INTO wave_skip VALUES (%s, 2)", (wave.id,))
        numbers = Numbers(conn, wave.id, house.keys(wave.campaign))
        wanted = [0 if no == 2 else numbers.of(no) for no in range(10)]
        incarnation = one(conn, "SELECT incarnation FROM installation")[0]

    async def work() -> windows.Intent | windows.Refusal:
        async with await psycopg.AsyncConnection.connect(site.app, autocommit=True) as line:
            batch = await windows.claim(line, "sim-smpp", 60)
            assert batch
            assert (batch.text, batch.sender) == (wave.text, "LAICHAU-SIM")
            keys = house.keys(wave.campaign)
            return await windows.take(
                line, batch, 10, journal="by hand", incarnation=incarnation, keys=keys, at_point=lambda _: None
            )

    intent = asyncio.run(work())
    assert isinstance(intent, windows.Intent)
    assert (intent.lo, intent.hi, intent.skipped) == (0, 10, [2])
    assert list(intent.numbers) == wanted
