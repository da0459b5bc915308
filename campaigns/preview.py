"""What a phone of each carrier shows: the sender, the carrier's label, the parts, and what it costs. Pure."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from campaigns import segments, text
from campaigns.limits import Billed, Limits, refusal
from campaigns.terms import Problem


@dataclass(frozen=True, slots=True)
class Preview:
    """One text at one carrier."""

    carrier: str
    sender: str
    label: str  # stands before the first part on the phone
    parts: tuple[str, ...]  # joined without anything between them they are the text, byte for byte
    encoding: str
    billed: Billed
    refusal: Problem | None  # why this carrier takes no such text

    def shown(self) -> str:
        """The whole of what a phone shows under the sender's name."""
        return self.label + "".join(self.parts)

    def as_json(self) -> dict[str, Any]:
        """For programs; `segments` 0 means that the carrier takes no such text."""
        return {
            "carrier": self.carrier, "sender": self.sender, "label": self.label, "parts": list(self.parts),
            "shown": self.shown(), "encoding": self.encoding, "units": self.billed.units, "bytes": self.billed.octets,
            "segments": self.billed.segments, "spare": self.billed.spare, "confirmed": self.billed.limit.confirmed,
        }  # fmt: skip


def preview(content: str, senders: Mapping[str, str], limits: Limits, class_: str, day: dt.date) -> list[Preview]:
    """The text at each carrier of `senders` (carrier -> name), as it is on a day."""
    content = text.normal(content)
    cut, encoding = tuple(segments.parts(content)), segments.measure(content).encoding
    found = []
    for carrier, sender in senders.items():
        billed = limits.bill(content, carrier, class_, day)
        refused = None if billed.segments else refusal(carrier, billed)
        label = billed.limit.label
        if content.startswith(label.strip()):  # a text that bears it already gets no second one
            label = ""
        found.append(Preview(carrier, sender, label, cut, encoding, billed, refused))
    return found


class Cost(NamedTuple):
    """A character that costs more than one unit, or puts the whole text into UCS-2."""

    char: str
    times: int
    position: int  # its first place, from 1
    why: str  # ucs-2 | escape | surrogates
    plain: str  # what it would be without accents; itself where there is no such form


def costs(content: str) -> list[Cost]:
    """The characters that cost, in order of appearance; empty for a text of single septets."""
    content = text.normal(content)
    times, ucs2 = Counter(content), segments.measure(content).encoding == segments.UCS2
    return [
        Cost(char, times[char], content.index(char) + 1, why, text.unaccent(char))
        for char in times
        if (why := segments.why_costly(char, ucs2=ucs2))
    ]
