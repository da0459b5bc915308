"""What a drill is asked for, and what follows from it: times, accounts, blows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config import data as shipped
from config.settings import Settings
from dispatcher.assemble import REHEARSAL_TIMES
from providers.simulator.faults import Faults
from workers.house import Times

SENDER_POINTS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9")
OTHER_POINTS = {"work-sweeper": ("C10",), "api": ("C11", "C12"), "work-books": ("C13",)}
SHARES = {"sim-smpp": 0.77, "sim-esms": 0.20, "sim-twilio": 0.03}
"""How an invented list falls on the simulated accounts, about."""
FAULTS = Faults(
    latency=0.05, throttle=0.05, refuse=0.005, silent=0.003, error_after=0.01, receipt_delay=0.3, undelivered=0.03,
    repeat_receipt=0.05, contradict=0.01, late=0.01, repeat_answer=0.02,
)  # fmt: skip
"""What the simulated carriers do wrong: "not now", no, silence, errors after taking, answers late and twice."""
BLOW = 1.2
"""Seconds that one kill takes of a drill, about: several accounts recover at the same time."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Which blows fall; a sabotaged drill takes only those that matter to it."""

    points: tuple[str, ...] = (*SENDER_POINTS, *(point for points in OTHER_POINTS.values() for point in points))
    stops: tuple[float, ...] = (0.8, 1.4, 1.4, 4.5)  # lease times; the last one is beyond what supervisors allow
    stops_in_t1: int = 1
    zombies: int = 1
    flushes: int = 2
    valkey: int = 1
    postgres: int = 2
    pauses: int = 1
    lines: bool = True
    victims: tuple[str, ...] = ("books", "api", "sweeper")  # beside the senders
    senders: bool = True
    restore: bool = True


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for."""

    messages: int = 6000
    kills: int = 40
    seed: int = 1
    production_times: bool = False
    without: str = ""
    limit: float = 0.0  # seconds for everything; 0: in proportion to the messages and the kills
    mix: Mix = field(default_factory=Mix)
    faults: Faults = FAULTS

    @property
    def seconds(self) -> float:
        """How long the blows take, about."""
        outages = self.mix.postgres + self.mix.valkey + self.mix.pauses + 2 * self.mix.restore
        return 15.0 + self.kills * BLOW + 4.0 * outages + 2.0 * len(self.mix.stops)

    @property
    def within(self) -> float:
        """Seconds; a drill that is not at its end then has failed: three times what it takes on a quiet machine."""
        slower = 4.0 if self.production_times else 1.0  # each recovery may have to wait for a lease of a minute
        return self.limit or 60.0 + slower * (3.0 * self.seconds + self.messages / 50.0)

    def rate(self, account: str) -> float:
        """Messages a second of an account, such that it has work for about as long as the blows last.

        A sender that is killed again and again sends half the time; the last quarter is stretched where blows are left.
        """
        return max(1.0, self.messages * SHARES[account] / (0.45 * self.seconds))

    @property
    def batch_size(self) -> int:
        """Small enough that claims happen all the time."""
        return max(50, min(5_000, self.messages // 40))


def times(wishes: Wishes, settings: Settings) -> Times:
    """A drill's waits inside the workers; production's are the settings'."""
    return Times(ring=settings.sweeper) if wishes.production_times else replace(REHEARSAL_TIMES, job=3.0)


def patience(settings: Settings) -> dict[str, Any]:
    """How long adapters wait for an answer, scaled like the lease but never below what the slowest carrier takes."""
    return {"deadline": max(2.5, settings.total_deadline * settings.lease / 60)}


def overrides(account: str, wishes: Wishes, settings: Settings, segments: int, *, wide: bool) -> dict[str, Any]:
    """Settings of an account: as much on the wire at once as its rate needs, or as much as it likes (`wide`).

    An SMPP window holds at least one text of so many segments.
    """
    slots = max(1, round(wishes.rate(account) * FAULTS.latency))
    wait = patience(settings)["deadline"]
    if account == "sim-smpp":
        return {"window": 500 if wide else max(slots + 1, segments), "response_timeout": wait, "connect_timeout": 1.0}
    return {"connections": 32 if wide else slots, "deadline": wait}


def licences(wishes: Wishes, segments: int, *, wide: bool) -> dict[str, int]:
    """Segments a second: what makes the work last as long as the blows, then ten times that."""
    factor = 10.0 if wide else 1.0
    return {account: max(segments, round(wishes.rate(account) * segments * factor)) for account in SHARES}


def write_accounts(path: Path, chosen: dict[str, int]) -> Path:
    """The shipped carriers.toml with these licences."""
    text = shipped.CARRIERS.read_text(encoding="utf-8")
    for name, licence in chosen.items():
        text = re.sub(rf"(\[accounts\.{name}\][^\[]*?licence = )\d+", rf"\g<1>{licence}", text)
    path.write_text(text, encoding="utf-8")
    return path
