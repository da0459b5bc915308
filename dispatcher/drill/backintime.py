"""I14: a backup at 30 %, the database set back to it at 70 %, one worker stopped through it (F21, F22)."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psycopg

from campaigns.ledger import recovery, waves
from campaigns.ledger.waves import Wave
from dispatcher import backup, failover
from dispatcher.drill.begin import AUTHOR
from dispatcher.drill.marks import Marks
from dispatcher.drill.stage import Stage
from workers.house import House

COPIED, SET_BACK = 0.3, 0.7
LOCKED_WITHIN = 15.0
"""Seconds after which a database that went back in time must have been noticed by somebody."""
WATCHED = 2.0
"""Seconds of the lock in which nothing may be sent."""
PATIENCE = 30.0

Kill = Callable[[], None]


def go_back(
    stage: Stage,
    house: House,
    wave: Wave,
    marks: Marks,
    calm: Callable[[], bool],
    stop: Callable[[], Kill],
) -> Iterator[float]:
    """The whole story.

    `calm` asks the other blows to end and says whether they have; `stop` stops a sender and answers with its death.
    """
    file = stage.settings.data / "backup.tar"
    while marks.taken() < COPIED * wave.n:
        yield 0.05
    yield from _back_up(stage, file, marks)
    if not file.exists():
        return
    while marks.taken() < SET_BACK * wave.n:
        yield 0.05
    while not calm():
        yield 0.05
    kill = stop()
    marks.set_back_at = time.time()
    failover.fail_over(stage.site, file)
    marks.blows["database set back"] += 1
    yield from _locked(house, marks)
    kill()
    yield from _until(lambda: _locks(house) == [], PATIENCE)
    marks.gone_on_at = time.time()
    with suppress(psycopg.OperationalError), house.begin() as conn:
        if waves.get(conn, wave.id).state == "paused":
            waves.move(conn, wave.id, AUTHOR, "resume", "diễn tập")


def _back_up(stage: Stage, file: Path, marks: Marks) -> Iterator[float]:
    """In a child, while all goes on; a server that dies meanwhile costs another try."""
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for path in (file, backup.keys_file(file)):
                    path.unlink(missing_ok=True)
                backup.back_up(stage.site, file)
                code = 0
            except Exception as error:  # noqa: BLE001 - a server that died, most likely; told, then tried again
                sys.stderr.write(f"a backup failed: {type(error).__name__}: {error}\n")
            finally:
                os._exit(code)
        while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
            yield 0.05
        if ended[1] == 0:
            marks.blows["backup"] += 1
            return
        yield 1.0
    marks.broken.append("I14: no backup could be made")


def _locked(house: House, marks: Marks) -> Iterator[float]:
    """Sending must be refused until the stopped worker, whose journal nobody can read, is dead."""
    locked: list[bool] = []
    yield from _until(lambda: bool(_locks(house)), LOCKED_WITHIN, locked)
    if not locked[-1]:
        marks.broken.append("I14: nobody noticed that the database went back in time")
        return
    yield 0.5  # what was on the wire arrives
    before = marks.taken_bytes()
    yield WATCHED
    if before != marks.taken_bytes():
        marks.broken.append("I14: something was sent while a stopped worker's journal was missing")


def _until(true: Callable[[], bool], seconds: float, answer: list[bool] | None = None) -> Iterator[float]:
    until = time.monotonic() + seconds
    while not (found := true()) and time.monotonic() < until:
        yield 0.05
    if answer is not None:
        answer.append(found)


def _locks(house: House) -> list[str] | None:
    with suppress(psycopg.OperationalError), house.begin() as conn:
        return recovery.locks(conn)
    return None
