"""What is uncertain and due for a question: which attempt, when it left, how often the carrier was asked already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import psycopg

from campaigns.ledger.names import BLOCK, block_context, log_table, message_table
from campaigns.sealing import CampaignKeys


class Standing(NamedTuple):
    """A wave with uncertain messages, as it stands now."""

    wave: int
    campaign: str
    text: str
    segments: int
    batch_size: int
    stop_seq: int
    running: bool  # nothing forbids to send: no pause, cancellation, lock or closed hours
    closes_at: float  # unix time of the end of the open hours


class Due(NamedTuple):
    """One uncertain attempt whose next question is due."""

    no: int
    window: int
    idx: int
    lo: int  # of its window: what our reference counts from
    at: float  # unix time of the intent
    age: float  # seconds since then, by the database's clock
    asked: int
    sender: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a question is due, and which attempts may be asked about at all."""

    after: tuple[float, ...]  # seconds after the line that left it uncertain, for each question
    most: int  # attempts a round
    finds: bool  # asked by number: nothing stands against it
    memory: float  # else the same reference is sent again: only so many seconds after its intent
    duplicates: tuple[str, ...]  # and not where the first answer was one of these: it knew our reference before us


# Waves in which an account may have something uncertain. Plan: the waves with a count above 0, by primary keys.
STANDINGS = """
SELECT w.id, w.campaign, w.text, (w.plan -> 'texts' -> w.choice ->> 'segments')::int, w.batch_size, w.stop_seq,
    w.state IN ('running', 'finished') AND i.locked_reason = '' AND i.incarnation = %(incarnation)s AND a.enabled
        AND NOT in_trial(a.name)
        AND w.rehearsal = a.simulated AND h.until IS NOT NULL,
    extract(epoch FROM coalesce(h.until, now()))::float8
FROM wave w CROSS JOIN installation i JOIN account a ON a.name = %(account)s
CROSS JOIN LATERAL (SELECT hours_end(w.opens_at, w.closes_at, w.day_opens, w.day_closes) AS until) h
WHERE w.text IS NOT NULL AND EXISTS (SELECT FROM wave_count c WHERE c.wave = w.id AND c.state = 1 AND c.n > 0)
    AND EXISTS (SELECT FROM batch b WHERE b.wave = w.id AND b.account = a.name)
"""


async def standings(conn: psycopg.AsyncConnection[Any], account: str, incarnation: int) -> list[Standing]:
    """Each wave that may hold something uncertain of this account."""
    cur = await conn.execute(STANDINGS, {"account": account, "incarnation": incarnation})
    return [Standing(*row) for row in await cur.fetchall()]


# From the index on uncertain lines, not from the messages: an index on state = 1 would end HOT updates, and the fold
# took three times as long with it. A question without an answer is such a line too, of kind look-up. Only the latest
# attempt of a message that is still uncertain counts; whoever is excluded since is never sent to again.
# Plan at 1 M rows, 9,049 uncertain: a bitmap of the index on uncertain lines, messages by primary key; 211 ms.
DUE = """
WITH u AS (
    SELECT "window", idx, count(*) FILTER (WHERE kind = 'look-up')::int AS asked,
        min(at) FILTER (WHERE kind <> 'look-up') AS at,
        coalesce(min(provider_code) FILTER (WHERE kind <> 'look-up'), '') AS code
    FROM {log} WHERE outcome = 1 GROUP BY "window", idx
)
SELECT m.no, w.id, u.idx, w.lo, extract(epoch FROM w.at)::float8,
    extract(epoch FROM clock_timestamp() - w.at)::float8, u.asked, v.plan -> 'senders' ->> c.name
FROM u JOIN send_window w ON w.id = u."window" AND w.account = %(account)s JOIN wave v ON v.id = w.wave
LEFT JOIN retry_item r ON w.kind = 'retry' AND r.wave = w.wave AND r.batch = w.batch AND r.idx = u.idx
JOIN {messages} m ON m.no = CASE w.kind WHEN 'first' THEN u.idx ELSE r.message_no END
    AND m.attempt = CASE w.kind WHEN 'first' THEN 1 ELSE r.attempt END AND m.state = 1
JOIN carrier c ON c.id = m.carrier
WHERE u.asked < cardinality(%(after)s::float8[])
    AND u.at + make_interval(secs => (%(after)s::float8[])[u.asked + 1]) <= clock_timestamp()
    AND (%(finds)s OR (u.code <> ALL(%(duplicates)s) AND w.at + make_interval(secs => %(memory)s) > clock_timestamp()
        AND NOT EXISTS (SELECT FROM wave_skip s WHERE s.wave = v.id AND s.message_no = m.no)))
ORDER BY u.asked, m.no LIMIT %(most)s
"""


async def due(conn: psycopg.AsyncConnection[Any], wave: int, account: str, schedule: Schedule) -> list[Due]:
    """Attempts of a wave and account whose next question is due, the least asked first."""
    asked = DUE.format(messages=message_table(wave), log=log_table(wave))
    facts = asdict(schedule) | {"account": account, "after": list(schedule.after)}
    cur = await conn.execute(asked, facts | {"duplicates": list(schedule.duplicates)})
    return [Due(*row) for row in await cur.fetchall()]


async def numbers(
    conn: psycopg.AsyncConnection[Any], wave: int, nos: Sequence[int], keys: CampaignKeys
) -> dict[int, int]:
    """Messages -> their phone numbers, from the sealed blocks."""
    cur = await conn.execute(
        "SELECT block, nonce, ciphertext FROM number_block WHERE wave = %s AND block = ANY(%s)",
        (wave, sorted({no // BLOCK for no in nos})),
    )
    blocks = {row[0]: keys.open_block(row[1], row[2], block_context(wave, row[0])) for row in await cur.fetchall()}
    return {no: blocks[no // BLOCK][no % BLOCK] for no in nos}


async def claimed(conn: psycopg.AsyncConnection[Any], account: str, provider_ref: str) -> bool:
    """Whether an answer in any wave of this account names this id of the carrier: it is that message's then.

    The index on provider_ref of answers serves this.
    """
    cur = await conn.execute(
        "SELECT w.id FROM wave w WHERE w.started_at > now() - interval '1 year'"
        " AND EXISTS (SELECT FROM batch b WHERE b.wave = w.id AND b.account = %s)",
        (account,),
    )
    for (wave,) in await cur.fetchall():
        cur = await conn.execute(
            f"SELECT FROM {log_table(wave)} WHERE kind = 'answer' AND provider_ref <> '' AND provider_ref = %s LIMIT 1",
            (provider_ref,),
        )
        if cur.rowcount:
            return True
    return False
