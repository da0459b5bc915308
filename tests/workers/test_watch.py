"""What a worker looks at before each socket write, against the real database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import halts, waves
from campaigns.terms import Problem
from tests.cluster import APPROVER, AUTHOR, Started
from workers import watch as watches
from workers.house import House
from workers.throttle import Rate
from workers.watch import Watch

ACCOUNT = "sim-smpp"
NEVER = 4e9  # unix time


def made(house: House, holder: int = 1, *, share: float = 5.0, stop_file: Path | None = None) -> Watch:
    return Watch(
        house.database, ACCOUNT, holder, rate=Rate.of(40.0), share=share,
        stop_file=stop_file or house.settings.kill_switch_file,
    )  # fmt: skip


async def until(true: Callable[[], bool], seconds: float = 8.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come"
        await asyncio.sleep(0.005)


def test_before_the_first_look_nothing_may_leave(house: House) -> None:
    """A watch that has not polled, or polls no more, halts; one good poll opens."""

    async def work() -> None:
        watch = made(house)
        assert watch.halted(1, 0, NEVER) == "stale"
        assert not watch.owner
        watch.start()
        await until(lambda: watch.owner)
        assert watch.halted(1, 0, NEVER) == ""
        await watch.stop()
        watch._polled -= watches.STALE  # so much later
        assert watch.halted(1, 0, NEVER) == "stale"
        assert not watch.owner

    asyncio.run(work())


def test_a_poll_counts_from_its_beginning(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that was long on its way is no fresh knowledge: a stop may lie between it and now."""
    monkeypatch.setattr(watches, "STALE", 0.2)

    async def work() -> None:
        watch = made(house)
        async with await psycopg.AsyncConnection.connect(house.database, autocommit=True) as conn:
            await watch._poll(conn)
            assert watch.owner
            with house.begin() as other:
                other.execute("UPDATE share SET rate = 11")  # holds the row that the poll wants
                polling = asyncio.create_task(watch._poll(conn))
                await asyncio.sleep(0.25)
            await polling
        assert watch.halted(1, 0, NEVER) == "stale"

    asyncio.run(work())


def test_a_fold_that_is_late_is_seen(house: House, started: Started) -> None:
    """The age of the oldest unfolded chunk comes with each poll; a folded one counts no more."""
    wave = started(n=5)

    async def work() -> None:
        watch = made(house)
        async with await psycopg.AsyncConnection.connect(house.database, autocommit=True) as conn:
            await conn.execute("INSERT INTO chunk (wave, at) VALUES (%s, now() - interval '1 h')", (wave.id,))
            await watch._poll(conn)
            assert watch.unfolded >= 3600
            await conn.execute("UPDATE chunk SET folded = true WHERE wave = %s", (wave.id,))
            await watch._poll(conn)
            assert watch.unfolded < 3600

    asyncio.run(work())


@pytest.mark.parametrize(("act", "state"), [("pause", "paused"), ("cancel", "cancelled")])
def test_a_stop_is_heard_without_a_poll(
    house: House, started: Started, monkeypatch: pytest.MonkeyPatch, act: str, state: str
) -> None:
    """With polls switched off, the NOTIFY of a pause or cancel alone halts the wave."""
    monkeypatch.setattr(watches, "EVERY", 3600)
    monkeypatch.setattr(watches, "STALE", 3600)
    wave = started(n=5)

    async def work() -> None:
        watch = made(house)
        watch.start()
        await until(lambda: watch.owner)
        assert watch.halted(wave.id, wave.stop_seq, NEVER) == ""
        with house.begin() as conn:
            assert waves.move(conn, wave.id, "an", act, "tested").state == state
        await until(lambda: watch.halted(wave.id, wave.stop_seq, NEVER) == "stopped")
        await watch.stop()

    asyncio.run(work())


def test_a_resumed_waves_newer_claim_is_not_stopped_by_an_older_look(house: House, started: Started) -> None:
    """stop_seq only grows: what a claim knows from the database outranks what the watch saw before."""
    wave = started(n=5)

    async def work() -> None:
        watch = made(house)
        watch.start()
        await until(lambda: watch.owner)
        assert watch.halted(wave.id, wave.stop_seq + 2, NEVER) == ""
        assert watch.halted(wave.id, wave.stop_seq - 1, NEVER) == "stopped"
        await watch.stop()

    asyncio.run(work())


def _halt(house: House) -> halts.Halt | None:
    with house.begin() as conn:
        return halts.current(conn)


