"""The command line: finds the verb, sets the language, and tells people what is wrong without a traceback.

Exit codes: 0 done; 1 a Problem, told on standard error; 2 wrong usage; 70 a fault of the program (EX_SOFTWARE of
sysexits.h), with a code and the log that holds it; 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

import typer
from rich.console import Console
from typer.main import get_group

from campaigns.terms import Problem
from config.problem import Problem as ConfigProblem
from dispatcher.verbs import guide
from dispatcher.verbs.desk import WIDTH, Desk, desk_of
from dispatcher.words import Words, choose, speak

OK, TOLD, USAGE, FAULT = 0, 1, 2, 70

Section = tuple[str, dict[str, tuple[str, str]]]
SECTIONS: tuple[Section, ...] = (
    (
        "Look around",
        {
            "demo": ("run", "the whole way once, on this machine, with simulated carriers"),
            "drill": ("run", "kill workers on purpose, and count what became of the messages"),
            "doctor": ("care", "what is wrong with this installation, and what production still lacks"),
            "text": ("texts", "encoding, segments, what each character costs, previews, forecasts, hotlines"),
        },
    ),
    (
        "A campaign, from letter to report",
        {
            "campaign": ("campaigns", "campaigns, and what their letter demands of them"),
            "audience": ("audiences", "lists of recipients: look at one, take one in"),
            "exclude": ("exclusions", "lists of people who must not be texted"),
            "wave": ("waves", "plan, approve, start, watch and stop a wave"),
            "account": ("accounts", "accounts: rate, licence, breaker, and what stopped"),
            "order": ("orders", "orders to carriers: draft, approve, issue, and what the carriers report"),
            "report": ("papers", "the papers of a wave: letter, workbook, send log, book of messages"),
            "export": ("papers", "one list of a wave as a file"),
        },
    ),
    (
        "Run an installation",
        {
            "up": ("run", "everything that an installation runs"),
            "serve": ("run", "pages, API and receipts"),
            "work": ("run", "one worker: of an account, books or sweeper"),
            "simulate": ("run", "one simulated carrier alone"),
            "migrate": ("care", "bring the database up to this version"),
            "person": ("persons", "persons and their keys"),
            "deputy": ("deputies", "who approves in an approver's place, and until when"),
            "backup": ("safety", "all of an installation into one file, its keys into another"),
            "restore": ("safety", "bring a backup back; what left since then is learnt from the journals"),
            "stop": ("halt", "the kill switch: nothing of any wave leaves any more"),
            "lift": ("halt", "open sending again after a stop: one person asks, a second one agrees"),
            "alert": ("alerts", "what needs a person now, and whether it is told"),
            "unlock": ("safety", "why sending is locked, and opening it again"),
        },
    ),
)
"""Title, then verb -> (module of dispatcher/verbs, what it does). A module is loaded when its verb is used."""
VERBS = {name: place for _, verbs in SECTIONS for name, place in verbs.items()}


class Root(guide.Verbs):
    """All verbs, none of them loaded."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Names of the verbs."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb, loaded now; None for a word that is none."""
        del ctx
        if cmd_name not in VERBS:
            return None
        verbs = get_group(import_module(f"dispatcher.verbs.{VERBS[cmd_name][0]}").app)
        return verbs.commands.get(cmd_name, verbs)

    def get_help(self, ctx: Any) -> str:
        """All verbs in the order in which they are needed, without loading one."""
        desk = desk_of(ctx)
        with desk.out.capture() as page:
            desk.say("Usage: {line}", line="dispatcher VERB […]")
            for title, verbs in SECTIONS:
                rows = [(name, about) for name, (_, about) in verbs.items()]
                guide.titled(desk, desk.out, desk.words.say(title), rows)
            guide.titled(desk, desk.out, desk.words.say("With every verb"), guide.EVERYWHERE)
            desk.out.print()
            desk.say("`dispatcher VERB --help` tells more of each.")
        return page.get().rstrip()


# -- flags that stand anywhere -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Flags:
    """What every verb understands."""

    data: str | None = None
    lang: str | None = None
    rehearsal: bool = False
    json: bool = False
    version: bool = False


def read_flags(argv: Sequence[str]) -> tuple[Flags, list[str]]:
    """The flags that may stand before or after the verb, and the other words. Raises Problem."""
    flags, rest, words = Flags(), [], iter(argv)
    for word in words:
        name, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
        elif name in {"--data", "--lang"}:
            given = value if equals else next(words, "")
            if not given:
                raise Problem("{name} needs a value after it", name=name)
            setattr(flags, name[2:], given)
        elif word in {"--rehearsal", "--json", "--version"}:
            setattr(flags, word[2:], True)
        else:
            rest.append(word)
    return flags, rest


# -- running -----------------------------------------------------------------------------------------------------------


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:], os.environ))


def run(argv: Sequence[str], env: Mapping[str, str]) -> int:
    """Run one command; its exit code."""
    try:
        flags, rest = read_flags(argv)
        words = speak(choose(flags.lang, env))
    except (Problem, ConfigProblem) as problem:
        sys.stderr.write(_fallback(env).problem(problem) + "\n")
        return USAGE
    desk = Desk(words, _console(flags), flags.json, Path(flags.data) if flags.data else None, flags.rehearsal, env)
    if flags.version:
        return _version(desk)
    return _guarded(desk, rest)


def _fallback(env: Mapping[str, str]) -> Words:
    """The language of the environment, or Vietnamese where that is not spoken here either."""
    try:
        return speak(choose(None, env))
    except ConfigProblem:
        return speak("vi")


def _console(flags: Flags) -> Console:
    out = Console(stderr=flags.json, markup=False, highlight=False, emoji=False)
    if not out.is_terminal:
        out.width = WIDTH
    return out


def _version(desk: Desk) -> int:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 20 ms for this flag alone

    try:
        found = version("campaign-dispatcher")
    except PackageNotFoundError:  # run from its source folder
        found = "-"
    desk.out.print(f"campaign-dispatcher {found}")
    desk.answer(version=found)
    return OK


def _guarded(desk: Desk, rest: list[str]) -> int:
    try:
        root = Root(name="dispatcher", no_args_is_help=True, rich_markup_mode=None)
        done = root.main(rest, prog_name="dispatcher", standalone_mode=False, obj=desk)
    except (Problem, ConfigProblem) as problem:
        return _told(desk, problem)
    except typer.TyperException as error:
        return _misused(desk, error)
    except typer.Abort:
        return 130
    except Exception as error:  # noqa: BLE001 - the last stop before the terminal
        return _unforeseen(desk, error)
    return done if isinstance(done, int) else OK


def _unforeseen(desk: Desk, error: Exception) -> int:
    if isinstance(error, BrokenPipeError):  # the reader had enough, `| head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    if isinstance(error, OSError) and error.filename:
        return _told(desk, _of_file(error))
    return _fault(desk)


def _of_file(error: OSError) -> Problem:
    return Problem(
        "{path} cannot be used: {why}; choose another place, or give this user the right",
        path=error.filename,
        why=error.strerror or type(error).__name__,
    )


def _told(desk: Desk, problem: Problem | ConfigProblem) -> int:
    said = desk.words.problem(problem)
    sys.stderr.write(said + "\n")
    desk.answer(problem=said, template=problem.template)
    return TOLD


def _misused(desk: Desk, error: typer.TyperException) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":
        sys.stderr.write(error.format_message() + "\n")
        return USAGE
    said = _usage_sentence(desk.words, error)
    sys.stderr.write(f"{said}\n{desk.words.say('See: {command} --help', command=_path(error))}\n")
    desk.answer(problem=said)
    return USAGE


def _path(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return str(context.command_path) if context else "dispatcher"


def _usage_sentence(words: Words, error: typer.TyperException) -> str:
    option, param = getattr(error, "option_name", None), getattr(error, "param", None)
    name = param.get_error_hint().strip("'") if param else ""
    if param and not error.message:
        return words.say("{name} is missing", name=name)
    if param:
        return words.say("{name}: {reason}", name=name, reason=error.message)
    if error.message.startswith("No such command"):
        return words.say("there is no verb {name}; `{command} --help` lists them",
                         name=error.message.split("'")[1], command=_path(error))  # fmt: skip
    if option:
        near = ", ".join(getattr(error, "possibilities", None) or [])
        unknown = words.say("there is no option {name}", name=option) if "No such" in error.message else error.message
        return f"{unknown} ({near})" if near else unknown
    return error.format_message()


def _fault(desk: Desk) -> int:
    """An error that nobody foresaw: its traceback into the log, a code and a calm sentence to the person."""
    code = secrets.token_hex(4)
    file = _write_down(desk, code)
    said = desk.words.say(
        "A fault of the program itself, code {code}. Nothing more was done. Give this code to the operator: what"
        " happened stands in {file}.",
        code=code,
        file=file,
    )
    sys.stderr.write(said + "\n")
    desk.answer(problem=said, code=code, log=str(file))
    return FAULT


def _write_down(desk: Desk, code: str) -> Path:
    from config.logs import mask  # noqa: PLC0415 - only on the way out

    event = {"event": "fault", "code": code, "traceback": mask(traceback.format_exc())}
    line = json.dumps(event, ensure_ascii=False) + "\n"
    for folder in (_log_folder(desk), Path(tempfile.gettempdir())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(folder / "dispatcher.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError:
            continue
        with os.fdopen(handle, "a", encoding="utf-8") as file:
            file.write(line)
        return folder / "dispatcher.log"
    sys.stderr.write(line)
    return Path("-")


def _log_folder(desk: Desk) -> Path:
    data = desk.data or Path(desk.env.get("DISPATCHER_DATA") or "var") / ("rehearsal" if desk.rehearsal else "")
    return data.absolute() / "log"
