"""Adapters that behave badly, in front of the real gate, journal and ledger: nobody twice, nothing lost, no flood."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import calls, halts, reading, windows
from campaigns.ledger.waves import Wave
from campaigns.terms import Answer, Outcome, State
from dispatcher.assemble import Site
from providers.base import Gate, Window
from providers.errors import Misconfigured
from tests.cluster import APPROVER, AUTHOR, Started
from tests.workers.scripted import (
    BAD,
    Script,
    Scripted,
    answers,
    counts,
    falls_at_the_end,
    finished,
    is_away,
    let_work,
    once,
    raises_at_once,
    well,
    windows_of,
)
from tests.workers.stage import ACCOUNT
from workers import answers as answer_log
from workers import restart, sender, throttle
from workers.house import House
from workers.restart import take_in
from workers.sender import Sending


@pytest.fixture
def wave(house: House, started: Started, monkeypatch: pytest.MonkeyPatch) -> Wave:
    monkeypatch.setattr(sender, "STOPPED", 0.05)
    restart.begin_sending(house)
    return started(n=60, account=ACCOUNT)


def test_a_fold_that_is_always_late_stops_nobody(house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers slow down for a late fold; without any fold they still go on."""
    monkeypatch.setattr(sender, "FOLD_LATE", -1.0)
    monkeypatch.setattr(sender, "SLOW", 0.01)
    provider = Scripted(well)
    asyncio.run(let_work(house, provider, finished(house, wave)))
    assert counts(house, wave) == {State.ACCEPTED: 60}


