"""`dispatcher report` and `dispatcher export`: papers and lists of a wave."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Literal

import typer

from campaigns.terms import Problem
from dispatcher import papers
from dispatcher.verbs.desk import Desk, MaybeLogin, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.ids import WaveName, find_wave
from workers.house import House

Numbers = Annotated[
    Literal["masked", "full"],
    typer.Option(metavar="masked|full", help="whole numbers need --as and a key with the scope export"),
]

app = group("papers")


@app.command("report", cls=Verb, help="write the letter, the workbook, the send log and the book of messages")
def report(
    context: typer.Context,
    wave: WaveName,
    out: Annotated[Path, typer.Option(metavar="DIR", help="the folder for the papers")],
    numbers: Numbers = "masked",
    login: MaybeLogin = "",
) -> None:
    """Write all papers of a wave; nothing is written when a sum does not hold."""
    desk = desk_of(context)
    with desk.house() as house:
        who = _who(desk, house, login, full=numbers == "full")
        with house.begin() as conn:
            found = find_wave(conn, wave)
        with desk.out.status(desk.words.say("writing the papers of {name}", name=found.name)):
            files = papers.write_report(house, found.id, out, who, full=numbers == "full")
    if found.finished_at is None:
        desk.say("{name} is not finished: the papers are stamped as a draft", name=found.name, style="yellow")
    for path in files.values():
        desk.out.print(str(path), soft_wrap=True)
    desk.answer(wave=str(found.id), files={kind: str(path) for kind, path in files.items()})


@app.command("export", cls=Verb, help="write one list of a wave")
def export(
    context: typer.Context,
    wave: WaveName,
    form: Annotated[
        Literal["csv", "jsonl", "xlsx"], typer.Option("--format", metavar="csv|jsonl|xlsx", help="the kind of file")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="where to write")],
    rows: Annotated[
        Literal["messages", "attempts"],
        typer.Option(metavar="messages|attempts", help="one row a message, or one row an attempt, receipt and look-up"),
    ] = "messages",
    numbers: Numbers = "masked",
    login: MaybeLogin = "",
) -> None:
    """Write a list row by row; memory stays flat."""
    desk = desk_of(context)
    with desk.house() as house:
        who = _who(desk, house, login, full=numbers == "full")
        with house.begin() as conn:
            found = find_wave(conn, wave)
        done = papers.export(house, found.id, form, out, who, rows=rows, full=numbers == "full")
    desk.say("{file}: {rows} rows, SHA-256 {digest}", file=done.path, rows=done.rows, digest=done.sha256[:12])
    desk.answer(wave=str(found.id), file=str(done.path), rows=done.rows, sha256=done.sha256)


def _who(desk: Desk, house: House, login: str, *, full: bool) -> str:
    """Who is recorded: the person of the key, else the account of this machine."""
    if login:
        return desk.person(house, login, "export" if full else "read").login
    if full:
        raise Problem("whole numbers are shown to a person only: add --as LOGIN, with a key that allows 'export'")
    return f"local:{getpass.getuser()}"
