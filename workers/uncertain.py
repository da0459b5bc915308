"""What is uncertain is asked about: by number where the carrier tells, by the same reference where it knows twins.

Beside the sending, in its process: this owns the carrier's connection, the share of the licence and the journal. A
question is not a try: whatever its answer, only evidence that the carrier took the message moves it (decision 011).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from array import array
from typing import Any

import psycopg

from campaigns.ledger import uncertain, windows
from campaigns.ledger.uncertain import Due, Schedule, Standing
from campaigns.message import reference
from campaigns.terms import Answer, Outcome, Receipt
from providers.base import Doubt, Window
from providers.errors import ProviderError
from workers.house import crash_point
from workers.window import Asker

log = logging.getLogger(__name__)

LOOK_UPS = 8
"""Questions under way at once: they do not crowd out sending."""
MOST = 200
"""Attempts a round."""
SAFE = 0.8
"""Part of a carrier's memory of references, counted from the intent, within which a reference may be sent again."""
NO_ANSWER = "~asked"


class Questions:
    """Asks for one sending worker; what was asked is in the log, so that a restart keeps the schedule."""

    def __init__(self, sending: Asker) -> None:
        settings = sending.house.settings
        self._sending = sending
        self._can = sending.provider.capability
        self._memory = SAFE * self._can.dedupe_horizon.total_seconds() - settings.total_deadline
        self._schedule = Schedule(
            tuple(map(float, (settings.settle, *settings.look_ups[1:]))), MOST,
            self._can.finds, self._memory, tuple(self._can.duplicate_codes),
        )  # fmt: skip
        self._every = min(5.0, max(0.1, settings.settle / 4))
        self._asked: dict[tuple[int, int], int] = {}  # questions whose line may not be folded, or not written, yet
        self._found: set[str] = set()  # ids of the carrier that a look-up has given to a message
        self._slots = asyncio.Semaphore(LOOK_UPS)
        self._busy = asyncio.Lock()

    async def run(self) -> None:
        """For as long as the process lives; returns at once where nothing can be asked."""
        while self._can.finds or self._can.client_ref == "dedupe":
            await asyncio.sleep(self._every)
            try:
                async with self._busy:
                    await self.round()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("questions wait, the database is away: %s", type(error).__name__)
            except Exception:
                log.exception("questions could not be asked; they are tried again")

    async def rest(self) -> None:
        """Returns when the round under way is over; call when the worker drains, no new question is asked then."""
        with contextlib.suppress(TimeoutError):  # its journal lines say what was asked
            async with asyncio.timeout(self._sending.house.settings.drain), self._busy:
                pass

    async def round(self) -> int:
        """Ask whatever is due; how many questions were asked."""
        sending, asked = self._sending, 0
        if sending.draining or not sending.watch.holder:
            return 0
        async with await windows.connect(sending.house.database) as conn:
            for wave in await uncertain.standings(conn, sending.account.name, sending.incarnation):
                if self._can.finds or wave.running:  # a look-up is always allowed
                    asked += await self._ask_all(conn, wave)
        return asked

    async def _ask_all(self, conn: psycopg.AsyncConnection[Any], wave: Standing) -> int:
        sending, now = self._sending, time.monotonic()
        due = await uncertain.due(conn, wave.wave, sending.account.name, self._schedule)
        ours = [each for each in due if self._asked.get((each.window, each.idx), 0) <= each.asked]
        if not ours or not await sending.opened():
            return 0
        keys = sending.house.keys(wave.campaign)
        numbers = await uncertain.numbers(conn, wave.wave, [each.no for each in ours], keys)
        asking = [self._ask(conn, wave, each, numbers[each.no], now) for each in ours]
        asked = await asyncio.gather(*asking, return_exceptions=True)
        for error in asked:
            if isinstance(error, BaseException):
                raise error
        return sum(1 for each in asked if each)

    async def _ask(
        self, conn: psycopg.AsyncConnection[Any], wave: Standing, due: Due, number: int, looked: float
    ) -> bool:
        async with self._slots:
            if self._sending.draining:
                return False
            if self._can.finds:
                said = await self._look_up(conn, wave, due, number)
            else:
                said = await self._resubmit(wave, due, number, looked + self._memory - due.age)
            if said is None:
                return False
            settled = said.outcome >= Outcome.ACCEPTED
            self._asked[due.window, due.idx] = 1_000 if settled else due.asked + 1
            line = (due.window, due.idx, "look-up", said.outcome, said.code or NO_ANSWER, said.provider_ref)
            await self._sending.answers.put(wave.wave, [line])
            return True

    async def _look_up(
        self, conn: psycopg.AsyncConnection[Any], wave: Standing, due: Due, number: int
    ) -> Receipt | None:
        sending = self._sending
        while not (granted := sending.pace.grant(time.monotonic(), 1, 1))[0]:
            if sending.draining:
                return None
            await asyncio.sleep(min(granted[1], 0.25))
        said = await sending.provider.find(Doubt(number, wave.text, due.at))
        if said.outcome < Outcome.ACCEPTED:
            return Receipt(Outcome.UNCERTAIN, said.code)
        known = said.provider_ref in self._found
        self._found.add(said.provider_ref)
        if known or await uncertain.claimed(conn, sending.account.name, said.provider_ref):
            return Receipt(Outcome.UNCERTAIN, "~another's")
        return said

    async def _resubmit(self, wave: Standing, due: Due, number: int, until: float) -> Receipt | None:
        """Send the same reference once more; None when nothing left."""
        gate = _Gate(self._sending, wave, due, until)
        heard: list[Answer] = []
        try:
            async for answers in self._sending.provider.send(self._window(wave, due, number), gate):
                heard += answers
        except ProviderError as error:
            self._sending.trouble(error)
        except Exception:
            log.exception("a reference could not be sent again")
        if not gate.passed:
            return None
        said = _evidence(heard, self._can.duplicate_codes)
        self._sending.journal.heard_again(due.window, Answer(due.idx, said.outcome, said.code, said.provider_ref))
        crash_point("C7")
        return said

    def _window(self, wave: Standing, due: Due, number: int) -> Window:
        sending, lo = self._sending, due.lo

        def ref(idx: int) -> str:
            return reference(due.window, idx - lo, sending.mac_key)

        def url(idx: int) -> str:
            base = sending.house.callback_base
            return f"{base}/cb/{sending.account.name}/{ref(idx)}" if base else ""

        return Window(
            due.window, due.idx, due.idx + 1, array("Q", [number]), wave.text, due.sender, wave.segments, ref, url
        )


