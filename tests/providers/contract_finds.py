"""The check for carriers that tell by number what they took (capability `finds`); see contract.py."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from campaigns.terms import Outcome, Receipt
from providers.base import Doubt
from providers.simulator.faults import Faults
from tests.providers.contract import TEXTS, Bench, Case, bench


async def _decided(b: Bench, doubt: Doubt) -> Receipt:
    """What the carrier says once it has decided."""
    async with asyncio.timeout(5):
        while (receipt := await b.provider.find(doubt)).outcome is Outcome.ACCEPTED:
            pass
    return receipt


async def finds(case: Case, folder: Path) -> None:
    """Asked by number it tells what it took without an answer; untaken, other texts, older ones, two: uncertain."""
    faults = Faults(latency=0, receipt_delay=0, undelivered=0.4, no_receipt=1, silent=0.5, error_after=1)
    async with bench(case, folder, faults) as b:
        if not b.provider.capability.finds:
            return
        before = time.time()
        answers, _ = await b.send(b.window(30))
        assert {a.outcome for a in answers} == {Outcome.UNCERTAIN}
        doubts = [Doubt(case.number + i, TEXTS[0], before) for i in range(30)]
        found = [await _decided(b, doubt) for doubt in doubts]
        ids = {t.number: t.message_id for t in b.taken()}
        assert [r.provider_ref for r in found] == [ids[str(d.number)] for d in doubts]
        assert [r.outcome is Outcome.UNDELIVERED for r in found] == [
            faults.hits(str(d.number), "undelivered") for d in doubts
        ]
        first, unknown = doubts[0], Doubt(case.number + 99, TEXTS[0], before)
        for doubt in (unknown, replace(first, text=TEXTS[1]), replace(first, since=before + 3_600)):
            assert await b.provider.find(doubt) == Receipt(Outcome.UNCERTAIN, "~not-found")
        await b.send(b.window(1))
        assert await b.provider.find(first) == Receipt(Outcome.UNCERTAIN, "~ambiguous")
