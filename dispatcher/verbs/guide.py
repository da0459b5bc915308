"""What `--help` prints, in the language asked for: usage, arguments, options, and what all verbs understand."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand, TyperGroup

from dispatcher.verbs.desk import Desk, desk_of

EVERYWHERE = (
    ("--data DIR", "the data folder of the installation; var when nothing is said"),
    ("--rehearsal", "work on rehearsals: simulated carriers only, in var/rehearsal"),
    ("--lang vi|en", "the language; else DISPATCHER_LANG, LANG, Vietnamese"),
    ("--json", "one line of JSON as the last line of standard output, all else on standard error"),
    ("--version", "the version of this program"),
)
"""Understood before and after each verb."""


class Verb(TyperCommand):
    """A verb whose help speaks the language."""

    def get_help(self, ctx: Any) -> str:
        """The page of this verb."""
        return page(self, ctx)


class Verbs(TyperGroup):
    """A group of verbs; the same."""

    def get_help(self, ctx: Any) -> str:
        """The page of this group."""
        listed = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        return page(self, ctx, [(name, command.help or "") for name, command in listed if command])


def group(about: str) -> typer.Typer:
    """A set of verbs as the modules of this package make them."""
    return typer.Typer(cls=Verbs, help=about, rich_markup_mode=None, add_completion=False, no_args_is_help=True)


def page(command: Any, ctx: Any, verbs: Sequence[tuple[str, str]] = ()) -> str:
    """Help as text, as wide as the terminal."""
    desk = desk_of(ctx)
    sheet = io.StringIO()
    paper = Console(file=sheet, width=min(desk.out.width, 120), markup=False, highlight=False, emoji=False)
    params = [param for param in command.params if not getattr(param, "hidden", False) and param.name != "help"]
    arguments = [param for param in params if param.param_type_name == "argument"]
    options = [param for param in params if param.param_type_name == "option"]
    paper.print(desk.words.say("Usage: {line}", line=_usage(ctx, arguments, options, verbs)))
    if command.help:
        paper.print(f"\n{_sentence(desk, command.help)}")
    _list(desk, paper, "Verbs", verbs)
    _list(desk, paper, "Arguments", [(_metavar(param), param.help or "") for param in arguments])
    _list(desk, paper, "Options", [(_option(param), param.help or "") for param in options])
    _list(desk, paper, "With every verb", EVERYWHERE)
    return sheet.getvalue().rstrip()


def titled(desk: Desk, paper: Console, title: str, rows: Iterable[tuple[str, str]]) -> None:
    """A heading that is already in the language, and rows whose second column is not yet."""
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=18, no_wrap=True)
    for name, about in rows:
        table.add_row(f"  {name}", desk.words.say(about) if about else "")
    paper.print(f"\n{title}")
    paper.print(table)


def _list(desk: Desk, paper: Console, title: str, rows: Sequence[tuple[str, str]]) -> None:
    if rows:
        titled(desk, paper, desk.words.say(title), rows)


def _sentence(desk: Desk, about: str) -> str:
    said = desk.words.say(about)
    return said[:1].upper() + said[1:] + "."


def _usage(ctx: Any, arguments: list[Any], options: list[Any], verbs: Sequence[tuple[str, str]]) -> str:
    needed = [_option(param) for param in options if param.required]
    free = "[…]" if len(needed) < len(options) else ""
    words = [ctx.command_path, *map(_metavar, arguments), *needed, free, "VERB" if verbs else ""]
    return " ".join(word for word in words if word)


def _metavar(param: Any) -> str:
    name = str(param.metavar or param.name.upper())
    return name if param.required else f"[{name}]"


def _option(param: Any) -> str:
    name = ", ".join([*param.opts, *param.secondary_opts])
    return name if param.is_flag else f"{name} {param.metavar or param.name.upper()}"
