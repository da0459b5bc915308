"""What each protection is for: a drill without it must break the invariant it protects, or the drill proves nothing.

No production code knows of this: functions are replaced in the drill's parent before it forks, constraints and
functions in the drill's own database, by its owner.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import psycopg

from campaigns.ledger import recovery, sabotage, windows
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome
from dispatcher.drill.stage import Stage
from dispatcher.drill.wishes import FAULTS, Mix, Wishes
from workers import books, journal, journals
from workers.spool import Spool

QUIET = Mix(
    points=(), stops=(), stops_in_t1=0, zombies=0, flushes=0, valkey=0, postgres=0, pauses=0, lines=False, victims=(),
    restore=False,
)  # fmt: skip
SILENT = 0.4
"""Seconds without a line after which a journal without locks counts as a dead worker's."""
LATER = 0.7
"""Seconds after its answer that a receipt reaches the disk in a spool that does not keep its word."""


@dataclass(frozen=True, slots=True)
class Without:
    """One protection taken away."""

    breaks: str  # the invariant it protects
    why: str
    mix: Mix
    kills: int
    in_python: Callable[[], None] = lambda: None
    in_database: Callable[[psycopg.Connection, int], None] = lambda _conn, _wave: None


def wishes_of(name: str, wishes: Wishes) -> Wishes:
    """The small drill of one protection: only the blows that matter to it."""
    chosen = WITHOUT[name]
    faults = replace(FAULTS, contradict=0.2) if name == "rank" else FAULTS
    return replace(wishes, kills=chosen.kills, mix=chosen.mix, faults=faults)


def spoil_python(name: str) -> None:
    """Before anything is forked."""
    WITHOUT[name].in_python()


def spoil_database(name: str, stage: Stage, wave: Wave) -> None:
    """When the wave is planned and nothing is sent."""
    with psycopg.connect(stage.site.owner) as conn:
        WITHOUT[name].in_database(conn, wave.id)


def _no_journal() -> None:
    """What a dead worker had on the wire is believed not sent."""
    whole = journals._lines  # noqa: SLF001 - taken away on purpose

    def believed(*args: Any, **named: Any) -> list[Any]:
        return [
            (line[0], line[1], "closed", Outcome.NOT_SENT, line[4], line[5]) if line[3] is Outcome.UNCERTAIN else line
            for line in whole(*args, **named)
        ]

    setattr(journals, "_lines", believed)  # noqa: B010 - mypy would refuse the plain assignment


def _no_flock() -> None:
    """Whoever has written nothing for a moment counts as dead, stopped or not."""

    def dead(folder: Path) -> list[Path]:
        silent = time.time() - SILENT
        return [path for path in sorted(folder.glob(f"*{journal.SUFFIX}")) if path.stat().st_mtime < silent]

    def seal(path: Path) -> BinaryIO | None:
        return path.open("r+b") if path.exists() else None

    setattr(journal, "dead", dead)  # noqa: B010 - as above
    setattr(journal, "seal", seal)  # noqa: B010 - as above
    setattr(books, "SLOW_ROUND", 0.1)  # noqa: B010 - as above


def _no_lease() -> None:
    """Claims take batches that somebody holds."""
    claim = re.sub(r"AND \(b\.lease_until IS NULL OR b\.lease_until < clock_timestamp\(\)\)", "", windows.CLAIM)
    if claim == windows.CLAIM:
        raise ValueError("the claim does not look at leases any more: sabotage it otherwise")
    setattr(windows, "CLAIM", claim)  # noqa: B010 - as above


def _no_spool() -> None:
    """200 is said before anything is on the disk."""
    whole = Spool.store
    kept: set[asyncio.Task[None]] = set()

    async def later(self: Spool, events: Sequence[Any]) -> None:
        await asyncio.sleep(LATER)
        await whole(self, events)

    async def store(self: Spool, events: Sequence[Any]) -> None:
        task = asyncio.get_running_loop().create_task(later(self, list(events)))
        kept.add(task)
        task.add_done_callback(kept.discard)

    setattr(Spool, "store", store)  # noqa: B010 - as above


def _no_incarnation() -> None:
    """Nobody looks whether the database went back in time."""
    setattr(recovery, "begin_restoring", lambda _conn, _why: False)  # noqa: B010 - as above


WITHOUT: dict[str, Without] = {
    "journal": Without("I3", "what the dead had on the wire is believed not sent",
                       replace(QUIET, points=("C5", "C6")), 10, in_python=_no_journal),
    "flock": Without("I3", "a stopped writer counts as dead",
                     replace(QUIET, stops=(0.5,) * 8), 1, in_python=_no_flock),
    "lease": Without("I6", "T1 and claims do not look at leases", QUIET, 2,
                     in_python=_no_lease, in_database=lambda conn, _: sabotage.no_lease(conn)),
    "exclusion": Without("I2", "windows may overlap", QUIET, 2,
                         in_database=lambda conn, _: sabotage.no_exclusion(conn)),
    "rank": Without("I7", "the latest receipt wins, not the strongest", QUIET, 1,
                    in_database=sabotage.no_rank),
    "spool": Without("I8", "200 is said before anything is on the disk",
                     replace(QUIET, victims=("api",), senders=True), 8, in_python=_no_spool),
    "incarnation": Without("I14", "nobody looks whether the database went back in time",
                           replace(QUIET, restore=True), 1, in_python=_no_incarnation),
}  # fmt: skip
