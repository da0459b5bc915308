"""`dispatcher backup`, `restore`, `unlock`: what is kept elsewhere, how it comes back, who opens sending again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaigns.terms import Problem
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group

MAY_UNLOCK = {"operator", "approver"}

app = group("backup, restore, and the lock on sending")


@app.command(
    "backup", cls=Verb, help="database, journals and spool into one file while all goes on; the keys into FILE.keys"
)
def backup(
    context: typer.Context, file: Annotated[Path, typer.Argument(metavar="FILE", help="a new file; none is replaced")]
) -> None:
    """Write both files."""
    from dispatcher import backup as copies  # noqa: PLC0415 - half a second that `--help` need not wait for

    desk = desk_of(context)
    with desk.site() as site:
        made = copies.back_up(site, file.absolute())
    desk.say("{file}: {members} members, {size:.1f} MB, database version {schema}",
             file=file, members=made["members"], size=made["bytes"] / 1e6, schema=made["schema"])  # fmt: skip
    desk.say("The keys lie apart in {keys}: keep them elsewhere. Without them no number of the backup can be read, and"
             " with both together all can.", keys=made["keys"], style="yellow")  # fmt: skip
    desk.answer(**made)


@app.command("restore", cls=Verb, help="bring a backup into this installation; journals that are here keep the word")
def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="what `dispatcher backup` wrote")],
    keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="its keys; not needed where this installation has them")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="replace a database that is in use")] = False,  # noqa: FBT002 - a switch of the command line
) -> None:
    """Verify, restore, lock."""
    from dispatcher import backup as copies  # noqa: PLC0415 - as above

    desk = desk_of(context)
    done = copies.restore(desk.settings(), file, keys, rehearsal=desk.rehearsal, replace=replace)
    desk.say("restored: the backup of {time}; {files} files were missing here and were added",
             time=done["made_at"], files=done["files"])  # fmt: skip
    if not done["journals_since"]:
        desk.say("What was sent after this backup is not known here: a wave that is resumed sends it again. Look at the"
                 " carriers' lists first, then `dispatcher unlock`.", style="red")  # fmt: skip
    _show(desk, done["locked"])
    desk.say("Waves that were running are paused: look, then `dispatcher wave resume`.")
    desk.answer(**done)


@app.command("unlock", cls=Verb, help="why sending is locked; with --reason it is opened again")
def unlock(
    context: typer.Context,
    by: Login,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="why it may be opened; goes into the record")] = "",
) -> None:
    """A person's decision; the lock of a restore ends by itself only."""
    from campaigns.ledger import people, recovery  # noqa: PLC0415 - as above
    from workers import restart  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, by, "write")
        if not MAY_UNLOCK & set(person.roles):
            raise Problem("{login} may not open sending: an operator or an approver may", login=by)
        with house.begin() as conn:
            restoring = recovery.restoring(conn)
        if restoring:
            restart.take_in(house)
        with house.begin() as conn:
            before = recovery.locks(conn)
            _show(desk, before)
            if before and not reason:
                raise Problem("say with --reason why sending may be opened again")
            gone = recovery.unlock(conn) if before else []
            if gone:
                people.record(conn, person.login, "sending.unlock", "installation", reason=reason, locks=gone)
            left = recovery.locks(conn)
    if left:
        raise Problem("sending stays locked until every journal is in; this lock then ends by itself")
    desk.answer(unlocked=gone)


def _show(desk: Desk, lines: list[str]) -> None:
    from dispatcher import locks  # noqa: PLC0415 - beside its one use

    for said in locks.said(desk.words, lines):
        desk.say("sending is locked: {reason}", reason=said, style="yellow")
    if not lines:
        desk.say("sending is not locked")
