"""`dispatcher wave canary`: what arrived on the seed phones, and a person's word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from campaigns.ledger import canaries
from campaigns.terms import Problem
from dispatcher import acts
from dispatcher.going import canary_json, say_canary
from dispatcher.verbs.desk import MaybeLogin, desk_of
from dispatcher.verbs.ids import WaveName, find_wave
from dispatcher.verbs.plan_page import carrier_names

Right = Annotated[bool, typer.Option("--right", help="the text on the phones is right: the rest goes out")]
Wrong = Annotated[bool, typer.Option("--wrong", help="it is not: the rest of these carriers stays")]
Carrier = Annotated[list[str] | None, typer.Option(metavar="NAME", help="only this carrier's; repeat it")]
Despite = Annotated[
    bool, typer.Option("--despite", help="right, though a seed phone is not known to have it; approvers only")
]


def canary(
    context: typer.Context,
    wave: WaveName,
    login: MaybeLogin = "",
    right: Right = False,  # noqa: FBT002 - a switch of the command line
    wrong: Wrong = False,  # noqa: FBT002 - a switch of the command line
    carrier: Carrier = None,
    despite: Despite = False,  # noqa: FBT002 - a switch of the command line
    reason: Annotated[str, typer.Option(metavar="WORDS", help="why; it stands in the record")] = "",
) -> None:
    """Show it, or say the word."""
    desk = desk_of(context)
    if right and wrong:
        raise Problem("say --right or --wrong, not both")
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve") if right or wrong else None
        with house.begin() as conn:
            found = find_wave(conn, wave)
            if person:
                canaries.say(conn, found, person, right=right, carriers=carrier or (), reason=reason, despite=despite)
            told = canaries.standing(conn, found.id)
        if person and right:
            acts.ring(house, found)
        if not told:
            raise Problem("{wave} was planned without a canary", wave=found.name)
        names = carrier_names(house, [each.carrier for each in told])
    for each in told:
        desk.out.print(say_canary(desk.words, each, names[each.carrier]))
    desk.answer(wave=str(found.id), canary=[canary_json(each) for each in told])
