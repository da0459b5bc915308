"""`dispatcher deputy`: who approves in an approver's place, and until when."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table

from campaigns.ledger import deputies, people
from campaigns.ledger.deputies import Deputy
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.ids import day_of
from dispatcher.verbs.plan_page import local

app = group("who approves in an approver's place, and until when")


@app.command("list", cls=Verb, help="who stands in for whom, those that end last first")
def show(context: typer.Context) -> None:
    """Print a table."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found, known = deputies.latest(conn), people.names(conn)
    table = Table(box=None, pad_edge=False)
    for title in ("no", "deputy", "in place of", "from", "until the end of", "stands", "reason"):
        table.add_column(desk.words.say(title))
    for each in found:
        table.add_row(str(each.id), known[each.person], known[each.principal],
                      desk.words.date(local(each.since).date()), desk.words.date(each.last_day),
                      desk.words.say(each.stands(datetime.now(UTC))), each.reason)  # fmt: skip
    desk.out.print(table)
    desk.answer(deputies=[_facts(each) for each in found])


@app.command("add", cls=Verb, help="name who approves in your place, from one day to another")
def add(
    context: typer.Context,
    person: Annotated[str, typer.Argument(metavar="LOGIN", help="an approver or an officer")],
    login: Login,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="the last day, whole, as 2024-07-30")],
    reason: Annotated[str, typer.Option(metavar="WORDS", help="why; it goes into the record")],
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="the first day; today when nothing is said")] = "",
) -> None:
    """The two count as one person while it lasts."""
    desk = desk_of(context)
    start = day_of(first) if first else local(datetime.now(UTC)).date()
    with desk.house() as house:
        principal = desk.person(house, login, "approve")
        with house.begin() as conn:
            made = deputies.name(conn, principal, person, start, day_of(until), reason)
    desk.say("{person} approves in place of {principal} until the end of {last}", person=made.person,
             principal=made.principal, last=made.last_day)  # fmt: skip
    desk.answer(**_facts(made))


@app.command("withdraw", cls=Verb, help="end it at once; what was approved within it stays")
def withdraw(
    context: typer.Context,
    no: Annotated[int, typer.Argument(metavar="NO", help="as `dispatcher deputy list` shows it")],
    login: Login,
) -> None:
    """By either of the two, or an operator."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        with house.begin() as conn:
            ended = deputies.withdraw(conn, no, person)
    _say_ended(desk, ended)


def _say_ended(desk: Desk, ended: Deputy) -> None:
    desk.say("{person} stands in for {principal} no more", person=ended.person, principal=ended.principal)
    desk.answer(**_facts(ended))


def _facts(each: Deputy) -> dict[str, str]:
    return {"deputy": str(each.id), "person": each.person, "principal": each.principal, "reason": each.reason,
            "since": each.since.isoformat(), "until": each.until.isoformat(),
            "state": each.stands(datetime.now(UTC))}  # fmt: skip
