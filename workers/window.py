"""One committed window on its way: the gate before the socket, and the answers after it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator
from typing import Protocol

from campaigns.ledger.logbook import Line, tail
from campaigns.ledger.windows import Batch, Intent
from campaigns.message import reference
from campaigns.terms import Account, Answer, Outcome
from providers.base import Provider, Window
from providers.errors import ProviderError, Unreachable
from workers.answers import AnswerLog
from workers.breaker import State
from workers.health import Health
from workers.house import House, crash_point
from workers.journal import Journal
from workers.recent import NOBODY, Recent
from workers.throttle import Rate
from workers.watch import Watch

log = logging.getLogger(__name__)


VALID_LEAST, VALID_MOST = 3_600, 172_800
"""Seconds that a carrier gets at least, so that a message of the last minute can arrive, and at most."""


class Sender(Protocol):
    """What a window needs of the process that sends it."""

    house: House
    account: Account
    provider: Provider
    draining: bool
    pace: Rate
    answers: AnswerLog
    watch: Watch
    mac_key: bytes
    journal: Journal
    health: Health
    recent: Recent

    def seen(self, messages: int, seconds: float) -> None:
        """A window took so long."""

    def throttled(self, code: str, n: int) -> None:
        """The carrier said "not now" to so many; told after `heard`."""

    def heard(self, good: int, bad: int, code: str) -> None:
        """So many answers of a carrier that works, and so many of one that does not."""

    def trouble(self, error: ProviderError, batch: Batch | None = None) -> None:
        """The carrier cannot be used now."""


class Asker(Sender, Protocol):
    """What questions and parking need of it beside."""

    @property
    def incarnation(self) -> int:
        """Of the database that this process began with."""
        ...

    async def opened(self) -> bool:
        """Whether the carrier's connection stands."""
        ...


