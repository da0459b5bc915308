"""From answers to the log: bounded, gathered, written by COPY (when the log is behind, the sockets wait)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from campaigns.ledger import logbook
from campaigns.ledger.logbook import Line, Told
from campaigns.ledger.windows import connect

log = logging.getLogger(__name__)

MOST_LINES = 20_000
"""Lines that may wait; the journal holds them already, this bound is for memory and for the age of the counts."""
GATHER = 0.05
"""Seconds: a transaction takes what came meanwhile, so a slow carrier's answer is in the log this soon."""
CHUNK_LINES = 5_000


@dataclass(slots=True)
class _Waiting:
    """What goes into one chunk of a wave."""

    lines: list[Line] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    count: int = 0


class AnswerLog:
    """One writer task on one database connection; lines of one wave go into one chunk."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._waves: dict[int, _Waiting] = {}
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

    async def put(self, wave: int, lines: Sequence[Line], closed: Sequence[int] = (), told: Told | None = None) -> None:
        """Hand lines and plain answers over; waits while too many are waiting."""
        if self._waiting >= MOST_LINES:
            async with self._room:
                await self._room.wait_for(lambda: self._waiting < MOST_LINES)
        mine = self._waves.setdefault(wave, _Waiting())
        count = len(lines)
        mine.lines += lines
        mine.closed += closed
        if told and told[1]:
            mine.told.append(told)
            count += len(told[1])
        mine.count += count
        self._waiting += count
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
            waves, self._waves = self._waves, {}
            for wave, waiting in waves.items():
                await self._write(wave, waiting)
            async with self._room:
                self._waiting -= sum(waiting.count for waiting in waves.values())
                self._room.notify_all()
            if not self._waves:
                self._idle.set()

    async def _write(self, wave: int, waiting: _Waiting) -> None:
        """Until it is committed: what was answered is a fact, however long the database is away."""
        wait = 0.1
        while True:
            try:
                if self._conn is None or self._conn.closed:
                    self._conn = await connect(self._database)
                await logbook.append_async(self._conn, wave, waiting.lines, waiting.told, waiting.closed)
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
