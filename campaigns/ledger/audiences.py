"""Audiences in the ledger: accepted rows with their hash, numbers only sealed, one verdict for each other row."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import psycopg

from campaigns.audience import Chunk
from campaigns.ledger import people
from campaigns.ledger.names import new_id
from campaigns.sealing import CampaignKeys, Keyring
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
    keyring: Keyring
    carriers: Sequence[str]  # as the number table numbers them
    units: Mapping[str, int]  # area as the list spells it, in small letters -> code


def import_file(
    conn: psycopg.Connection, audience: int, name: str, digest: str, chunks: Iterable[Chunk], intake: Intake
) -> Iterator[Import]:
    """Take one file into an audience, in the caller's transaction; yields its progress after each chunk.

    Duplicates are decided by the unique key of audience_row: inside the file, and across the audience's files.
    The same file twice is refused, and so is any file once the audience is frozen.
    """
    progress = Import(audience, _next_file(conn, audience, name, digest))
    ids = carrier_ids(conn)
    names = {no: carrier for carrier, no in ids.items()}
    numbered = [ids.get(carrier, 0) for carrier in intake.carriers]
    listed = _listed(conn)
    for block, chunk in enumerate(chunks):
        verdicts = [(line, verdict.value, reason.key) for line, verdict, reason in chunk.rest]
        rows = list(_candidates(chunk, numbered, intake, listed, verdicts))
        kept = _insert(conn, audience, progress.file, rows)
        verdicts += [(row[0], Verdict.DUPLICATE.value, "duplicate") for row in rows if row[0] not in kept]
        _seal(conn, (audience, progress.file, block), array("Q", [r[4] for r in rows if r[0] in kept]), intake.keys)
        _write_verdicts(conn, audience, progress.file, verdicts)
        _count(progress, len(kept), verdicts, (names[row[1]] for row in rows if row[0] in kept))
        yield progress
    _finish(conn, progress)


Row = tuple[int, int, int, bytes, int]  # line, carrier, unit, hash, number


def _candidates(
    chunk: Chunk,
    numbered: Sequence[int],
    intake: Intake,
    listed: frozenset[bytes],
    verdicts: list[tuple[int, str, str]],
) -> Iterator[Row]:
    hashes = intake.keys.number_hashes(chunk.numbers)
    columns = zip(chunk.lines, chunk.carriers, chunk.units, hashes, chunk.numbers, strict=True)
    for line, carrier, unit, number_hash, number in columns:
        if listed and intake.keyring.installation_hash(number) in listed:
            verdicts.append((line, Verdict.SUPPRESSED.value, "suppressed"))
        else:
            yield line, numbered[carrier], intake.units.get(unit.lower(), 0), number_hash, number


def _listed(conn: psycopg.Connection) -> frozenset[bytes]:
    return frozenset(bytes(row[0]) for row in conn.execute("SELECT number_hash FROM suppression"))


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


def _insert(conn: psycopg.Connection, audience: int, file: int, rows: list[Row]) -> set[int]:
    """The lines that are new to this audience; the first spelling of a number wins."""
    with conn.cursor() as cur:
        cur.execute(
            "CREATE TEMP TABLE IF NOT EXISTS incoming (line int, carrier smallint, unit int, number_hash bytea)"
            " ON COMMIT DROP; TRUNCATE incoming"
        )
        with cur.copy("COPY incoming FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "int2", "int4", "bytea"])
            for row in rows:
                copy.write_row(row[:4])
        cur.execute(
            "INSERT INTO audience_row (audience, file, line, carrier, unit, number_hash)"
            " SELECT %s, %s, line, carrier, unit, number_hash FROM incoming ORDER BY line"
            " ON CONFLICT (audience, number_hash) DO NOTHING RETURNING line",
            (audience, file),
        )
        return {int(row[0]) for row in cur}


def _seal(conn: psycopg.Connection, place: tuple[int, int, int], numbers: array[int], keys: CampaignKeys) -> None:
    if numbers:
        nonce, ciphertext = keys.seal_block(numbers, _context(*place))
        conn.execute("INSERT INTO audience_block VALUES (%s, %s, %s, %s, %s)", (*place, nonce, ciphertext))


def _context(audience: int, file: int, block: int) -> bytes:
    return f"audience|{audience}|{file}|{block}".encode()


def _write_verdicts(conn: psycopg.Connection, audience: int, file: int, verdicts: list[tuple[int, str, str]]) -> None:
    with conn.cursor().copy("COPY audience_verdict FROM STDIN") as copy:
        for line, verdict, reason in verdicts:
            copy.write_row((audience, file, line, verdict, reason))


def _count(progress: Import, kept: int, verdicts: list[tuple[int, str, str]], carriers: Iterable[str]) -> None:
    progress.rows += kept + len(verdicts)
    progress.verdicts[Verdict.ACCEPTED.value] += kept
    for _, verdict, _ in verdicts:
        progress.verdicts[verdict] += 1
    for carrier in carriers:
        progress.by_carrier[carrier] = progress.by_carrier.get(carrier, 0) + 1


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
    blocks = conn.execute(
        "SELECT file, block, nonce, ciphertext FROM audience_block WHERE audience = %s ORDER BY file, block",
        (audience,),
    )
    numbers = array("Q")
    for file, block, nonce, ciphertext in blocks:
        numbers.extend(keys.open_block(nonce, ciphertext, _context(audience, file, block)))
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


def verdict_counts(conn: psycopg.Connection, audience: int) -> dict[str, int]:
    """Rows of the audience's files by verdict; their sum is the number of rows in the files."""
    sums = ", ".join(f'coalesce(sum("{verdict.value}"), 0)' for verdict in Verdict)
    row = conn.execute(f"SELECT {sums} FROM audience_file WHERE audience = %s", (audience,)).fetchone()
    return {verdict.value: int(n) for verdict, n in zip(Verdict, row or (), strict=True)}
