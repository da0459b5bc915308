"""How long receipts took after their answers, from a sample of the log: the ledger keeps no figure of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import psycopg

from campaigns.ledger import receipts
from campaigns.ledger.names import log_table

CHUNKS: Final = 4
"""Of each step, evenly over it."""
EACH: Final = 25
"""Receipts of each of these chunks."""


class Delay(NamedTuple):
    """Of one step; seconds from the answer that took a message to its receipt, both as they came to the log."""

    at: datetime  # its beginning
    half: float  # half of the receipts came within
    most: float  # nine in ten came within


# Plan: chunk_receipts for the chunks, the log by its chunk index and by that of provider_ref: 100 look-ups a step.
SAMPLE = """
WITH c AS (
    SELECT id, slot, ntile(%(chunks)s) OVER (PARTITION BY slot ORDER BY id) AS part
    FROM (SELECT id, date_bin(%(step)s, at, %(since)s) AS slot FROM chunk
        WHERE wave = %(wave)s AND receipts AND at >= %(since)s AND at < %(until)s) s
), t AS (
    SELECT DISTINCT ON (slot, part) id, slot FROM c ORDER BY slot, part, id
)
SELECT t.slot, percentile_cont(0.5) WITHIN GROUP (ORDER BY d.s), percentile_cont(0.9) WITHIN GROUP (ORDER BY d.s)
FROM t CROSS JOIN LATERAL (
    SELECT greatest(0, extract(epoch FROM r.at - a.at))::float8 AS s
    FROM (SELECT provider_ref, at FROM {log} WHERE chunk = t.id AND kind = 'receipt' AND provider_ref <> ''
        LIMIT %(each)s) r
    CROSS JOIN LATERAL (SELECT at FROM {log} WHERE kind = 'answer' AND provider_ref <> ''
        AND provider_ref = r.provider_ref LIMIT 1) a
) d
GROUP BY t.slot ORDER BY t.slot
"""


def sample(conn: psycopg.Connection, wave: int, since: datetime, until: datetime, step: timedelta) -> Sequence[Delay]:
    """Steps between two instants in which receipts came, oldest first; in a transaction of its own, for its plan."""
    receipts.prefer_indexes(conn)
    asked = {"wave": wave, "since": since, "until": until, "step": step, "chunks": CHUNKS, "each": EACH}
    return [Delay(*row) for row in conn.execute(SAMPLE.format(log=log_table(wave)), asked)]
