"""A carrier in the test's own process that misbehaves by script, and a sender that works for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import ClassVar

from campaigns.ledger.waves import Wave
from campaigns.terms import Answer, Callback, Capability, Outcome, Receipt, State
from providers.base import Gate, Provider, ReceiptSink, Window
from providers.errors import Unreachable
from tests.workers.stage import ACCOUNT
from workers.books import Books
from workers.breaker import Breaker
from workers.house import House
from workers.sender import Sending
from workers.uncertain import Questions

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


class Patient(Breaker):
    """A breaker that nothing opens: for carriers whose every answer is bad, where that is not what is asked."""

    def told(self, *_: object) -> bool:
        return False

    def fell(self, *_: object) -> bool:
        return False


async def let_work(
    house: House, provider: Provider, until: Callable[[], bool], licence: float = 2000.0, *, patient: bool = False
) -> None:
    """A sender of this provider in this loop, the books kept beside it, until something is true."""
    sending = Sending(house, replace(house.accounts[ACCOUNT], licence=licence), provider)
    if patient:
        sending.health.breaker = Patient()
    await sending.start()
    leases = asyncio.create_task(sending.keep_lease())
    questions = Questions(sending)
    asking = asyncio.create_task(questions.run())
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
        await questions.rest()
        asking.cancel()
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
