"""`dispatcher text`: what a text costs, how phones of each carrier show it, and whom it tells people to call."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from campaigns import facts, text
from campaigns.campaign import read_text
from campaigns.definition import Class
from campaigns.preview import Cost, Preview, costs, preview
from campaigns.schedule import ZONE
from campaigns.segments import Measure
from dispatcher.verbs import text_forecast
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, Verbs

if TYPE_CHECKING:
    from campaigns.hotlines import Hotline

BUBBLE = 64  # columns: a phone's line is shorter, but a text reads well
BREAK = "┃"
"""Stands where a part ends; no text may hold it, as it is no letter of anybody."""


class Texts(Verbs):
    """`dispatcher text FILE` measures, as it always did; other verbs stand behind their names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the first verb's name before a file's."""
        known = {*self.commands, "--help"}
        return super().parse_args(ctx, args if args and args[0] in known else ["measure", *args])


app = typer.Typer(
    cls=Texts,
    help="encoding, segments, what each character costs, previews, forecasts, hotlines",
    rich_markup_mode=None,
    add_completion=False,
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="a text file, UTF-8")]


@app.command("measure", cls=Verb, help="measure a text as it would be sent, and its form without accents")
def measure(context: typer.Context, file: File) -> None:
    """Print the text in its bubble with its figures."""
    desk = desk_of(context)
    found = facts.of_text(read_text(file))
    bubble(desk, found.text, desk.words.say("with accents"))
    _figures(desk, found.measure)
    if len(found.parts) > 1:
        desk.say("cut after: {places}", places=[f"…{part[-12:].strip()}" for part in found.parts[:-1]])
    if dear := costs(found.text):
        _costly(desk, dear)
    desk.out.print(f"SHA-256 {found.sha256}")
    bubble(desk, found.unaccented, desk.words.say("without accents"))
    _figures(desk, found.unaccented_measure)
    desk.answer(**found.as_json())


def bubble(desk: Desk, content: str, title: str, subtitle: str = "") -> None:
    """The text exactly as it stands, unmarked, in a frame."""
    width = min(BUBBLE, desk.out.width)
    desk.out.print(Panel(Text(content), title=title, subtitle=subtitle or None, width=width, padding=(0, 1)))


def _figures(desk: Desk, measure: Measure) -> None:
    desk.say(
        "{encoding} · {units} units · {segments} segments a message",
        encoding=measure.encoding,
        units=measure.units,
        segments=measure.segments,
    )


WHY = {
    "ucs-2": "characters that need UCS-2, with their first place: {letters}",
    "surrogates": "characters that cost two units, with their first place: {letters}",
    "escape": "characters that cost two septets, with their first place: {letters}",
}


def _costly(desk: Desk, dear: list[Cost]) -> None:
    for why, sentence in WHY.items():
        letters = [f"{cost.char} ({cost.position})" for cost in dear if cost.why == why]
        if letters:
            desk.say(sentence, letters=" ".join(letters))


# -- preview -----------------------------------------------------------------------------------------------------------


@app.command("preview", cls=Verb, help="exactly what phones of each carrier show, with label and part breaks")
def show_preview(
    context: typer.Context,
    file: File,
    carriers: Annotated[str, typer.Option(metavar="A,B", help="carriers; all when nothing is said")] = "",
    sender: Annotated[str, typer.Option(metavar="NAME", help="the sender's name")] = "BRANDNAME",
    class_: Annotated[Class, typer.Option("--class", metavar="CLASS", help="public_information")] = (
        Class.PUBLIC_INFORMATION
    ),
    plain: Annotated[bool, typer.Option("--unaccented", help="the text without accents")] = False,  # noqa: FBT002 - a switch of the command line
) -> None:
    """Print one bubble a carrier; carriers that show the same share one."""
    from config.carriers import load_carriers  # noqa: PLC0415 - `measure` needs none
    from dispatcher.standards import limits  # noqa: PLC0415 - as above

    desk = desk_of(context)
    settings = desk.settings()
    names = {each.id: each.name for each in load_carriers(settings.carriers_file)}
    wanted = text_forecast.known([each for each in carriers.split(",") if each] or list(names), names)
    content = text.normal(read_text(file))
    content = text.unaccent(content) if plain else content
    found = preview(content, dict.fromkeys(wanted, sender), limits(settings), class_.value, today())
    same: dict[tuple[str, int, str], list[Preview]] = {}
    for each in found:
        same.setdefault((each.label, each.billed.segments, str(each.refusal)), []).append(each)
    for group in same.values():
        _phone(desk, group, names)
    desk.answer(previews=[each.as_json() for each in found], sha256=text.sha256(content))


def _phone(desk: Desk, group: list[Preview], names: dict[str, str]) -> None:
    first = group[0]
    shown = Text(first.label, style="dim") + Text(BREAK, style="dim").join([Text(part) for part in first.parts])
    under = desk.words.say("{n} segments · {spare} units to spare", n=first.billed.segments, spare=first.billed.spare)
    width = min(BUBBLE, desk.out.width)
    desk.out.print(", ".join(names[each.carrier] for each in group), style="bold")
    desk.out.print(Panel(shown, title=first.sender, subtitle=under, width=width, padding=(0, 1)))
    desk.say("{encoding} · {units} units · {octets} bytes of UTF-8 · {n} parts, cut where {mark} stands",
             encoding=first.encoding, units=first.billed.units, octets=first.billed.octets, n=len(first.parts),
             mark=BREAK)  # fmt: skip
    if first.refusal:
        desk.say("note: {problem}", problem=first.refusal, style="yellow")
    if not first.billed.limit.confirmed:
        desk.say("this carrier's table of lengths is not confirmed: ask before a wave depends on it", style="yellow")


def today() -> date:
    """The day in the province."""
    return datetime.now(UTC).astimezone(ZONE).date()


# -- hotlines ----------------------------------------------------------------------------------------------------------


@app.command("hotlines", cls=Verb, help="numbers that people may be told to call: owner, hours, cost, last verified")
def show_hotlines(context: typer.Context) -> None:
    """Print the registry of this day."""
    from dispatcher.standards import hotlines  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        settings, found = house.settings, hotlines(house.settings, conn)
    table = Table(box=None, pad_edge=False)
    for title in ("number", "name", "owner", "hours", "cost", "valid", "verified on", "standing"):
        table.add_column(desk.words.say(title))
    rows = [row for row in found.rows if row.valid_from <= today() <= row.valid_to]
    for row in rows:
        asks = row.asks(today(), settings.hotline_days)
        table.add_row(row.number, row.name, row.owner, row.hours, row.cost, _valid(desk, row),
                      desk.words.date(row.verified_on), desk.words.say("ask" if asks else "good"))  # fmt: skip
    desk.out.print(table)
    desk.answer(hotlines=[_hotline_json(row, settings.hotline_days) for row in rows])


def _valid(desk: Desk, row: Hotline) -> str:
    first = desk.words.date(row.valid_from) if row.valid_from > date.min else ""
    last = desk.words.date(row.valid_to) if row.valid_to < date.max else ""
    return f"{first}–{last}" if first or last else ""


def _hotline_json(row: Hotline, stale_after: int) -> dict[str, object]:
    return {"number": row.number, "name": row.name, "owner": row.owner, "hours": row.hours, "cost": row.cost,
            "verified_on": row.verified_on.isoformat(), "confirmed": row.confirmed,
            "asks": row.asks(today(), stale_after) is not None}  # fmt: skip


@app.command("hotline", cls=Verb, help="record that a hotline was called and answered as the registry says")
def verify_hotline(
    context: typer.Context,
    number: Annotated[str, typer.Argument(metavar="NUMBER", help="as a text shows it: 111")],
    login: Login,
    verified: Annotated[str, typer.Option(metavar="WORDS", help="who answered, and when")],
) -> None:
    """Enter the check into the audit log; it counts from today on."""
    from dispatcher import standards  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        with house.begin() as conn:
            row = standards.verify(conn, house.settings, number, person.login, verified)
    desk.say("{number} ({owner}) is verified as of today", number=row.number, owner=row.owner)
    desk.answer(number=row.number, owner=row.owner, verified_by=person.login)


app.command("forecast", cls=Verb, help="cost, segments and finishing time, with accents and without")(
    text_forecast.forecast_text
)
