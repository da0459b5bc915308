"""The end of a drill: only when nothing can move any more, asked twice, and what the carriers told has come in."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

from campaigns.ledger import counts, unrest, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import State
from dispatcher.drill.stage import Stage
from providers.simulator.truth import read_acknowledged, read_taken
from workers.house import House

LOOK = 0.3
"""Seconds between two questions."""
QUIET = 10.0
"""Seconds without any news after which what is open stays open: a receipt that never comes, an unknown for ever."""
NO_PROGRESS = 60.0
"""Seconds without any news after which an unfinished wave will never be finished (production times: three leases)."""


@dataclass(frozen=True, slots=True)
class Rested:
    """How it ended."""

    at_rest: bool  # no open window, then no due retry, then no unfolded chunk, twice
    counts: counts.Live | None
    seconds: float


def wait(stage: Stage, house: House, wave: Wave, turn: Callable[[], None]) -> Rested:
    """Until the wave is at rest and its receipts are in, or nothing has moved for too long."""
    began = news = time.monotonic()
    last: counts.Live | None = None
    still = 0
    patience = max(NO_PROGRESS, 3 * stage.settings.lease)
    while True:
        until = time.monotonic() + LOOK
        while time.monotonic() < until:
            turn()
        with suppress(psycopg.OperationalError), house.begin() as conn:
            calm = not any(unrest.unrest(conn, wave.id)) and waves.get(conn, wave.id).state == "finished"
            now = counts.live(conn, wave.id)
            still = still + 1 if calm else 0
            last, news = (last, news) if now == last else (now, time.monotonic())
        quiet = time.monotonic() - news
        if still > 1 and (quiet > QUIET or (_told(stage) and _nothing_open(last))):
            return Rested(at_rest=True, counts=last, seconds=time.monotonic() - began)
        if quiet > patience:
            return Rested(at_rest=still > 1, counts=last, seconds=time.monotonic() - began)


def _nothing_open(now: counts.Live | None) -> bool:
    """No message waits for its receipt. Unknown ones are given their time: QUIET."""
    return now is not None and now.of(State.ACCEPTED) + now.of(State.UNCERTAIN) == 0


def _told(stage: Stage) -> bool:
    """Whether our side has acknowledged a receipt of each message that carriers took, and the spool is empty."""
    for account in stage.accounts():
        path = stage.truths / f"{account}.log"
        known = read_acknowledged(path)
        if any(line.message_id not in known for line in read_taken(path) if line.part == line.parts):
            return False
    return not any((stage.settings.data / "spool").glob("*.seg"))
