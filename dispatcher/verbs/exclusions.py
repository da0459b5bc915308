"""`dispatcher exclude`: people who must not be texted; a list is filled, counted and emptied, and never read out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns.compliance import LISTS
from campaigns.ledger import suppression
from dispatcher import exclusions
from dispatcher.exclusions import LIST_NAMES, Change, Changing
from dispatcher.verbs.audiences import Column, SheetName
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.plan_page import local
from workers.house import House

ListName = Annotated[str, typer.Option("--list", metavar="LIST", help=" | ".join(LISTS))]
Numbers = Annotated[
    Path, typer.Argument(metavar="FILE", help="a .csv or .xlsx; - reads a number a line from standard input")
]

app = group("lists of people who must not be texted")


@app.command("list", cls=Verb, help="how many people are on each list; who they are is never shown")
def counts(context: typer.Context) -> None:
    """Print counts."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found = suppression.counts(conn)
    table = Table(box=None, pad_edge=False)
    for title, side in (("list", "left"), ("about", "left"), ("people", "right"), ("newest", "left")):
        table.add_column(desk.words.say(title), justify=side)  # type: ignore[arg-type]  # one of rich's two words
    for each in found:
        newest = desk.words.value(local(each.newest)) if each.newest else "-"
        table.add_row(each.list, desk.words.say(LIST_NAMES[each.list]), desk.words.number(each.n), newest)
    desk.out.print(table)
    desk.answer(lists={each.list: each.n for each in found})


@app.command("add", cls=Verb, help="put the numbers of a file on a list; in force at once, for running waves too")
def add(
    context: typer.Context, file: Numbers, to: ListName, login: Login, column: Column = "", sheet: SheetName = ""
) -> None:
    """Only hashes are stored."""
    _change(desk_of(context), file, to, login, "add", column, sheet)


@app.command(
    "remove", cls=Verb, help="take the numbers of a file off a list; waves planned before still leave them out"
)
def remove(
    context: typer.Context, file: Numbers, of: ListName, login: Login, column: Column = "", sheet: SheetName = ""
) -> None:
    """Logged like each act."""
    _change(desk_of(context), file, of, login, "remove", column, sheet)


@app.command("forget", cls=Verb, help="let go of the hashes by which waves that ended are compared with new ones")
def forget(
    context: typer.Context,
    login: Login,
    days: Annotated[int, typer.Option(metavar="N", help="waves that ended longer ago", min=2)] = 365,
) -> None:
    """The cap looks back one day; "the same text again" sees no further than what is kept."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "admin")
        with house.begin() as conn:
            n = suppression.forget(conn, days, person.login)
    desk.say("{n} hashes of waves that ended more than {days} days ago are gone", n=n, days=days)
    desk.answer(forgotten=n, days=days)


def changed(house: House, change: Changing, file: Path, column: str, sheet: str) -> Change:
    """Give the numbers of a file, or of standard input, to what changes a list."""
    if str(file) != "-":
        return exclusions.in_file(house, change, file, column=column, sheet=sheet)
    lines = [(line, text) for line, text in enumerate(sys.stdin, 1) if text.strip()]
    return exclusions.in_cells(house, change, lines, called="-")


def say_unreadable(desk: Desk, done: Change) -> None:
    """The rows that hold no number."""
    if done.unreadable:
        desk.say("{n} rows are no mobile number: {lines}", n=len(done.unreadable), style="yellow",
                 lines=", ".join(map(str, done.unreadable[:20])))  # fmt: skip


def _change(desk: Desk, file: Path, name: str, login: str, act: str, column: str, sheet: str) -> None:
    with desk.house() as house:
        person = desk.person(house, login, "write")
        done = changed(house, exclusions.changing(act, name, person), file, column, sheet)
    if act == "add":
        desk.say("{n} people are new on the list {name}, {known} were on it", n=done.changed, name=name,
                 known=done.given - done.changed)  # fmt: skip
    else:
        desk.say("{n} people are off the list {name}", n=done.changed, name=name)
    say_unreadable(desk, done)
    desk.answer(list=name, changed=done.changed, given=done.given, unreadable=len(done.unreadable))
