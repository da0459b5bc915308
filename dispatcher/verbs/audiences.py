"""`dispatcher audience`: look at a list of recipients, or take one into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns import audience
from campaigns.numbers import NumberTable
from campaigns.terms import Verdict
from config import data as shipped
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group

FileName = Annotated[Path, typer.Argument(metavar="FILE", help="a list of recipients: .csv or .xlsx")]

Column = Annotated[str, typer.Option(metavar="TITLE", help="the column of the numbers, by its title or letter")]
SheetName = Annotated[str, typer.Option("--sheet", metavar="NAME", help="the sheet of a workbook")]

app = group("lists of recipients: look at one, take one in")


@app.command("check", cls=Verb, help="judge each row of a list without storing anything")
def look(
    context: typer.Context,
    file: FileName,
    column: Column = "",
    sheet: SheetName = "",
    explain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write a verdict and a reason for each row into this .csv")
    ] = None,
) -> None:
    """Print verdicts, carriers, and why rows were not accepted."""
    desk = desk_of(context)
    table = NumberTable.load(shipped.PREFIXES, shipped.PREFIX_CONVERSION)
    found = audience.check_file(file, table, column=column, sheet=sheet)
    if explain is not None:

        def say(words: str | Verdict) -> str:
            return desk.words.value(words) if isinstance(words, Verdict) else desk.words.say(words)

        audience.explain(file, explain, table, column=column, sheet=sheet, say=say)
        desk.say("each row with its reason: {file}", file=explain)
    show_verdicts(desk, found.verdicts, found.rows)
    show_carriers(desk, found.by_carrier)
    if found.converted:
        desk.say("{n} old numbers of 11 digits were converted by the table of 2018", n=found.converted)
    desk.answer(
        rows=found.rows,
        verdicts=found.verdicts,
        by_carrier=found.by_carrier,
        reasons=found.reasons,
        converted=found.converted,
    )


@app.command("import", cls=Verb, help="take a list into the ledger; numbers are sealed as they are stored")
def take_in(
    context: typer.Context,
    file: FileName,
    login: Login,
    campaign: Annotated[str, typer.Option(metavar="NAME", help="the campaign whose key seals the numbers")],
    to: Annotated[str, typer.Option("--audience", metavar="ID", help="add to this audience instead of a new one")] = "",
    name: Annotated[str, typer.Option(metavar="WORDS", help="what the audience is called; else the file's name")] = "",
    column: Column = "",
    sheet: SheetName = "",
) -> None:
    """Import a file into a new or a given audience, all or nothing."""
    from campaigns.ledger import audiences, people, registry  # noqa: PLC0415 - `check` needs no database
    from dispatcher import acts  # noqa: PLC0415 - as above
    from dispatcher.verbs.ids import read_id  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        with house.begin() as conn, desk.out.status(file.name) as status:
            found, _ = registry.get_campaign(conn, campaign)
            into = read_id(to) if to else audiences.create(conn, found.name, name or file.name, person.login)
            for progress in acts.import_audience(
                house, conn, into, file, found.name, name=file.name, column=column, sheet=sheet
            ):
                status.update(desk.words.say("read {n} rows", n=progress.rows))
            people.record(conn, person.login, "audience.import", str(into), rows=progress.rows, **progress.verdicts)
    show_verdicts(desk, progress.verdicts, progress.rows)
    show_carriers(desk, progress.by_carrier)
    desk.say("audience {id}", id=str(into))
    desk.answer(audience=str(into), rows=progress.rows, verdicts=progress.verdicts, by_carrier=progress.by_carrier)


def show_verdicts(desk: Desk, verdicts: Mapping[str, int], rows: int) -> None:
    """The seven verdicts and the rows that they sum to."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(min_width=24)
    table.add_column(justify="right")
    for verdict in Verdict:
        table.add_row(desk.words.value(verdict), desk.words.number(verdicts[verdict.value]))
    table.add_row(desk.words.say("rows of the file"), desk.words.number(rows), style="bold")
    desk.out.print(table)


def show_carriers(desk: Desk, by_carrier: Mapping[str, int]) -> None:
    """Valid rows by carrier."""
    if by_carrier:
        said = " · ".join(f"{carrier} {desk.words.number(n)}" for carrier, n in by_carrier.items())
        desk.out.print(said, soft_wrap=True)
