"""`dispatcher account`: how fast each account may send, how its carrier is doing, and what waits for a person."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from datetime import time as clock
from typing import Annotated

import psycopg
import typer
from rich.table import Table

from campaigns.ledger import accounts, hours, stops
from campaigns.ledger.people import Person
from campaigns.schedule import ZONE
from campaigns.terms import Problem
from dispatcher.verbs import trials
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.plan_page import local

Name = Annotated[str, typer.Argument(metavar="ACCOUNT", help="as in carriers.toml")]

app = group("accounts: rate, licence, breaker, and what stopped")


@app.command("list", cls=Verb, help="each account with its licence, its rate now and what its workers hold of it")
def names(context: typer.Context) -> None:
    """Print the accounts."""
    desk = desk_of(context)
    with desk.house() as house, house.begin() as conn:
        found, stopped = accounts.standing(conn), stops.stops(conn)
    table = Table(box=None, pad_edge=False)
    for title in ("account", "licence (segments/s)", "rate now", "workers", "held now", "state"):
        table.add_column(desk.words.say(title), justify="left" if title in {"account", "state"} else "right")
    for each in found:
        held = sum(worker.rate for worker in each.workers)
        state = _state(desk, each)
        table.add_row(each.name, f"{each.licence:g}", f"{each.rate:g}", str(len(each.workers)), f"{held:g}", state)
    desk.out.print(table)
    for each in found:
        for sender, rate in each.senders.items():
            desk.say("{account}, sender {sender}: {rate} segments a second", account=each.name, sender=sender,
                     rate=f"{rate:g}")  # fmt: skip
    for stop in stopped:
        desk.say("{account}: {scope} is stopped since {time}, code {code}: {detail}", style="red", account=stop.account,
                 scope=desk.words.say(stop.scope), time=local(stop.at), code=stop.code, detail=stop.detail)  # fmt: skip
    desk.answer(
        accounts=[_as_json(each) for each in found],
        stopped=[{"account": stop.account, "scope": stop.scope, "carrier": stop.carrier, "code": stop.code,
                  "wave": str(stop.wave) if stop.wave else None, "at": stop.at.isoformat()} for stop in stopped],
    )  # fmt: skip


def _state(desk: Desk, each: accounts.Standing) -> str:
    """Off, in trial, down with its next try, slowed down, or nothing to tell."""
    if not each.enabled:
        return desk.words.say("switched off")
    if each.trial:
        return desk.words.say("in trial: its allow-list only")
    for worker in each.workers:
        if worker.says.get("breaker", "closed") != "closed":
            at = datetime.fromtimestamp(float(worker.says.get("next_try") or time.time()), UTC)
            return desk.words.say("down ({code}), next try {time}", code=worker.says.get("code"),
                                  time=f"{at.astimezone(ZONE):%H:%M:%S}")  # fmt: skip
    part = min((float(worker.says.get("eased", 1.0)) for worker in each.workers), default=1.0)
    return desk.words.say("slowed down to {part} %", part=round(100 * part)) if part < 1 else ""


@app.command("open", cls=Verb, help="what stopped this account, or a sender or a text of it, is mended")
def reopen(
    context: typer.Context,
    account: Name,
    login: Login,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="what was mended; goes into the record")] = "",
) -> None:
    """Lift every stop of the account."""
    desk = desk_of(context)
    with _steering(desk, login) as (conn, person):
        lifted = stops.lift(conn, account, person.login, reason)
    desk.say("{account} may send again: {n} stops are lifted", account=account, n=len(lifted))
    desk.answer(account=account, lifted=[each.code for each in lifted])


@app.command("rate", cls=Verb, help="send slower from now on, or as fast as the contract says again")
def rate(
    context: typer.Context,
    account: Name,
    login: Login,
    segments: Annotated[
        float | None, typer.Argument(metavar="N", help="segments a second, at most the licence")
    ] = None,
    contract: Annotated[bool, typer.Option("--contract", help="as the contract says")] = False,  # noqa: FBT002 - a switch of the command line
    sender: Annotated[str, typer.Option(metavar="NAME", help="only messages of this sender's name")] = "",
) -> None:
    """In force at every worker's next look."""
    desk = desk_of(context)
    if (segments is None) != contract:
        raise Problem("say either a number of segments a second, or --contract")
    with _steering(desk, login) as (conn, person):
        accounts.set_rate(conn, account, segments, person.login, sender)
        now = next(each for each in accounts.standing(conn) if each.name == account)
    desk.say("{account}: {rate} segments a second from now on, licence {licence}", account=account,
             rate=f"{now.senders.get(sender, now.rate):g}", licence=f"{now.licence:g}")  # fmt: skip
    desk.answer(**_as_json(now))


