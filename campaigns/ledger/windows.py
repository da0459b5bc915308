"""Leases and intents as the sending worker sees them: claim a batch, take a window (T1), keep or give back."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from campaigns.ledger.names import BLOCK, block_context, new_id
from campaigns.sealing import CampaignKeys
from campaigns.terms import Problem


@dataclass(slots=True)
class Batch:
    """A claimed batch, with the facts of its wave that each of its windows needs."""

    wave: int
    kind: str
    seq: int
    carrier: int
    cursor: int
    hi: int
    epoch: int
    token: int
    stop_seq: int
    plan_hash: str
    campaign: str
    text: str
    sender: str
    segments: int
    closes_at: float  # unix time
    suspect: int = 0  # claims before this one made no progress: windows take half of what is left up to here
    park: bool = False  # the message at the cursor has ended its worker again and again: it is not sent
    validity: float = 0.0  # seconds from the claim to the end of the wave: a delivery after it is too late


@dataclass(slots=True)
class Intent:
    """A committed window: these indexes, and nobody else, may now be sent by this worker."""

    id: int
    lo: int
    hi: int
    numbers: array[int]  # at position index - lo; 0 = skip
    skipped: list[int] = field(default_factory=list)  # indexes on an exclusion list
    retries: str = ""  # "no:attempt,..." of a retry window, for the journal


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why T1 gave nothing; see take_window in 0001_baseline.sql."""

    reason: str


WINDOW_MOST = 1_000
"""Messages an intent at most (ledger: section 2)."""

# Plan at 1 M rows: the index batch_due (28 rows), then wave, account and carrier by their keys; 1 ms.
CLAIM = """
WITH due AS (
    SELECT b.wave, b.kind, b.seq, suspicion(b, %(most)s) AS found FROM batch b JOIN wave w ON w.id = b.wave
    JOIN account a ON a.name = b.account AND a.enabled
    WHERE b.account = %(account)s AND b.cursor < b.hi AND b.not_before <= clock_timestamp()
      AND NOT route_stopped(b.account, b.carrier, b.wave) AND route_hours_end(b.account, b.carrier) IS NOT NULL
      AND canary_open(b.wave, b.carrier) AND trial_open(b)
      AND (b.lease_until IS NULL OR b.lease_until < clock_timestamp())
      AND w.state = 'running' AND hours_end(w.opens_at, w.closes_at, w.day_opens, w.day_closes) IS NOT NULL
    ORDER BY b.not_before, b.wave, b.kind, b.seq LIMIT 1 FOR UPDATE OF b SKIP LOCKED
)
UPDATE batch b SET epoch = b.epoch + 1, lease_token = %(token)s, stalls = s.stalls, suspect = s.suspect,
    lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
FROM due, wave w, carrier c, LATERAL (SELECT (due.found).*) s
WHERE b.wave = due.wave AND b.kind = due.kind AND b.seq = due.seq AND w.id = b.wave AND c.id = b.carrier
RETURNING b.wave, b.kind::text, b.seq, b.carrier, b.cursor, b.hi, b.epoch, b.lease_token, w.stop_seq, w.plan_hash,
    w.campaign, w.text, w.plan -> 'senders' ->> c.name, (w.plan -> 'texts' -> w.choice ->> 'segments')::int,
    extract(epoch FROM least(coalesce(hours_end(w.opens_at, w.closes_at, w.day_opens, w.day_closes), now()),
        coalesce(route_hours_end(b.account, b.carrier), now())))::float8,
    s.suspect, s.park, extract(epoch FROM w.closes_at - clock_timestamp())::float8, w.text_sha256
"""


async def claim(conn: psycopg.AsyncConnection[Any], account: str, lease: float) -> Batch | None:
    """The next due batch of an account, leased to us for `lease` seconds; None when there is none."""
    cur = await conn.execute(CLAIM, {"account": account, "token": new_id(), "lease": lease, "most": WINDOW_MOST})
    row = await cur.fetchone()
    if row is None:
        return None
    *facts, approved = row
    batch = Batch(*facts)
    if hashlib.sha256(batch.text.encode()).hexdigest() != approved:
        raise Problem("the text of wave {wave} is not the approved one (SHA-256 {digest}): nothing is sent",
                      wave=str(batch.wave), digest=approved)  # fmt: skip
    return batch


