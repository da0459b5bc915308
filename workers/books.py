"""The book-keeper: receipts in, journals of the dead in, folded, waves finished. One process, rung like a sender."""

from __future__ import annotations

import logging
import threading
import time

import psycopg

from campaigns.ledger import fold
from workers.house import House, current_house
from workers.queues import ring_books
from workers.settle import Settler, import_dead

log = logging.getLogger(__name__)

IDLE = 0.05
SLOW_ROUND = 1.0
"""Seconds between looks at what changes rarely: dead journals, unknown receipts, finished waves."""


class Books:
    """What the book-keeping process remembers between jobs."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._settler = Settler(house)
        self._slow_at = 0.0
        settings = house.settings
        self._policy = fold.Policy(
            settings.fold_chunks, settings.tries_max, settings.retry_first, house.times.retry_slot
        )

    def step(self) -> bool:
        """One round; whether there was anything to do."""
        busy = self._settler.load() > 0
        busy = self.fold() > 0 or busy
        if time.monotonic() - self._slow_at > SLOW_ROUND:
            self._slow_at = time.monotonic()
            busy = self._slow() or busy
        return busy

    def fold(self) -> int:
        """Fold what is there; how many chunks."""
        with self._house.begin() as conn:
            waves = fold.unfolded(conn)
        done = 0
        for wave in waves:
            with self._house.begin() as conn:
                done += fold.fold(conn, wave, self._policy)
        return done

    def _slow(self) -> bool:
        busy = import_dead(self._house) > 0
        busy = self._settler.rematch() > 0 or busy
        with self._house.begin() as conn:
            finished = fold.close_waves(conn)
        for wave in finished:
            log.info("wave %s is finished", wave)
        return busy


_books: list[Books] = []
_stopping = threading.Event()


def stop() -> None:
    """End the present job after its round; safe in a signal handler."""
    _stopping.set()


def keep() -> None:
    """Keep the books for one job's time, then ring for the next."""
    house = current_house()
    if not _books:
        _books.append(Books(house))
    until = time.monotonic() + house.times.job
    while time.monotonic() < until and not _stopping.is_set():
        try:
            busy = _books[0].step()
        except (psycopg.OperationalError, psycopg.errors.DeadlockDetected) as error:
            log.warning("books wait, the database is away: %s", type(error).__name__)
            busy = False
        if not busy:
            time.sleep(IDLE)
    if not _stopping.is_set():
        ring_books(house.redis)
