"""Journals of dead workers: sealed, imported into the log, put away; windows that only they know are entered first."""

from __future__ import annotations

import contextlib
import io
import logging
import socket
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import psycopg

from campaigns.ledger import logbook, recovery
from campaigns.ledger.logbook import CRASH, Line
from campaigns.ledger.recovery import OpenWindow, Recovered
from campaigns.terms import Answer, Outcome
from workers import journal
from workers.house import House
from workers.journal import Sealed, Told

log = logging.getLogger(__name__)

PUT_AWAY = "sealed"
GROUP = 20
"""Windows in one transaction: a journal may hold thousands of them, and millions of lines."""


def import_dead(house: House) -> int:
    """Import every journal whose writer is dead; how many."""
    folder = house.folder("journals")
    done = sum(_take_in(house, path) for path in journal.dead(folder))
    return done + _import_missing(house, folder)


def import_put_away(house: House, names: Collection[str]) -> int:
    """Import journals again that were put away after a database took them in that is not this one; how many."""
    folder = house.folder("journals") / PUT_AWAY
    return sum(_take_in(house, folder / name) for name in names)


def strangers(house: House) -> list[str]:
    """Journals that were put away and that this database never took in: it is older than they are."""
    folder = house.folder("journals") / PUT_AWAY
    names = [path.name for path in folder.glob(f"*{journal.SUFFIX}")]
    with house.begin() as conn:
        return recovery.not_imported(conn, names)


def living(house: House, incarnation: int) -> list[str]:
    """Journals of writers that began under another incarnation and are not dead yet, stopped ones too."""
    found = []
    for path in sorted(house.folder("journals").glob(f"*{journal.SUFFIX}")):
        with contextlib.suppress(FileNotFoundError):  # another book-keeper has put it away
            if journal.header(path).incarnation != incarnation:
                found.append(path.name)
    return found


