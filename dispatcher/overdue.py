"""Workers that stopped without dying: whoever holds a lease that ended one lease time ago is killed.

A stopped process keeps the lock of its journal, so its windows stay as they are until it dies or answers (ledger:
section 5); its parent decides, for it can start another. Asked of the database on a connection of a moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import psycopg

from campaigns.ledger import shares

log = logging.getLogger(__name__)

TWICE = 2  # looks in a row: after an outage of the database a living worker first lets go of what it lost


class Overdue:
    """Remembers who looked stopped; used by one thread."""

    def __init__(self, database: str, lease: float) -> None:
        self._database, self._lease = database, lease
        self._next = 0.0
        self._seen: dict[str, int] = {}

    def names(self, forked: Mapping[str, float]) -> list[str]:
        """Accounts whose worker is to be killed; `forked`: account -> when its process began, monotonic seconds."""
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + self._lease / 4
        silent = {name for name, age in self._silent().items() if name in forked and now - forked[name] > age}
        self._seen = {name: self._seen.get(name, 0) + 1 for name in silent}
        return [name for name, looks in self._seen.items() if looks >= TWICE]

    def _silent(self) -> dict[str, float]:
        try:
            with psycopg.connect(self._database, connect_timeout=1, autocommit=True) as conn:
                return shares.overdue(conn, self._lease)
        except psycopg.Error as error:
            log.warning("leases cannot be looked at: %s", type(error).__name__)
            return {}
