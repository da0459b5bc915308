"""A wave's budget on the command line: how ceilings are written, and other ones by two persons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from campaigns.ledger import budgets
from campaigns.terms import Problem
from dispatcher.going import budget_json, say_budget
from dispatcher.verbs.desk import Login, desk_of
from dispatcher.verbs.ids import WaveName, find_wave

Most = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="UNIT=N", help="the most of the whole wave: messages=N, segments=N or dong=N;"
                                                    " repeat it"),
]  # fmt: skip
MostADay = Annotated[
    list[str] | None, typer.Option("--daily", metavar="UNIT=N", help="the most of a day, likewise; repeat it")
]


def read_ceilings(whole: Sequence[str] | None, daily: Sequence[str] | None) -> dict[str, dict[str, int]]:
    """Ceilings as people write them; raises Problem."""
    return budgets.checked({"wave": dict(map(_ceiling, whole or ())), "day": dict(map(_ceiling, daily or ()))})


def _ceiling(said: str) -> tuple[str, int]:
    unit, _, most = said.partition("=")
    if not (most.isascii() and most.isdigit()):
        raise Problem("{value} is no ceiling: write messages, segments or dong with a whole number above 0,"
                      " for instance dong=5000000", value=said)  # fmt: skip
    return unit.strip(), int(most)


def budget(
    context: typer.Context,
    wave: WaveName,
    login: Login,
    whole: Most = None,
    daily: MostADay = None,
    reason: Annotated[str, typer.Option(metavar="WORDS", help="why; it stands in the record")] = "",
) -> None:
    """The first person asks, a second one gives the same figures."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        with house.begin() as conn:
            found = find_wave(conn, wave)
            agreed = budgets.change(conn, found.id, read_ceilings(whole, daily), person, reason)
            lines = budgets.lines(conn, found.id)
    if agreed:
        desk.say("the budget is changed; a paused wave goes on with `dispatcher wave resume`")
    else:
        desk.say("asked; in force once an approver who did not plan the wave gives the same figures")
    for line in lines:
        desk.out.print(say_budget(desk.words, line))
    desk.answer(wave=str(found.id), agreed=agreed, budget=[budget_json(line) for line in lines])