@app.command("hours", cls=Verb, help="hours of an account, stricter than a wave's; without hours: none of its own")
def set_hours(
    context: typer.Context,
    account: Name,
    login: Login,
    span: Annotated[str, typer.Argument(metavar="HH:MM-HH:MM", help="local time, each day")] = "",
    carrier: Annotated[str, typer.Option(metavar="NETWORK", help="only for this network")] = "",
) -> None:
    """Nothing of this account leaves outside."""
    desk = desk_of(context)
    with _steering(desk, login) as (conn, person):
        hours.set_hours(conn, account, span_of(span) if span else None, person.login, carrier)
    desk.say("{account}: hours {span}", account=account, span=span or "-")
    desk.answer(account=account, hours=span, carrier=carrier)


@app.command("maintenance", cls=Verb, help="nothing is sent while the carrier works on its systems")
def maintenance(
    context: typer.Context,
    account: Name,
    begins: Annotated[str, typer.Argument(metavar="FROM", help="local time, 2026-12-31T22:00")],
    until: Annotated[str, typer.Argument(metavar="UNTIL", help="local time, 2026-12-31T22:00")],
    login: Login,
    note: Annotated[str, typer.Option(metavar="TEXT", help="why; it stands in the record")] = "",
) -> None:
    """The work goes on by itself afterwards."""
    desk = desk_of(context)
    starts, ends = _instant(begins), _instant(until)
    with _steering(desk, login) as (conn, person):
        hours.close_for(conn, account, starts, ends, note, person.login)
    desk.say("{account}: nothing is sent from {start} to {end}", account=account, start=local(starts), end=local(ends))
    desk.answer(account=account, starts=starts.isoformat(), ends=ends.isoformat())


def span_of(text: str) -> tuple[clock, clock]:
    """Hours of each day, local time; raises Problem."""
    try:
        opens, closes = (clock.fromisoformat(each) for each in text.split("-"))
    except ValueError:
        raise Problem("hours end after they begin, on the same day: write for instance 08:00-20:00") from None
    return opens, closes


def _instant(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=ZONE)
    except ValueError:
        raise Problem("{value} is no time: write for instance 2026-12-31T22:00", value=text) from None


app.add_typer(trials.app, name="trial")
app.command("go-live", cls=Verb, help="let an account in trial send to everybody; one asks, an approver agrees")(
    trials.go_live
)


@contextmanager
def _steering(desk: Desk, login: str) -> Iterator[tuple[psycopg.Connection, Person]]:
    """A transaction for somebody who may steer accounts, and who that is."""
    with desk.house() as house:
        person = desk.person(house, login, "write")
        accounts.may_steer(person)
        with house.begin() as conn:
            yield conn, person


def _as_json(each: accounts.Standing) -> dict[str, object]:
    return {
        "account": each.name,
        "enabled": each.enabled,
        "trial": each.trial,
        "licence": each.licence,
        "rate": each.rate,
        "senders": dict(each.senders),
        "workers": [{"rate": worker.rate, "until": worker.until.isoformat(), **worker.says} for worker in each.workers],
    }
