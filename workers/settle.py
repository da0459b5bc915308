"""Who owns uncertainty: seals the journals of dead workers, loads receipts and finds the attempts they speak of."""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import psycopg

from campaigns.ledger import logbook, receipts, recovery
from campaigns.ledger.logbook import Line
from campaigns.ledger.receipts import Place
from campaigns.ledger.recovery import OpenWindow
from campaigns.message import parse_reference
from campaigns.terms import Outcome, Problem, Receipt
from providers.base import Provider
from providers.errors import ProviderError
from workers import journal, spool
from workers.house import House, boot_id, crash_point
from workers.journal import Sealed, Told

log = logging.getLogger(__name__)

SEGMENTS = 8
"""Spool segments in one transaction."""
REMATCH = 2_000


# -- journals ----------------------------------------------------------------------------------------------------------


def import_dead(house: House) -> int:
    """Import every journal whose writer is dead; how many."""
    folder = house.folder("journals")
    done = 0
    for path in journal.dead(folder):
        sealed = journal.seal(path)
        if sealed is not None:
            _import(house, sealed)
            _put_away(path)
            done += 1
    done += _import_missing(house, folder)
    return done


def _import(house: House, sealed: Sealed) -> None:
    with house.begin() as conn:
        missing = recovery.unknown_waves(conn, {told.wave for told in sealed.windows.values()})
        if missing:
            recovery.lock_sending(conn, f"journal {sealed.name} names {len(missing)} waves that this database lacks")
            log.error("sending is locked: journal %s names waves that this database lacks", sealed.name)
        uncertain = 0
        for window in recovery.open_windows(conn, sealed.name):
            told = sealed.windows.get(window.id)
            lines = _lines(window, told, proof=sealed.boot == boot_id())
            uncertain += sum(1 for line in lines if line[3] == Outcome.UNCERTAIN)
            logbook.append(conn, window.wave, lines, [window.id])
        recovery.void_leases(conn, sealed.worker, sealed.claims)
        recovery.imported(conn, sealed.name, len(sealed.windows), uncertain)
    log.info("journal %s imported: %d windows, %d uncertain", sealed.name, len(sealed.windows), uncertain)


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
    sealed = path.parent / "sealed"
    sealed.mkdir(mode=0o700, exist_ok=True)
    path.rename(sealed / path.name)


def _import_missing(house: House, folder: Path) -> int:
    """Open windows of this host whose journal is gone: nothing proves what left, so all of it is uncertain."""
    with house.begin() as conn:
        ours = [name for name in recovery.journals_of_open_windows(conn) if name.startswith(f"{socket.gethostname()}-")]
    gone = [name for name in ours if not (folder / name).exists()]
    for name in gone:
        log.error("journal %s is gone: its open windows are uncertain", name)
        _import(house, Sealed(name, "", 0, 0))
    return len(gone)


# -- receipts ----------------------------------------------------------------------------------------------------------


def _whole(path: Path) -> list[spool.Event]:
    """A segment's events; none when its writer has just handed it on under its other name."""
    try:
        return list(spool.read(path))
    except FileNotFoundError:
        return []


class Stored(NamedTuple):
    """One event on its way into the inbox."""

    account: str
    at: datetime
    raw: bytes
    receipts: list[Receipt]
    verdict: str  # "" until it is matched


