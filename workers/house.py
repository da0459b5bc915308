"""What the work stands on: put together once by dispatcher/assemble.py, reached by jobs through current_house()."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from campaigns.ledger.schema import begin
from campaigns.sealing import CampaignKeys, Keyring
from campaigns.terms import Account
from config.settings import Settings
from providers.base import Provider

if TYPE_CHECKING:
    from redis import Redis
    from sqlalchemy import Engine

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds that a rehearsal scales down; the real ones stand in the settings."""

    share: float = 3.0  # an account's licence is ours for so long without renewal
    retry_slot: float = 10.0  # retry batches are at most one per so much due time
    segment_age: float = 0.2  # a spool segment is handed on after this
    hold: float = 2.0  # a receipt whose answer is not in the log yet waits so long before it counts as unknown
    ring: float = 5.0
    breaker: float = 30.0  # a carrier that failed again and again is tried this seldom at most
    job: float = 30.0  # a job gives its worker back to RQ after this


@dataclass(slots=True)
class House:
    """Settings, database, Redis, keys and providers of this process."""

    settings: Settings
    database: str  # psycopg URL of the program's role
    engine: Engine
    redis: Redis
    keyring: Keyring
    accounts: Mapping[str, Account]
    build: Callable[[Account], Provider]
    callback_base: str  # "" when receipts cannot reach us by HTTP
    times: Times
    _keys: dict[str, CampaignKeys] = field(default_factory=dict)

    def begin(self) -> AbstractContextManager[psycopg.Connection]:
        """One transaction."""
        return begin(self.engine)

    def keys(self, campaign: str) -> CampaignKeys:
        """A campaign's keys, opened once a process."""
        if campaign not in self._keys:
            self._keys[campaign] = self.keyring.campaign(campaign)
        return self._keys[campaign]

    def folder(self, name: str) -> Path:
        """A folder of our own under the data folder: journals, spool."""
        path = self.settings.data / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path


_current: list[House] = []


def enter(house: House) -> None:
    """Make a house the one of this process."""
    _current[:] = [house]


def current_house() -> House:
    """The house of this process; only `dispatcher work` and the demo enter one."""
    if not _current:
        raise RuntimeError("no house: jobs run only in a worker started by `dispatcher work`")
    return _current[0]


def boot_id() -> str:
    """Which boot of this machine this is: a journal of another boot proves nothing about absence."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip().replace("-", "")
    except OSError:
        return ""  # proves nothing: see settle


def crash_point(name: str) -> None:
    """Named places where the drill kills or stops a worker (workers/crash.py reads CRASH_AT); nothing in production."""
    if os.environ.get("CRASH_AT", "").startswith(f"{name}:"):
        from workers import crash  # noqa: PLC0415 - only on the way out

        crash.pass_by(os.environ["CRASH_AT"])
