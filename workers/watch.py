"""What a worker looks at before every socket write: that this wave may still send, and that our share is ours.

A poll every half second on its own connection, woken at once by NOTIFY; when the last good poll is older than 1.5 s
nothing is sent (ledger: section 9). T1 checks the same again in the database. Each poll renews the share of the
licence and says how much of it the last second still shows; a share ends long after its worker has stopped by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from campaigns.ledger import halts, shares
from campaigns.ledger.windows import connect
from workers.locks import writer_is_dead
from workers.throttle import Rate

log = logging.getLogger(__name__)

EVERY = 0.5
STALE = 1.5
"""Below the shortest life of a share: when a share ends, its worker has sent nothing for a while."""
CHANGING = 0.05
"""Seconds between two polls while shares are cut anew: somebody waits for room."""
AMONG_PEERS = 0.2
"""Seconds between two polls while others hold shares of the account: one that dies is noticed this soon."""


class Watch:
    """The local flag."""

    def __init__(
        self, database: str, account: str, holder: int, *, rate: Rate, share: float, stop_file: Any,
        journals: Path | None = None,
    ) -> None:  # fmt: skip
        self._database, self._account, self._holder, self._share = database, account, holder, share
        self._rate, self._licence = rate, rate.most  # ours: no share makes us faster than our own configuration says
        self._stop_file, self._journals = stop_file, journals
        self.journal = ""  # our own, by which others see that we are dead
        self.wants = True  # whether there is work: an idle worker leaves its share to the others
        self.says: Callable[[], dict[str, object]] = dict  # of ourselves, for people
        self._stop_seq: dict[int, int] = {}
        self._polled = -STALE
        self.unfolded = 0.0  # seconds since the oldest unfolded chunk came
        self._locked = ""
        self.incarnation = 0  # 0: not known
        self.on_other: Callable[[], None] = lambda: None  # the database is another one, or was started anew
        self._owner = False
        self._asks = self._short = self._peers = False
        self._heard, self._news = -1, False  # the stop number that is in force here; whether others are to hear of it
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin looking."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking and give the share back; one that cannot be given back runs out by itself."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._owner = False
            with contextlib.suppress(psycopg.Error):
                async with await connect(self._database) as conn:
                    await shares.give_back(conn, self._account, holder=self._holder)

    @property
    def owner(self) -> bool:
        """Whether this worker has a share of the licence now, and nothing stops the whole installation."""
        return self._owner and not self._locked and time.monotonic() - self._polled < STALE

    @property
    def holder(self) -> bool:
        """Whether it is this worker of the account that asks about what is uncertain, though it may not send."""
        return self._owner and self._asks and time.monotonic() - self._polled < STALE

    def halted(self, wave: int, stop_seq: int, closes_at: float) -> str:
        """Why this wave may not send now; "" when it may."""
        if time.monotonic() - self._polled > STALE:
            return "stale"
        if not self._owner:
            return "share"
        if self._locked:
            return "locked"
        if time.time() >= closes_at:
            return "hours"
        if self._stop_seq.get(wave, 0) > stop_seq:  # it only grows; an older poll says nothing
            return "stopped"
        return ""

    async def _run(self) -> None:
        while True:
            try:
                async with await connect(self._database) as conn:
                    await conn.execute("LISTEN dispatcher")
                    while True:
                        await self._poll(conn)
                        async for _ in conn.notifies(timeout=self._pause(), stop_after=1):
                            pass
            except psycopg.OperationalError as error:
                log.warning("watch: the database is away: %s", type(error).__name__)
                await asyncio.sleep(EVERY)
            except Exception:
                log.exception("watch: nothing is sent until this is mended")
                await asyncio.sleep(STALE)

    def _pause(self) -> float:
        """Seconds until the next poll."""
        if self._news or self._short or self._rate.using(time.monotonic()) > self._rate.share * (1 + 1e-9):
            return min(EVERY, CHANGING)
        return min(EVERY, AMONG_PEERS) if self._peers else EVERY

    async def _poll(self, conn: psycopg.AsyncConnection[Any]) -> None:
        before = time.monotonic()
        await self._hold(conn, before)
        facts = await shares.stop_facts(conn)
        was = (self._heard, self._locked)
        self._locked = await self._by_file(conn, facts.locked) if self._stop_file.exists() else facts.locked
        self._stop_seq, self._heard = facts.stop_seq, facts.heard
        self._news = was != (self._heard, self._locked)
        self.unfolded = facts.unfolded
        if self.incarnation and facts.incarnation != self.incarnation:
            self._locked = "incarnation"
            self.on_other()
        self._polled = before

    async def _by_file(self, conn: psycopg.AsyncConnection[Any], locked: str) -> str:
        """The flag first, then the ledger: a file that is taken away again must not open what it stopped."""
        self._locked = "kill switch"
        if halts.STOP not in locked:
            await halts.stop_by_file(conn)
        return "kill switch"

    async def _hold(self, conn: psycopg.AsyncConnection[Any], before: float) -> None:
        share = await shares.hold(
            conn, self._account, self._holder, journal=self.journal, using=self._rate.using(before), wants=self.wants,
            seconds=self._share, says={**self.says(), "heard": self._heard, "locked": bool(self._locked)},
        )  # fmt: skip
        part = min(1.0, self._licence / share.most) if share.most else 0.0
        self._rate.hold(share.rate * part, share.most * part, dict(share.senders), time.monotonic())
        self._owner, self._asks, self._short, self._peers = share.rate > 0, share.asks, share.short, bool(share.peers)
        for journal in share.peers if self._journals else ():
            if await asyncio.to_thread(writer_is_dead, self._journals / journal):  # type: ignore[operator]
                await shares.give_back(conn, self._account, journal=journal)
