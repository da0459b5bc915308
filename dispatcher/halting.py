"""How long a stop took and what was on its way: asked of the workers themselves, told to whoever pressed STOP."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import psycopg

from campaigns.ledger import audit, figures, halts, people
from campaigns.ledger.halts import Hearing
from workers.house import House
from workers.watch import STALE

LOOK = 0.02
"""Seconds between two looks."""
LONGEST = STALE + 0.5
"""A worker that has not told by then sends nothing by its own rule: its last look is too old."""


@dataclass(frozen=True, slots=True)
class Halted:
    """What a stop led to."""

    seconds: float  # until the last worker had told that it sends no more; at most, for its word was on its way
    on_wire: int  # messages that had left and had no answer; they settle by themselves
    waiting: int  # messages that never left
    unheard: int  # workers that told nothing: they stop by themselves within STALE of their last look


WAVE, ALL = "wave.halted", "sending.halted"
"""How the record calls what a stop led to: with its seconds and counts, for all who look later."""


LATER = {WAVE: ("wave.pause", "wave.resume"), ALL: ("sending.stop",)}
"""Acts after which the figures of a stop before them are of another stop: a pause without a person, too."""


def noted(house: House, login: str, wave: int, since: float) -> Halted:
    """`halted`, and written into the record."""
    found = halted(house, wave, since)
    with house.begin() as conn:
        people.record(conn, login, WAVE, str(wave), **_facts(found))
    return found


def all_noted(house: House, login: str, since: float) -> Halted:
    """`all_halted`, and written into the record."""
    found = all_halted(house, since)
    with house.begin() as conn:
        people.record(conn, login, ALL, "installation", **_facts(found))
    return found


def _facts(found: Halted) -> dict[str, float]:
    return asdict(found) | {"seconds": round(found.seconds, 2)}


def told(conn: psycopg.Connection, act: str, subject: str) -> tuple[datetime, Halted] | None:
    """What the newest stop of a wave, or of all sending, led to; None where nobody has waited for that one."""
    found = audit.newest(conn, (act, *LATER[act]), subject)
    return (found.at, Halted(**found.details)) if found and found.act == act else None


def halted(house: House, wave: int, since: float) -> Halted:
    """Wait until a wave's pause or cancel is in force everywhere; `since` is time.monotonic() before the act."""
    with house.begin() as conn:
        least = halts.stop_number(conn)
    hearings, seconds = _all(house, lambda worker: worker.heard >= least, since)
    with house.begin() as conn:
        waiting = sum(each.waiting for each in figures.standing(conn, wave))
    on_wire = sum(each.wire.get(str(wave), 0) for each in hearings)
    return Halted(seconds, on_wire, waiting, sum(worker.heard < least for worker in hearings))


def all_halted(house: House, since: float) -> Halted:
    """Wait until the kill switch is in force everywhere."""
    hearings, seconds = _all(house, lambda worker: worker.locked, since)
    on_wire = sum(sum(each.wire.values()) for each in hearings)
    return Halted(seconds, on_wire, 0, sum(not worker.locked for worker in hearings))


def _all(house: House, heard: Callable[[Hearing], bool], since: float) -> tuple[Sequence[Hearing], float]:
    while True:
        with house.begin() as conn:
            found = halts.hearings(conn)
        seconds = time.monotonic() - since
        if all(map(heard, found)) or seconds > LONGEST:
            return found, seconds
        time.sleep(LOOK)
