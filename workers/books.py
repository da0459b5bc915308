"""The book-keeper: receipts in, journals of the dead in, folded, waves finished. One process, rung like a sender."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import psycopg

from campaigns.ledger import fold, late, recovery, stops
from workers.alarm import Alarm
from workers.house import House, current_house
from workers.queues import ring_account, ring_books
from workers.restart import take_in
from workers.settle import Settler

log = logging.getLogger(__name__)

IDLE = 0.05
QUIET = 0.3
"""Seconds without a new chunk after which a wave is folded at once. A busy one pauses for 0.1 s again and again."""
GATHER = 1.1
"""Seconds that answers of a busy wave may wait: a message's answer and its receipt then move it together."""
SLICE = 0.3
"""Seconds that receipts may wait, and of answers that are folded at a time."""
SLOW_ROUND = 1.0
"""Seconds between looks at what changes rarely: dead journals, unknown receipts, finished waves."""


def throttle_codes(house: House) -> tuple[str, ...]:
    """Answers of any account's carrier that mean "not now, too fast"."""
    ours = [account for account in house.accounts.values() if account.enabled]
    return tuple(sorted({code for account in ours for code in house.build(account).capability.throttle_codes}))


class Books:
    """What the book-keeping process remembers between jobs."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._settler = Settler(house)
        self._alarm = Alarm(house)
        self._slow_at = 0.0
        self._incarnation = 0
        settings = house.settings
        self._policy = fold.Policy(
            settings.fold_chunks, settings.tries_max, settings.retry_first, house.times.retry_slot, settings.retry_most,
            throttle_codes(house), settings.throttled_tries, settings.throttled_first,
        )  # fmt: skip

    def step(self) -> bool:
        """One round of everything; whether there was anything to do."""
        busy = _try(self._settler.load)
        busy = self._fold_some() or busy
        return self._now_and_then() or busy

    def keep(self, over: Callable[[], bool]) -> None:
        """Round after round until it is over; the fold in a thread of its own, for both wait for the disk."""
        folding = threading.Thread(target=_again, args=(self._fold_some, over), name="fold")
        folding.start()
        _again(lambda: _try(self._settler.load) | self._now_and_then(), over)
        folding.join()

    def _fold_some(self) -> bool:
        return _try(lambda: self.fold(gather=True))

    def _now_and_then(self) -> bool:
        if time.monotonic() - self._slow_at <= SLOW_ROUND:
            return False
        self._slow_at = time.monotonic()
        duties = (self._take_in, self._settler.rematch, self._alarm.look, self._close, self._fail_over)
        busy = [_try(duty) for duty in duties]
        return any(busy)

    def _take_in(self) -> int:
        """Journals of the dead; what was remembered of a database that went back in time is forgotten."""
        done = take_in(self._house)
        with self._house.begin() as conn:
            now = recovery.incarnation(conn)
        if now != self._incarnation:
            self._incarnation, self._settler = now, Settler(self._house)
        return done

    def finish(self) -> None:
        """Before the process ends: what waits for an answer is stored, or it would be loaded twice."""
        _try(lambda: self._settler.load(wait=False))

    def fold(self, *, gather: bool = False) -> int:
        """Fold what is there; how many chunks. `gather`: leave alone the young answers of what still grows."""
        with self._house.begin() as conn:
            waiting = fold.unfolded(conn)
        done = 0
        for each in waiting:
            all_of_it = not gather or each.newest >= QUIET
            if all_of_it or each.oldest >= GATHER or each.receipts >= SLICE:
                with self._house.begin() as conn:
                    done += fold.fold(conn, each.wave, self._policy, 0.0 if all_of_it else GATHER - SLICE)
        return done

    def _fail_over(self) -> int:
        """What waits on an account that cannot send goes on along its route."""
        with self._house.begin() as conn:
            conn.execute("SET LOCAL lock_timeout = '1s'")
            moved = stops.fail_over(conn, self._house.settings.failover_after)
        for each in moved:
            log.warning("wave %s, %s: %d messages go from %s to %s", each.wave, each.carrier, each.messages, each.was,
                        each.became)  # fmt: skip
            ring_account(self._house.redis, each.became)
        return len(moved)

    def _close(self) -> int:
        with self._house.begin() as conn:
            conn.execute("SET LOCAL lock_timeout = '1s'")  # a worker inside T1 holds its wave: come again
            late.see(conn)
            finished = fold.close_waves(conn)
        for wave in finished:
            log.info("wave %s is finished", wave)
        return len(finished)


def _try(duty: Callable[[], int]) -> bool:
    """Do one duty; one that fails is told and must not keep the others from theirs."""
    try:
        return duty() > 0
    except (psycopg.OperationalError, psycopg.errors.DeadlockDetected) as error:
        log.warning("books wait, the database is away: %s", type(error).__name__)
    except Exception:
        log.exception("a duty of the books failed; it is tried again")
        time.sleep(IDLE)
    return False


def _again(step: Callable[[], bool], over: Callable[[], bool]) -> None:
    while not over():
        if not step():
            time.sleep(IDLE)


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
    _books[0].keep(lambda: time.monotonic() >= until or _stopping.is_set())
    if _stopping.is_set():
        _books[0].finish()
    else:
        ring_books(house.redis)
