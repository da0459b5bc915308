"""`dispatcher account trial` and `account go-live`: whom an account in trial may reach, and how it goes live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns.ledger import trials
from dispatcher.trialing import trial_json, why
from dispatcher.verbs.audiences import Column, SheetName
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.exclusions import Numbers, changed, say_unreadable
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.plan_page import local

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="as in carriers.toml")]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="why; it stands in the record")]

app = group("accounts in trial: they send to an allow-list only")


@app.command("list", cls=Verb, help="accounts in trial, how many numbers each list holds, and who asked for what")
def names(context: typer.Context) -> None:
    """Print them; no number is ever shown."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found = trials.current(conn)
    if not found:
        desk.say("no account is in trial: a rehearsal's accounts reach no phone, and are live" if desk.rehearsal else
                 "no account is in trial: each may send to everybody")  # fmt: skip
    else:
        table = Table(box=None, pad_edge=False)
        for title in ("account", "allow-list", "since", "by", "why", "go live, says"):
            table.add_column(desk.words.say(title), justify="right" if title == "allow-list" else "left")
        for each in found:
            asked = f"{each.asked_by}: {each.asked_why}" if each.asked_by else "-"
            table.add_row(each.account, desk.words.number(each.allowed), desk.words.value(local(each.since)), each.by,
                          why(desk.words, each), asked)  # fmt: skip
        desk.out.print(table)
    desk.answer(trials=[trial_json(each) for each in found])


@app.command("add", cls=Verb, help="put the numbers of a file on an account's allow-list, 100 at most")
def add(
    context: typer.Context, account: Name, file: Numbers, login: Login, column: Column = "", sheet: SheetName = ""
) -> None:
    """Only hashes are stored; in force at once."""
    _change(desk_of(context), account, file, login, "add", column, sheet)


@app.command("remove", cls=Verb, help="take the numbers of a file off an account's allow-list")
def remove(
    context: typer.Context, account: Name, file: Numbers, login: Login, column: Column = "", sheet: SheetName = ""
) -> None:
    """In force at once, for what was taken too."""
    _change(desk_of(context), account, file, login, "remove", column, sheet)


@app.command("on", cls=Verb, help="put an account back into trial; one person does that alone")
def on(context: typer.Context, account: Name, login: Login, reason: Why = "") -> None:
    """Nothing but its list leaves by it from now on."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        with house.begin() as conn:
            news = trials.enter(conn, account, person, reason)
    desk.say("{account} is in trial from now on: only numbers of its allow-list leave by it" if news else
             "{account} was in trial already", account=account, style="yellow")  # fmt: skip
    desk.answer(account=account, news=news)


def go_live(context: typer.Context, account: Name, login: Login, reason: Why = "") -> None:
    """Ask, or agree."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        with house.begin() as conn:
            live = trials.go_live(conn, account, person, reason)
    if live:
        desk.say("{account} is live: it may send to everybody, and what waited goes on", account=account, style="green")
    else:
        desk.say("asked; an approver other than {login} says the same with `dispatcher account go-live`: then"
                 " {account} is live", login=login, account=account)  # fmt: skip
    desk.answer(account=account, live=live)


def _change(desk: Desk, account: str, file: Path, login: str, act: str, column: str, sheet: str) -> None:
    change = trials.allow if act == "add" else trials.disallow
    with desk.house() as house:
        person = desk.person(house, login, "write")
        done = changed(house, lambda conn, hashes: change(conn, account, hashes, person), file, column, sheet)
    if act == "add":
        desk.say("{n} numbers are new on the allow-list of {account}, {known} were on it", n=done.changed,
                 account=account, known=done.given - done.changed)  # fmt: skip
    else:
        desk.say("{n} numbers are off the allow-list of {account}", n=done.changed, account=account)
    say_unreadable(desk, done)
    desk.answer(account=account, changed=done.changed, given=done.given, unreadable=len(done.unreadable))
