"""Suspected slips of a mandated text beside the letter's own lines: what a person must see who chooses between them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from campaigns import text
from campaigns.definition import MandatedText

AROUND = 60
"""Characters of a line that are shown on each side of the words: a line of a letter is a whole paragraph."""
MOST = 5
"""Lines shown of each spelling."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Words as the letter writes them, with what stands around them; `…` where the line goes on."""

    line: int  # of the letter, from 1
    before: str
    words: str
    after: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """Two spellings of the letter. `reason` is the definition's; "" where only the comparison found the pair."""

    found: str  # as the text has it
    suggested: str
    reason: str
    ordered: tuple[Excerpt, ...]  # where the letter writes `found`
    elsewhere: tuple[Excerpt, ...]  # where it writes `suggested`

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def doubts(mandated: MandatedText) -> tuple[Doubt, ...]:
    """Each correction that the definition proposes, then each slip that only the comparison with the letter finds."""
    pairs = {(each.found, each.suggested): each.reason for each in mandated.corrections}
    for slip in text.slips(mandated.verbatim, mandated.letter):
        pairs.setdefault((slip.found, slip.suggested), "")
    lines = text.normal(mandated.letter).split("\n")
    return tuple(
        Doubt(found, suggested, reason, _excerpts(lines, found), _excerpts(lines, suggested))
        for (found, suggested), reason in pairs.items()
    )


def _excerpts(lines: Sequence[str], words: str) -> tuple[Excerpt, ...]:
    """The first places, one a line, whole words in either case."""
    pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)", re.IGNORECASE)
    return tuple(_places(lines, pattern))[:MOST]


def _places(lines: Sequence[str], pattern: re.Pattern[str]) -> Iterator[Excerpt]:
    for no, line in enumerate(lines, 1):
        if place := pattern.search(line):
            yield Excerpt(no, _tail(line[: place.start()]), place.group(), _head(line[place.end() :]))


def _tail(before: str) -> str:
    """The end of what stands before, cut between words."""
    if len(before) <= AROUND:
        return before
    return "…" + before[-AROUND:].partition(" ")[2]


def _head(after: str) -> str:
    if len(after) <= AROUND:
        return after
    return after[:AROUND].rpartition(" ")[0] + "…"
