"""`dispatcher wave correct` and `wave resend`: a wave for some of the people of another one."""

from __future__ import annotations

from typing import Annotated

import typer

from campaigns.ledger import resends
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher import resending
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.halt import say_halted
from dispatcher.verbs.ids import WaveName, find_wave
from dispatcher.verbs.plan_page import show_plan
from dispatcher.verbs.texts import bubble
from workers.house import House

Stop = Annotated[bool, typer.Option("--stop", help="cancel the wave first, for good, when it may still send")]
Reason = Annotated[str, typer.Option(metavar="WORDS", help="why; it stands in the record")]


def correct(
    context: typer.Context,
    wave: WaveName,
    login: Login,
    words: Annotated[
        str, typer.Option("--text", metavar="WORDS", help="the correction; without it a text to begin with is shown")
    ] = "",
    stop: Stop = False,  # noqa: FBT002 - a switch of the command line
    reason: Reason = "",
) -> None:
    """Show whom it would reach and a text to begin with; plan it once there is a text."""
    desk = desk_of(context)
    with desk.house() as house:
        person, found = _begun(desk, house, wave, login, resends.CORRECTION, reason if stop else None)
        if not words:
            _offer(desk, house, found)
            return
        _planned(desk, house, resending.plan(house, found.id, resends.CORRECTION, person, words))


def _begun(desk: Desk, house: House, wave: str, login: str, to: str, reason: str | None) -> tuple[Person, Wave]:
    """Who acts on which wave; stopped for good first, for this reason, where one is given."""
    person = desk.person(house, login, "write")
    with house.begin() as conn:
        found = find_wave(conn, wave)
    if reason is not None and (told := resending.stop_for_good(house, found.id, to, person, reason)):
        say_halted(desk, found.name, told)
    return person, found


def _offer(desk: Desk, house: House, found: Wave) -> None:
    """Whom a correction would reach, and a text to begin with."""
    offer = resending.offer(house, found.id)
    desk.say("a correction would reach {n} people: those whose phones may have got the text", n=offer.chosen.n)
    desk.out.print("  " + resending.sums(desk.words, offer.chosen.states))
    bubble(desk, offer.text, desk.words.say("a text to begin with"), "")
    desk.say("nothing is planned yet: say the text with --text")
    desk.answer(wave=str(found.id), recipients=offer.chosen.n, text=offer.text,
                states={state.name.lower(): n for state, n in offer.chosen.states.items()},
                carriers=dict(offer.chosen.carriers))  # fmt: skip


def resend(
    context: typer.Context,
    wave: WaveName,
    login: Login,
    to: Annotated[
        str, typer.Option("--to", metavar="failed|rest", help="no carrier took it in time, or its turn never came")
    ] = "failed",
    stop: Stop = False,  # noqa: FBT002 - a switch of the command line
    reason: Reason = "",
) -> None:
    """Plan it; another person approves it as any other wave."""
    desk = desk_of(context)
    if to not in {"failed", "rest"}:
        raise Problem("{value} is nobody: say --to failed or --to rest", value=to)
    with desk.house() as house:
        person, found = _begun(desk, house, wave, login, to, reason if stop else None)
        _planned(desk, house, resending.plan(house, found.id, to, person))


def _planned(desk: Desk, house: House, made: Wave) -> None:
    show_plan(desk, house, made)
    desk.say("wave {id} is planned; another person approves it with the number of recipients", id=str(made.id))
    desk.answer(wave=str(made.id), name=made.name, recipients=made.n, plan_hash=made.plan_hash, state=made.state,
                resend=made.plan["resend"])  # fmt: skip
