"""The last answers of this process by the carrier's id: a receipt that comes back to it finds its attempt at once.

Most receipts over a carrier's own connection come seconds after their answer, to the process that heard it. Their place
is kept beside them in the spool, so that the loader need not look for it in the log. Only what cannot be mistaken: the
id of exactly one remembered answer, and the number that this very message went to. All else, and everything after a
restart, is matched in the ledger (workers/matching.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from campaigns.ledger.logbook import CODE_MAX, DIGITS
from campaigns.ledger.windows import Intent
from campaigns.terms import Callback, Receipt
from providers.base import Provider
from workers.spool import Places

log = logging.getLogger(__name__)

MOST = 20_000
"""Answers in each of two generations, about 200 bytes each: when the younger is full the older is forgotten."""
MOST_CODES = 1_000
BITS = 10
"""An answer is one number, which costs no garbage collection: its span, and so many bits of offset in the window."""
NOBODY = -1
"""Of an id that more than one answer gave."""


class Span(NamedTuple):
    """A window whose answers are remembered."""

    n: int
    intent: Intent

    @property
    def first(self) -> int:
        """What its index 0 would be as an answer."""
        return (self.n << BITS) - self.intent.lo


class Recent:
    """Remembers and forgets; used by one thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._spans: dict[int, Span] = {}
        self._made = 0
        self._plain: dict[str, bool] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def span(self, intent: Intent) -> Span:
        """A place for the answers of a window: `span.first + index` is one of them."""
        if intent.hi - intent.lo > 1 << BITS:
            raise ValueError("a window of more messages than a span holds")
        self._made += 1
        return Span(self._made, intent)

    def remember(self, span: Span, answers: dict[str, int]) -> None:
        """Answers by their ids, each a plain word (campaigns.ledger.logbook.tail)."""
        if not answers:
            return
        self._spans[span.n] = span
        if not (self._young.keys().isdisjoint(answers) and self._old.keys().isdisjoint(answers)):
            for ref in (self._young.keys() | self._old.keys()) & answers.keys():
                answers[ref] = NOBODY
                self._old.pop(ref, None)
        self._young.update(answers)
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
            kept = {at >> BITS for at in self._old.values()}
            self._spans = {n: each for n, each in self._spans.items() if n in kept}

    def of(self, provider: Provider, events: Sequence[Callback | bytes]) -> list[Places]:
        """Where those of some events belong whose answer is remembered; whatever is wrong with one, it is kept."""
        try:
            return self.places(provider.receipts_of(events)) if self else []
        except Exception as error:  # noqa: BLE001 - bytes from outside; the loader reads them again
            log.warning("receipts that cannot be read on their way in: %s", type(error).__name__)
            return []

    def places(self, told: Sequence[list[Receipt] | None]) -> list[Places]:
        """Where receipts belong; an event is left out unless all of it is plain. Each id serves once."""
        found: dict[int, Places] = {}
        young, old, none = self._young, self._old, NOBODY
        for at, receipts in enumerate(told):
            if not receipts or len(receipts) > 1:
                continue
            outcome, code, ref, provider_ref, number = receipts[0]
            known = young.pop(provider_ref, none)
            if known < 0:
                known = old.pop(provider_ref, none)
            span = self._spans.get(known >> BITS)
            if span is None or ref or not (self._plain.get(code) or self._is_plain(code)):
                continue
            intent, offset = span.intent, known & (1 << BITS) - 1
            if intent.numbers[offset] != number or not number:
                continue
            place = found.get(span.n)
            if place is None:
                place = found[span.n] = Places(intent.id, [], [])
            place.events.append(at)
            place.tails.append(f"{intent.lo + offset} {DIGITS[outcome]} {provider_ref} {code}")
        return list(found.values())

    def _is_plain(self, code: str) -> bool:
        """Whether a carrier's code stands in a line as it is."""
        plain = self._plain.get(code)
        if plain is None:
            if len(self._plain) >= MOST_CODES:
                self._plain.clear()
            whole = code.isascii() and code.isprintable() and len(code) <= CODE_MAX
            plain = self._plain[code] = whole and " " not in code and "\\" not in code
        return plain
