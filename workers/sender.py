"""The sending worker of one account: claims batches, commits windows ahead, and lets the adapter send through a gate.

The main thread runs RQ and only waits; one thread runs the event loop that owns the carrier's connection, the journal
and the database connections (ledger: section 10). Between jobs the connection to the carrier stays up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from typing import Any

import psycopg

from campaigns.ledger import windows
from campaigns.ledger.names import new_id
from campaigns.terms import Account, Callback
from providers.base import Provider
from providers.errors import Misconfigured, ProviderError
from workers.answers import AnswerLog
from workers.house import House, crash_point
from workers.journal import Journal
from workers.spool import Spool, SpoolFull
from workers.throttle import Pace
from workers.watch import Watch
from workers.window import WindowRun

log = logging.getLogger(__name__)

WINDOWS_OPEN = 4
"""Windows of one worker whose answers may be outstanding at once."""
BACKOFF_MOST = 30.0


class Sending:
    """All that one sending process holds, inside its event loop."""

    def __init__(self, house: House, account: Account, provider: Provider) -> None:
        self.house, self.account, self.provider = house, account, provider
        self.worker = new_id()
        self.draining = False
        self.pace = Pace(account.licence)
        self.answers = AnswerLog(house.database)
        self.watch = Watch(
            house.database,
            account.name,
            self.worker,
            rate=account.licence,
            share=house.times.share,
            stop_file=house.settings.kill_switch_file,
        )
        self.mac_key = house.keyring.mac_key("reference")
        self.journal: Journal
        self._incarnation = 0
        self._spool = Spool(
            house.folder("spool"),
            account.name,
            house.keyring.seal,
            age=house.times.segment_age,
            limit=house.settings.spool_bytes,
        )
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._runs: set[asyncio.Task[None]] = set()
        self._batch: windows.Batch | None = None
        self._open = False
        self._trouble = 0
        self._not_before = 0.0
        self._rate_seen = account.licence

    async def start(self) -> None:
        """Journal, watch and log; the carrier's connection comes with the first work."""
        conn = await self._database()
        cur = await conn.execute("SELECT incarnation FROM installation")
        row = await cur.fetchone()
        self._incarnation = row[0] if row else 0
        self.journal = Journal(self.house.folder("journals"), self.worker, self._incarnation)
        self.answers.start()
        self.watch.start()

    async def stop(self) -> None:
        """Give back what is unsent, hear what is on the wire, say goodbye."""
        self.draining = True
        if self._runs:
            await asyncio.wait(self._runs, timeout=self.house.settings.drain)
        await self.answers.stop()
        await self.provider.close()
        await self.watch.stop()
        self._spool.hand_on()
        self.journal.close()

    async def work(self, seconds: float) -> None:
        """Work on due batches for a while; returns earlier when there is nothing to do."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.draining:
            if not self.watch.owner:
                await asyncio.sleep(0.05)
                continue
            if time.monotonic() < self._not_before or not await self._connected():
                await asyncio.sleep(0.05)
                continue
            try:
                batch = await windows.claim(await self._database(), self.account.name, self.house.settings.lease)
            except psycopg.OperationalError:
                await asyncio.sleep(0.5)
                continue
            if batch is None:
                break
            await self._work_on(batch, until)
        if self._runs:
            await asyncio.wait(self._runs)

    async def _work_on(self, batch: windows.Batch, until: float) -> None:
        """Windows of one batch, each committed when the one before is half sent."""
        crash_point("C1")
        self.journal.claim(batch)
        self._batch = batch
        self.pace.segments = batch.segments
        previous: WindowRun | None = None
        try:
            while batch.cursor < batch.hi and time.monotonic() < until and not self.draining:
                if previous is not None:
                    await previous.half_sent.wait()
                    if previous.halted:
                        break
                await self._room()
                intent = await self._take(batch)
                if isinstance(intent, windows.Refusal):
                    log.info("no window: %s", intent.reason)
                    break
                previous = WindowRun(self, batch, intent, previous)
                self._spawn(previous)
        except psycopg.OperationalError as error:
            log.warning("no window, the database is away: %s", type(error).__name__)
        with contextlib.suppress(psycopg.OperationalError):
            await windows.release(await self._database(), batch)

    async def _take(self, batch: windows.Batch) -> windows.Intent | windows.Refusal:
        intent = await windows.take(
            await self._database(),
            batch,
            self._window_size(batch),
            journal=self.journal.name,
            incarnation=self._incarnation,
            keys=self.house.keys(batch.campaign),
            at_point=crash_point,
        )
        if isinstance(intent, windows.Intent):
            self.journal.window(batch, intent)
        return intent

    def _window_size(self, batch: windows.Batch) -> int:
        """What may be sent in one second, by the licence and by what the carrier was seen to take."""
        rate = min(self.account.licence / batch.segments, self._rate_seen)
        return max(1, min(self.house.settings.window_max, int(rate)))

    def seen(self, messages: int, seconds: float) -> None:
        """A window was sent: a carrier slower than its licence gets smaller windows, and grows again."""
        self._rate_seen = max(10.0, min(self.account.licence, 2.0 * messages / max(seconds, 0.001)))

    async def _room(self) -> None:
        while len(self._runs) >= WINDOWS_OPEN:
            await asyncio.wait(self._runs, return_when=asyncio.FIRST_COMPLETED)

    def _spawn(self, run: WindowRun) -> None:
        task = asyncio.create_task(run.go())
        self._runs.add(task)
        task.add_done_callback(self._runs.discard)

    def trouble(self, error: ProviderError) -> None:
        """The carrier cannot be used now: back off, doubling; a misconfigured one waits the longest for a person."""
        self._open = False
        self._trouble += 1
        wait = (
            BACKOFF_MOST if isinstance(error, Misconfigured) else min(BACKOFF_MOST, 0.25 * 2 ** min(self._trouble, 7))
        )
        self._not_before = time.monotonic() + wait
        log.warning("account %s: %s; next try in %.1f s", self.account.name, error.code, wait)

    async def _connected(self) -> bool:
        if self._open:
            return True
        try:
            await self.provider.open(self._receipts)
        except ProviderError as error:
            self.trouble(error)
            return False
        self._open, self._trouble = True, 0
        return True

    async def _receipts(self, events: Any) -> None:
        """Receipts that came on the carrier's own connection; raises when they cannot be kept."""
        kept: list[Callback] = list(events)
        try:
            await self._spool.store(kept)
        except SpoolFull:
            log.exception("receipts refused: no room in the spool")
            raise

    async def _database(self) -> psycopg.AsyncConnection[Any]:
        if self._conn is None or self._conn.closed:
            self._conn = await psycopg.AsyncConnection.connect(self.house.database, autocommit=True)
        return self._conn

    async def keep_lease(self) -> None:
        """Renew the lease of the batch in hand, for as long as the process lives."""
        while True:
            await asyncio.sleep(self.house.settings.lease / 3)
            batch = self._batch
            if batch is not None and batch.cursor < batch.hi:
                crash_point("C9")
                with contextlib.suppress(psycopg.OperationalError):
                    async with await psycopg.AsyncConnection.connect(self.house.database, autocommit=True) as conn:
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
