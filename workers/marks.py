"""Which accounts are in trial, noted beside the journals too: a database that went back in time does not open them."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

from campaigns.ledger import trials
from workers.house import House

log = logging.getLogger(__name__)

FILE = "trials"


def keep(house: House) -> int:
    """Put accounts into trial again whose stay this database has lost, and note all that are; how many were lost.

    A mark goes only when the database says who let that very stay end. One process at a time: see restart.take_in.
    """
    file = house.folder("journals") / FILE
    marks = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    with house.begin() as conn:
        lost = trials.restore(conn, marks)
        now = trials.marks(conn)
    for account in lost:
        log.error("account %s is in trial again: the database was from before its trial", account)
    if now != marks:
        _write(file, now)
    return len(lost)


def _write(file: Path, marks: dict[str, str]) -> None:
    draft = file.with_suffix(".draft")
    with draft.open("w", encoding="utf-8") as out:
        json.dump(marks, out)
        out.flush()
        os.fsync(out.fileno())
    draft.rename(file)
