"""Receipts: from the spool into the inbox, and to the attempts they speak of; two possible ones match none."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg

from campaigns.ledger import logbook, receipts
from campaigns.ledger.logbook import Line
from campaigns.ledger.receipts import Place
from campaigns.message import parse_reference
from campaigns.terms import Receipt
from providers.base import Provider
from workers import spool
from workers.house import House, crash_point

log = logging.getLogger(__name__)

SEGMENTS = 8
"""Spool segments in one transaction."""
REMATCH = 2_000


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
        self._rematched_to = 0

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
        """Try the unknown ones again, some at a time and all in turn; how many found their message."""
        with self._house.begin() as conn:
            rows = receipts.unknown(conn, REMATCH, self._rematched_to)
            self._rematched_to = rows[-1][0] if len(rows) == REMATCH else 0
            events = [self._read(account, spool.Event(at.timestamp(), raw)) for _, at, account, raw in rows]
            matched = self._match(conn, events, partly=False)
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
        """Translate one event; whatever is wrong with it, it is kept and the others go on."""
        at = datetime.now(UTC)
        try:
            at = receipts.at(event.at)
            callback = spool.opened(self._house.keyring.open(event.raw, account.encode()))
            found = self._provider(account).receipts(callback)
        except Exception as error:  # noqa: BLE001 - bytes from outside: any parser may fail in any way
            log.warning("account %s: a receipt that cannot be read: %s", account, type(error).__name__)
            return Stored(account, at, event.raw, [], "unreadable")
        if not all((r.ref + r.provider_ref + r.code).isprintable() for r in found):
            return Stored(account, at, event.raw, [], "unreadable")
        return Stored(account, at, event.raw, found, "" if found else "ignored")

    def _provider(self, account: str) -> Provider:
        if account not in self._providers:
            self._providers[account] = self._house.build(self._house.accounts[account])
        return self._providers[account]

    def _match(
        self, conn: psycopg.Connection, events: Sequence[Stored], *, partly: bool = True
    ) -> list[tuple[Stored, str]]:
        """Write a log line for each receipt that finds its attempt; each event with its verdict.

        Not `partly`: events of which one receipt is still unknown are left alone; their known ones are in the log.
        """
        places: dict[tuple[str, Receipt], Place] = {}
        for account in {event.account for event in events}:
            wanted = {receipt for event in events if event.account == account for receipt in event.receipts}
            found = self._find(conn, account, wanted)
            places |= {(account, receipt): place for receipt, place in found.items()}
        lines: dict[int, list[Line]] = {}
        verdicts = []
        for event in events:
            whole = all((event.account, receipt) in places for receipt in event.receipts)
            for receipt in event.receipts if whole or partly else ():
                if place := places.get((event.account, receipt)):
                    line = (place.window, place.idx, "receipt", receipt.outcome, receipt.code, receipt.provider_ref)
                    lines.setdefault(place.wave, []).append(line)
            verdicts.append((event, event.verdict or ("matched" if whole else "unknown")))
        for wave, rows in lines.items():
            logbook.append(conn, wave, rows)
        return verdicts

    def _find(self, conn: psycopg.Connection, account: str, wanted: set[Receipt]) -> dict[Receipt, Place]:
        """Our reference, then the carrier's id in every wave, and only then the number among uncertain messages."""
        found = self._by_reference(conn, account, wanted)
        waves = receipts.waves_of(conn, account)
        rest = wanted - found.keys()
        rest -= self._by_provider_ref(conn, account, waves, rest, found) | found.keys()
        numbered = {receipt for receipt in rest if receipt.number}
        if numbered:
            self._by_number(conn, account, waves, numbered, found)
        return found

    def _by_reference(self, conn: psycopg.Connection, account: str, wanted: set[Receipt]) -> dict[Receipt, Place]:
        parsed = {receipt: parse_reference(receipt.ref, self._mac) for receipt in wanted if receipt.ref}
        places = receipts.by_reference(conn, account, [p for p in parsed.values() if p])
        return {receipt: places[p] for receipt, p in parsed.items() if p and p in places}

    def _by_provider_ref(
        self,
        conn: psycopg.Connection,
        account: str,
        waves: Sequence[tuple[int, str]],
        rest: set[Receipt],
        found: dict[Receipt, Place],
    ) -> set[Receipt]:
        """Adds to `found`; the receipts whose id is known, but not for exactly one message, are returned: they wait.

        Ids start again somewhere: where the receipt names its number, the message must have it.
        """
        named = [receipt for receipt in rest if receipt.provider_ref]
        places: dict[Receipt, list[Place]] = {}
        for wave, campaign in waves if named else ():
            there = receipts.by_provider_ref(conn, wave, account, sorted({r.provider_ref for r in named}))
            hashes = self._house.keys(campaign).number_hashes([receipt.number for receipt in named])
            for receipt, number_hash in zip(named, hashes, strict=True):
                if receipt.provider_ref in there:
                    same = [
                        p for p, theirs in there[receipt.provider_ref] if not receipt.number or theirs == number_hash
                    ]
                    places.setdefault(receipt, []).extend(same)
        found |= {receipt: of[0] for receipt, of in places.items() if len(of) == 1}
        waiting = {receipt for receipt, of in places.items() if len(of) != 1}
        if waiting:
            log.error("account %s: ids that are not one message's alone; %d receipts wait", account, len(waiting))
        return waiting

    def _by_number(
        self,
        conn: psycopg.Connection,
        account: str,
        waves: Sequence[tuple[int, str]],
        numbered: set[Receipt],
        found: dict[Receipt, Place],
    ) -> None:
        """Adds to `found` the uncertain message of each number, when there is exactly one in all waves."""
        places: dict[Receipt, list[Place]] = {}
        for wave, campaign in waves:
            keys = self._house.keys(campaign)
            hashes = {receipt: keys.number_hash(receipt.number) for receipt in numbered}
            uncertain = receipts.uncertain_by_number(conn, wave, account, list(hashes.values()))
            for receipt, number_hash in hashes.items():
                places.setdefault(receipt, []).extend(uncertain.get(number_hash, []))
        found |= {receipt: there[0] for receipt, there in places.items() if len(there) == 1}
