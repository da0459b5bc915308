"""The sending worker of one account: claims batches, commits windows ahead, and lets the adapter send through a gate.

The main thread runs RQ and only waits; one thread runs the event loop that owns the carrier's connection, the journal
and the database connections (ledger: section 10). Between jobs the connection to the carrier stays up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from campaigns.ledger import recovery, windows
from campaigns.ledger.logbook import Line
from campaigns.ledger.names import new_id
from campaigns.terms import Account, Callback, Outcome
from providers.base import Provider
from providers.errors import Misconfigured, ProviderError
from workers.answers import AnswerLog
from workers.breaker import State
from workers.health import Health
from workers.house import House, crash_point
from workers.journal import Journal
from workers.poison import park
from workers.recent import Recent
from workers.restart import take_in
from workers.spool import Spool, SpoolFull
from workers.telling import Telling
from workers.throttle import Rate
from workers.uncertain import Questions
from workers.watch import Watch
from workers.window import WindowRun

log = logging.getLogger(__name__)

WINDOWS_OPEN = 4
"""Full windows of one worker whose answers may be outstanding at once."""
FOLD_LATE = 1.5
"""Seconds that the oldest unfolded chunk may wait; then a new window waits too, so that none gets older than 2 s."""
SLOW = 0.5
"""Seconds of such a wait: a fold that stands still slows the writers, it does not stop them."""
PAUSE = 0.05
"""Seconds between two looks while we may not send."""
STOPPED = 0.5
"""Seconds before the next claim when a batch was left before its end: a stop, a refusal, a database that is away."""


class Sending:
    """All that one sending process holds, inside its event loop."""

    def __init__(self, house: House, account: Account, provider: Provider) -> None:
        self.house, self.account, self.provider = house, account, provider
        self.worker = new_id()
        self.draining = False
        self.pace = Rate.of(account.licence)
        self.answers = AnswerLog(house.database)
        self.watch = Watch(
            house.database, account.name, self.worker, rate=self.pace, share=house.times.share,
            stop_file=house.settings.kill_switch_file, journals=house.folder("journals"),
        )  # fmt: skip
        self.recent = Recent()
        self.mac_key = house.keyring.mac_key("reference")
        self.journal: Journal
        self._incarnation = 0
        self._last = 0  # our newest window
        self._given: set[int] = set()  # windows that an adapter was given, also those that are long closed
        self._ending = False
        self._spool = Spool(
            house.folder("spool"), account.name, house.keyring.seal,
            age=house.times.segment_age, limit=house.settings.spool_bytes,
        )  # fmt: skip
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._runs: dict[asyncio.Task[None], WindowRun] = {}
        self._telling = Telling(self._runs)
        self._working = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._doubt = False
        self.health = Health(account.name, self.pace, house.times.breaker)
        self.watch.says = lambda: self.health.says() | self._telling() | {"bound": self._open}
        self._batch: windows.Batch | None = None
        self._open = False
        self._rate_seen = account.licence

    async def start(self) -> None:
        """Journal, watch and log; the carrier's connection comes with the first work."""
        await asyncio.to_thread(take_in, self.house)  # what a worker before us knows comes first
        conn = await self._database()
        cur = await conn.execute("SELECT incarnation FROM installation")
        row = await cur.fetchone()
        self._incarnation = row[0] if row else 0
        self.journal = Journal(self.house.folder("journals"), self.worker, self._incarnation, self.account.name)
        self.watch.incarnation, self.watch.journal = self._incarnation, self.journal.name
        self.watch.wants = False
        self.watch.on_other = lambda: self._end("the database was restored or started anew")
        self.answers.start()
        self.watch.start()

    async def stop(self) -> None:
        """Give back what is unsent, hear what is on the wire, say goodbye."""
        self.draining = True
        if self._runs:
            _, late = await asyncio.wait(self._runs, timeout=self.house.settings.drain)
            for task in late:  # their journal lines say what they heard; the importer does the rest
                task.cancel()
        await self.answers.stop()
        await self.provider.close()
        await self.watch.stop()
        await self._spool.close()
        self.journal.close()

    async def work(self, seconds: float) -> None:
        """Work on due batches for a while; returns earlier when there is nothing to do. One at a time."""
        if self._working.locked():  # RQ gave up waiting for the call before; it still works
            return
        async with self._working:
            until = time.monotonic() + seconds
            self._doubt = True  # asked once a job: a commit that was under way then may be there now
            self.watch.wants = True
            while self.watch.wants and time.monotonic() < until and not self.draining:
                self.watch.wants = await self._turn(until)
            if self._runs:
                await asyncio.wait(self._runs)

    async def _turn(self, until: float) -> bool:
        """One batch, or a wait; False when there is nothing to do."""
        if self.journal.broken:
            self._end("the journal cannot be written")
        try:
            await self.health.tell(await self._database())
            if not self.watch.owner or self.health.state is State.OPEN or not await self.opened():
                await asyncio.sleep(PAUSE)
                return True
            if not await self._settle_doubt():
                return False
            batch = await windows.claim(await self._database(), self.account.name, self.house.settings.lease)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            await self._away(error)
            return True
        if batch is not None:
            await self._work_on(batch, until)
        return batch is not None

    async def _work_on(self, batch: windows.Batch, until: float) -> None:
        """The windows of one batch; whatever happens, the lease is let go."""
        crash_point("C1")
        self._batch = batch
        try:
            self.journal.claim(batch)
            reason = await (park(self, batch) if batch.park else self._windows_of(batch, until))
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._doubt = True  # a window may be committed that we know nothing of
            reason = type(error).__name__
        except Exception:
            log.exception("a batch could not be worked on")
            self._doubt = True
            reason = "~broken"
        finally:
            self._batch = None
        try:
            await windows.release(await self._database(), batch)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            await self._away(error)
        if reason == "incarnation":
            self._end("the database was restored or started anew")
        elif reason:
            log.log(logging.DEBUG if reason == windows.CALLS else logging.INFO, "batch left: %s", reason)
            await asyncio.sleep(STOPPED)

    async def _windows_of(self, batch: windows.Batch, until: float) -> str:
        """Each window is committed when the one before is half sent; why it ended before its time, or ""."""
        previous: WindowRun | None = None
        while batch.cursor < batch.hi and time.monotonic() < until and not self.draining:
            if previous is not None:
                await previous.half_sent.wait()
            await self._room()
            if previous is not None and previous.halted:
                return "" if previous.halted == "drain" else previous.halted
            if self.health.state is State.OPEN:
                return "breaker"
            began = time.clock_gettime(time.CLOCK_BOOTTIME)
            intent = await self._take(batch)
            if isinstance(intent, windows.Refusal):
                return intent.reason
            previous = WindowRun(self, batch, intent, previous, began)
            self._spawn(previous)
        return ""

    async def _take(self, batch: windows.Batch) -> windows.Intent | windows.Refusal:
        intent = await windows.take(
            await self._database(), batch, self._window_size(batch), journal=self.journal.name,
            incarnation=self._incarnation, keys=self.house.keys(batch.campaign), at_point=crash_point,
        )  # fmt: skip
        if isinstance(intent, windows.Intent):
            self._last = intent.id
            self.journal.window(batch, intent)
        return intent

    async def _settle_doubt(self) -> bool:
        """Windows of our journal without a run here: committed, never given to an adapter. They go back unsent.

        False when one was given to an adapter and is open again: the database is a copy that lags behind, and only
        the journal knows what left. It is read when this worker has ended.
        """
        if not self._doubt:
            return True
        mine = [run.id for run in self._runs.values()]
        await self.answers.drained()  # runs that ended before have their closing line in the log now
        open_here = await windows.in_doubt(await self._database(), self.journal.name, mine)
        if any(window in self._given for window, *_ in open_here):
            self._end("a window that it has sent is open again: its journal decides")
            return False
        for window, wave, lo, hi in open_here:
            lines: list[Line] = [(window, i, "closed", Outcome.NOT_SENT, "~in-doubt", "") for i in range(lo, hi)]
            await self.answers.put(wave, lines, [window])
        await self.answers.drained()
        self._doubt = False
        return True

    async def _away(self, error: Exception) -> None:
        log.warning("the database is away: %s", type(error).__name__)
        self._conn = None
        await asyncio.sleep(STOPPED)

    def _end(self, why: str) -> None:
        """This process cannot go on; its parent starts a new one."""
        if not self._ending:  # a second signal would cut short what the first one drains
            self._ending = True
            log.error("this worker ends: %s", why)
            os.kill(os.getpid(), signal.SIGTERM)

    def _window_size(self, batch: windows.Batch) -> int:
        """What may be sent in one second, by the licence and by what the carrier was seen to take; one as a probe."""
        if self.health.state is not State.CLOSED:
            return 1
        rate = min(self.pace.pace.rate / batch.segments, self._rate_seen)
        suspected = batch.suspect - batch.cursor  # half of it, so that the next claim knows which half was tried
        most = max(1, suspected // 2) if suspected > 0 else self.house.settings.window_max
        return max(1, min(most, int(rate)))

    def seen(self, messages: int, seconds: float) -> None:
        """A window was sent: a carrier slower than its licence gets smaller windows, and grows again."""
        self._rate_seen = max(10.0, min(self.pace.most, 2.0 * messages / max(seconds, 0.001)))

    async def _room(self) -> None:
        """A new window waits while too many messages, or a probe, lack their answer, and a while for a late fold."""
        while self._runs and self.health.state is State.HALF_OPEN:
            await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)
        while sum(run.size for run in self._runs.values()) >= WINDOWS_OPEN * self.house.settings.window_max:
            await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)
        if self.watch.unfolded > FOLD_LATE:
            await asyncio.sleep(SLOW)

    def _spawn(self, run: WindowRun) -> None:
        task = asyncio.create_task(run.go())
        self._runs[task] = run
        self._given.add(run.id)
        task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        if (run := self._runs.pop(task, None)) is not None:
            self._telling.ended(run)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a window could not be closed: %s", type(error).__name__)
            self._doubt = True

    def throttled(self, code: str, n: int) -> None:
        """See Sender: half the pace at once, nothing at all while it wants to be left alone."""
        wait, self.provider.retry_after = self.provider.retry_after, 0.0
        if self.pace.throttled(time.monotonic(), wait, n):
            log.warning("account %s: %s, half the pace from now on, left alone for %.0f s", self.account.name,
                        code, wait)  # fmt: skip

    def heard(self, good: int, bad: int, code: str) -> None:
        """See Sender."""
        self.pace.ease.heard(good + bad, time.monotonic())
        self.health.heard(good, bad, code)
        if bad and self.health.state is State.OPEN:
            self._open = False

    def trouble(self, error: ProviderError, batch: windows.Batch | None = None) -> None:
        """The carrier cannot be used now: back off, doubling. What it refuses of us stops for a person."""
        if isinstance(error, Misconfigured) and self.health.stop(error, batch):
            return  # a sender or a text: the others go on
        self._open = False
        self.health.fell(error.code)

    @property
    def incarnation(self) -> int:
        """Of the database that this process began with."""
        return self._incarnation

    async def opened(self) -> bool:
        """Whether the carrier's connection stands, made now where it does not; False while we back off."""
        async with self._opening:
            if self._open:
                return True
            if self.health.state is State.OPEN:
                return False
            try:
                await self.provider.open(self._receipts)
            except ProviderError as error:
                self.trouble(error)
                return False
            self._open = True
            return True

    async def _receipts(self, events: Sequence[Callback | bytes]) -> None:
        """Receipts that came on the carrier's own connection; raises when they cannot be kept."""
        crash_point("C11")
        try:
            await self._spool.store(events, self.recent.of(self.provider, events))
        except SpoolFull:
            log.exception("receipts refused: no room in the spool")
            raise
        crash_point("C12")

    async def _database(self) -> psycopg.AsyncConnection[Any]:
        if self._conn is None or self._conn.closed:
            conn = await windows.connect(self.house.database)
            if self._last and not await windows.is_known(conn, self._last):  # a copy that lags behind took its place
                await asyncio.to_thread(self._older_database)
            self._conn = conn
        return self._conn

    def _older_database(self) -> None:
        with self.house.begin() as conn:
            recovery.begin_restoring(conn, f"a window of journal {self.journal.name} is not in this database")

    async def keep_lease(self) -> None:
        """Renew the lease of the batch in hand, for as long as the process lives."""
        while True:
            await asyncio.sleep(self.house.settings.lease / 3)
            batch = self._batch
            if batch is not None:
                crash_point("C9")
                with contextlib.suppress(psycopg.OperationalError, psycopg.InterfaceError):
                    async with await windows.connect(self.house.database) as conn:
                        await windows.renew(conn, batch, self.house.settings.lease)


