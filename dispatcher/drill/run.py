"""One drill from its first line to its last."""

from __future__ import annotations

import json
import logging
import random
import sys
import time
from typing import Any

from rich.console import Console

from config.settings import Settings
from dispatcher.drill import begin, evidence, invariants, limit, rest, sabotage, sealed, stage, summary
from dispatcher.drill.blows import Striker
from dispatcher.drill.case import Case
from dispatcher.drill.marks import Marks
from dispatcher.drill.stage import Stage
from dispatcher.drill.wishes import Wishes
from dispatcher.words import Words


def run(settings: Settings, wishes: Wishes, words: Words) -> int:
    """Run the drill in a data folder of its own; 0 only when no invariant broke."""
    console = Console(stderr=True, highlight=False)
    look_ups = " ".join(f"{each:g}" for each in settings.look_ups)
    console.print(
        f"[bold]{words.say('Drill: no phone receives anything')}[/] · seed {wishes.seed} · lease {settings.lease:g} s ·"
        f" settle {settings.settle:g} s · sweeper {settings.sweeper:g} s · look-ups {look_ups} s · retry"
        f" {settings.retry_first:g} s · {settings.data}",
        soft_wrap=True,
    )
    began = time.monotonic()
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    logging.basicConfig(filename=settings.data / "drill.log", level=logging.INFO)
    with stage.opened(settings, wishes) as place:
        told, found = _bounded(place, began + wishes.within, words)
    told["seconds"] = round(time.monotonic() - began, 1)
    summary.show(console, words, told, found)
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return 1 if told["broken_invariants"] else 0


Told = tuple[dict[str, Any], dict[str, str]]
"""Figures, and each invariant with what broke it."""


def _bounded(place: Stage, until: float, words: Words) -> Told:
    """The drill; one that hangs is left some time after its limit, and says what was open then."""
    begun, limit_s = begin.Begun(), place.wishes.within
    try:
        with limit.alarm(until + limit.GRACE - time.monotonic()):
            return _drill(place, until, begun, words)
    except limit.Overrun:
        left = rest.look(place.house(), begun.wave) if begun.wave else None
        told = {"messages": place.wishes.messages, "seed": place.wishes.seed, **limit.figures(words, limit_s, left)}
        found = {invariants.AT_REST: told["overrun"]}
        return {**told, "broken_invariants": [f"{name}: {why}" for name, why in found.items()]}, found


def _drill(place: Stage, until: float, begun: begin.Begun, words: Words) -> Told:
    """Set up, strike, wait until nothing moves or the limit is reached, compare."""
    if place.wishes.without:
        sabotage.spoil_python(place.wishes.without)
    wave = begun.wave = begin.begin(place, begun)
    if place.wishes.without:
        sabotage.spoil_database(place.wishes.without, place, wave)
    stage.go_to_work(place, time.time())
    house, marks = place.house(), Marks(place)
    striker = Striker(place, wave, house, random.Random(place.wishes.seed), marks)  # noqa: S311 - a repeatable drill
    striker.strike()
    stage.widen(place, time.time())
    rested = rest.wait(place, house, wave, striker.turn, until)
    begin.export_twice(place, wave, begun)
    ledger = evidence.ledger(house, wave)
    case = Case(place, house, wave, marks, rested, evidence.truth(place.truths, place.accounts()), ledger)
    marks.broken += begun.broken
    found = invariants.check(case)
    found["I15 no numbers in the open"] = sealed.found(house, place.settings.data, ledger.states)
    told = summary.figures(case, begun, found)
    if rested.overrun:
        told |= limit.figures(words, place.wishes.within, rested.open)
    return told, found