class Settler:
    """Loads and matches receipts; remembers what it needs between rounds."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._folder = house.folder("spool")
        self._providers: dict[str, Provider] = {}
        self._mac = house.keyring.mac_key("reference")
        self._days: set[datetime] = set()

    def load(self) -> int:
        """Take some segments into the inbox and their receipts into the log, in one transaction; how many events."""
        paths = spool.ready(self._folder)[:SEGMENTS]
        events = [self._read(spool.account_of(path), event) for path in paths for event in _whole(path)]
        if events:
            self._open_days(events)
            with self._house.begin() as conn:
                matched = self._match(conn, events)
                receipts.store(conn, [(e.account, e.raw, e.at, verdict) for e, verdict in matched])
            crash_point("C13")
        for path in paths:
            path.unlink(missing_ok=True)
        return len(events)

    def rematch(self) -> int:
        """Try the unknown ones again; how many found their message."""
        with self._house.begin() as conn:
            rows = receipts.unknown(conn, REMATCH)
            events = [self._read(account, spool.Event(at.timestamp(), raw)) for _, at, account, raw in rows]
            matched = self._match(conn, events)
            found = [(row[0], row[1]) for row, (_, verdict) in zip(rows, matched, strict=True) if verdict == "matched"]
            receipts.settle(conn, found)
        return len(found)

    def _open_days(self, events: Sequence[Stored]) -> None:
        """Inbox days are made outside the transaction that fills them."""
        now = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        wanted = {e.at.replace(hour=0, minute=0, second=0, microsecond=0) for e in events} | {now, now + timedelta(1)}
        for day in sorted(wanted - self._days):
            with self._house.begin() as conn:
                receipts.open_day(conn, day.date())
            self._days.add(day)

    def _read(self, account: str, event: spool.Event) -> Stored:
        at = receipts.at(event.at)
        try:
            callback = spool.opened(self._house.keyring.open(event.raw, account.encode()))
            found = self._provider(account).receipts(callback)
        except (ProviderError, Problem, KeyError, ValueError, msgspec.MsgspecError) as error:
            log.warning("account %s: a receipt that cannot be read: %s", account, type(error).__name__)
            return Stored(account, at, event.raw, [], "unreadable")
        return Stored(account, at, event.raw, found, "" if found else "ignored")

    def _provider(self, account: str) -> Provider:
        if account not in self._providers:
            self._providers[account] = self._house.build(self._house.accounts[account])
        return self._providers[account]

    def _match(self, conn: psycopg.Connection, events: Sequence[Stored]) -> list[tuple[Stored, str]]:
        """Write a log line for each receipt that finds its attempt; each event with its verdict."""
        places: dict[tuple[str, Receipt], Place] = {}
        for account in {event.account for event in events}:
            wanted = {r for e in events if e.account == account for r in e.receipts}
            places |= {(account, receipt): place for receipt, place in self._find(conn, account, wanted).items()}
        lines: dict[int, list[Line]] = {}
        verdicts = []
        for event in events:
            found = [(receipt, places.get((event.account, receipt))) for receipt in event.receipts]
            for receipt, place in found:
                if place is not None:
                    line = (place.window, place.idx, "receipt", receipt.outcome, receipt.code, receipt.provider_ref)
                    lines.setdefault(place.wave, []).append(line)
            known = all(place is not None for _, place in found)
            verdicts.append((event, event.verdict or ("matched" if known else "unknown")))
        for wave, rows in lines.items():
            logbook.append(conn, wave, rows)
        return verdicts

    def _find(self, conn: psycopg.Connection, account: str, wanted: set[Receipt]) -> dict[Receipt, Place]:
        """Reference, then the carrier's id, then the number among uncertain messages; two possible ones match none."""
        found = self._by_reference(conn, wanted)
        for wave in receipts.waves_of(conn, account):
            rest = wanted - found.keys()
            if not rest:
                break
            refs = receipts.by_provider_ref(conn, wave, account, [r.provider_ref for r in rest if r.provider_ref])
            for receipt in rest:
                places = refs.get(receipt.provider_ref, [])
                if len(places) == 1:
                    found[receipt] = places[0]
                elif places:
                    log.error("account %s: one id for %d messages; its receipt is not applied", account, len(places))
            self._by_number(conn, wave, account, wanted - found.keys(), found)
        return found

    def _by_reference(self, conn: psycopg.Connection, wanted: set[Receipt]) -> dict[Receipt, Place]:
        parsed = {receipt: parse_reference(receipt.ref, self._mac) for receipt in wanted if receipt.ref}
        places = receipts.by_reference(conn, [p for p in parsed.values() if p])
        return {receipt: places[p] for receipt, p in parsed.items() if p and p in places}

    def _by_number(
        self, conn: psycopg.Connection, wave: int, account: str, rest: set[Receipt], found: dict[Receipt, Place]
    ) -> None:
        numbered = [receipt for receipt in rest if receipt.number]
        if not numbered:
            return
        row = conn.execute("SELECT campaign FROM wave WHERE id = %s", (wave,)).fetchone()
        keys = self._house.keys(str(row[0]) if row else "")
        hashes = dict(zip(numbered, keys.number_hashes([r.number for r in numbered]), strict=True))
        places = receipts.uncertain_by_number(conn, wave, account, list(hashes.values()))
        for receipt, number_hash in hashes.items():
            if len(places.get(number_hash, [])) == 1:
                found[receipt] = places[number_hash][0]
