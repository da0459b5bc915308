"""`dispatcher order`: what carriers are asked to send, and what they report."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from campaigns.ledger import orders
from campaigns.ledger.orders import Order
from campaigns.ledger.people import Person
from campaigns.order import MEDIA, OrderState
from campaigns.terms import Problem
from dispatcher import orders as acts
from dispatcher.orders import Incoming
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.ids import read_id
from dispatcher.verbs.order_page import as_json, show_list, show_order, show_version, version_as_json
from workers.house import House

OrderName = Annotated[
    str, typer.Argument(metavar="ORDER", help="the order's id, CAMPAIGN:CARRIER, or CAMPAIGN for all")
]
Evidence = Annotated[Path | None, typer.Option(metavar="FILE", help="the scan of a signed paper; kept with its hash")]
Note = Annotated[str, typer.Option(metavar="WORDS", help="why; it stands in the record")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="write the letter and the return form into this folder")]

app = group("orders to carriers: draft, approve, issue, and what the carriers report")


@app.command("draft", cls=Verb, help="one order for each carrier of a campaign; the same draft twice is one order")
def draft(
    context: typer.Context,
    campaign: Annotated[str, typer.Option(metavar="NAME", help="a loaded campaign")],
    contact: Annotated[str, typer.Option(metavar="WORDS", help="who answers the carriers' questions, with a number")],
    login: Login,
    carrier: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="one carrier; repeat it. None: all with a sender's name")
    ] = None,
    area: Annotated[str | None, typer.Option(metavar="WORDS", help="province or communes; else the mandate's")] = None,
    due: Annotated[str | None, typer.Option(metavar="DAY", help="last day for the figures, 2024-08-05")] = None,
    text: Annotated[str, typer.Option(metavar="verbatim|corrected", help="which text is ordered")] = "verbatim",
    reason: Annotated[str, typer.Option(metavar="WORDS", help="why the ordered text is corrected")] = "",
    by: Annotated[str, typer.Option("--by", metavar="|".join(MEDIA), help="how the text reaches people")] = "sms",
    published: Annotated[
        int | None, typer.Option(metavar="N", help="published subscribers of the carrier in the area")
    ] = None,
    source: Annotated[str, typer.Option(metavar="WORDS", help="where that number was published")] = "",
) -> None:
    """Draft the orders and show one in full."""
    from campaigns.ledger import registry  # noqa: PLC0415 - only here

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        with house.begin() as conn:
            definition, _ = registry.get_campaign(conn, campaign)
        terms = acts.default_terms(
            definition, contact, area=area, deadline=_day(due) if due else None, choice=text, reason=reason,
            medium=by, published=published, published_source=source,
        )  # fmt: skip
        made = acts.draft(house, campaign, carrier or [], terms, person.login, rehearsal=desk.rehearsal)
        show_order(desk, house, made[0])
        show_list(desk, acts.looks(house, campaign))
    desk.say("another person approves with `dispatcher order approve {name} --as LOGIN`", name=campaign)
    desk.answer(orders=[as_json(each) for each in made])


@app.command("approve", cls=Verb, help="show the order, then approve exactly this plan; the author may not")
def approve(
    context: typer.Context,
    order: OrderName,
    login: Login,
    digest: Annotated[
        str, typer.Option("--hash", metavar="HEX", help="the plan's hash, as a check; else as shown")
    ] = "",
) -> None:
    """Approve on the hash."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "approve")
        done = []
        for found in _found(house, order):
            show_order(desk, house, found)
            with house.begin() as conn:
                done.append(orders.approve(conn, found.id, person, plan_hash=digest or found.plan_hash))
            desk.say("{carrier}: {state}", carrier=found.plan.carrier_name, state=done[-1].state)
            if done[-1].state is OrderState.DRAFTED:
                desk.say("above the configured reach: one more person must approve", style="yellow")
    desk.answer(orders=[as_json(each) for each in done])


@app.command(
    "letter", cls=Verb, help="write the letter, its PDF and the return form; without a number before the issue"
)
def letter(
    context: typer.Context,
    order: OrderName,
    out: Annotated[Path, typer.Option(metavar="DIR", help="the folder for the papers")],
    login: Login,
) -> None:
    """Write papers for the clerk's system."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        files = [_papers(desk, house, each, out, person) for each in _found(house, order)]
    desk.answer(files=files)


@app.command("issue", cls=Verb, help="give approved orders the number and day of their letter, and write the papers")
def issue(
    context: typer.Context,
    order: OrderName,
    number: Annotated[str, typer.Option(metavar="NUMBER", help="as the clerk gave it: 312/STTTT-BCVT")],
    day: Annotated[str, typer.Option("--date", metavar="DAY", help="the letter's day, 2024-06-27")],
    login: Login,
    out: Out = None,
    evidence: Evidence = None,
) -> None:
    """Issue."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        done, files = [], []
        for found in _found(house, order):
            done.append(acts.issue(house, found.id, person, number=number, dated=_day(day), evidence=evidence))
            desk.say("{carrier}: issued as {number}", carrier=found.plan.carrier_name, number=done[-1].number)
            if out is not None:
                files.append(_papers(desk, house, done[-1], out, person))
    desk.answer(orders=[as_json(each) for each in done], files=files)


