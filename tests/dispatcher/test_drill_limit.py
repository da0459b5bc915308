"""A drill ends: no blow waits for a victim that never comes, and what hangs is left at the limit."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any, cast

import pytest

from dispatcher.crew import WORK, Crew, Hand
from dispatcher.drill import blows, limit, rest
from dispatcher.drill.blows import Striker
from dispatcher.drill.marks import Marks
from dispatcher.drill.stage import Stage
from dispatcher.drill.wishes import SHARES, Mix, Wishes
from dispatcher.words import speak
from tests.cluster import Started
from workers.house import House

DICE = random.Random(1)  # noqa: S311 - no secret


def hang() -> None:
    """As code does that takes every failure for one of its own."""
    while True:
        try:
            time.sleep(60)
        except Exception:  # noqa: BLE001, S112 - on purpose
            continue


def idle(house: House, folder: Path, wishes: Wishes) -> Stage:
    """Carriers that owe nobody an answer, and senders that live and do nothing."""
    crew = Crew(folder)
    crew.hands = {WORK + account: Hand(WORK + account, lambda: None) for account in SHARES}
    nobody = cast(Any, None)
    return Stage(house.settings, wishes, nobody, nobody, crew, folder, dict.fromkeys(SHARES, folder / "line"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("stops", ["stops", "stops_in_t1"])
def test_a_stop_waits_for_no_victim_that_never_comes(
    house: House, started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: str
) -> None:
    """The wave is sent before the last stop is dealt: it once waited for the whole rest of the drill's time."""
    monkeypatch.setattr(blows, "ON_THE_WIRE", 0.05)
    mix = Mix(points=(), stops=(1.0,) if stops == "stops" else (), stops_in_t1=int(stops == "stops_in_t1"), zombies=0)
    stage = idle(house, tmp_path, Wishes(mix=mix))
    striker = Striker(stage, started(n=40), house, DICE, Marks(stage))
    steps = striker._stop(1.0) if stops == "stops" else striker._stop_in_t1()
    for wait in steps:
        time.sleep(wait)
    assert stage.crew.hands[WORK + "sim-smpp"].crash_at == ""


def test_nothing_is_dealt_when_all_is_sent(
    house: House, started: Started, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = idle(house, tmp_path, Wishes())
    striker = Striker(stage, started(n=40), house, DICE, Marks(stage))
    monkeypatch.setattr(Marks, "taken", lambda _self: 40)
    agenda: list[Any] = [lambda: iter((1e9,))]
    dealt = striker._deal(agenda)
    for _ in range(3):
        next(dealt)
    assert (len(agenda), striker._going) == (1, 0)


def test_at_the_limit_a_drill_says_what_was_open(house: House, started: Started, tmp_path: Path) -> None:
    wave = started(n=40)
    rested = rest.wait(idle(house, tmp_path, Wishes()), house, wave, lambda: time.sleep(0.01), time.monotonic())
    assert rested.overrun
    assert rested.open is not None
    assert rested.open.due_batches > 0
    said = limit.figures(speak("en"), 300, rested.open)
    assert f"{rested.open.due_batches} batches with due messages" in said["overrun"]


def test_a_drill_that_hangs_is_left() -> None:
    """Whatever hangs, handlers of failures included: the alarm ends it."""
    with pytest.raises(limit.Overrun), limit.alarm(0.05):
        hang()


def test_the_limit_grows_with_messages_and_kills() -> None:
    small, large = Wishes(messages=2_400, kills=20), Wishes(messages=1_000_000, kills=1_000)
    assert small.within < large.within < Wishes(1_000_000, 1_000, production_times=True).within
    assert Wishes(limit=7.0).within == 7.0
