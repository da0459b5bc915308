"""How an account's carrier is doing, as one worker sees it: its breaker, and what its answers stopped."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import psycopg

from campaigns.ledger import stops
from campaigns.ledger.windows import Batch
from providers.errors import Misconfigured
from workers.breaker import Breaker, State
from workers.throttle import Rate

log = logging.getLogger(__name__)

Telling = Callable[[psycopg.AsyncConnection[Any]], Any]


class Health:
    """What is found here is told to the ledger by `tell`, before the next batch is claimed."""

    def __init__(self, account: str, rate: Rate, most: float) -> None:
        self._account, self._rate = account, rate
        self.breaker = Breaker(most=most)
        self._untold: list[Telling] = []

    @property
    def state(self) -> State:
        """Of the breaker, now."""
        return self.breaker.state(time.monotonic())

    def heard(self, good: int, bad: int, code: str) -> None:
        """So many answers of a carrier that works, and so many that say nothing or were never heard."""
        was = self.breaker.code
        if self.breaker.told(good, bad, code, time.monotonic()):
            self._opened()
        elif was and not self.breaker.code:
            log.warning("account %s: its carrier answers again", self._account)
            self._untold.append(lambda conn: stops.note(conn, "breaker.close", self._account, code=was))

    def fell(self, code: str) -> None:
        """The carrier cannot be used now."""
        if self.breaker.fell(code, time.monotonic()):
            self._opened()

    def _opened(self) -> None:
        code, wait = self.breaker.code, self.breaker.next_try - time.monotonic()
        log.warning("account %s: %s; next try in %.1f s", self._account, code, wait)
        self._untold.append(
            lambda conn: stops.note(conn, "breaker.open", self._account, code=code, seconds=round(wait, 1))
        )

    def stop(self, error: Misconfigured, batch: Batch | None) -> bool:
        """What the carrier refuses of us stops until a person has mended it; False when that is all of the account."""
        scope = error.scope if batch is not None else "account"
        carrier, wave = (batch.carrier, batch.wave) if batch is not None else (0, 0)

        async def tell(conn: psycopg.AsyncConnection[Any]) -> None:
            if await stops.stop(conn, self._account, scope, error.code, error.detail, carrier=carrier, wave=wave):
                log.error("account %s: %s stopped by %s (%s): mend it, then `dispatcher account open %s`",
                          self._account, scope, error.code, error.detail, self._account)  # fmt: skip

        self._untold.append(tell)
        return scope != "account"

    async def tell(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """Into the ledger; what cannot be told now is told later."""
        while self._untold:
            await self._untold[0](conn)
            self._untold.pop(0)

    def says(self) -> dict[str, object]:
        """For people, and for the failover: seconds that it is down, and when it is tried again."""
        now, state = time.monotonic(), self.state
        down = state is State.OPEN
        return {
            "breaker": state.value,
            "code": self.breaker.code,
            "down": round(now - self.breaker.since, 1) if down else 0.0,
            "next_try": round(time.time() + self.breaker.next_try - now, 1) if down else 0.0,
            "pace": round(self._rate.pace.rate, 3),
            "eased": round(self._rate.ease.part(now), 3),
            "left_alone_until": round(time.time() + max(0.0, self._rate.ease.not_before - now), 1)
            if self._rate.ease.not_before > now
            else 0.0,
        }