def test_a_write_that_takes_long_counts_from_its_end(house: House, wave: Wave) -> None:
    """The stamp of a grant is moved to after the adapter's own write, wherever the time went."""
    wrote: list[float] = []

    async def slowly(self: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        while taken := await gate.take(5):
            time.sleep(0.03)  # noqa: ASYNC251 - the whole process is held up, as on a busy machine
            wrote.append(time.monotonic())
            self.leave(window, taken)
            yield answers(taken)
            await asyncio.sleep(0)
            stamps.append(max(each.at for each in paces[0]._sent))

    stamps: list[float] = []
    paces: list[throttle.Pace] = []
    provider = Scripted(slowly)

    async def work() -> None:
        sending = Sending(house, house.accounts[ACCOUNT], provider)
        paces.append(sending.pace.pace)
        await sending.start()
        await sending.work(5)
        await sending.stop()

    asyncio.run(work())
    assert len(provider.wire) == 60
    assert all(stamp >= at for stamp, at in zip(stamps, wrote, strict=True))


@pytest.mark.parametrize("fault", BAD, ids=lambda fault: fault.__name__)
def test_one_bad_window(house: House, wave: Wave, fault: Script) -> None:
    """Whatever the adapter does: nobody twice, what left counts as sent or uncertain, the rest leaves later."""
    provider = Scripted(once(fault))
    asyncio.run(let_work(house, provider, finished(house, wave)))
    left = Counter(provider.wire)
    found = counts(house, wave)
    assert max(left.values()) == 1
    assert sum(found.values()) == 60
    assert found.get(State.QUEUED, 0) == 0
    with house.begin() as conn:
        states = {m.number: m.state for m in reading.messages(conn, wave.id, house.keys(wave.campaign))}
    assert {states[number] for number in left} <= {State.ACCEPTED, State.UNCERTAIN}
    assert {n for n, state in states.items() if state is State.ACCEPTED} <= set(left)
    assert found.get(State.UNCERTAIN, 0) <= 12


@pytest.mark.parametrize("fault", [raises_at_once, is_away], ids=lambda fault: fault.__name__)
def test_an_adapter_that_always_fails_makes_no_flood(house: House, wave: Wave, fault: Script) -> None:
    """A second of failing costs a handful of windows, not thousands; nothing is counted as sent or given up."""
    provider = Scripted(fault)
    end = time.monotonic() + 1.0
    asyncio.run(let_work(house, provider, lambda: time.monotonic() > end))
    assert 1 <= provider.windows <= 12
    assert counts(house, wave) == {State.QUEUED: 60}


def test_the_kill_switch_makes_no_flood(house: House, wave: Wave) -> None:
    """While the switch is on not even an intent is made; off, everything goes out."""
    switch = Path(house.settings.kill_switch_file)
    switch.touch()
    provider = Scripted(well)
    try:
        end = time.monotonic() + 0.7
        asyncio.run(let_work(house, provider, lambda: time.monotonic() > end))
        assert windows_of(house, wave) == 0
    finally:
        switch.unlink()
    with house.begin() as conn:
        conn.execute("DELETE FROM share")
        halts.lift(conn, AUTHOR, "tested", file_there=False)
        halts.lift(conn, APPROVER, "tested", file_there=False)
    asyncio.run(let_work(house, provider, finished(house, wave)))
    assert len(provider.wire) == len(set(provider.wire)) == 60


def claims(house: House, wave: Wave) -> int:
    """How often a batch of the wave was claimed."""
    with house.begin() as conn:
        row = conn.execute("SELECT sum(epoch)::int FROM batch WHERE wave = %s", (wave.id,)).fetchone()
    return int(row[0]) if row else -1


def test_a_cool_down_makes_no_flood(house: House, started: Started) -> None:
    """T1 says "not yet" for ten minutes: the worker asks about twice a second, not hundreds of times."""
    restart.begin_sending(house)
    wave = started(n=10, account=ACCOUNT, cool_down=timedelta(minutes=10))
    provider = Scripted(well)
    end = time.monotonic() + 1.2
    asyncio.run(let_work(house, provider, lambda: time.monotonic() > end))
    assert 1 <= claims(house, wave) <= 6
    assert (provider.wire, counts(house, wave)) == ([], {State.QUEUED: 10})


def test_a_worker_of_an_older_start_ends(house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch) -> None:
    """T1 knows another incarnation: the worker ends itself at once, so that its parent starts one that knows it."""
    ended: list[str] = []
    monkeypatch.setattr(Sending, "_end", _ends(ended))
    provider = Scripted(well)

    async def work() -> None:
        sending = Sending(house, house.accounts[ACCOUNT], provider)
        await sending.start()
        sending._incarnation = 1
        await sending.work(5)
        await sending.stop()

    asyncio.run(work())
    assert len(ended) == 1
    assert windows_of(house, wave) == 0


def _ends(ended: list[str]) -> Callable[[Sending, str], None]:
    """Stands for SIGTERM, which would end the test."""

    def end(sending: Sending, why: str) -> None:
        ended.append(why)
        sending.draining = True

    return end


def test_an_account_that_its_carrier_refuses_is_switched_off(house: House, wave: Wave) -> None:
    """Misconfigured: after one window nothing more is tried, the account is off, the messages wait for a person."""

    async def refuses(_here: Scripted, _window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        taken = await gate.take(4)
        yield answers(taken, Outcome.DEFERRED, "0x0A")
        raise Misconfigured("0x0A")

    provider = Scripted(refuses)

    def off() -> bool:
        with house.begin() as conn:
            return conn.execute("SELECT enabled FROM account WHERE name = %s", (ACCOUNT,)).fetchone() == (False,)

    try:
        asyncio.run(let_work(house, provider, off))
        seen = provider.windows
        assert seen <= 4
        with house.begin() as conn:
            conn.execute("DELETE FROM share")
        end = time.monotonic() + 0.5
        asyncio.run(let_work(house, provider, lambda: time.monotonic() > end))
        assert provider.windows == seen
        assert counts(house, wave) == {State.QUEUED: 60}
    finally:
        with house.begin() as conn:
            conn.execute("UPDATE account SET enabled = true WHERE name = %s", (ACCOUNT,))


def test_a_commit_whose_answer_was_lost(house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line breaks between the commit and its answer: the same worker gives the window back and goes on."""
    take = windows.take
    lost: list[object] = []

    async def breaking(*args: object, **more: object) -> object:
        intent = await take(*args, **more)  # type: ignore[arg-type]
        if len(lost) < 2:
            lost.append(intent)
            raise psycopg.OperationalError("the line broke behind the commit")
        return intent

    monkeypatch.setattr(windows, "take", breaking)
    provider = Scripted(well)
    asyncio.run(let_work(house, provider, finished(house, wave)))
    assert len(lost) == 2
    assert len(provider.wire) == len(set(provider.wire)) == 60
    assert counts(house, wave) == {State.ACCEPTED: 60}


def test_a_window_that_is_open_again_is_its_journals_matter(
    site: Site, house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F22: a copy without the last answers takes the database's place: what this worker has sent never goes back."""
    ended: list[str] = []
    monkeypatch.setattr(Sending, "_end", _ends(ended))
    provider = Scripted(well)

    async def work() -> None:
        sending = Sending(house, house.accounts[ACCOUNT], provider)
        await sending.start()
        await sending.work(5)
        await sending.answers.drained()
        with psycopg.connect(site.owner) as owner:
            owner.execute(f"DELETE FROM log_{wave.id}")
            owner.execute("DELETE FROM chunk WHERE wave = %s", (wave.id,))
            owner.execute("UPDATE send_window SET closed = NULL WHERE wave = %s", (wave.id,))
        await sending.work(5)
        await sending.stop()

    asyncio.run(work())
    assert len(ended) == 1
    take_in(house)
    with house.begin() as conn:
        told = conn.execute(f"SELECT DISTINCT outcome FROM log_{wave.id}").fetchall()
    assert told == [(Outcome.ACCEPTED,)]


@pytest.mark.parametrize("when", ["on the wire", "not yet in the log"])
def test_a_doubt_never_touches_what_is_under_way(
    house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """A window is in doubt while another is on the wire, or answered but not yet in the log: only the one goes back."""
    take, doubt, asked = windows.take, windows.in_doubt, asyncio.Event()
    calls = itertools.count(1)

    async def breaking(*args: object, **more: object) -> object:
        intent = await take(*args, **more)  # type: ignore[arg-type]
        if next(calls) == 2:
            raise psycopg.OperationalError("the line broke behind the commit")
        return intent

    async def watched(*args: object) -> object:
        found = await doubt(*args)  # type: ignore[arg-type]
        if found:
            asked.set()
        return found

    async def slow(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        taken = await gate.take(1000)
        here.leave(window, taken)
        await asked.wait()
        yield answers(taken)

    monkeypatch.setattr(windows, "take", breaking)
    monkeypatch.setattr(windows, "in_doubt", watched)
    monkeypatch.setattr(answer_log, "GATHER", 0.4)
    provider = Scripted(once(slow) if when == "on the wire" else well)
    asyncio.run(let_work(house, provider, finished(house, wave)))
    assert asked.is_set()
    assert len(provider.wire) == len(set(provider.wire)) == 60
    assert counts(house, wave) == {State.ACCEPTED: 60}
    with house.begin() as conn:  # and nobody contradicted himself: each attempt has one line
        twice = conn.execute(f'SELECT idx FROM log_{wave.id} GROUP BY "window", idx HAVING count(*) > 1').fetchall()
    assert twice == []


def test_a_release_that_fails_does_not_keep_the_batch(
    house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away at the release: nobody renews the lease, so it runs out and the batch is claimed again."""

    async def failing(_conn: object, _batch: windows.Batch) -> None:
        raise psycopg.OperationalError("away")

    monkeypatch.setattr(windows, "release", failing)
    with house.begin() as conn:  # one batch, larger than a window
        row = conn.execute(
            "UPDATE batch SET not_before = 'infinity' WHERE wave = %s AND (seq, kind) <> (SELECT seq, kind FROM batch"
            " WHERE wave = %s ORDER BY hi - lo DESC LIMIT 1)"
            " RETURNING (SELECT max(hi - lo) FROM batch WHERE wave = %s)",
            (wave.id, wave.id, wave.id),
        ).fetchone()
    size, segments = int(row[0]) if row else 0, int(wave.plan["texts"]["corrected"]["segments"])
    provider = Scripted(once(falls_at_the_end))
    asyncio.run(let_work(house, provider, lambda: len(provider.wire) >= size, licence=segments * (size - 3.0)))
    assert len(provider.wire) == len(set(provider.wire)) == size


def test_two_calls_of_work_are_one(house: House, wave: Wave) -> None:
    """RQ gave up waiting and rings again: the second call does nothing while the first works."""
    provider = Scripted(well)

    async def work() -> None:
        sending = Sending(house, replace(house.accounts[ACCOUNT], licence=100.0), provider)
        await sending.start()
        first = asyncio.create_task(sending.work(5))
        await asyncio.wait_for(provider.begun.wait(), 8)
        began = time.monotonic()
        await sending.work(5)
        assert time.monotonic() - began < 0.2
        assert not first.done()
        sending.draining = True
        await first
        await sending.stop()

    asyncio.run(work())
    assert len(provider.wire) == len(set(provider.wire))


def test_a_broken_journal_ends_the_worker_and_sends_nothing(
    house: House, wave: Wave, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full when a write is to be noted: not a byte leaves after it; what is known of the window is kept."""
    ended: list[str] = []
    monkeypatch.setattr(Sending, "_end", _ends(ended))
    provider = Scripted(well)

    async def work() -> None:
        sending = Sending(house, replace(house.accounts[ACCOUNT], licence=2000.0), provider)
        await sending.start()
        real = sending.journal.sending
        calls = 0

        def full(window: int, lo: int, hi: int) -> None:
            nonlocal calls
            calls += 1
            if calls == 3:
                sending.journal._broken, sending.journal._fd = sending.journal._fd, -1
            real(window, lo, hi)

        monkeypatch.setattr(sending.journal, "sending", full)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(8):
                await sending.work(6)
        await sending.stop()

    asyncio.run(work())
    assert ended
    assert 0 < len(provider.wire) <= 10
    assert len(provider.wire) == len(set(provider.wire))
    again = Scripted(well)
    with house.begin() as conn:
        conn.execute("DELETE FROM share")
    asyncio.run(let_work(house, again, finished(house, wave)))
    assert not set(provider.wire) & set(again.wire)
    assert sum(counts(house, wave).values()) == 60


def test_a_wave_leaves_as_slowly_as_its_hotlines_can_answer(house: House, started: Started) -> None:
    """3,600 an hour: ten leave at once, then nothing for seconds, and without a flood of claims."""
    restart.begin_sending(house)
    wave = started(n=40, account=ACCOUNT, calls=calls.planned(36, 1_000))
    provider = Scripted(well)
    end = time.monotonic() + 1.2
    asyncio.run(let_work(house, provider, lambda: time.monotonic() > end))
    assert len(provider.wire) == 10
    assert claims(house, wave) <= 6
    assert counts(house, wave)[State.QUEUED] == 30