def ahead(house: House) -> str:
    """A journal whose newest window this database lacks, its writer alive or stopped; "" when there is none."""
    newest: dict[int, str] = {}
    for path in house.folder("journals").glob(f"*{journal.SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            newest[journal.last_window(path)] = path.name
    newest.pop(0, None)
    with house.begin() as conn:  # after the reading: a window is committed before its line is written
        unknown = recovery.unknown_windows(conn, newest)
    return min((newest[window] for window in unknown), default="")


def files(house: House) -> list[str]:
    """Names of all journals that are here."""
    return [path.name for path in house.folder("journals").rglob(f"*{journal.SUFFIX}")]


def _take_in(house: House, path: Path) -> bool:
    file = journal.seal(path)
    if file is None:
        return False
    with file:
        _import(house, path.name, file)
    _put_away(path)
    return True


def _import(house: House, name: str, file: BinaryIO) -> None:
    """Window by window; a death in between repeats nothing, as a window is closed with its lines."""
    sealed = journal.outline(name, file)
    if sealed.damaged:
        log.error("journal %s cannot be read everywhere: what it does not say is uncertain", name)
    with house.begin() as conn:
        unknown = recovery.unknown_windows(conn, sealed.windows)
        unknown -= _look_at_unknown(conn, sealed, unknown)
        if recovery.restoring(conn):
            recovery.reopen_silent(conn, name)
        wanted = unknown | recovery.open_ids(conn, name)
    number, uncertain = len(sealed.windows), 0
    unnamed = [Told(window, 0, "", 0, 0, 0, 0) for window in wanted - sealed.windows.keys()]  # dead before the W line
    for group in _groups(chain(journal.told(sealed, file, wanted), unnamed)):
        uncertain += _settle(house, sealed, group, unknown)
    with house.begin() as conn:
        _import_again(conn, sealed)
        recovery.void_leases(conn, sealed.worker, sealed.claims)
        recovery.imported(conn, name, number, uncertain, proof=sealed.proof)
    log.info("journal %s imported: %d windows, %d uncertain", name, number, uncertain)


def _groups(told: Iterable[Told]) -> Iterator[list[Told]]:
    rest = iter(told)
    while group := list(islice(rest, GROUP)):
        yield group


def _look_at_unknown(conn: psycopg.Connection, sealed: Sealed, unknown: set[int]) -> set[int]:
    """A journal knows more than this database: it was restored. Windows of waves that are not here need a person."""
    if unknown:
        why = f"journal {sealed.name} names {len(unknown)} windows that this database lacks"
        if recovery.begin_restoring(conn, why):
            log.error("this database is older than its journals: all waves are paused, sending is locked: %s", why)
    waves = recovery.unknown_waves(conn, {sealed.windows[window].wave for window in unknown})
    for wave in sorted(waves):
        recovery.lock_sending(conn, f"wave: journal {sealed.name} names wave {wave}, which this database lacks")
    return {window for window in unknown if sealed.windows[window].wave in waves}


def _settle(house: House, sealed: Sealed, group: list[Told], unknown: set[int]) -> int:
    """Enter those of these windows that this database lacks, write what became of each index, close them."""
    by_id = {told.window: told for told in group}
    uncertain = 0
    with house.begin() as conn:
        new = [told for told in group if told.window in unknown]
        found = {told.window: _enter(conn, sealed, told) for told in new}
        for window in recovery.open_windows(conn, by_id):
            how = found.get(window.id, "known")
            told = by_id[window.id]
            proof = sealed.proof and not told.damaged and how != "twice"
            # lines of a window that was not here yet were folded without effect: they are written again
            whole = window if how == "known" else replace(window, logged=frozenset())
            lines = _lines(whole, told if told.wave else None, proof=proof)
            lines = [_doubted(line) for line in lines] if how == "twice" else lines
            uncertain += sum(1 for line in lines if line[3] == Outcome.UNCERTAIN)
            logbook.append(conn, window.wave, lines, [window.id])
        for window_id, how in found.items():
            if how in {"absent", "twice"}:
                _alarm(conn, sealed, by_id[window_id], how)
    return uncertain


def _enter(conn: psycopg.Connection, sealed: Sealed, told: Told) -> str:
    """As recovery.recover; a W line whose values make no sense is a person's matter, and stops no other."""
    try:
        pairs = [pair.split(":") for pair in told.retries.split(",") if pair]
        window = Recovered(
            told.window, told.wave, told.kind, told.batch, told.epoch, told.lo, told.hi,
            sealed.account, sealed.name, [(int(no), int(attempt)) for no, attempt in pairs],
        )  # fmt: skip
        with conn.transaction():
            return recovery.recover(conn, window)
    except (ValueError, psycopg.DataError, psycopg.IntegrityError):
        return "absent"


def _alarm(conn: psycopg.Connection, sealed: Sealed, told: Told, how: str) -> None:
    """Two histories of the same messages, or messages that the plan does not have: told, and kept."""
    if how == "twice":
        log.error("journal %s: window %d was also sent by another history", sealed.name, told.window)
        return
    why = f"wave: journal {sealed.name} names messages of wave {told.wave} that its plan lacks"
    if recovery.lock_sending(conn, why):
        log.error("sending is locked: %s", why)


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
            lines.append((window.id, idx, "answer", Outcome.UNCERTAIN, CRASH, ""))
        else:
            lines.append((window.id, idx, "closed", Outcome.NOT_SENT, CRASH, ""))
    return lines


def _doubted(line: Line) -> Line:
    """Of a message that two histories tried, "not sent" and "later" of one say nothing of the other."""
    if line[3] not in {Outcome.NOT_SENT, Outcome.DEFERRED}:
        return line
    return (line[0], line[1], "answer", Outcome.UNCERTAIN, line[4], line[5])


def close_holes(house: House, conn: psycopg.Connection) -> int:
    """Ranges below a cursor that no window covers go back unsent, or are uncertain when a journal may lack lines."""
    proof = not recovery.unproved(conn, files(house))
    holes = recovery.open_holes(conn)
    for window in holes:
        logbook.append(conn, window.wave, _lines(window, None, proof=proof), [window.id])
    return len(holes)


def _import_again(conn: psycopg.Connection, sealed: Sealed) -> None:
    """References sent once more: an acceptance that was heard is evidence, no answer at all is a question asked."""
    waves = recovery.sent_again(conn, sealed.name, {window for window, _ in sealed.again})
    lines: dict[int, list[Line]] = {}
    for (window, idx), said in sealed.again.items():
        if window in waves and (said is None or said.outcome >= Outcome.ACCEPTED):
            _, outcome, code, ref = said or Answer(idx, Outcome.UNCERTAIN, CRASH, "")
            lines.setdefault(waves[window], []).append((window, idx, "look-up", outcome, code, ref))
    for wave, rows in lines.items():
        logbook.append(conn, wave, rows)


def _put_away(path: Path) -> None:
    if path.parent.name == PUT_AWAY:
        return
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
    for name in gone:  # a commit of its dying worker came after the import, or the database is an older one
        if (folder / PUT_AWAY / name).exists():
            _take_in(house, folder / PUT_AWAY / name)
        else:
            log.error("journal %s is gone: its open windows are uncertain", name)
            _import(house, name, io.BytesIO())
    return len(gone)
