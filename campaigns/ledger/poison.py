"""A message whose turn ends its worker again and again is set aside: an intent is made for it, and it is never sent."""

from __future__ import annotations

from typing import Any

import psycopg

from campaigns.ledger import windows
from campaigns.ledger.windows import Batch, Intent, Refusal


async def set_aside(
    conn: psycopg.AsyncConnection[Any], batch: Batch, *, journal: str, incarnation: int
) -> Intent | Refusal:
    """T1 for the one message at the batch's cursor; its number stays sealed, whatever is wrong with it."""
    async with conn.transaction():
        taken = await windows.intend(conn, batch, 1, journal=journal, incarnation=incarnation)
        if isinstance(taken, Intent) and batch.kind == "retry":
            cur = await conn.execute(windows.RETRY_ITEMS, (batch.wave, batch.seq, taken.lo, taken.hi))
            taken.retries = ",".join(f"{no}:{attempt}" for _, no, attempt in await cur.fetchall())
    if isinstance(taken, Intent):
        batch.cursor = taken.hi
    return taken