class WindowRun:
    """Sends one window and accounts for each of its indexes exactly once.

    `began` is CLOCK_BOOTTIME before the intent's transaction: the send deadline counts from there.
    """

    def __init__(self, sending: Sender, batch: Batch, intent: Intent, previous: WindowRun | None, began: float) -> None:
        self._sending, self._batch, self._intent, self._previous = sending, batch, intent, previous
        self._span = sending.recent.span(intent)
        self._began = time.monotonic()
        self.half_sent = asyncio.Event()
        self.all_sent = asyncio.Event()
        self.halted = ""
        self._over = False
        self._next = intent.lo
        self._answered = bytearray(intent.hi - intent.lo)
        self._not_now = sending.provider.capability.throttle_codes
        self._deadline = began + sending.house.settings.send_deadline

    async def go(self) -> None:
        """Until every index has its line in the log."""
        if self._previous is not None:
            await self._previous.all_sent.wait()
            self._previous = None
        self._began = time.monotonic()
        try:
            stream = self._sending.provider.send(self._window(), self)
            try:
                async for answers in stream:
                    await self._heard(answers)
            finally:
                if isinstance(stream, AsyncGenerator):  # its feeder must not outlive this window
                    await stream.aclose()
        except ProviderError as error:
            self.halted = error.code
            self._sending.trouble(error, self._batch)
        except Exception as error:
            log.exception("window %s broke; what was on the wire is uncertain", self._intent.id)
            self.halted = "~broken"
            self._sending.trouble(Unreachable("~broken", type(error).__name__))
        finally:
            self._over = True  # whatever of the adapter still runs gets nothing more
            self._sent_all()
        await self._close()

    async def take(self, want: int) -> range:
        """See providers.base.Gate: pace, stop flags, hours and the journal are behind this call."""
        sending = self._sending
        while not self._over:
            if self._next > self._intent.lo:
                crash_point("C5")  # what was taken before stands on the wire, and its answers are not all read
            left = self._intent.hi - self._next
            if left == 0 or want <= 0:
                break
            self.halted = self._halt_reason()
            if self.halted:
                break
            want = min(want, left)
            n, wait = sending.pace.grant(time.monotonic(), want, self._batch.segments, self._batch.sender)
            if n:
                taken = self._pass(n)
                asyncio.get_running_loop().call_soon(self._left)  # after the adapter's write, which follows at once
                return taken
            await asyncio.sleep(min(wait, 0.25))
        self._sent_all()
        return range(self._next, self._next)

    def _halt_reason(self) -> str:
        if self._sending.draining:
            return "drain"
        if time.clock_gettime(time.CLOCK_BOOTTIME) > self._deadline:
            return "late"
        if self._sending.health.state is State.OPEN:
            return "breaker"
        return self._sending.watch.halted(self._batch.wave, self._batch.stop_seq, self._batch.closes_at)

    def _pass(self, n: int) -> range:
        lo, hi = self._next, self._next + n
        self._sending.journal.sending(self._intent.id, lo, hi)
        self._next = hi
        crash_point("C4")
        if 2 * (self._next - self._intent.lo) >= self._intent.hi - self._intent.lo:
            self.half_sent.set()
        if self._next == self._intent.hi:
            self._sent_all()
        return range(lo, self._next)

    def _left(self) -> None:
        self._sending.pace.left(time.monotonic(), self._batch.sender)

    def _sent_all(self) -> None:
        if not self.all_sent.is_set():
            self._sending.seen(self._next - self._intent.lo, time.monotonic() - self._began)
        self.half_sent.set()
        self.all_sent.set()

    def _window(self) -> Window:
        intent, batch = self._intent, self._batch
        key, window, lo = self._sending.mac_key, intent.id, intent.lo
        base = self._sending.house.callback_base

        def ref(idx: int) -> str:
            return reference(window, idx - lo, key)

        def url(idx: int) -> str:
            return f"{base}/cb/{self._sending.account.name}/{ref(idx)}" if base else ""

        validity = int(min(VALID_MOST, max(VALID_LEAST, batch.validity))) if batch.validity else 0
        return Window(
            intent.id, lo, intent.hi, intent.numbers, batch.text, batch.sender, batch.segments, ref, url, validity
        )

    async def _heard(self, answers: list[Answer]) -> None:
        crash_point("C6")
        window, lo, sent, answered = self._intent.id, self._intent.lo, self._next, self._answered
        first, taken = self._span.first, dict[str, int]()
        plain: list[str] = []
        not_now, bad, why, later, slow = self._not_now, 0, "", 0, ""
        odd: list[Answer] = []
        for answer in answers:
            idx, outcome, code, provider_ref = answer
            if not lo <= idx < sent:
                log.error("window %s: an answer for an index that never left", window)
                continue
            answered[idx - lo] = 1
            if outcome <= Outcome.DEFERRED:
                if outcome < Outcome.DEFERRED and code != "~stopped":
                    bad, why = bad + 1, code
                elif code in not_now:
                    later, slow = later + 1, code
            if line := tail(idx, outcome, code, provider_ref):
                plain.append(line)
                if provider_ref:
                    taken[provider_ref] = NOBODY if provider_ref in taken else first + idx
            else:
                odd.append(answer)
        try:
            self._sending.journal.heard(window, odd, plain)
        finally:  # a full disk must not lose what was heard
            crash_point("C7")
            self._sending.recent.remember(self._span, taken)
            self._sending.heard(len(answers) - bad, bad, why)
            if later:
                self._sending.throttled(slow, later)
            lines: list[Line] = [(window, a.idx, "answer", a.outcome, a.code, a.provider_ref) for a in odd]
            await self._sending.answers.put(self._batch.wave, lines, told=(window, plain))

    async def _close(self) -> None:
        """What nobody answered: on the wire is uncertain, never taken is given back, listed is skipped."""
        intent = self._intent
        lines: list[Line] = [(intent.id, idx, "closed", Outcome.SKIPPED, "~listed", "") for idx in intent.skipped]
        unanswered = [idx for idx in range(intent.lo, self._next) if self._open(idx)]
        lines += [(intent.id, idx, "answer", Outcome.UNCERTAIN, "~lost", "") for idx in unanswered]
        if self._next < intent.hi:
            with contextlib.suppress(OSError):  # only for readers: recovery needs no N
                self._sending.journal.not_sent(intent.id, self._next, intent.hi)
            why = f"~{self.halted or 'given-back'}"
            tail = [idx for idx in range(self._next, intent.hi) if self._open(idx)]
            lines += [(intent.id, idx, "closed", Outcome.NOT_SENT, why, "") for idx in tail]
        await self._sending.answers.put(self._batch.wave, lines, [intent.id])

    @property
    def id(self) -> int:
        """The window's id."""
        return self._intent.id

    @property
    def size(self) -> int:
        """Its messages."""
        return self._intent.hi - self._intent.lo

    @property
    def wave(self) -> int:
        """Whose messages they are."""
        return self._batch.wave

    @property
    def segments_sent(self) -> int:
        """What has left of it so far."""
        return (self._next - self._intent.lo) * self._batch.segments

    @property
    def on_wire(self) -> int:
        """Messages that left and have no answer."""
        return self._next - self._intent.lo - self._answered.count(1)

    def _open(self, idx: int) -> bool:
        return not self._answered[idx - self._intent.lo] and self._intent.numbers[idx - self._intent.lo] != 0
