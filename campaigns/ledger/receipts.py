"""Receipts in the ledger: stored as they came, matched in sets, never applied when two messages could be meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import psycopg

from campaigns.ledger.logbook import CODE_MAX
from campaigns.ledger.names import log_table, message_table


class Place(NamedTuple):
    """An attempt: what a receipt is about."""

    wave: int
    window: int
    idx: int


InboxRow = tuple[str, bytes, datetime, str, int]
"""account, sealed group of events, received at, verdict of each of them, how many."""


class Named(NamedTuple):
    """Receipts that name their message by the carrier's id, a column each, for one statement."""

    refs: Sequence[str]  # printable
    codes: Sequence[str]  # printable
    outcomes: bytes  # an octet a receipt
    hashes: bytes  # 16 octets a receipt: its number's hash under the wave's campaign, NO_NUMBER where none is named


NO_NUMBER = bytes(16)


def open_day(conn: psycopg.Connection, day: date) -> None:
    """Make the inbox of a day (UTC)."""
    conn.execute("SELECT open_inbox_day(%s)", (day,))


def store(conn: psycopg.Connection, rows: Iterable[InboxRow]) -> None:
    """Append to the inbox, in the caller's transaction."""
    with conn.cursor().copy(
        "COPY inbox (account, raw, received_at, verdict, events) FROM STDIN (FORMAT binary)"
    ) as copy:
        copy.set_types(["text", "bytea", "timestamptz", "text", "int4"])
        for row in rows:
            copy.write_row(row)


def at(seconds: float) -> datetime:
    """A spool's time as the inbox keeps it."""
    return datetime.fromtimestamp(seconds, UTC)


def waves_of(conn: psycopg.Connection, account: str) -> list[tuple[int, str]]:
    """(wave, campaign) whose receipts an account may bring, newest first: late truth counts for a year."""
    rows = conn.execute(
        "SELECT w.id, w.campaign FROM wave w WHERE w.started_at > now() - interval '1 year'"
        " AND EXISTS (SELECT FROM batch b WHERE b.wave = w.id AND b.account = %s) ORDER BY w.started_at DESC",
        (account,),
    )
    return [(int(row[0]), str(row[1])) for row in rows]


def by_reference(
    conn: psycopg.Connection, account: str, parsed: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Place]:
    """(window, offset) of our own references -> the attempt; only of this account."""
    windows = list({window for window, _ in parsed})
    asked = "SELECT id, wave, lo, hi FROM send_window WHERE id = ANY(%s) AND account = %s"
    rows = conn.execute(asked, (windows, account)).fetchall()
    known = {row[0]: row for row in rows}
    found = {}
    for window, offset in parsed:
        if window in known and known[window][2] + offset < known[window][3]:
            found[window, offset] = Place(known[window][1], window, known[window][2] + offset)
    return found


def waves_of_windows(conn: psycopg.Connection, account: str, windows: Sequence[int]) -> dict[int, int]:
    """Those of these windows that are here and this account's -> the wave of each."""
    rows = conn.execute(
        "SELECT id, wave FROM send_window WHERE id = ANY(%s) AND account = %s", (list(windows), account)
    )
    return {int(row[0]): int(row[1]) for row in rows}


def prefer_indexes(conn: psycopg.Connection) -> None:
    """For the rest of this transaction: no table is read whole, whatever its statistics say, and plans are kept."""
    for setting in ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin"):
        conn.execute(f"SET LOCAL {setting} = off")
    conn.execute("SET LOCAL plan_cache_mode = force_generic_plan")


