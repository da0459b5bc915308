"""For rehearsals: an older copy of the database takes its place while everybody works, as a lagging standby would.

Nothing is marked and nobody is asked: that the database went back in time is for the workers to find out.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg

from campaigns.ledger import copies, recovery, waves
from campaigns.ledger.waves import Wave
from config import servers
from dispatcher import archives, backup, dump
from dispatcher.assemble import Site
from dispatcher.backup import DATABASE
from workers.house import House

AS_OWNER = "SET ROLE dispatcher_owner;\n"
CUT = f"RESET ROLE; {copies.END_SESSIONS} COMMIT;"
"""All lines are cut before anybody sees the older state, as when a server dies."""


def fail_over(site: Site, older: Path) -> None:
    """Put the database of a backup in the place of the embedded one."""
    if not site.rehearsal:
        raise ValueError("only a rehearsal's database may be set back")
    archive = archives.opened(older)
    url = servers.superuser(site.settings.data)
    with psycopg.connect(url) as conn:
        major = copies.server_version(conn)
    with tempfile.TemporaryDirectory(dir=older.parent) as place:
        file = Path(place) / DATABASE
        archive.copy(DATABASE, file)
        dump.pour(url, file, before=copies.END_SESSIONS + copies.BEFORE + AS_OWNER, after=CUT, version=major)


@dataclass(frozen=True, slots=True)
class Points:
    """At which part of the messages handed to the carriers something is done."""

    backup: float = 0.3
    stop: float = 0.5
    back: float = 0.7


@dataclass(slots=True)
class GoBack:
    """The whole story once: backup, a worker stopped, the older copy in place, its death, the wave resumed.

    `part` says how much of the wave the carriers took; `turn` is called while there is nothing to do.
    """

    site: Site
    house: House
    wave: Wave
    file: Path
    part: Callable[[], float]
    turn: Callable[[], None]
    points: Points = Points()
    patience: float = 20.0

    def run(self, stopped: int) -> bool:
        """Stop this process in the middle of it; whether sending was locked until it was dead."""
        self._until(lambda: self.part() >= self.points.backup)
        backup.back_up(self.site, self.file)
        self._until(lambda: self.part() >= self.points.stop)
        os.kill(stopped, signal.SIGSTOP)
        self._until(lambda: self.part() >= self.points.back)
        fail_over(self.site, self.file)
        locked = self._until(lambda: bool(self._locks()))
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGKILL)
        self._until(lambda: not self._locks())
        with self.house.begin() as conn:
            if waves.get(conn, self.wave.id).state == "paused":
                waves.move(conn, self.wave.id, self.wave.author, "resume", "rehearsed")
        return locked

    def _locks(self) -> list[str]:
        with self.house.begin() as conn:
            return recovery.locks(conn)

    def _until(self, true: Callable[[], bool]) -> bool:
        until = time.monotonic() + self.patience
        while time.monotonic() < until:
            if true():
                return True
            self.turn()
            time.sleep(0.01)
        return False
