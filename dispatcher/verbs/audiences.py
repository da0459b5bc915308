"""`dispatcher audience`: look at a list of recipients, or take one into the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns import audience
from campaigns.headings import letter, peoples
from campaigns.numbers import NumberTable
from campaigns.reports.files import whole_file
from campaigns.sheets import Sheet, open_sheet
from campaigns.terms import Problem, Verdict
from config import data as shipped
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group

FileName = Annotated[Path, typer.Argument(metavar="FILE", help="a list of recipients: .csv or .xlsx")]

Column = Annotated[str, typer.Option(metavar="TITLE", help="the column of the numbers, by its title or letter")]
SheetName = Annotated[str, typer.Option("--sheet", metavar="NAME", help="the sheet of a workbook")]

Seeds = Annotated[bool, typer.Option("--seeds", help="our own phones, to which a wave with a canary sends first")]

PREVIEWED = 5
"""Rows shown before a list is judged."""

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
    columns = _preview(desk, file, table, column, sheet)
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
        columns=columns,
    )


def _preview(desk: Desk, file: Path, table: NumberTable, column: str, sheet: str) -> dict[str, str]:
    """Which columns are read, and the first rows as they were understood: a wrong guess is seen before it matters."""
    with open_sheet(file, column=column, sheet=sheet) as opened:
        first = list(islice(opened.entries(), PREVIEWED))
        named = {"number": _column_name(opened, opened.phone_column)}
        if opened.unit_column is not None:
            named["area"] = _column_name(opened, opened.unit_column)
        unread = [_column_name(opened, place) for place in peoples(opened.header)]
    desk.say("the numbers stand in column {column}", column=named["number"])
    if "area" in named:
        desk.say("the areas stand in column {column}", column=named["area"])
    for column_name in unread:
        desk.say("column {column} is neither read nor stored: the language of a text goes by area", column=column_name,
                 style="yellow")  # fmt: skip
    rows = Table(box=None, pad_edge=False)
    for title in ("line", "number", "area", "verdict"):
        rows.add_column(desk.words.say(title), justify="right" if title == "line" else "left")
    for line, raw, area in first:
        number, _, reason = table.read(raw)
        rows.add_row(str(line), audience.shown(number, raw), area, desk.words.value(reason.verdict))
    desk.out.print(rows)
    return named


def _column_name(opened: Sheet, place: int) -> str:
    """Its letter, and its title where the list has one."""
    title = opened.header[place] if place < len(opened.header) else ""
    return f"{letter(place)} ({title})" if title else letter(place)


@app.command("verdicts", cls=Verb, help="each row of an imported list with its verdict and reason, without numbers")
def verdicts(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="ID", help="the audience's id")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="the .csv to write")],
    login: Login,
) -> None:
    """Write file, line, verdict, reason."""
    from campaigns.ledger import audiences, lists, people  # noqa: PLC0415 - `check` needs no database
    from dispatcher.verbs.ids import read_id  # noqa: PLC0415 - as above

    desk = desk_of(context)
    if out.exists():
        raise Problem("{file} is there already: name another file for the reasons", file=out.name)
    with desk.house() as house:
        person = desk.person(house, login, "read")
        with house.begin() as conn:
            found = lists.audience(conn, read_id(wanted))
            counts = audiences.verdict_counts(conn, found.id)
            with whole_file(out) as draft, draft.open("wb") as file:
                file.writelines(lists.verdict_lines(conn, found.id))
            people.record(conn, person.login, "audience.verdicts", str(found.id))
    desk.say("each row with its reason: {file}", file=out)
    show_verdicts(desk, counts, sum(counts.values()))
    desk.answer(audience=str(found.id), file=str(out), rows=sum(counts.values()), verdicts=counts)


@app.command("tags", cls=Verb, help="how many rows of an imported list each carrier, area and language has")
def tags(
    context: typer.Context,
    wanted: Annotated[str, typer.Argument(metavar="ID", help="the audience's id")],
) -> None:
    """What `wave plan --carrier --area --language` can choose."""
    from dispatcher import tags as found_tags  # noqa: PLC0415 - `check` needs no database
    from dispatcher.verbs.ids import read_id  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found = found_tags.of_audience(conn, read_id(wanted))
    table = Table(box=None, pad_edge=False)
    for title in ("carrier", "area", "language"):
        table.add_column(desk.words.say(title))
    table.add_column(desk.words.say("recipients"), justify="right")
    for tag in found:
        table.add_row(tag.carrier, tag.area or "-", tag.language, desk.words.number(tag.n))
    table.add_row(desk.words.say("total"), "", "", desk.words.number(sum(tag.n for tag in found)), style="bold")
    desk.out.print(table)
    desk.answer(
        audience=wanted, rows=[tag._asdict() for tag in found],
        **{f"by_{name}": found_tags.summed(found, name) for name in ("carrier", "area", "language")},
    )  # fmt: skip


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
    seeds: Seeds = False,  # noqa: FBT002 - a switch of the command line
) -> None:
    """Import a file into a new or a given audience, all or nothing."""
    from campaigns.ledger import audiences, canaries, people, registry  # noqa: PLC0415 - `check` needs no database
    from dispatcher import acts  # noqa: PLC0415 - as above
    from dispatcher.verbs.ids import read_id  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        with house.begin() as conn, desk.out.status(file.name) as status:
            found, _ = registry.get_campaign(conn, campaign)
            into = read_id(to) if to else audiences.create(conn, found.name, name or file.name, person.login)
            for progress in acts.import_audience(
                house, conn, into, file, found.name, name=file.name, column=column, sheet=sheet, seeds=seeds
            ):
                status.update(desk.words.say("read {n} rows", n=progress.rows))
            people.record(conn, person.login, "audience.import", str(into), rows=progress.rows, **progress.verdicts)
            if seeds:
                canaries.set_seeds(conn, found.name, into, person.login)
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
