"""Numbers that people are told to call: who answers, when, at what cost, and when somebody last made sure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from campaigns import dated
from campaigns.reading import Reader
from campaigns.terms import Absent, Problem

STALE_AFTER = 90
"""Days after which a hotline must be verified again before a wave names it, where the installation says nothing."""


@dataclass(frozen=True, slots=True)
class Hotline:
    """One number in one period of its life."""

    number: str  # as a text shows it and a phone dials it
    name: str
    owner: str
    hours: str
    cost: str  # free | call charge | ...
    valid_from: dt.date
    valid_to: dt.date
    source: str
    verified_on: dt.date
    confirmed: bool  # False: one source or none

    def asks(self, day: dt.date, stale_after: int) -> Problem | None:
        """What must be made sure of before a wave of that day names this number; None when nothing."""
        days = (day - self.verified_on).days
        if not self.confirmed:
            return Problem(
                "hotline {number} ({owner}) rests on one source or none: call it, then record that with"
                " `dispatcher text hotline {number} --verified`", number=self.number, owner=self.owner,
            )  # fmt: skip
        if days > stale_after:
            return Problem(
                "hotline {number} ({owner}) was last verified on {day}, more than {most} days before the wave: call it,"
                " then record that with `dispatcher text hotline {number} --verified`",
                number=self.number, owner=self.owner, day=self.verified_on, most=stale_after,
            )  # fmt: skip
        return None


class Registry:
    """All hotlines of an installation."""

    def __init__(self, rows: Sequence[Hotline]) -> None:
        self.rows = tuple(rows)

    @classmethod
    def load(cls, path: Path) -> Registry:
        """Read hotlines.toml; raises Problem or Problems naming the row."""
        return cls(dated.rows(path, "hotlines", _hotline))

    def ended(self, number: str, day: dt.date) -> Registry:
        """The same registry, in which the number belongs to nobody from a day on."""
        kept = [row for row in self.rows if row.number != number or row.valid_from < day]
        return Registry([replace(row, valid_to=min(row.valid_to, day - dt.timedelta(days=1)))
                         if row.number == number else row for row in kept])  # fmt: skip

    def followed(self, row: Hotline) -> Registry:
        """The same registry, in which this row holds from its first day on, whatever was said of the number before."""
        return Registry([*self.ended(row.number, row.valid_from).rows, row])

    def find(self, number: str, day: dt.date) -> Hotline:
        """The number as it is on a day; raises Absent when it is none, or belongs to nobody then."""
        mine = [row for row in self.rows if row.number == number]
        if not mine:
            raise Absent("{number} is not in the registry of hotlines; enter it in hotlines.toml with its owner, hours,"
                         " cost and source", number=number)  # fmt: skip
        for row in dated.on(day, mine):
            return row
        raise Absent("hotline {number} has no owner on {day}: see hotlines.toml", number=number, day=day)

    def asks(
        self, numbers: Sequence[str], day: dt.date, verified: Mapping[str, dt.date], stale_after: int
    ) -> list[Problem]:
        """What must be made sure of before a wave of that day; `verified`: later checks that persons recorded."""
        found: list[Problem] = []
        for number in numbers:
            try:
                row = self.find(number, day)
            except Absent as problem:
                found.append(problem)
                continue
            said = verified.get(number)
            if said is not None and (day - said).days <= stale_after:
                continue
            if asked := row.asks(day, stale_after):
                found.append(asked)
        return found


def _hotline(table: Reader) -> Hotline:
    return Hotline(
        number=table.text("number"),
        name=table.text("name"),
        owner=table.text("owner"),
        hours=table.text("hours"),
        cost=table.text("cost"),
        valid_from=table.day("valid_from", default=dated.ALWAYS),
        valid_to=table.day("valid_to", default=dated.NEVER),
        source=table.text("source"),
        verified_on=table.day("verified_on"),
        confirmed=table.flag("confirmed"),
    )