# Receipts by the carrier's id, straight into the wave's log: those whose id one answer of the wave names, an answer of
# this account, of a message with the receipt's number, while no other wave knows the id at all. Whatever is less plain
# is left to the caller. Two index look-ups a receipt (answer, message), one more for its window.
# Plan at 1 M rows, 500 receipts: the index on provider_ref, windows, retries and messages by primary key; 3 ms.
LOG_BY_ID = """
WITH r AS MATERIALIZED (
    SELECT t.n::integer AS n, t.ref, coalesce(t.code, '') AS code, get_byte(%(outcomes)s, t.n::integer - 1) AS outcome,
        substring(%(hashes)s FROM t.n::integer * 16 - 15 FOR 16) AS number_hash
    FROM unnest(string_to_array(%(refs)s, E'\\n'), string_to_array(%(codes)s, E'\\n'))
        WITH ORDINALITY AS t (ref, code, n)
), hit AS MATERIALIZED (
    SELECT r.n, r.ref, r.code, r.outcome, l."window", l.idx
    FROM r CROSS JOIN LATERAL (
        SELECT min(a."window") AS "window", min(a.idx) AS idx, count(*) AS times FROM (
            SELECT "window", idx FROM {log} WHERE kind = 'answer' AND provider_ref <> '' AND provider_ref = r.ref
            LIMIT 2) a
    ) l JOIN send_window w ON w.id = l."window"
    LEFT JOIN LATERAL (
        SELECT message_no FROM retry_item
        WHERE w.kind = 'retry' AND wave = w.wave AND batch = w.batch AND idx = l.idx LIMIT 1) i ON true
    JOIN {message} m ON m.no = CASE w.kind WHEN 'first' THEN l.idx ELSE i.message_no END
    WHERE l.times = 1 AND w.account = %(account)s
        AND (r.number_hash = '\\x00000000000000000000000000000000' OR m.number_hash = r.number_hash){others}
), c AS (
    INSERT INTO chunk (wave, receipts) SELECT %(wave)s, true WHERE EXISTS (SELECT FROM hit) RETURNING id
), written AS (
    INSERT INTO {log} (chunk, "window", idx, kind, outcome, provider_code, provider_ref)
    SELECT c.id, hit."window", hit.idx, 'receipt', hit.outcome, left(hit.code, %(longest)s), left(hit.ref, %(longest)s)
    FROM hit, c
)
SELECT CASE WHEN count(*) < (SELECT count(*) FROM r) THEN coalesce(array_agg(n - 1), ARRAY[]::integer[]) END FROM hit
"""
OTHER_WAVE = " AND NOT EXISTS (SELECT FROM {log} WHERE kind = 'answer' AND provider_ref <> '' AND provider_ref = r.ref)"


def log_by_id(
    conn: psycopg.Connection, wave: int, others: Sequence[int], account: str, named: Named
) -> set[int] | None:
    """Write the receipts whose message is plain to see; the positions of those written, None for all of them."""
    query = LOG_BY_ID.format(
        log=log_table(wave),
        message=message_table(wave),
        others="".join(OTHER_WAVE.format(log=log_table(other)) for other in others),
    )
    said = {
        "refs": "\n".join(named.refs),
        "codes": "\n".join(named.codes),
        "outcomes": named.outcomes,
        "hashes": named.hashes,
        "account": account,
        "wave": wave,
        "longest": CODE_MAX,
    }
    row = conn.execute(query, said, prepare=True).fetchone()
    return None if row is None or row[0] is None else set(row[0])


def oldest_unfolded(conn: psycopg.Connection) -> float:
    """Seconds since the oldest chunk came that is not folded yet; 0 when there is none."""
    row = conn.execute(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM chunk WHERE NOT folded"
    ).fetchone()
    return float(row[0]) if row else 0.0


def newest_chunk(conn: psycopg.Connection) -> int:
    """The greatest id of a chunk: it grows with each answer that is logged."""
    row = conn.execute("SELECT coalesce(max(id), 0) FROM chunk").fetchone()
    return int(row[0]) if row else 0


