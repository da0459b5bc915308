"""`dispatcher campaign letter`: what a letter seems to order, each value beside its source line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns import letter, proposal_file, proposals
from campaigns.proposals import LISTS, Proposal
from campaigns.terms import Problem
from dispatcher.verbs.desk import Desk, desk_of

NAMES = {
    "number": "number of the letter", "date": "date of the letter", "place": "place", "issuer": "issuer",
    "subject": "subject", "basis": "basis", "text": "text to be sent", "hotlines": "hotline",
    "deadlines": "deadline", "periods": "period", "days": "day named",
}  # fmt: skip


def read_letter(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="the letter: text, .docx, or PDF that holds its text")],
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="write a definition whose values are comments")
    ] = None,
) -> None:
    """Print each proposal with the line it was read from; stores nothing."""
    desk = desk_of(context)
    content = letter.read(file)
    found = proposals.propose(content)
    desk.out.print(_table(desk, found))
    for slip in found.slips:
        desk.say("suspected slip: “{found}” at character {place} of the text; line {lines} writes “{suggested}”",
                 found=slip.found, place=slip.position, lines=list(slip.source_lines),
                 suggested=slip.suggested)  # fmt: skip
    missing = [
        desk.words.say(NAMES[name]) for name in ("number", "date", "text", "hotlines") if not getattr(found, name)
    ]
    if missing:
        desk.say("not found, write it yourself: {names}", names=missing, style="yellow")
    if out:
        write(found, content, file.name, out)
        desk.say("{folder} holds a draft; each value is a comment until a person takes it over", folder=str(out))
    desk.say("nothing was accepted: compare each value with its line", style="bold")
    desk.answer(**found.as_json())


def write(found: Proposal, content: str, name: str, folder: Path) -> None:
    """The letter, its quotations and the draft into a new folder; raises Problem when it is there."""
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Problem("{folder} is there already: name a new folder", folder=str(folder)) from None
    (folder / "letter.txt").write_text(content + "\n", encoding="utf-8")
    for no, each in enumerate(found.text, 1):
        (folder / f"text-{no}.txt").write_text(each.value + "\n", encoding="utf-8")
    (folder / "campaign.toml").write_text(proposal_file.as_toml(found, name), encoding="utf-8")


def _table(desk: Desk, found: Proposal) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("field", "proposed", "line", "source line"):
        table.add_column(desk.words.say(title), justify="right" if title == "line" else "left", overflow="fold")
    for name in LISTS:
        for each in getattr(found, name):
            table.add_row(desk.words.say(NAMES[name]), each.value, str(each.line), _short(each.source, each.value))
    return table


def _short(source: str, value: str) -> str:
    """The line, or its part round the value where it is long."""
    at = max(source.find(value[:20]), 0)
    start = max(0, at - 40)
    return ("…" if start else "") + source[start : start + 160] + ("…" if len(source) > start + 160 else "")