def test_the_kill_switch_halts_everything(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file stops all; taken away it opens nothing. Two persons open it, and only once the file is gone."""
    monkeypatch.setattr(watches, "EVERY", 0.02)
    switch = tmp_path / "kill-switch"

    async def work() -> None:
        watch = made(house, stop_file=switch)
        watch.start()
        await until(lambda: watch.owner)
        switch.touch()
        await until(lambda: watch.halted(1, 0, NEVER) == "locked")
        assert not watch.owner
        await until(lambda: _halt(house) is not None)
        with house.begin() as conn, pytest.raises(Problem, match="take it away"):
            halts.lift(conn, AUTHOR, "tested", file_there=True)
        switch.unlink()
        await asyncio.sleep(0.1)  # several looks
        assert watch.halted(1, 0, NEVER) == "locked"
        with house.begin() as conn:
            assert not halts.lift(conn, AUTHOR, "tested", file_there=False)
            assert halts.lift(conn, APPROVER, "tested", file_there=False)
        await until(lambda: watch.halted(1, 0, NEVER) == "" and watch.owner)
        await watch.stop()

    asyncio.run(work())


def test_a_locked_installation_halts_everything(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reason in the installation's row is a stop for all waves."""
    monkeypatch.setattr(watches, "EVERY", 0.02)

    async def work() -> None:
        watch = made(house)
        watch.start()
        await until(lambda: watch.owner)
        with house.begin() as conn:
            conn.execute("UPDATE installation SET locked_reason = 'tested'")
        await until(lambda: watch.halted(1, 0, NEVER) == "locked")
        await watch.stop()

    asyncio.run(work())


def test_closed_hours_halt(house: House) -> None:
    """From the end of the hours on nothing leaves, whatever was claimed before."""

    async def work() -> None:
        watch = made(house)
        watch.start()
        await until(lambda: watch.owner)
        assert watch.halted(1, 0, time.time() - 0.001) == "hours"
        assert watch.halted(1, 0, time.time() + 60) == ""
        await watch.stop()

    asyncio.run(work())


def test_two_workers_share_a_licence(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one's part comes out of the first one's, never before that is unused; back a second after its end."""
    monkeypatch.setattr(watches, "EVERY", 0.05)

    async def work() -> None:
        first, second = made(house, 1, share=2.0), made(house, 2, share=2.0)
        first.start()
        await until(lambda: first.owner)
        assert first._rate.share == 40
        assert first._rate.grant(time.monotonic(), 10, 1)[0] > 0
        second.start()
        while not second.owner:
            assert first._rate.using(time.monotonic()) <= 40
            await asyncio.sleep(0.005)
        assert (first._rate.share, second._rate.share) == (20, 20)
        assert first.holder
        assert not second.holder  # one of them asks
        given_up = time.monotonic()  # nothing leaves from here on
        await first.stop()
        assert first.halted(1, 0, NEVER) == "share"
        await until(lambda: second._rate.share > 20)
        assert time.monotonic() - given_up >= 1.0
        assert second.holder
        await second.stop()

    with house.begin() as conn:
        conn.execute("UPDATE account SET rate_set = 40 WHERE name = %s", (ACCOUNT,))
    try:
        asyncio.run(work())
    finally:
        with house.begin() as conn:
            conn.execute("UPDATE account SET rate_set = NULL WHERE name = %s", (ACCOUNT,))


def test_a_cut_connection_is_made_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database cuts every line: the watch comes back by itself."""
    monkeypatch.setattr(watches, "EVERY", 0.02)

    async def work() -> None:
        watch = made(house)
        watch.start()
        await until(lambda: watch.owner)
        with house.begin() as conn:
            conn.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = current_user AND pid <> pg_backend_pid()"
            )
        seen = watch._polled
        await until(lambda: watch._polled > seen + 0.1)
        assert watch.halted(1, 0, NEVER) == ""
        await watch.stop()

    asyncio.run(work())


def test_a_file_that_cannot_be_asked_for_halts_and_heals(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the kill switch cannot be looked at, nothing is sent; once it can, the work goes on."""
    monkeypatch.setattr(watches, "EVERY", 0.02)
    monkeypatch.setattr(watches, "STALE", 0.2)

    class Stubborn:
        """A path whose disk fails."""

        sick = False

        def exists(self) -> bool:
            if self.sick:
                raise PermissionError("no")
            return False

    async def work() -> None:
        file = Stubborn()
        watch = Watch(house.database, ACCOUNT, 1, rate=Rate.of(1.0), share=5, stop_file=file)
        watch.start()
        await until(lambda: watch.owner)
        file.sick = True
        await until(lambda: watch.halted(1, 0, NEVER) == "stale")
        file.sick = False
        await until(lambda: watch.owner)
        await watch.stop()

    asyncio.run(work())