def _papers(desk: Desk, house: House, order: Order, out: Path, person: Person) -> dict[str, str]:
    from dispatcher import order_papers  # noqa: PLC0415 - python-docx and typst are 0.3 s

    files = order_papers.write_order(house, order, out, person.login)
    for path in files.values():
        desk.out.print(str(path), soft_wrap=True)
    return {kind: str(path) for kind, path in files.items()}


@app.command("ack", cls=Verb, help="the carrier has confirmed the order, or says that it sends")
def ack(
    context: typer.Context,
    order: OrderName,
    login: Login,
    running: Annotated[bool, typer.Option("--running", help="the carrier says that it sends now")] = False,  # noqa: FBT002 - a switch of the command line
    evidence: Evidence = None,
    note: Note = "",
) -> None:
    """Record the carrier's word."""
    _move(desk_of(context), order, login, "run" if running else "ack", evidence, note)


@app.command("cancel", cls=Verb, help="withdraw an order; what the carrier has sent stays reported")
def cancel(context: typer.Context, order: OrderName, login: Login, evidence: Evidence = None, note: Note = "") -> None:
    """Cancel."""
    _move(desk_of(context), order, login, "cancel", evidence, note)


def _move(desk: Desk, order: str, login: str, act: str, evidence: Path | None, note: str) -> None:
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        done = [acts.move(house, each.id, person, act, evidence=evidence, words=note) for each in _found(house, order)]
    for each in done:
        desk.say("{carrier}: {state}", carrier=each.plan.carrier_name, state=each.state)
    desk.answer(orders=[as_json(each) for each in done])


@app.command("return", cls=Verb, help="take in what a carrier reports: typed, a JSON file, or the filled form")
def take_return(
    context: typer.Context,
    order: OrderName,
    login: Login,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="the filled form (.xlsx or .csv), or figures as .json")
    ] = None,
    total: Annotated[str, typer.Option(metavar="FIGURES", help="subscribers=…,messages=…,segments=…,delivered=…")] = "",
    row: Annotated[
        list[str] | None, typer.Option(metavar="FIGURES", help="wave=1,day=2024-07-01,subscribers=…; repeat it")
    ] = None,
    document: Annotated[str, typer.Option(metavar="WORDS", help="the carrier's paper: number and day")] = "",
    method: Annotated[str, typer.Option(metavar="WORDS", help="how the carrier chose the area's subscribers")] = "",
    received: Annotated[
        str, typer.Option(metavar="DAY", help="when the carrier's paper came, 2024-08-02; else today")
    ] = "",
    evidence: Evidence = None,
) -> None:
    """Record the next version and show every check beside its figure."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        [found] = _one(_found(house, order), order)
        values, table, way = _given(file, total, row or [])
        day = _day(received) if received else None
        incoming = Incoming(way, person.login, "local", values, table, evidence, document, method, received=day)
        version, new = acts.take_return(house, found.id, incoming)
        show_version(desk, found, version)
    if not new:
        desk.say("this very statement is version {n} already: nothing changed", n=version.version, style="yellow")
    desk.answer(order=str(found.id), new=new, **version_as_json(version))


def _one(found: list[Order], said: str) -> list[Order]:
    if len(found) != 1:
        raise Problem("{said} names {n} orders: name one as CAMPAIGN:CARRIER or by its id", said=said, n=len(found))
    return found


def _given(file: Path | None, total: str, rows: list[str]) -> tuple[dict[str, Any] | None, Path | None, str]:
    if file is None:
        return {"total": _pairs(total), "rows": [_pairs(each) for each in rows]}, None, "typed"
    if not file.is_file():
        raise Problem("{file} is not a file. Check the name.", file=str(file))
    if file.suffix.lower() != ".json":
        return None, file, "csv" if file.suffix.lower() == ".csv" else "xlsx"
    try:
        values = json.loads(file.read_bytes())
    except ValueError as error:
        raise Problem("{file} is not JSON: {error}", file=file.name, error=error) from None
    if not isinstance(values, dict):
        raise Problem("{file} is not JSON: {error}", file=file.name, error="object expected")
    return values, None, "typed"


def _pairs(said: str) -> dict[str, str]:
    found = {}
    for part in filter(None, (each.strip() for each in said.split(","))):
        name, equals, value = part.partition("=")
        if not equals:
            raise Problem("{said} is no figure: write name=figure, separated by commas", said=repr(part))
        found[name.strip()] = value.strip()
    return found


@app.command("accept", cls=Verb, help="take the latest return as the carrier's word; failed checks need a note")
def accept(context: typer.Context, order: OrderName, login: Login, note: Note = "") -> None:
    """Accept."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write", "approve")
        done = []
        for found in _found(house, order):
            accepted, version = acts.accept(house, found.id, person, note)
            show_version(desk, found, version)
            desk.say("{carrier}: {state}", carrier=found.plan.carrier_name, state=accepted.state)
            done.append(accepted)
    desk.answer(orders=[as_json(each) for each in done])


