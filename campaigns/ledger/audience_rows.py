"""Rows of a list on their way into the ledger, a chunk at a time: prepared ahead in a thread, stored whole.

While the database takes one chunk in, the next is read, judged and hashed: an import uses both cores, and never holds
more than two chunks.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import psycopg

from campaigns import units
from campaigns.audience import Chunk
from campaigns.ledger.names import COPY_BEGIN, COPY_END
from campaigns.sealing import CampaignKeys, mask
from campaigns.terms import Problem, Verdict

Place = tuple[int, int, int]
"""Audience, file, block."""
Lines = list[tuple[int, str, str]]
"""(line, verdict, reason) of rows that were not accepted."""

_ROW = struct.Struct(">hiiihiii16s").pack
"""Line, carrier, unit and hash as binary COPY has them: four fields, each after its length."""

DUPLICATE, SUPPRESSED, CAPPED = "duplicate", "suppressed", "capped"
"""Reasons; one for all lists: a row must not tell that a person is protected."""


class Prepared(NamedTuple):
    """A chunk with what the ledger needs of it."""

    chunk: Chunk
    rows: list[bytes]  # of the candidates, packed
    people: list[bytes]  # the installation's hashes of the candidates; [] when there is nobody to compare with


@dataclass(frozen=True, slots=True)
class Preparing:
    """Hashes and packs the candidates of a chunk; pure, so that it may run in a thread."""

    keys: CampaignKeys
    carriers: Sequence[int]  # the ledger's number of each carrier of the number table
    units: Mapping[str, int]
    compares: bool

    def __call__(self, chunk: Chunk) -> Prepared:
        """One chunk."""
        codes = {unit: units.find(self.units, unit) for unit in set(chunk.units)}
        hashes = self.keys.number_hashes(chunk.numbers)
        columns = zip(chunk.lines, chunk.carriers, chunk.units, hashes, strict=True)
        ids = self.carriers
        rows = [_ROW(4, 4, line, 2, ids[carrier], 4, codes[unit], 16, h) for line, carrier, unit, h in columns]
        return Prepared(chunk, rows, self.keys.people_hashes(chunk.numbers) if self.compares else [])


def numbered(carriers: Sequence[str], ids: Mapping[str, int]) -> list[int]:
    """The ledger's small integer of each carrier. Raises Problem for one that the ledger does not have."""
    if missing := [carrier for carrier in carriers if carrier not in ids]:
        raise Problem("the ledger does not know {carriers}: run `dispatcher migrate`", carriers=", ".join(missing))
    return [ids[carrier] for carrier in carriers]