async def renew(conn: psycopg.AsyncConnection[Any], batch: Batch, lease: float) -> bool:
    """Keep the lease; False when somebody else has it."""
    cur = await conn.execute(
        "UPDATE batch SET lease_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE wave = %s AND kind = %s AND seq = %s AND lease_token = %s AND lease_until > clock_timestamp()",
        (lease, batch.wave, batch.kind, batch.seq, batch.token),
    )
    return cur.rowcount == 1


async def release(conn: psycopg.AsyncConnection[Any], batch: Batch) -> None:
    """Let go of a batch, so that it may be claimed at once."""
    await conn.execute(
        "UPDATE batch SET lease_token = NULL, lease_until = NULL, stalls = 0"  # we live: this claim was no stall
        " WHERE wave = %s AND kind = %s AND seq = %s AND lease_token = %s",
        (batch.wave, batch.kind, batch.seq, batch.token),
    )


FIRST_BLOCKS = "SELECT block, nonce, ciphertext FROM number_block WHERE wave = %s AND block BETWEEN %s AND %s"
RETRY_ITEMS = (
    "SELECT idx, message_no, attempt FROM retry_item"
    " WHERE wave = %s AND batch = %s AND idx >= %s AND idx < %s ORDER BY idx"
)
RETRY_BLOCKS = (
    "SELECT block, nonce, ciphertext FROM number_block WHERE wave = %s AND block IN"
    " (SELECT message_no / 1000 FROM retry_item WHERE wave = %s AND batch = %s AND idx >= %s AND idx < %s)"
)


async def take(
    conn: psycopg.AsyncConnection[Any],
    batch: Batch,
    want: int,
    *,
    journal: str,
    incarnation: int,
    keys: CampaignKeys,
    at_point: Callable[[str], None],
) -> Intent | Refusal:
    """T1: commit the intent of the next `want` indexes of a batch, then open their numbers.

    Moves `batch.cursor`. `at_point` names the crash points C2 and C3 to the drill; it does nothing in production.
    """
    async with conn.transaction():
        intent = await intend(conn, batch, want, journal=journal, incarnation=incarnation)
        if isinstance(intent, Refusal):
            return intent
        intent = await _with_numbers(conn, batch, intent, keys)
        at_point("C2")
    at_point("C3")
    batch.cursor = intent.hi
    for idx in intent.skipped:
        intent.numbers[idx - intent.lo] = 0
    return intent


CALLS = "calls"
"""Nothing more for some seconds: the wave leaves as slowly as a hotline can answer."""
ROUTE_OPEN = """
SELECT route_hours_end(account, carrier) IS NOT NULL, budget_room(wave, carrier),
    resend_leave_out(wave, kind, seq, %(want)s), canary_open(wave, carrier), calls_room(wave) FROM batch
WHERE wave = %(wave)s AND kind = %(kind)s::batch_kind AND seq = %(seq)s
"""