class SendingThread:
    """The event loop's thread, as the RQ thread sees it."""

    def __init__(self, house: House, account: Account) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"send-{account.name}", daemon=True)
        self._thread.start()
        self._seconds = house.times.job
        self.sending = Sending(house, account, house.build(account))
        self._await(self.sending.start())
        self._lease = asyncio.run_coroutine_threadsafe(self.sending.keep_lease(), self._loop)
        self._questions = Questions(self.sending)
        self._asking = asyncio.run_coroutine_threadsafe(self._questions.run(), self._loop)

    def _await(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def wake(self, account: str) -> None:
        """Work for at most one job's time."""
        if account != self.sending.account.name:
            raise PermissionError(f"this worker sends for {self.sending.account.name}, not for {account}")
        self._await(self.sending.work(self._seconds))

    def drain(self) -> None:
        """Only sets a flag; safe in a signal handler."""
        self.sending.draining = True

    def stop(self) -> None:
        """End the loop's work."""
        self.drain()
        self._await(self._questions.rest())
        self._await(self.sending.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)


_current: list[SendingThread] = []


def begin(house: House, account: str) -> SendingThread:
    """Make this process the sender of an account."""
    if account not in house.accounts:
        raise KeyError(account)
    _current[:] = [SendingThread(house, house.accounts[account])]
    return _current[0]


def current() -> SendingThread:
    """The sender of this process."""
    if not _current:
        raise RuntimeError(f"process {os.getpid()} sends for no account")
    return _current[0]
