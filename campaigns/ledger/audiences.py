"""Audiences in the ledger: accepted rows with their hash, numbers only sealed, one verdict for each other row."""

from __future__ import annotations

import contextlib
import hashlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import psycopg

from campaigns.audience import Chunk
from campaigns.compliance import LISTS
from campaigns.ledger import people
from campaigns.ledger.audience_rows import LeftOut, Prepared, Preparing, ahead, audience_context, numbered, store
from campaigns.ledger.names import new_id
from campaigns.sealing import CampaignKeys
from campaigns.terms import Absent, Problem, Verdict


@dataclass(slots=True)
class Import:
    """How far a file's import has come; `verdicts` always sums to `rows`."""

    audience: int
    file: int
    rows: int = 0
    verdicts: dict[str, int] = field(default_factory=lambda: {verdict.value: 0 for verdict in Verdict})
    by_carrier: dict[str, int] = field(default_factory=dict)


def create(conn: psycopg.Connection, campaign: str, name: str, author: str) -> int:
    """A new, empty audience."""
    audience = new_id()
    conn.execute(
        "INSERT INTO audience (id, campaign, name, author) VALUES (%s, %s, %s, %s)", (audience, campaign, name, author)
    )
    people.record(conn, author, "audience.create", str(audience), campaign=campaign)
    return audience


def carrier_ids(conn: psycopg.Connection) -> dict[str, int]:
    """The small integer of each carrier."""
    return {str(name): int(no) for no, name in conn.execute("SELECT id, name FROM carrier")}


@dataclass(frozen=True, slots=True)
class Intake:
    """What turns a chunk of verdicts into rows of the ledger."""

    keys: CampaignKeys
    carriers: Sequence[str]  # as the number table numbers them
    units: Mapping[str, int]  # spelling -> unit, as units.find looks it up
    lists: tuple[str, ...] = LISTS  # whoever is on one of them is suppressed
    cap: tuple[datetime, int] | None = None  # (when the wave opens, messages a person within 24 h)


def import_file(
    conn: psycopg.Connection, audience: int, name: str, digest: str, chunks: Iterable[Chunk], intake: Intake
) -> Iterator[Import]:
    """Take one file into an audience, in the caller's transaction; yields its progress after each chunk.

    Duplicates are decided by the unique key of audience_row: inside the file, and across the audience's files.
    The same file twice is refused, and so is any file once the audience is frozen.
    """
    progress = Import(audience, _next_file(conn, audience, name, digest))
    left_out = LeftOut.of(conn, intake.lists, intake.cap)
    prepare = Preparing(intake.keys, numbered(intake.carriers, carrier_ids(conn)), intake.units, left_out.compares)
    with contextlib.closing(ahead(map(prepare, chunks))) as prepared:
        for block, chunk in enumerate(prepared):
            verdicts = store(conn, (audience, progress.file, block), chunk, left_out, intake.keys)
            _count(progress, chunk, verdicts, intake.carriers)
            yield progress
    _finish(conn, progress)


def _next_file(conn: psycopg.Connection, audience: int, name: str, digest: str) -> int:
    row = conn.execute("SELECT frozen_at FROM audience WHERE id = %s FOR UPDATE", (audience,)).fetchone()
    if row is None:
        raise Absent("there is no audience {audience}", audience=audience)
    if row[0] is not None:
        raise Problem("this audience is frozen by a planned wave: make a new one for more files")
    same = "SELECT name FROM audience_file WHERE audience = %s AND digest = %s"
    if twin := conn.execute(same, (audience, digest)).fetchone():
        raise Problem("file {name} is already in this audience (as {twin}): nothing was added", name=name, twin=twin[0])
    made = conn.execute(
        "INSERT INTO audience_file (audience, file, name, digest)"
        " SELECT %s, coalesce(max(file) + 1, 0), %s, %s FROM audience_file WHERE audience = %s RETURNING file",
        (audience, name, digest, audience),
    ).fetchone()
    return int(made[0]) if made else 0


