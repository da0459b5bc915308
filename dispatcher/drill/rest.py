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
    overrun: bool = False  # the drill's limit ended it
    open: unrest.Unrest | None = None  # at the last look; None: the database did not answer


def wait(stage: Stage, house: House, wave: Wave, turn: Callable[[], None], limit: float) -> Rested:
    """Until the wave is at rest and its receipts are in, nothing has moved for too long, or the limit is reached.

    `limit`: on the monotonic clock.
    """
    began = news = time.monotonic()
    last: counts.Live | None = None
    still = 0
    patience = max(NO_PROGRESS, 3 * stage.settings.lease)
    left: unrest.Unrest | None = None
    while True:
        until = time.monotonic() + LOOK
        while time.monotonic() < until:
            turn()
        left = None
        with suppress(psycopg.OperationalError), house.begin() as conn:
            left = unrest.unrest(conn, wave.id)
            calm = not any(left) and waves.get(conn, wave.id).state == "finished"
            now = counts.live(conn, wave.id)
            still = still + 1 if calm else 0
            last, news = (last, news) if now == last else (now, time.monotonic())
        quiet = time.monotonic() - news
        if still > 1 and (quiet > QUIET or (_told(stage) and _nothing_open(last))):
            return Rested(at_rest=True, counts=last, seconds=time.monotonic() - began)
        over = time.monotonic() > limit
        if quiet > patience or over:
            return Rested(still > 1, last, time.monotonic() - began, overrun=over and still <= 1, open=left)


def look(house: House, wave: Wave) -> unrest.Unrest | None:
    """What is open now; None when the database does not answer."""
    with suppress(psycopg.OperationalError), house.begin() as conn:
        return unrest.unrest(conn, wave.id)
    return None


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
