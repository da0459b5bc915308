"""The network's moods: now and then the line to one carrier misbehaves for a moment."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator

from dispatcher.drill.marks import Marks
from dispatcher.drill.stage import Stage
from providers.simulator import chaos
from providers.simulator.chaos import Mode

CALM = (0.5, 2.5)
"""Seconds between two moods."""
LASTS = (0.4, 1.2)
"""Seconds of one mood."""
HOLDING = frozenset({Mode.DELAY, Mode.TRICKLE, Mode.BLACK_HOLE, Mode.MIXED})
"""Moods in which bytes come later than they were paced."""
AFTERWARDS = 1.0
"""Seconds after a mood until nothing that it held back is on its way any more."""


def moods(stage: Stage, dice: random.Random, marks: Marks) -> Iterator[float]:
    """Switch lines for ever; each step says how many seconds to wait before the next."""
    deck: list[Mode] = []
    while True:
        yield dice.uniform(*CALM)
        deck = deck or dice.sample([mode for mode in Mode if mode is not Mode.CLEAR], len(Mode) - 1)
        account, mode = dice.choice(stage.accounts()), deck.pop()
        marks.moods[mode.value] += 1
        began = time.time()
        stage.switch(account, mode)
        yield dice.uniform(*LASTS)
        stage.switch(account, Mode.CLEAR)
        if mode in HOLDING:
            marks.held.append((account, began, time.time() + AFTERWARDS))


def spoilt(stage: Stage) -> Counter[str]:
    """What all lines did."""
    return sum((chaos.spoilt(control) for control in stage.lines.values()), Counter[str]())
