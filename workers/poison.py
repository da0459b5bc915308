"""A message that has ended its worker again and again is parked: accounted for, told to a person, never sent."""

from __future__ import annotations

import logging

from campaigns.ledger import poison, windows
from campaigns.ledger.logbook import Line
from campaigns.ledger.windows import Batch, Refusal
from campaigns.terms import Outcome
from workers.window import Asker

log = logging.getLogger(__name__)


async def park(sending: Asker, batch: Batch) -> str:
    """Set the message at the batch's cursor aside; why that was refused, or ""."""
    async with await windows.connect(sending.house.database) as conn:
        taken = await poison.set_aside(conn, batch, journal=sending.journal.name, incarnation=sending.incarnation)
    if isinstance(taken, Refusal):
        return taken.reason
    sending.journal.window(batch, taken)
    outcome, code = (Outcome.SKIPPED, "~listed") if taken.skipped else (Outcome.NOT_SENT, "~parked")
    line: Line = (taken.id, taken.lo, "closed", outcome, code, "")
    await sending.answers.put(batch.wave, [line], [taken.id])
    if not taken.skipped:
        log.error("wave %d, batch %s %d: message %d ended its worker again and again; it is parked, the others go on",
                  batch.wave, batch.kind, batch.seq, taken.lo)  # fmt: skip
    return ""
