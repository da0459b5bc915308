"""What a worker looks at before every socket write: that this wave may still send, and that our share is ours.

A poll every half second on its own connection, woken at once by NOTIFY; when the last good poll is older than 1.5 s
nothing is sent (ledger: section 9). T1 checks the same again in the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

import psycopg

from campaigns.ledger import shares
from campaigns.ledger.windows import connect

log = logging.getLogger(__name__)

EVERY = 0.5
STALE = 1.5


class Watch:
    """The local flag."""

    def __init__(self, database: str, account: str, holder: int, *, rate: float, share: float, stop_file: Any) -> None:
        self._database, self._account, self._holder, self._rate, self._share = database, account, holder, rate, share
        self._stop_file = stop_file
        self._stop_seq: dict[int, int] = {}
        self._polled = -STALE
        self.unfolded = 0.0  # seconds since the oldest unfolded chunk came
        self._locked = ""
        self.incarnation = 0  # 0: not known
        self.on_other: Callable[[], None] = lambda: None  # the database is another one, or was started anew
        self._owner = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin looking."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop looking; the share runs out by itself."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @property
    def owner(self) -> bool:
        """Whether this worker may use the account's licence now, and nothing stops the whole installation."""
        return self._owner and not self._locked and time.monotonic() - self._polled < STALE

    @property
    def holder(self) -> bool:
        """Whether the account's licence is this worker's: enough to ask, though not to send."""
        return self._owner and time.monotonic() - self._polled < STALE

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
                        async for _ in conn.notifies(timeout=EVERY, stop_after=1):
                            pass
            except psycopg.OperationalError as error:
                log.warning("watch: the database is away: %s", type(error).__name__)
                await asyncio.sleep(EVERY)
            except Exception:
                log.exception("watch: nothing is sent until this is mended")
                await asyncio.sleep(STALE)

    async def _poll(self, conn: psycopg.AsyncConnection[Any]) -> None:
        before = time.monotonic()
        self._owner = await shares.hold(conn, self._account, self._holder, self._rate, self._share)
        facts = await shares.stop_facts(conn)
        self._locked = "kill switch" if self._stop_file.exists() else facts.locked
        self._stop_seq = facts.stop_seq
        self.unfolded = facts.unfolded
        if self.incarnation and facts.incarnation != self.incarnation:
            self._locked = "incarnation"
            self.on_other()
        self._polled = before
