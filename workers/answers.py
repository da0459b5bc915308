"""From answers to the log: bounded, gathered, written by COPY (when the log is behind, the sockets wait)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from typing import Any

import psycopg

from campaigns.ledger import logbook
from campaigns.ledger.logbook import Line
from campaigns.ledger.windows import connect

log = logging.getLogger(__name__)

MOST_LINES = 20_000
"""Lines that may wait; the journal holds them already, this bound is for memory and for the age of the counts."""
GATHER = 0.05
"""Seconds: a transaction takes what came meanwhile, so a slow carrier's answer is in the log this soon."""
CHUNK_LINES = 5_000


class AnswerLog:
    """One writer task on one database connection; lines of one wave go into one chunk."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._lines: dict[int, list[Line]] = {}
        self._closed: dict[int, list[int]] = {}
        self._waiting = 0
        self._room = asyncio.Condition()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._conn: psycopg.AsyncConnection[Any] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin writing."""
        self._task = asyncio.create_task(self._run())

    async def put(self, wave: int, lines: Sequence[Line], closed: Sequence[int] = ()) -> None:
        """Hand lines over; waits while too many are waiting."""
        async with self._room:
            await self._room.wait_for(lambda: self._waiting < MOST_LINES)
        self._lines.setdefault(wave, []).extend(lines)
        self._closed.setdefault(wave, []).extend(closed)
        self._waiting += len(lines)
        self._idle.clear()
        self._news.set()

    async def drained(self) -> None:
        """Returns when all that was handed over is committed."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Write the rest, then end."""
        await self.drained()
        if self._task:
            self._task.cancel()
        if self._conn:
            await self._conn.close()

    async def _run(self) -> None:
        while True:
            await self._news.wait()
            if self._waiting < CHUNK_LINES:
                await asyncio.sleep(GATHER)
            self._news.clear()
            lines, self._lines = self._lines, {}
            closed, self._closed = self._closed, {}
            for wave in lines:
                await self._write(wave, lines[wave], closed.get(wave, []))
            async with self._room:
                self._waiting -= sum(map(len, lines.values()))
                self._room.notify_all()
            if not self._lines:
                self._idle.set()

    async def _write(self, wave: int, lines: list[Line], closed: list[int]) -> None:
        """Until it is committed: what was answered is a fact, however long the database is away."""
        wait = 0.1
        while True:
            try:
                if self._conn is None or self._conn.closed:
                    self._conn = await connect(self._database)
                await logbook.append_async(self._conn, wave, lines, closed)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("answers wait, the database is away: %s", type(error).__name__)
                self._conn = None
                await asyncio.sleep(wait)
                wait = min(5.0, wait * 2)
            except Exception:
                # a dead writer would hold every window open for ever; the journal has all of this, so end here
                log.exception("answers cannot be written; this worker ends and its journal is imported")
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                return
