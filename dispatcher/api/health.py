"""Whether this process has what it stands on."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

import psycopg
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from campaigns.ledger import schema
from dispatcher.callbacks import spool_writable
from workers import spool
from workers.house import House

FRESH = 1.0
"""Seconds an answer is given again: nobody outside can make us ask the database more often."""


@dataclass(slots=True)
class Health:
    """Looks at database, schema, Redis and spool."""

    house: House
    _at: float = -FRESH
    _last: dict[str, bool] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def checks(self, now: float) -> dict[str, bool]:
        """What is there, by name."""
        with self._lock:
            if now - self._at >= FRESH or not self._last:
                self._last, self._at = self._look(), now
            return self._last

    def _look(self) -> dict[str, bool]:
        version = self._schema()
        return {
            "database": version is not None,
            "schema": version == schema.HEAD,
            "redis": self._redis(),
            "spool": spool_writable(self.house),
            "spool_read": self._spool_read(),
        }

    def _schema(self) -> str | None:
        """The schema's version, "" for an empty database, None when it does not answer."""
        try:
            return schema.version(self.house.database) or ""
        except (psycopg.Error, SQLAlchemyError):
            return None

    def _redis(self) -> bool:
        try:
            return bool(self.house.redis.ping())
        except RedisError:
            return False

    def _spool_read(self) -> bool:
        """Whether the loader keeps up: an old segment is kept and grows no smaller by refusing more."""
        return spool_age(self.house) <= self.house.settings.spool_age


def spool_age(house: House) -> float:
    """Seconds that the oldest event has waited for the loader; 0 when none waits."""
    oldest = now = time.time()
    for path in house.folder("spool").glob(f"*{spool.READY}"):
        with suppress(FileNotFoundError):  # loaded just now
            oldest = min(oldest, path.stat().st_mtime)
    return now - oldest