def by_provider_ref(
    conn: psycopg.Connection, wave: int, account: str, refs: Sequence[str]
) -> dict[str, set[tuple[Place, bytes]]]:
    """The carrier's ids -> the attempts whose answer named them, or a receipt before (`learn`), with its number hash.

    The index on provider_ref of answers serves this.
    """
    found: dict[str, set[tuple[Place, bytes]]] = {}
    # Plan at 1 M rows, 500 ids: that index, windows hashed whole (906), retries and messages by primary key; 2 ms.
    rows = conn.execute(
        'SELECT l.provider_ref, l."window", l.idx, m.number_hash FROM'
        f' (SELECT provider_ref, "window", idx FROM {log_table(wave)}'
        " WHERE kind = 'answer' AND provider_ref <> '' AND provider_ref = ANY(%(refs)s)"
        " UNION ALL SELECT provider_ref, send_window, idx FROM receipt_id WHERE wave = %(wave)s"
        " AND provider_ref = ANY(%(refs)s)) l"
        ' JOIN send_window w ON w.id = l."window"'
        " LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = w.wave AND r.batch = w.batch AND r.idx = l.idx"
        f" JOIN {message_table(wave)} m ON m.no = CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END"
        " WHERE w.account = %(account)s",
        {"refs": list(refs), "wave": wave, "account": account},
    )
    for ref, window, idx, number_hash in rows:
        found.setdefault(ref, set()).add((Place(wave, window, idx), bytes(number_hash)))
    return found


def learn(conn: psycopg.Connection, named: Sequence[tuple[str, Place]]) -> None:
    """Remember ids whose attempt only the number told: what comes next under such an id is the same attempt's."""
    waves, windows, idxs = zip(*(place for _, place in named), strict=True)
    conn.execute(
        "INSERT INTO receipt_id (provider_ref, wave, send_window, idx)"
        " SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::integer[]) ON CONFLICT DO NOTHING",
        ([ref for ref, _ in named], list(waves), list(windows), list(idxs)),
    )


def uncertain_by_number(
    conn: psycopg.Connection, wave: int, account: str, hashes: Sequence[bytes]
) -> dict[bytes, list[Place]]:
    """Numbers -> their uncertain attempts: the only way to a receipt whose answer we never read (SMPP)."""
    found: dict[bytes, list[Place]] = {}
    # Plan at 1 M rows, 9,049 uncertain: the index on uncertain lines alone, messages by number_hash (500); 22 ms.
    rows = conn.execute(
        'WITH u AS (SELECT DISTINCT l."window", l.idx,'
        " CASE w.kind WHEN 'first' THEN l.idx ELSE r.message_no END AS no"
        f' FROM {log_table(wave)} l JOIN send_window w ON w.id = l."window"'
        " LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = w.wave AND r.batch = w.batch AND r.idx = l.idx"
        " WHERE l.outcome = 1 AND w.account = %s AND w.at > now() - interval '72 h')"
        f' SELECT m.number_hash, u."window", u.idx FROM u JOIN {message_table(wave)} m ON m.no = u.no'
        " WHERE m.state = 1 AND m.number_hash = ANY(%s)",
        (account, list(hashes)),
    )
    for number_hash, window, idx in rows:
        found.setdefault(bytes(number_hash), []).append(Place(wave, window, idx))
    return found


def unknown(conn: psycopg.Connection, most: int, after: int) -> list[tuple[int, datetime, str, bytes]]:
    """Events of the last 72 hours without a message, after an id: (id, received at, account, sealed event)."""
    rows = conn.execute(
        "SELECT id, received_at, account, raw FROM inbox"
        " WHERE verdict = 'unknown' AND id > %s AND received_at > now() - interval '72 h'"
        " ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED",
        (after, most),
    )
    return [(int(r[0]), r[1], str(r[2]), bytes(r[3])) for r in rows]


def settle(conn: psycopg.Connection, found: Sequence[tuple[int, datetime]]) -> None:
    """Mark stored events as matched after all."""
    with conn.cursor() as cur:
        cur.executemany(
            "UPDATE inbox SET verdict = 'late-matched' WHERE id = %s AND received_at = %s AND verdict = 'unknown'",
            found,
        )
