"""Before the first worker of a machine starts: journals of the dead are imported, and the database is ours.

`incarnation` is one random value in the database and in a file beside the journals. When they differ, the database
was restored, copied or failed over: all waves start paused (ledger: section 6).
"""

from __future__ import annotations

import logging
import os
import secrets
from pathlib import Path

from campaigns.ledger import recovery
from workers.house import House
from workers.journals import import_dead, newer_than_database

log = logging.getLogger(__name__)

FILE = "incarnation"


def begin_sending(house: House) -> bool:
    """Import, compare, renew; False when the database is another one and its waves were paused."""
    import_dead(house)
    file = house.folder("journals") / FILE
    known = _read(file)
    with house.begin() as conn:
        now = recovery.incarnation(conn)
        ours = now in known if known else not recovery.has_sent(conn)
        if not ours:
            recovery.pause_all(conn, "the database was restored or copied: look before going on")
            log.error("this database is not the one of the journals: all waves are paused")
        fresh = secrets.randbits(62)
        _write(file, [now, fresh])  # both, so that a death between here and the commit looks like neither
        recovery.set_incarnation(conn, fresh)
    _write(file, [fresh])
    if not ours:
        newer_than_database(house)
    return ours


def _read(file: Path) -> list[int]:
    return [int(word) for word in file.read_text(encoding="ascii").split()] if file.exists() else []


def _write(file: Path, values: list[int]) -> None:
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="ascii") as out:
        out.write(" ".join(map(str, values)))
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
