"""`dispatcher doctor` and `dispatcher migrate`: looking after an installation."""

from __future__ import annotations

import typer

from dispatcher import assemble, doctor
from dispatcher.doctor import Finding, Level
from dispatcher.verbs.desk import Desk, desk_of
from dispatcher.verbs.guide import Verb, group

MARKS = {Level.SOUND: ("✓", "green"), Level.LACKS: ("○", "yellow"), Level.FAULT: ("×", "red")}

app = group("looking after an installation")


@app.command(
    "doctor", cls=Verb, help="what is here, what is wrong, and what production still lacks; nothing is changed"
)
def look(context: typer.Context) -> None:
    """Exit code 1 when something is wrong, not when something is merely lacking."""
    desk = desk_of(context)
    found = doctor.examine(desk.settings(), desk.words, rehearsal=desk.rehearsal)
    for finding in found:
        _show(desk, finding)
    faults = sum(finding.level is Level.FAULT for finding in found)
    lacks = sum(finding.level is Level.LACKS for finding in found)
    desk.say("{faults} faults; production lacks {lacks} things", faults=faults, lacks=lacks, style="bold")
    desk.answer(sound=not faults, faults=faults, production_lacks=lacks, findings=[each.as_json() for each in found])
    raise typer.Exit(1 if faults else 0)


def _show(desk: Desk, finding: Finding) -> None:
    sign, style = MARKS[finding.level]
    desk.out.print(f"{sign} {finding.found}", style=style if finding.level is not Level.SOUND else None, soft_wrap=True)
    if finding.todo:
        desk.out.print(f"    {finding.todo}", soft_wrap=True)


@app.command("migrate", cls=Verb, help="bring the database up to this version, then enter carriers and accounts")
def migrate(context: typer.Context) -> None:
    """Needs the owner's address where the servers are real: DATABASE_OWNER_URL."""
    from campaigns.ledger import schema  # noqa: PLC0415 - beside its one use

    desk = desk_of(context)
    with assemble.site(desk.settings(), rehearsal=desk.rehearsal, start=True) as site:
        if not site.owner:
            raise doctor.no_owner()
        before = schema.version(site.app)
        assemble.prepare(site)
    desk.say("the database is at version {version}", version=schema.HEAD)
    desk.answer(before=before, version=schema.HEAD, changed=before != schema.HEAD)