@app.command("link", cls=Verb, help="the address and the code with which a carrier's engineer reports")
def link(
    context: typer.Context,
    order: OrderName,
    login: Login,
    renew: Annotated[bool, typer.Option("--renew", help="a new code; the old one is void")] = False,  # noqa: FBT002 - a switch of the command line
    revoke: Annotated[bool, typer.Option("--revoke", help="make the code void")] = False,  # noqa: FBT002 - as above
) -> None:
    """Show, renew or revoke the code."""
    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        [found] = _one(_found(house, order), order)
        if revoke:
            with house.begin() as conn:
                n = orders.revoke_codes(conn, found.id, person.login)
            desk.say("{n} codes are void now", n=n)
            desk.answer(order=str(found.id), revoked=n)
            return
        code, url = acts.link(house, found.id, person.login, renew=renew), acts.form_url(house)
    desk.say("{url} opens the form; the code goes into the signed letter, nowhere else", url=url)
    if not desk.json_out:
        desk.out.print(code, style="bold")
    desk.answer(order=str(found.id), url=url, code=code)


@app.command("list", cls=Verb, help="all orders: who is silent, how many days are left, what was reported")
def names(
    context: typer.Context,
    campaign: Annotated[str, typer.Option(metavar="NAME", help="of this campaign only")] = "",
    today: Annotated[str, typer.Option(metavar="DAY", help="as it will stand on this day, 2024-08-06")] = "",
) -> None:
    """Print each order with its standing."""
    desk = desk_of(context)
    with desk.house() as house:
        found = acts.looks(house, campaign, acts.noon(_day(today)) if today else None)
    show_list(desk, found)
    desk.answer(orders=[as_json(each.order, each) for each in found])


@app.command("remind", cls=Verb, help="the words with which silent and late carriers are reminded, to be sent by hand")
def remind(
    context: typer.Context,
    campaign: Annotated[str, typer.Option(metavar="NAME", help="of this campaign only")] = "",
    today: Annotated[str, typer.Option(metavar="DAY", help="as it will stand on this day, 2024-08-06")] = "",
) -> None:
    """Print one text for each carrier that is to be called today."""
    desk = desk_of(context)
    with desk.house() as house:
        found = acts.reminders(house, campaign, acts.noon(_day(today)) if today else None)
    for each, text in found:
        desk.say("{carrier} ({id}):", carrier=each.order.plan.carrier_name, id=str(each.order.id), style="bold")
        desk.out.print(text, soft_wrap=True, markup=False, highlight=False)
        desk.out.print()
    if not found:
        desk.say("no carrier is to be reminded on this day")
    desk.answer(reminders=[as_json(each.order, each) | {"text": text} for each, text in found])


@app.command("show", cls=Verb, help="one order: its plan, its life, every version of its return")
def show(context: typer.Context, order: OrderName) -> None:
    """Print everything of an order."""
    from dispatcher.verbs.order_page import show_life  # noqa: PLC0415 - only here

    desk = desk_of(context)
    with desk.house() as house:
        [found] = _one(_found(house, order), order)
        show_order(desk, house, found)
        told = show_life(desk, house, found)
    desk.answer(**as_json(found), **told)


@app.command("report", cls=Verb, help="the report on a campaign: own waves and carriers' returns side by side")
def report(
    context: typer.Context,
    campaign: Annotated[str, typer.Argument(metavar="CAMPAIGN", help="a loaded campaign")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="the folder for the papers")],
    login: Login,
    wave: Annotated[list[str] | None, typer.Option(metavar="ID", help="a wave; repeat it. None: all started")] = None,
    orders_only: Annotated[bool, typer.Option("--orders-only", help="carriers' returns only")] = False,  # noqa: FBT002 - a switch of the command line
) -> None:
    """Write letter, PDF and workbook."""
    from dispatcher import order_papers  # noqa: PLC0415 - python-docx and typst are 0.3 s

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "read")
        named = None if orders_only else [read_id(each) for each in wave or []]
        files = order_papers.write_report(house, campaign, named, out, person.login)
    for path in files.values():
        desk.out.print(str(path), soft_wrap=True)
    desk.answer(campaign=campaign, files={kind: str(path) for kind, path in files.items()})


# -- which orders ------------------------------------------------------------------------------------------------------


def _found(house: House, said: str) -> list[Order]:
    with house.begin() as conn:
        return find_orders(conn, said)


def find_orders(conn: psycopg.Connection, said: str) -> list[Order]:
    """The orders that are meant, cancelled ones only by their id; raises Problem when there is none."""
    if re.fullmatch(r"\d{6,}", said):
        return [orders.get(conn, read_id(said))]
    campaign, _, carrier = said.partition(":")
    living = [each for each in orders.all_orders(conn, campaign) if each.state.value != "cancelled"]
    found = [each for each in living if carrier in {"", each.plan.carrier}]
    if not found:
        raise Problem("no order is meant by {said}: see `dispatcher order list`", said=repr(said))
    return found


def _day(said: str) -> date:
    try:
        return date.fromisoformat(said)
    except ValueError:
        raise Problem("{said} is no day; write it as 2024-07-30", said=repr(said)) from None
