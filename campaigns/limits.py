"""What each carrier takes of a text and how it bills it: tables with dates, never constants."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from campaigns import dated, segments
from campaigns.reading import Reader
from campaigns.terms import Problem, Problems

EVERY = "*"
"""The carrier of a row for all that have none of their own."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One carrier's table for one class and encoding; `steps[k]` units are the most that k + 1 messages hold."""

    carrier: str
    class_: str  # public_information | advertising
    encoding: str  # GSM-7 | UCS-2
    steps: tuple[int, ...]
    label: str  # what the carrier puts before the text; not counted in `steps`
    counts_bytes: bool  # refuses by UTF-8 bytes
    most_bytes: int  # 0 = unknown, the contract says
    valid_from: dt.date
    valid_to: dt.date
    source: str
    verified_on: dt.date
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Billed:
    """What one carrier makes of a text."""

    limit: Limit
    units: int
    octets: int  # UTF-8
    segments: int  # as the carrier bills; 0 when it takes no such text
    spare: int  # units until the next message begins, or until the end of the table


class Limits:
    """All tables of an installation."""

    def __init__(self, rows: Sequence[Limit]) -> None:
        self.rows = tuple(rows)

    @classmethod
    def load(cls, path: Path) -> Limits:
        """Read text_limits.toml; raises Problem or Problems naming the row: unknown keys, falling steps, overlaps."""
        rows = dated.rows(path, "limits", _limit)
        if found := [*_unsound(path, rows), *_overlapping(path, rows)]:
            raise Problems(found)
        return cls(rows)

    def find(self, carrier: str, class_: str, encoding: str, day: dt.date) -> Limit:
        """The table that holds at a carrier on a day: its own, else the one of every carrier. Raises Problem."""
        for name in (carrier, EVERY):
            for row in dated.on(day, self.rows):
                if (row.carrier, row.class_, row.encoding) == (name, class_, encoding):
                    return row
        raise Problem(
            "no table of text lengths holds for {carrier}, {class_}, {encoding} on {day}; add it to text_limits.toml",
            carrier=carrier, class_=class_, encoding=encoding, day=day,
        )  # fmt: skip

    def bill(self, text: str, carrier: str, class_: str, day: dt.date) -> Billed:
        """What a carrier makes of this NFC text on a day."""
        measured = segments.measure(text)
        limit = self.find(carrier, class_, measured.encoding, day)
        octets = len(text.encode())
        step = next((no for no, most in enumerate(limit.steps, 1) if measured.units <= most), 0)
        if limit.most_bytes and octets > limit.most_bytes:
            step = 0
        spare = limit.steps[step - 1] - measured.units if step else 0
        return Billed(limit, measured.units, octets, step, spare)

    def refusals(self, text: str, carriers: Sequence[str], class_: str, day: dt.date) -> list[Problem]:
        """Each carrier that would refuse this text for its length, with what is too much."""
        found = []
        for carrier in carriers:
            billed = self.bill(text, carrier, class_, day)
            if not billed.segments:
                found.append(refusal(carrier, billed))
        return found


def refusal(carrier: str, billed: Billed) -> Problem:
    """Why a carrier takes no such text."""
    limit = billed.limit
    if limit.most_bytes and billed.octets > limit.most_bytes:
        return Problem("{carrier} takes at most {most} bytes, the text has {n}: shorten it, or send it without accents",
                       carrier=carrier, most=limit.most_bytes, n=billed.octets)  # fmt: skip
    return Problem(
        "{carrier} takes at most {most} units of {encoding}, the text has {n}: shorten it, or send it without accents",
        carrier=carrier, most=limit.steps[-1], encoding=limit.encoding, n=billed.units,
    )  # fmt: skip


def _limit(table: Reader) -> Limit:
    return Limit(
        carrier=table.text("carrier"),
        class_=table.text("class"),
        encoding=table.text("encoding"),
        steps=table.integers("steps"),
        label=table.text("label", default=""),
        counts_bytes=table.flag("counts_bytes", default=False),
        most_bytes=table.integer("most_bytes", default=0),
        valid_from=table.day("valid_from", default=dated.ALWAYS),
        valid_to=table.day("valid_to", default=dated.NEVER),
        source=table.text("source"),
        verified_on=table.day("verified_on"),
        confirmed=table.flag("confirmed"),
    )


def _unsound(path: Path, rows: Sequence[Limit]) -> list[Problem]:
    return [
        Problem("{file}: limits[{row}].steps must rise from one to the next", file=path.name, row=no)
        for no, row in enumerate(rows, 1)
        if list(row.steps) != sorted(set(row.steps))
    ]


def _overlapping(path: Path, rows: Sequence[Limit]) -> list[Problem]:
    def key(row: Limit) -> tuple[str, str, str]:
        return row.carrier, row.class_, row.encoding

    return [
        Problem("{file}: rows {one} and {two} hold on the same day for {carrier}, {class_}, {encoding}: end the older",
                file=path.name, one=one_no, two=two_no, carrier=one.carrier, class_=one.class_, encoding=one.encoding)
        for (one_no, one), (two_no, two) in combinations(enumerate(rows, 1), 2)
        if key(one) == key(two) and dated.overlap(one, two)
    ]  # fmt: skip
