"""Which attempt a receipt speaks of: our reference, the carrier's id, its variants, the number; two match none."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

import psycopg

from campaigns.ledger import logbook, receipts
from campaigns.ledger.logbook import Line, Told
from campaigns.ledger.receipts import NO_NUMBER, Named, Place
from campaigns.message import parse_reference
from campaigns.terms import Receipt
from workers.house import House
from workers.spool import Places

log = logging.getLogger(__name__)

AT_ONCE = 5_000
"""Receipts in one statement, and so in one chunk."""
LONGEST_ID = 20
"""A 64-bit id in decimal; longer ones (UUIDs) have no other spelling."""
WIDTHS = (0, 8, 10, 16)
"""Digits to which an id of another base may be filled with noughts: 32 bits in hex and in decimal, 64 bits in hex."""


class Found(NamedTuple):
    """Attempts that receipts are of."""

    places: dict[Receipt, Place]
    by_number: AbstractSet[Receipt]  # those of them whose number alone told it


class Matcher:
    """Finds attempts, and writes what was found into the logs of their waves."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._mac = house.keyring.mac_key("reference")

    def write(self, conn: psycopg.Connection, account: str, told: Sequence[Receipt], *, last: bool) -> list[int]:
        """Write a log line for each receipt that finds its attempt; the positions of those that do not.

        Not `last`: only our reference and the plain ids are looked at, in sets; an answer may come to the log yet.
        """
        missing = self._write_referenced(conn, account, told)
        if missing:
            missing = self._write_plain(conn, account, told, missing)
        if missing and last:
            found = self.find(conn, account, {told[at] for at in missing})
            write_found(conn, [told[at] for at in missing if told[at] in found.places], found)
            missing = [at for at in missing if told[at] not in found.places]
        return missing

    def _write_referenced(self, conn: psycopg.Connection, account: str, told: Sequence[Receipt]) -> list[int]:
        named = {receipt for receipt in told if receipt.ref}
        if not named:
            return list(range(len(told)))
        places = self._by_reference(conn, account, named)
        write_lines(conn, [(receipt, places[receipt]) for receipt in told if receipt in places])
        return [at for at, receipt in enumerate(told) if receipt not in places]

    def _write_plain(
        self, conn: psycopg.Connection, account: str, told: Sequence[Receipt], missing: list[int]
    ) -> list[int]:
        """The newest wave first: most receipts are its own."""
        rest = [at for at in missing if told[at].provider_ref]
        left = [at for at in missing if not told[at].provider_ref]
        waves = receipts.waves_of(conn, account) if rest else []
        for wave, campaign in waves:
            others = [other for other, _ in waves if other != wave]
            here, rest = rest, []
            for lo in range(0, len(here), AT_ONCE):
                some = here[lo : lo + AT_ONCE]
                found = receipts.log_by_id(conn, wave, others, account, self._named(campaign, told, some))
                rest += [] if found is None else [at for n, at in enumerate(some) if n not in found]
            if not rest:
                break
        return sorted(left + rest)

    def _named(self, campaign: str, told: Sequence[Receipt], some: Sequence[int]) -> Named:
        wanted = [told[at] for at in some]
        numbers = [receipt.number for receipt in wanted]
        hashes = self._house.keys(campaign).number_hashes(numbers)
        if 0 in numbers:
            hashes = [each if number else NO_NUMBER for each, number in zip(hashes, numbers, strict=True)]
        return Named(
            [receipt.provider_ref for receipt in wanted],
            [receipt.code for receipt in wanted],
            bytes([receipt.outcome for receipt in wanted]),
            b"".join(hashes),
        )

    def find(self, conn: psycopg.Connection, account: str, wanted: set[Receipt]) -> Found:
        """Our reference, then the carrier's id in every wave, and only then the number among uncertain messages."""
        found = self._by_reference(conn, account, wanted)
        waves = receipts.waves_of(conn, account)
        rest = wanted - found.keys()
        for spelled in (_as_it_came, _other_spellings):
            rest -= self._by_id(conn, account, waves, {each: spelled(each) for each in rest}, found) | found.keys()
        numbered = {receipt for receipt in rest if receipt.number}
        by_number = self._by_number(conn, account, waves, numbered) if numbered else {}
        return Found(found | by_number, by_number.keys())

    def _by_reference(self, conn: psycopg.Connection, account: str, wanted: Iterable[Receipt]) -> dict[Receipt, Place]:
        parsed = {receipt: parse_reference(receipt.ref, self._mac) for receipt in wanted if receipt.ref}
        places = receipts.by_reference(conn, account, [p for p in parsed.values() if p])
        return {receipt: places[p] for receipt, p in parsed.items() if p and p in places}

    def _by_id(
        self,
        conn: psycopg.Connection,
        account: str,
        waves: Sequence[tuple[int, str]],
        named: Mapping[Receipt, Sequence[str]],
        found: dict[Receipt, Place],
    ) -> set[Receipt]:
        """Adds to `found`; the receipts whose id is known, but not for exactly one message, are returned: they wait.

        Ids start again somewhere: where the receipt names its number, the message must have it.
        """
        ids = sorted({each for spelled in named.values() for each in spelled})
        places: dict[Receipt, set[Place]] = {}
        for wave, campaign in waves if ids else ():
            there = receipts.by_provider_ref(conn, wave, account, ids)
            hashes = self._house.keys(campaign).number_hashes([receipt.number for receipt in named])
            for (receipt, spelled), number_hash in zip(named.items(), hashes, strict=True):
                for each in spelled:
                    if each in there:
                        same = {p for p, theirs in there[each] if not receipt.number or theirs == number_hash}
                        places.setdefault(receipt, set()).update(same)
        found |= {receipt: next(iter(of)) for receipt, of in places.items() if len(of) == 1}
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
    ) -> dict[Receipt, Place]:
        """The uncertain message of each number, when there is exactly one in all waves."""
        places: dict[Receipt, list[Place]] = {}
        for wave, campaign in waves:
            keys = self._house.keys(campaign)
            hashes = {receipt: keys.number_hash(receipt.number) for receipt in numbered}
            uncertain = receipts.uncertain_by_number(conn, wave, account, list(hashes.values()))
            for receipt, number_hash in hashes.items():
                places.setdefault(receipt, []).extend(uncertain.get(number_hash, []))
        return {receipt: there[0] for receipt, there in places.items() if len(there) == 1}