def _count(progress: Import, prepared: Prepared, verdicts: list[tuple[int, str, str]], carriers: Sequence[str]) -> None:
    chunk = prepared.chunk
    progress.rows += chunk.rows
    progress.verdicts[Verdict.ACCEPTED.value] += chunk.rows - len(verdicts)
    fallen = set()
    for line, verdict, _ in verdicts:
        progress.verdicts[verdict] += 1
        fallen.add(line)
    kept = Counter(chunk.carriers)
    kept.subtract(carrier for line, carrier in zip(chunk.lines, chunk.carriers, strict=True) if line in fallen)
    for carrier, n in kept.items():
        if n:
            progress.by_carrier[carriers[carrier]] = progress.by_carrier.get(carriers[carrier], 0) + n


def _finish(conn: psycopg.Connection, progress: Import) -> None:
    sets = ", ".join(f'"{verdict.value}" = %s' for verdict in Verdict)
    conn.execute(
        f"UPDATE audience_file SET complete = true, rows = %s, {sets} WHERE audience = %s AND file = %s",
        (progress.rows, *(progress.verdicts[v.value] for v in Verdict), progress.audience, progress.file),
    )


@dataclass(frozen=True, slots=True)
class Frozen:
    """An audience as planning reads it: parallel columns in audience order (file, then line)."""

    carriers: list[int]
    units: list[int]
    hashes: list[bytes]
    numbers: array[int]
    root: str  # SHA-256 over (carrier, number hash) in order: what an approval is bound to


def freeze(conn: psycopg.Connection, audience: int, keys: CampaignKeys) -> Frozen:
    """Close an audience to more files and read it whole; the same answer each time."""
    broken = "SELECT name FROM audience_file WHERE audience = %s AND NOT complete"
    if half := conn.execute(broken, (audience,)).fetchone():
        raise Problem("file {name} was not read to its end: make a new audience", name=half[0])
    conn.execute("UPDATE audience SET frozen_at = coalesce(frozen_at, now()) WHERE id = %s", (audience,))
    rows = conn.execute(
        "SELECT carrier, unit, number_hash FROM audience_row WHERE audience = %s ORDER BY file, line", (audience,)
    ).fetchall()
    numbers = numbers_of(conn, audience, keys)
    if len(numbers) != len(rows):
        raise Problem(
            "audience {audience} is damaged: {rows} rows, {numbers} numbers",
            audience=audience,
            rows=len(rows),
            numbers=len(numbers),
        )
    root = hashlib.sha256()
    for carrier, _, number_hash in rows:
        root.update(carrier.to_bytes(2, "big") + number_hash)
    conn.execute("UPDATE audience SET root = %s WHERE id = %s", (root.hexdigest(), audience))
    return Frozen([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows], numbers, root.hexdigest())


def numbers_of(conn: psycopg.Connection, audience: int, keys: CampaignKeys) -> array[int]:
    """The accepted numbers of an audience, in the order of files and lines."""
    blocks = conn.execute(
        "SELECT file, block, nonce, ciphertext FROM audience_block WHERE audience = %s ORDER BY file, block",
        (audience,),
    )
    numbers = array("Q")
    for file, block, nonce, ciphertext in blocks:
        numbers.extend(keys.open_block(nonce, ciphertext, audience_context(audience, file, block)))
    return numbers


def verdict_counts(conn: psycopg.Connection, audience: int) -> dict[str, int]:
    """Rows of the audience's files by verdict; their sum is the number of rows in the files."""
    sums = ", ".join(f'coalesce(sum("{verdict.value}"), 0)' for verdict in Verdict)
    row = conn.execute(f"SELECT {sums} FROM audience_file WHERE audience = %s", (audience,)).fetchone()
    return {verdict.value: int(n) for verdict, n in zip(Verdict, row or (), strict=True)}