async def intend(
    conn: psycopg.AsyncConnection[Any], batch: Batch, want: int, *, journal: str, incarnation: int
) -> Intent | Refusal:
    """The statements of T1 that decide, in the caller's transaction; the numbers are not there yet."""
    asked = await conn.execute(ROUTE_OPEN, {"wave": batch.wave, "kind": batch.kind, "seq": batch.seq, "want": want})
    open_now, room, _, seen, calls = await asked.fetchone() or (False, None, 0, False, None)
    if not open_now or not seen:
        return Refusal("canary" if open_now else "hours")
    if room is not None and room <= 0:
        await conn.execute("SELECT budget_reached(%s)", (batch.wave,))  # pauses once nothing can come back
        return Refusal("budget")
    if calls is not None:
        if calls <= 0:
            return Refusal(CALLS)
        want = min(want, calls)
    window = new_id()
    # Plan at 1 M rows: batch, wave, account, wave_skip and, of a retry, items and messages by key; 1 ms, retry 8 ms
    cur = await conn.execute(
        "SELECT verdict, taken_to, skipped FROM take_window(%s, %s::batch_kind, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            batch.wave,
            batch.kind,
            batch.seq,
            batch.token,
            batch.cursor,
            want if room is None else min(want, room),
            window,
            journal,
            incarnation,
            batch.plan_hash,
            batch.stop_seq,
        ),
    )
    row = await cur.fetchone()
    verdict, hi, skip = row or ("gone", 0, b"")
    if verdict != "ok":
        return Refusal(verdict or "gone")
    lo = batch.cursor
    skipped = [lo + at for at in range(hi - lo) if skip[at // 8] >> (at % 8) & 1] if skip else []
    return Intent(window, lo, hi, array("Q", bytes(8 * (hi - lo))), skipped)


async def _with_numbers(conn: psycopg.AsyncConnection[Any], batch: Batch, intent: Intent, keys: CampaignKeys) -> Intent:
    lo, hi = intent.lo, intent.hi
    if batch.kind == "first":
        cur = await conn.execute(FIRST_BLOCKS, (batch.wave, lo // BLOCK, (hi - 1) // BLOCK))
        for block, nonce, ciphertext in await cur.fetchall():
            numbers = keys.open_block(nonce, ciphertext, block_context(batch.wave, block))
            base = block * BLOCK
            first, last = max(lo, base), min(hi, base + len(numbers))
            intent.numbers[first - lo : last - lo] = numbers[first - base : last - base]
        return _complete(intent)
    cur = await conn.execute(RETRY_ITEMS, (batch.wave, batch.seq, lo, hi))
    items = await cur.fetchall()
    cur = await conn.execute(RETRY_BLOCKS, (batch.wave, batch.wave, batch.seq, lo, hi))
    blocks = {
        row[0]: keys.open_block(row[1], row[2], block_context(batch.wave, row[0])) for row in await cur.fetchall()
    }
    for idx, no, _ in items:
        intent.numbers[idx - lo] = blocks[no // BLOCK][no % BLOCK]
    intent.retries = ",".join(f"{no}:{attempt}" for _, no, attempt in items)
    return _complete(intent)


def _complete(intent: Intent) -> Intent:
    """A missing number would be a message that nobody misses: refuse the window instead."""
    if 0 in intent.numbers:
        raise Problem("sealed numbers of window {lo}-{hi} are missing: nothing is sent", lo=intent.lo, hi=intent.hi)
    return intent


IN_DOUBT = "SELECT id, wave, lo, hi FROM send_window WHERE closed IS NULL AND journal = %s AND NOT id = ANY(%s)"


async def in_doubt(
    conn: psycopg.AsyncConnection[Any], journal: str, mine: list[int]
) -> list[tuple[int, int, int, int]]:
    """Windows of this journal that its living writer knows nothing of: a commit whose answer was lost. Nothing left."""
    cur = await conn.execute(IN_DOUBT, (journal, mine))
    return [(r[0], r[1], r[2], r[3]) for r in await cur.fetchall()]


async def is_known(conn: psycopg.AsyncConnection[Any], window: int) -> bool:
    """Whether the database has a window that it once committed; not after it went back in time."""
    cur = await conn.execute("SELECT EXISTS (SELECT FROM send_window WHERE id = %s)", (window,))
    return await cur.fetchone() == (True,)


async def connect(url: str) -> psycopg.AsyncConnection[Any]:
    """A connection of a worker: a database that does not answer is away within seconds, not minutes.

    A worker stopped inside a transaction must not hold its locks for ever: the server ends it after 2 s.
    """
    return await psycopg.AsyncConnection.connect(
        url, autocommit=True, connect_timeout=3, keepalives_idle=5, keepalives_interval=2, keepalives_count=3,
        tcp_user_timeout=10_000, options="-c idle_in_transaction_session_timeout=2000",
    )  # fmt: skip
