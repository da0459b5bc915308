"""Live bars of a wave in the terminal: one a carrier, buckets that add up."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live as Screen
from rich.table import Table

from campaigns.ledger.counts import Live
from campaigns.terms import State
from dispatcher.words import Words

SHOWN = (State.DELIVERED, State.ACCEPTED, State.UNDELIVERED, State.REFUSED, State.UNCERTAIN, State.QUEUED)
FILL = {State.DELIVERED: ("█", "green"), State.ACCEPTED: ("▓", "bright_green"), State.UNDELIVERED: ("▒", "red"),
        State.REFUSED: ("▒", "red"), State.UNCERTAIN: ("?", "magenta"), State.QUEUED: ("·", "dim")}  # fmt: skip
WIDTH = 30


class Bars:
    """Shows counts; on a terminal as a table that lives, else a line every two seconds."""

    def __init__(self, console: Console, words: Words, names: Mapping[str, str], screen: Screen | None) -> None:
        self._console, self._words, self._names, self._screen = console, words, names, screen
        self._began = self._said = time.monotonic()

    def show(self, now: Live) -> None:
        """The newest counts."""
        if self._screen is not None:
            self._screen.update(self._table(now))
        elif time.monotonic() - self._said > 2:  # noqa: PLR2004 - two seconds, as the docstring says
            self._said = time.monotonic()
            self._console.print(" · ".join(f"{self._name(s)} {self._words.number(now.of(s))}" for s in SHOWN))

    def _name(self, state: State) -> str:
        return self._words.value(state)

    def _table(self, now: Live) -> Table:
        table = Table(box=None, pad_edge=False)
        table.add_column(self._words.say("carrier"))
        table.add_column("")
        for state in SHOWN:
            table.add_column(self._name(state), justify="right")
        for carrier, counts in now.by_carrier.items():
            table.add_row(self._names.get(carrier, carrier), _bar(counts), *self._figures(counts))
        table.add_section()
        whole = {state: now.of(state) for state in State}
        table.add_row(self._words.say("total"), _bar(whole), *self._figures(whole), style="bold")
        return table

    def _figures(self, counts: Mapping[State, int]) -> list[str]:
        return [self._words.number(counts.get(state, 0)) for state in SHOWN]


def _bar(counts: Mapping[State, int]) -> str:
    """Always WIDTH wide: each bucket ends where its share of the running sum ends."""
    total = sum(counts.get(state, 0) for state in SHOWN) or 1
    parts, done, drawn = [], 0, 0
    for state in SHOWN:
        done += counts.get(state, 0)
        end = round(WIDTH * done / total)
        sign, colour = FILL[state]
        parts.append(f"[{colour}]{sign * (end - drawn)}[/]")
        drawn = end
    return "".join(parts)


@contextmanager
def bars(console: Console, words: Words, names: Mapping[str, str]) -> Iterator[Bars]:
    """Bars for as long as the block lasts; `names` are the carriers' as people know them."""
    if not console.is_terminal or not sys.stderr.isatty():
        yield Bars(console, words, names, None)
        return
    with Screen(console=console, refresh_per_second=8, transient=False) as screen:
        yield Bars(console, words, names, screen)