def ahead(prepared: Iterator[Prepared]) -> Generator[Prepared]:
    """The same chunks, each made while its caller works on the one before. Close it before the file it reads."""
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, prepared, None)
        while (found := coming.result()) is not None:
            coming = thread.submit(next, prepared, None)
            yield found


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Who is left out whatever the row says: people on a list, and people over the cap."""

    lists: tuple[str, ...]  # () when those lists are empty
    cap: tuple[datetime, int] | None

    @classmethod
    def of(cls, conn: psycopg.Connection, lists: Sequence[str], cap: tuple[datetime, int] | None) -> LeftOut:
        """What is worth asking for: an empty list costs no hash."""
        filled = {row[0] for row in conn.execute("SELECT list FROM suppression_counts()")}
        return cls(tuple(name for name in lists if name in filled), cap)

    @property
    def compares(self) -> bool:
        """Whether anybody can be left out."""
        return bool(self.lists or self.cap)

    def find(self, conn: psycopg.Connection, prepared: Prepared) -> dict[int, Verdict]:
        """Index of a candidate -> why not."""
        found: dict[bytes, Verdict] = {}
        if self.cap and prepared.people:
            capped = conn.execute("SELECT capped_of(%s, %s, %s)", (prepared.people, *self.cap))
            found.update((bytes(row[0]), Verdict.CAPPED) for row in capped)
        if self.lists and prepared.people:  # after the cap: a list is the stronger reason
            listed = conn.execute(
                "SELECT suppressed_of(%s, %s::suppression_list[])", (prepared.people, list(self.lists))
            )
            found.update((bytes(row[0]), Verdict.SUPPRESSED) for row in listed)
        return {at: found[each] for at, each in enumerate(prepared.people) if each in found} if found else {}


def store(conn: psycopg.Connection, place: Place, prepared: Prepared, left_out: LeftOut, keys: CampaignKeys) -> Lines:
    """Write one chunk: accepted rows, their sealed numbers, and a verdict for each other row, which are given back."""
    chunk = prepared.chunk
    verdicts = [(line, verdict.value, reason.key) for line, verdict, reason in chunk.rest]
    out = left_out.find(conn, prepared)
    reasons = {Verdict.SUPPRESSED: SUPPRESSED, Verdict.CAPPED: CAPPED}
    verdicts += [(chunk.lines[at], verdict.value, reasons[verdict]) for at, verdict in out.items()]
    rows = [row for at, row in enumerate(prepared.rows) if at not in out] if out else prepared.rows
    twice = _insert(conn, place, rows)
    verdicts += [(line, Verdict.DUPLICATE.value, DUPLICATE) for line in twice]
    gone = {chunk.lines[at] for at in out}.union(twice)
    _seal(conn, place, _without(chunk, gone), keys)
    _write_verdicts(conn, place, verdicts, _cells(chunk, gone))
    return verdicts


def _cells(chunk: Chunk, gone: set[int]) -> dict[int, str]:
    """Line -> what stands there, covered: the cell of a row without a number, and the numbers that were not taken."""
    cells = {line: cell for (line, _, _), cell in zip(chunk.rest, chunk.cells, strict=True)}
    if gone:
        cells |= {line: mask(n) for line, n in zip(chunk.lines, chunk.numbers, strict=True) if line in gone}
    return cells


def _without(chunk: Chunk, gone: set[int]) -> array[int]:
    if not gone:
        return chunk.numbers
    return array("Q", [n for line, n in zip(chunk.lines, chunk.numbers, strict=True) if line not in gone])


def _insert(conn: psycopg.Connection, place: Place, rows: list[bytes]) -> list[int]:
    """Insert what is new to the audience; the lines of the rest. The first spelling of a number wins."""
    with conn.cursor() as cur:
        cur.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming (line int, carrier smallint, unit int, number_hash bytea)"
            " ON COMMIT DROP; TRUNCATE incoming"
        )
        with cur.copy("COPY incoming FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"".join([COPY_BEGIN, *rows, COPY_END]))
        cur.execute(
            "WITH fresh AS (INSERT INTO audience_row (audience, file, line, carrier, unit, number_hash)"
            " SELECT %s, %s, line, carrier, unit, number_hash FROM incoming ORDER BY line"
            " ON CONFLICT (audience, number_hash) DO NOTHING RETURNING line)"
            " SELECT line FROM incoming EXCEPT SELECT line FROM fresh ORDER BY line",
            place[:2],
        )
        return [int(row[0]) for row in cur]


def _seal(conn: psycopg.Connection, place: Place, numbers: array[int], keys: CampaignKeys) -> None:
    if numbers:
        nonce, ciphertext = keys.seal_block(numbers, audience_context(*place))
        conn.execute("INSERT INTO audience_block VALUES (%s, %s, %s, %s, %s)", (*place, nonce, ciphertext))


def audience_context(audience: int, file: int, block: int) -> bytes:
    """The associated data of an audience's sealed block."""
    return f"audience|{audience}|{file}|{block}".encode()


def _write_verdicts(conn: psycopg.Connection, place: Place, verdicts: Lines, cells: Mapping[int, str]) -> None:
    with conn.cursor().copy("COPY audience_verdict (audience, file, line, verdict, reason, cell) FROM STDIN") as copy:
        for line, verdict, reason in verdicts:
            copy.write_row((*place[:2], line, verdict, reason, cells[line].replace("\0", "")))