def _evidence(heard: list[Answer], duplicates: frozenset[str]) -> Receipt:
    """What a resubmission proves: taken now, or taken before. No other answer says anything of the first time."""
    for answer in heard:
        if answer.outcome >= Outcome.ACCEPTED or answer.code in duplicates:
            return Receipt(max(answer.outcome, Outcome.ACCEPTED), answer.code, provider_ref=answer.provider_ref)
    return Receipt(Outcome.UNCERTAIN, heard[0].code if heard else NO_ANSWER)


class _Gate:
    """Lets one index through, once, under the stop flags, the pace and the journal of all sending."""

    def __init__(self, sending: Asker, wave: Standing, due: Due, until: float) -> None:
        self._sending, self._wave, self._due, self._until = sending, wave, due, until
        self.passed = False

    async def take(self, want: int) -> range:
        """See providers.base.Gate."""
        due, sending = self._due, self._sending
        while want > 0 and not self.passed and not self._halted():
            n, wait = sending.pace.grant(time.monotonic(), 1, self._wave.segments)
            if n:
                sending.journal.again(due.window, due.idx)
                self.passed = True
                crash_point("C4")
                return range(due.idx, due.idx + 1)
            await asyncio.sleep(min(wait, 0.25))
        return range(due.idx, due.idx)

    def _halted(self) -> bool:
        sending, wave = self._sending, self._wave
        late = time.monotonic() > self._until
        return late or sending.draining or bool(sending.watch.halted(wave.wave, wave.stop_seq, wave.closes_at))