def write_found(conn: psycopg.Connection, told: Iterable[Receipt], found: Found) -> None:
    """Append receipts that found their attempts, and keep the ids of those whose number alone told theirs.

    A later receipt of such an id is the same message's, when it is in doubt no more.
    """
    lines = [(receipt, found.places[receipt]) for receipt in told]
    write_lines(conn, lines)
    named = [(receipt.provider_ref, place) for receipt, place in lines
             if receipt in found.by_number and receipt.provider_ref]  # fmt: skip
    if named:
        receipts.learn(conn, named)


def write_lines(conn: psycopg.Connection, found: Sequence[tuple[Receipt, Place]]) -> None:
    """Append receipts to the logs of their waves."""
    lines: dict[int, list[Line]] = {}
    for receipt, (wave, window, idx) in found:
        line = (window, idx, "receipt", receipt.outcome, receipt.code, receipt.provider_ref)
        lines.setdefault(wave, []).append(line)
    for wave, rows in lines.items():
        for lo in range(0, len(rows), AT_ONCE):
            logbook.append(conn, wave, rows[lo : lo + AT_ONCE])


def write_places(conn: psycopg.Connection, account: str, places: Sequence[Places]) -> set[int]:
    """Append receipts whose place their receiver knew, as safe as our own reference; the windows that were taken.

    Taken is a window of this account that is in this database: an older copy may not know it yet.
    """
    waves = receipts.waves_of_windows(conn, account, list({each.window for each in places}))
    told: dict[int, list[Told]] = {}
    for window, _, tails in places:
        if window in waves:
            told.setdefault(waves[window], []).append((window, tails))
    for wave, windows in told.items():
        for some in _chunks(windows):
            logbook.append_receipts(conn, wave, some)
    return set(waves)


def _chunks(windows: Sequence[Told]) -> Iterator[list[Told]]:
    """Together until they are as many receipts as a chunk holds."""
    some: list[Told] = []
    count = 0
    for each in windows:
        some.append(each)
        count += len(each[1])
        if count >= AT_ONCE:
            yield some
            some, count = [], 0
    if some:
        yield some


def _as_it_came(receipt: Receipt) -> list[str]:
    return [receipt.provider_ref] if receipt.provider_ref else []


def _other_spellings(receipt: Receipt) -> list[str]:
    """Other ways to write the same id: its noughts in front, and its base where the number can confirm the match."""
    ref = receipt.provider_ref
    if not 0 < len(ref) <= LONGEST_ID or not (ref.isascii() and ref.isalnum()):
        return []
    bare = ref.lstrip("0") or "0"
    found = {bare.zfill(width) for width in range(len(bare), LONGEST_ID + 1)}
    if receipt.number:
        found.update(_other_bases(ref))
    return sorted(found - {ref})


def _filled(ref: str) -> list[str]:
    bare = ref.lstrip("0") or "0"
    return [bare.zfill(width) for width in WIDTHS]


def _other_bases(ref: str) -> list[str]:
    """Hex for decimal and decimal for hex, in small letters and in large ones."""
    found = []
    if ref.isdecimal():
        found += [form for word in (f"{int(ref):x}", f"{int(ref):X}") for form in _filled(word)]
    with contextlib.suppress(ValueError):  # no hex
        found += [*_filled(ref.lower()), *_filled(ref.upper()), *_filled(str(int(ref, 16)))]
    return found
