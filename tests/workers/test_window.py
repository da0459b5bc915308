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
from typing import ClassVar

import psycopg
import pytest

from campaigns.ledger import reading, windows
from campaigns.ledger.waves import Wave
from campaigns.terms import Answer, Callback, Capability, Outcome, Receipt, State
from providers.base import Gate, Provider, ReceiptSink, Window
from providers.errors import Misconfigured, Unreachable
from tests.cluster import Started
from tests.workers.stage import ACCOUNT
from workers import answers as answer_log
from workers import restart, sender
from workers.books import Books
from workers.house import House
from workers.sender import Sending

Script = Callable[["Scripted", Window, Gate], AsyncIterator[list[Answer]]]


class Scripted(Provider):
    """A carrier in this process: what left is in `wire`, as the truth; a script says how it answers."""

    name: ClassVar[str] = "scripted"
    capability: ClassVar[Capability] = Capability("none", "none", "none", "84")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.wire: list[int] = []  # numbers whose bytes left
        self.windows = 0
        self.begun = asyncio.Event()
        self.stray: list[asyncio.Task[None]] = []

    async def open(self, sink: ReceiptSink) -> None:
        """Always there."""

    async def close(self) -> None:
        """Nothing to close."""

    def send(self, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        """As the script says."""
        self.windows += 1
        return self.script(self, window, gate)

    def receipts(self, callback: Callback) -> list[Receipt]:  # noqa: ARG002 - the contract's name
        """Brings none."""
        return []

    def leave(self, window: Window, taken: range) -> None:
        """These indexes are on the wire now."""
        self.begun.set()
        self.wire += [window.numbers[idx - window.lo] for idx in taken if window.numbers[idx - window.lo]]


def answers(taken: range, outcome: Outcome = Outcome.ACCEPTED, code: str = "ok", ref: str = "") -> list[Answer]:
    return [Answer(idx, outcome, code, ref) for idx in taken]


async def well(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    while taken := await gate.take(5):
        here.leave(window, taken)
        yield answers(taken)


def once(fault: Script) -> Script:
    """Bad for the first window, well behaved from then on."""

    def script(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        return fault(here, window, gate) if here.windows == 1 else well(here, window, gate)

    return script


async def raises_at_once(_here: Scripted, _window: Window, _gate: Gate) -> AsyncIterator[list[Answer]]:
    raise TypeError("a fault of the adapter")
    yield []


async def raises_later(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    taken = await gate.take(5)
    here.leave(window, taken)
    yield answers(taken[:2])
    raise ValueError("a fault of the adapter")


async def is_away(_here: Scripted, _window: Window, _gate: Gate) -> AsyncIterator[list[Answer]]:
    raise Unreachable("~link")
    yield []


async def falls_at_the_end(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    async for said in well(here, window, gate):
        yield said
    raise Unreachable("~link")


async def never_sent(_here: Scripted, _window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    taken = await gate.take(8)
    yield answers(taken, Outcome.NOT_SENT, "~link")
    raise Unreachable("~link")


async def forgets_some(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    while taken := await gate.take(5):
        here.leave(window, taken)
        yield answers(taken[:-1])


async def answers_for_others(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    taken = await gate.take(5)
    here.leave(window, taken)
    strange = [
        Answer(idx, Outcome.ACCEPTED, "ok", "") for idx in (-1, window.lo - 1, window.hi, window.hi + 700, 10**9)
    ]
    unsent = [Answer(window.hi - 1, Outcome.ACCEPTED, "ok", "")]
    yield [*strange, *unsent, *answers(taken)]


async def answers_twice(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    while taken := await gate.take(5):
        here.leave(window, taken)
        yield [*answers(taken), *answers(taken, Outcome.DEFERRED, "late")]


async def odd_words(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    words = ["\ud800", "a\0b", "\r\n", "\x85\u2028", "\t\\N", "x" * 5_000, "%s {} ';", " "]
    while taken := await gate.take(5):
        here.leave(window, taken)
        yield [Answer(idx, Outcome.ACCEPTED, words[idx % 8], words[(idx + 3) % 8]) for idx in taken]


async def lives_on(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    """Its feeder is a task of its own that goes on taking after send() has ended with an error."""

    async def feed() -> None:
        for _ in range(200):
            if taken := await gate.take(1):
                here.leave(window, taken)
            await asyncio.sleep(0)

    taken = await gate.take(2)
    here.leave(window, taken)
    here.stray.append(asyncio.create_task(feed()))
    yield [Answer("no index", Outcome.ACCEPTED, "", "")]  # type: ignore[arg-type]


async def ends_early(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    taken = await gate.take(3)
    here.leave(window, taken)
    yield answers(taken)


BAD = [raises_at_once, raises_later, is_away, falls_at_the_end, never_sent, forgets_some, answers_for_others,
       answers_twice, odd_words, lives_on, ends_early]  # fmt: skip


async def let_work(house: House, provider: Provider, until: Callable[[], bool], licence: float = 2000.0) -> None:
    """A sender of this provider in this loop, the books kept beside it, until something is true."""
    sending = Sending(house, replace(house.accounts[ACCOUNT], licence=licence), provider)
    await sending.start()
    leases = asyncio.create_task(sending.keep_lease())
    books = Books(house)
    end = time.monotonic() + 12.0
    working: asyncio.Task[None] | None = None
    try:
        while not until():
            assert time.monotonic() < end, "it did not come"
            if working is None or working.done():
                working = asyncio.create_task(sending.work(1.0))
            books._slow_at = 0.0
            await asyncio.to_thread(books.step)
            await asyncio.sleep(0.01)
    finally:
        sending.draining = True
        leases.cancel()
        if working:
            await working
        await sending.stop()
        while books.step():
            pass


def counts(house: House, wave: Wave) -> dict[State, int]:
    with house.begin() as conn:
        rows = conn.execute(
            "SELECT state, sum(n)::int FROM wave_count WHERE wave = %s GROUP BY 1 HAVING sum(n) > 0", (wave.id,)
        ).fetchall()
    return {State(state): n for state, n in rows}


def finished(house: House, wave: Wave) -> Callable[[], bool]:
    def look() -> bool:
        with house.begin() as conn:
            return conn.execute("SELECT state::text FROM wave WHERE id = %s", (wave.id,)).fetchone() == ("finished",)

    return look


def windows_of(house: House, wave: Wave) -> int:
    with house.begin() as conn:
        row = conn.execute("SELECT count(*) FROM send_window WHERE wave = %s", (wave.id,)).fetchone()
    return int(row[0]) if row else -1


@pytest.fixture
def wave(house: House, started: Started, monkeypatch: pytest.MonkeyPatch) -> Wave:
    monkeypatch.setattr(sender, "STOPPED", 0.05)
    restart.begin_sending(house)
    return started(n=60, account=ACCOUNT)


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
    assert all(states[number] in {State.ACCEPTED, State.UNCERTAIN} for number in left)
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
