"""`dispatcher text`: what a text costs and how phones receive it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.panel import Panel
from rich.text import Text

from campaigns import facts
from campaigns.campaign import read_text
from campaigns.facts import TextFacts
from campaigns.segments import Measure
from dispatcher.verbs.desk import Desk, desk_of
from dispatcher.verbs.guide import Verb, group

BUBBLE = 64  # columns: a phone's line is shorter, but a text reads well

app = group("encoding, segments, what each character costs")


@app.command("text", cls=Verb, help="measure a text as it would be sent, and its form without accents")
def measure(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a text file, UTF-8")],
) -> None:
    """Print the text in its bubble with its figures."""
    desk = desk_of(context)
    found = facts.of_text(read_text(file))
    bubble(desk, found.text, desk.words.say("with accents"))
    _figures(desk, found.measure)
    if len(found.parts) > 1:
        desk.say("cut after: {places}", places=[f"…{part[-12:].strip()}" for part in found.parts[:-1]])
    if found.measure.costly:
        _costly(desk, found)
    desk.out.print(f"SHA-256 {found.sha256}")
    bubble(desk, found.unaccented, desk.words.say("without accents"))
    _figures(desk, found.unaccented_measure)
    desk.answer(**found.as_json())


def bubble(desk: Desk, text: str, title: str, subtitle: str = "") -> None:
    """The text exactly as it stands, unmarked, in a frame."""
    width = min(BUBBLE, desk.out.width)
    desk.out.print(Panel(Text(text), title=title, subtitle=subtitle or None, width=width, padding=(0, 1)))


def _figures(desk: Desk, measure: Measure) -> None:
    desk.say(
        "{encoding} · {units} units · {segments} segments a message",
        encoding=measure.encoding,
        units=measure.units,
        segments=measure.segments,
    )


def _costly(desk: Desk, found: TextFacts) -> None:
    letters = " ".join(f"{char} ({found.text.index(char) + 1})" for char in found.measure.costly)
    desk.say("characters that need UCS-2, with their first place: {letters}", letters=letters)
