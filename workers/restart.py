"""Before a worker starts and while it works: journals of the dead are imported, and the database is ours.

`incarnation` is one random value in the database and in a file beside the journals. When they differ, or a journal
knows more than the database, it was restored, copied or failed over: all waves are paused and sending is locked until
every journal is in it (ledger: section 6). A stopped worker holds its journal: its death, or its end, is waited for.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
from pathlib import Path

import psycopg

from campaigns.ledger import recovery
from workers import journals, marks, spool
from workers.house import House

log = logging.getLogger(__name__)

FILE = "incarnation"


def begin_sending(house: House) -> bool:
    """Compare, renew, import; False when the database is another one and its waves were paused."""
    file = house.folder("journals") / FILE
    known = _read(file)
    with house.begin() as conn:
        now = recovery.incarnation(conn)
        ours = (now in known if known else not recovery.has_sent(conn)) and not recovery.restoring(conn)
        if not ours:
            _begin_restoring(conn, "the database is not the one of the journals")
        fresh = secrets.randbits(62)
        _write(file, [now, fresh])  # both, so that a death between here and the commit looks like neither
        recovery.set_incarnation(conn, fresh)
    _write(file, [fresh])
    take_in(house)
    return ours


def take_in(house: House) -> int:
    """Import what the dead left; a database that turns out older is locked here, and unlocked when all is in it.

    One process at a time: whoever waits here finds what was unknown before told to the database.
    """
    with (house.folder("journals") / ".import").open("a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _take_in(house)


def _take_in(house: House) -> int:
    marks.keep(house)
    missed, ahead = journals.strangers(house), journals.ahead(house)
    if missed or ahead:
        why = f"journal {missed[0]} was taken in by a newer database" if missed else _why(ahead)
        with house.begin() as conn:
            _begin_restoring(conn, why)
    done = journals.import_dead(house)
    with house.begin() as conn:
        restoring = recovery.restoring(conn)
    if restoring:
        done += journals.import_put_away(house, journals.strangers(house))
        _end_restoring(house)
    return done


def _why(name: str) -> str:
    return f"a window of journal {name} is not in this database"


def _begin_restoring(conn: psycopg.Connection, why: str) -> None:
    if recovery.begin_restoring(conn, why):
        log.error("sending is locked, all waves are paused: %s", why)


def _end_restoring(house: House) -> None:
    """Lift the lock when no journal is left out; else say which ones it waits for."""
    with house.begin() as conn:
        now = recovery.incarnation(conn)
        waits = journals.living(house, now)
        if waits:
            if recovery.lock_sending(conn, f"{recovery.RESTORE} waits for the writer of {', '.join(waits)} to end"):
                log.warning("sending stays locked until the writer of %s has ended", ", ".join(waits))
            return
        holes = journals.close_holes(house, conn)
        again = spool.bring_back(house.folder("spool"), 0.0)  # only the newer database had them; twice is harmless
        recovery.end_restoring(conn)
        _write(house.folder("journals") / FILE, [now])
    log.warning("all journals are in: sending is unlocked, waves wait for a person (%d holes, %d spool segments)",
                holes, again)  # fmt: skip


def _read(file: Path) -> list[int]:
    return [int(word) for word in file.read_text(encoding="ascii").split()] if file.exists() else []


def _write(file: Path, values: list[int]) -> None:
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="ascii") as out:
        out.write(" ".join(map(str, values)))
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
