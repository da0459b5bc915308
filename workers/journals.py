"""Journals of dead workers: sealed, imported into the log, put away. What only they know locks all sending."""

from __future__ import annotations

import contextlib
import logging
import socket
from pathlib import Path

from campaigns.ledger import logbook, recovery
from campaigns.ledger.logbook import Line
from campaigns.ledger.recovery import OpenWindow
from campaigns.terms import Outcome
from workers import journal
from workers.house import House, boot_id
from workers.journal import Sealed, Told

log = logging.getLogger(__name__)

PUT_AWAY = "sealed"


def import_dead(house: House) -> int:
    """Import every journal whose writer is dead; how many."""
    folder = house.folder("journals")
    done = 0
    for path in journal.dead(folder):
        sealed = _sealed(path)
        if sealed is not None and _import(house, sealed):
            _put_away(path)
            done += 1
    return done + _import_missing(house, folder)


def _sealed(path: Path) -> Sealed | None:
    """What a dead journal says; an unreadable one proves nothing, so all of its open windows become uncertain."""
    try:
        return journal.seal(path)
    except (ValueError, KeyError, IndexError):
        log.exception("journal %s cannot be read: its open windows are uncertain", path.name)
        return Sealed(path.name, "", 0, 0)


def _import(house: House, sealed: Sealed) -> bool:
    """One transaction; False when the journal knows more than the database: then all sending is locked."""
    with house.begin() as conn:
        if newer := recovery.unknown_windows(conn, set(sealed.windows)):
            why = f"journal {sealed.name} names {len(newer)} windows that this database lacks"
            if recovery.lock_sending(conn, why):
                log.error("sending is locked: %s", why)
            return False
        uncertain = 0
        for window in recovery.open_windows(conn, sealed.name):
            told = sealed.windows.get(window.id)
            lines = _lines(window, told, proof=bool(sealed.boot) and sealed.boot == boot_id())
            uncertain += sum(1 for line in lines if line[3] == Outcome.UNCERTAIN)
            logbook.append(conn, window.wave, lines, [window.id])
        recovery.void_leases(conn, sealed.worker, sealed.claims)
        recovery.imported(conn, sealed.name, len(sealed.windows), uncertain)
    log.info("journal %s imported: %d windows, %d uncertain", sealed.name, len(sealed.windows), uncertain)
    return True


def _lines(window: OpenWindow, told: Told | None, *, proof: bool) -> list[Line]:
    """What became of each index without a line: heard, on the wire, or never sent (only with proof of absence)."""
    heard = told.heard if told else {}
    sent = {idx for lo, hi in (told.sent if told else ()) for idx in range(lo, hi)}
    lines: list[Line] = []
    for idx in range(window.lo, window.hi):
        if idx in window.logged:
            continue
        if window.skipped(idx):
            lines.append((window.id, idx, "closed", Outcome.SKIPPED, "~listed", ""))
        elif idx in heard:
            answer = heard[idx]
            lines.append((window.id, idx, "answer", answer.outcome, answer.code, answer.provider_ref))
        elif idx in sent or not proof:
            lines.append((window.id, idx, "answer", Outcome.UNCERTAIN, "~crash", ""))
        else:
            lines.append((window.id, idx, "closed", Outcome.NOT_SENT, "~crash", ""))
    return lines


def _put_away(path: Path) -> None:
    sealed = path.parent / PUT_AWAY
    sealed.mkdir(mode=0o700, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):  # another book-keeper was faster
        path.rename(sealed / path.name)


def _import_missing(house: House, folder: Path) -> int:
    """Open windows of this host whose journal is not at work: read again where it was put away, else all uncertain."""
    with house.begin() as conn:
        named = recovery.journals_of_open_windows(conn)
    ours = [name for name in named if name.rsplit("-", 1)[0] == socket.gethostname()]
    gone = [name for name in ours if not (folder / name).exists()]
    for name in gone:
        kept = folder / PUT_AWAY / name  # a commit of its dying worker came after the import
        if not kept.exists():
            log.error("journal %s is gone: its open windows are uncertain", name)
        _import(house, (_sealed(kept) if kept.exists() else None) or Sealed(name, "", 0, 0))
    return len(gone)


def newer_than_database(house: House) -> bool:
    """Whether a journal that was put away knows windows that this database lacks; sending is locked then."""
    for path in sorted((house.folder("journals") / PUT_AWAY).glob(f"*{journal.SUFFIX}")):
        sealed = _sealed(path)
        with house.begin() as conn:
            if sealed and recovery.unknown_windows(conn, set(sealed.windows)):
                recovery.lock_sending(conn, f"journal {path.name} names windows that this database lacks")
                return True
    return False
