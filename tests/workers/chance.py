"""A history by chance: many acts, most of them a worker's next step, from one seed."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from campaigns.terms import Outcome
from tests.workers.history import HANDS, TORN, History
from tests.workers.model import Fate


def storm(here: History, seed: int, acts: int = 15) -> None:
    """So many acts; what must hold is looked at after each."""
    chance = Random(seed)  # noqa: S311 - a story to be told again
    for _ in range(acts):
        chance.choice(STORM)(here, chance)
        here.nobody_twice()
        here.the_ledger_holds()


def fates(chance: Random) -> list[Fate]:
    """What the carrier makes of the next few messages."""
    return chance.choices([Fate.OK, *Fate], k=chance.randint(1, 4))


def _advance(here: History, chance: Random) -> None:
    here.advance(chance.randrange(HANDS), chance.randint(1, 4), fates(chance))


def _crash(here: History, chance: Random) -> None:
    at = chance.choice(["", "S", "R"])
    here.crash(chance.randrange(HANDS), at, fates(chance), chance.choice(TORN), power=chance.random() < 0.1)


STORM: list[Callable[[History, Random], object]] = [
    *[_advance] * 12,
    _crash,
    lambda here, chance: here.take_ahead(chance.randrange(HANDS), [1, 2]),
    lambda here, chance: here.break_off_in_t1(chance.randrange(HANDS), chance.choice(["C2", "C3"])),
    lambda here, chance: here.hear_any(chance.randrange(64)),
    lambda here, chance: here.close_any(chance.randrange(64)),
    lambda here, chance: here.stopped_beyond_its_lease(chance.randrange(HANDS)),
    lambda here, chance: here.settle_doubt(chance.randrange(HANDS)),
    lambda here, chance: here.receipt(chance.randrange(64), Outcome(chance.randint(5, 7)), chance.randint(1, 2)),
    lambda here, chance: here.look_up(chance.randrange(64)),
    lambda here, chance: here.move(chance.choice(["pause", "resume", "resume"])),
    *[lambda here, chance: here.fold(chance.randint(1, 5))] * 2,
    lambda here, _: here.keep_books(),
    lambda here, _: here.keep_a_backup(),
]
"""What may happen by chance, as often as it stands here."""
