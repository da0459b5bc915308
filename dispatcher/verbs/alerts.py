"""`dispatcher alert list|test`: what needs a person now, and whether it is told."""

from __future__ import annotations

from typing import Annotated

import typer

from campaigns.alerts import sentence
from campaigns.ledger import alerts
from campaigns.ledger.alerts import failing
from campaigns.terms import Problem
from dispatcher.verbs.desk import Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.plan_page import local
from workers import outlets
from workers.alerting import Alerter

Ended = Annotated[int, typer.Option("--ended", metavar="N", min=0, max=1000, help="also so many that are over")]

CLOCK = "%H:%M %d/%m/%Y"

app = group("what needs a person")


@app.command("list", cls=Verb, help="open alerts, each with what to do; the sweeper looks twice a minute")
def list_(context: typer.Context, ended: Ended = 0) -> None:
    """The oldest first."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found, wrong = alerts.latest(conn, ended=ended), failing(conn)
        opened = outlets.opened(house.settings)
    for each in found:
        over = desk.words.say("until {time}", time=f"{local(each.ended_at):{CLOCK}}") if each.ended_at else ""
        desk.out.print(f"{local(each.began_at):{CLOCK}} {over}".rstrip(), style="dim" if each.ended_at else "bold")
        desk.out.print(f"  {sentence(each, desk.words.language)}", soft_wrap=True)
    if not found:
        desk.say("nothing needs a person now")
    if not opened:
        desk.say("nobody is told of alerts: set alert_mail_server and alert_mail_to, or alert_webhook", style="yellow")
    for outlet, error in wrong.items():
        desk.say("{outlet}: the last message was not taken: {error}", outlet=outlet, error=error, style="yellow")
    desk.answer(
        alerts=[
            {"id": str(each.id), "kind": each.kind, "about": each.about, "began_at": each.began_at.isoformat(),
             "ended_at": each.ended_at.isoformat() if each.ended_at else None,
             "says": sentence(each, desk.words.language)} for each in found
        ],
        outlets=opened, failing=wrong,
    )  # fmt: skip


@app.command("test", cls=Verb, help="send a test by every outlet, now")
def test(context: typer.Context, login: Login) -> None:
    """Say which outlet took it; exit 1 when one did not."""
    desk = desk_of(context)
    with desk.house() as house:
        desk.person(house, login, "admin")
        opened = outlets.opened(house.settings)
        if not opened:
            raise Problem("nobody is told of alerts: set alert_mail_server and alert_mail_to, or alert_webhook")
        with house.begin() as conn:
            alerts.test(conn, opened)
        alerter = Alerter(house)
        for outlet in opened:
            alerter.tell(outlet)
        with house.begin() as conn:
            wrong = failing(conn)
    for outlet in opened:
        if outlet in wrong:
            desk.say("{outlet}: the last message was not taken: {error}", outlet=outlet, error=wrong[outlet])
        else:
            desk.say("{outlet}: taken", outlet=outlet, style="green")
    desk.answer(outlets=opened, failing=wrong)
    if wrong:
        raise typer.Exit(1)
