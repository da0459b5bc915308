"""The sweeper only rings: whatever Redis forgot, every few seconds; and for people, when something needs them."""

from __future__ import annotations

import logging
import threading

import psycopg
import redis

from campaigns.ledger import halts, shares
from workers.alerting import Alerter
from workers.asking import Asker
from workers.chasing import Chaser
from workers.house import House, crash_point
from workers.queues import ring_account, ring_books

log = logging.getLogger(__name__)


def sweep(house: House) -> int:
    """Ring every account with a due batch, and the book-keeper; how many rings."""
    with house.begin() as conn:
        if house.settings.kill_switch_file.exists():  # also while nobody sends: the file can only stop
            halts.stop(conn, halts.BY_FILE, "the file of the kill switch")
        accounts = shares.due_accounts(conn)
    crash_point("C10")
    return sum(ring_account(house.redis, account) for account in accounts) + ring_books(house.redis)


def run(house: House, stop: threading.Event) -> None:
    """Sweep until told to stop; a database or Redis that is away costs one round."""
    chaser, alerter, asker = Chaser(), Alerter(house), Asker(house)
    while not stop.is_set():
        try:
            sweep(house)
            chaser.look(house)
            alerter.look()
            asker.look()
        except (psycopg.OperationalError, redis.RedisError) as error:
            log.warning("sweeper: %s is away", type(error).__module__.split(".", maxsplit=1)[0])
        stop.wait(house.times.ring)
