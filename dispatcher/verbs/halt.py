"""`dispatcher stop` and `lift`: the kill switch, pressed by one person, opened by two."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from campaigns.ledger import halts
from campaigns.ledger.halts import Halt
from dispatcher.halting import Halted, all_noted
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.plan_page import local

Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it stands in the record")]

app = group("the kill switch")


@app.command("stop", cls=Verb, help="stop all sending of this installation; it stays stopped until two persons lift it")
def stop(context: typer.Context, login: Login, reason: Why = "") -> None:
    """Press it, and say how long it took."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        since = time.monotonic()
        with house.begin() as conn:
            news = halts.stop(conn, person.login, reason)
        found = all_noted(house, person.login, since)
        with house.begin() as conn:
            now = halts.current(conn)
    if not news:
        desk.say("sending was stopped already", style="yellow")
    if now:
        _say(desk, now)
    say_halted(desk, desk.words.say("all sending"), found)
    desk.answer(news=news, seconds=round(found.seconds, 2), on_wire=found.on_wire, unheard=found.unheard)


@app.command("lift", cls=Verb, help="say that sending may go on; the second person who says so opens it")
def lift(context: typer.Context, login: Login, reason: Why = "") -> None:
    """Ask, or agree."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        with house.begin() as conn:
            open_again = halts.lift(conn, person, reason, file_there=house.settings.kill_switch_file.exists())
            now = halts.current(conn)
    if open_again:
        desk.say("sending is open again: waves that were running go on", style="green")
    elif now:
        _say(desk, now)
        desk.say("an approver other than {login} says the same with `dispatcher lift`: then it is open", login=login)
    desk.answer(open=open_again, asked_by=now.asked_by if now else None)


def say_halted(desk: Desk, name: str, found: Halted) -> None:
    """The sentence that everybody waits for after STOP."""
    desk.say("{name}: stopped after {seconds:.1f} seconds; {on_wire} messages still on the way, {waiting} wait",
             name=name, seconds=found.seconds, on_wire=found.on_wire, waiting=found.waiting)  # fmt: skip
    if found.unheard:
        desk.say("{n} workers have not answered; each sends nothing once its last look is 1.5 seconds old",
                 n=found.unheard, style="yellow")  # fmt: skip


def _say(desk: Desk, now: Halt) -> None:
    desk.say("all sending is stopped since {time} by {by}: {reason}", time=local(now.at), by=now.by,
             reason=now.reason or "-", style="red")  # fmt: skip
    if now.asked_by:
        desk.say("{login} says that it may go on: {reason}", login=now.asked_by, reason=now.asked_why)
