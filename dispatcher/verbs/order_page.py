"""How orders and returns look in the terminal, and the same as JSON's own types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from rich.table import Table

from campaigns.ledger import orders
from campaigns.ledger import returns as stored
from campaigns.ledger.orders import Order
from campaigns.ledger.returns import Version
from campaigns.order import MEDIA, OrderState
from campaigns.return_checks import FAILED, HEADS, OK, Finding
from campaigns.returns import FIGURES
from dispatcher.orders import Look
from dispatcher.verbs.desk import Desk
from dispatcher.verbs.plan_page import local
from dispatcher.verbs.texts import bubble
from workers.house import House

SIGNS = {OK: "✓", FAILED: "▲"}
STYLES = {FAILED: "yellow"}


def show_order(desk: Desk, house: House, order: Order) -> None:
    """The page that an approver reads."""
    plan, text = order.plan, order.plan.text
    if plan.rehearsal:
        desk.say("Rehearsal: no phone receives anything", style="yellow")
    desk.say("{carrier} is asked to send to {audience} ({area}), by {medium}", style="bold", carrier=plan.carrier_name,
             audience=plan.audience, area=plan.area, medium=MEDIA[plan.medium])  # fmt: skip
    under = desk.words.say(
        "{segments} segments a message · SHA-256 {digest}", segments=text.segments, digest=text.sha256[:12]
    )
    bubble(desk, text.text, f"{plan.sender} · {plan.choice}", under)
    if plan.reason:
        desk.say("the text is corrected: {reason}", reason=plan.reason)
    for wave in plan.waves:
        desk.say("{name}: {day} – {until}, {opens}–{closes}", name=wave.name, day=wave.date, until=wave.until,
                 opens=wave.opens, closes=wave.closes)  # fmt: skip
    desk.say("figures by the end of {day}; questions: {contact}", day=plan.deadline, contact=plan.contact)
    desk.say("basis: {basis}", basis=plan.legal_basis)
    with house.begin() as conn:
        given = orders.approvers(conn, order)
    desk.say("author {author} · plan {digest} · approved by {who}", author=order.author, digest=order.plan_hash[:12],
             who=given or "-")  # fmt: skip


def show_list(desk: Desk, looks: Sequence[Look]) -> None:
    """All orders with what must be done about them."""
    table = Table(box=None, pad_edge=False)
    for title in ("campaign", "carrier", "id", "state", "letter", "figures due", "days left", "return", "checks", ""):
        side: Literal["right", "left"] = "right" if title == "days left" else "left"
        table.add_column(desk.words.say(title) if title else "", justify=side, no_wrap=title in {"id", ""})
    for each in looks:
        order = each.order
        table.add_row(
            order.plan.campaign, order.plan.carrier_name, str(order.id), desk.words.value(order.state),
            order.number, desk.words.date(order.plan.deadline), desk.words.number(each.standing.days_left),
            desk.words.say("version {n}", n=each.latest.version) if each.latest else "–",
            _checks(desk, each.latest), desk.words.say(word) if (word := told(each)) else "",
            style="yellow" if each.standing.chase or each.standing.overdue else None,
        )  # fmt: skip
    desk.out.print(table)


def told(each: Look) -> str:
    """One word on what the clock says of an order."""
    if each.standing.overdue:
        return "overdue"
    if each.standing.silent:
        return "silent: chase" if each.standing.chase else "silent"
    return "chase" if each.standing.chase else ""


def _checks(desk: Desk, version: Version | None) -> str:
    if version is None:
        return "–"
    return desk.words.say("{n} do not hold", n=len(version.failed)) if version.failed else "✓"


def show_version(desk: Desk, order: Order, version: Version) -> None:
    """A return with every check beside the figure it is about."""
    desk.say("{carrier}, version {n}: {document}", style="bold", carrier=order.plan.carrier_name, n=version.version,
             document=version.given.document)  # fmt: skip
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(min_width=26)
    table.add_column(justify="right", min_width=12)
    table.add_column(width=2)
    table.add_column()
    for column, head in HEADS.items():
        found = [each for each in version.findings if each.column == column]
        value = getattr(version.given.total, column) if column in FIGURES else None
        if not found and value is None:
            continue
        first = found[0] if found else None
        table.add_row(head, desk.words.number(value) if value is not None else "", *_verdict(desk, first))
        for each in found[1:]:
            table.add_row("", "", *_verdict(desk, each))
    desk.out.print(table)
    for words in version.notes:
        desk.out.print(f"  {words}", soft_wrap=True)
    desk.say("came {day}; entered by {who} ({way}), {at}; method: {method}", day=version.received_on,
             who=version.person, way=version.way, at=local(version.received_at),
             method=version.given.method)  # fmt: skip


def _verdict(desk: Desk, finding: Finding | None) -> tuple[str, str]:
    if finding is None:
        return "", ""
    return SIGNS.get(finding.verdict, "·"), sentence(desk, finding)


def sentence(desk: Desk, finding: Finding) -> str:
    """A check's sentence in the language."""
    return finding.en if desk.words.language == "en" else finding.vi


def show_life(desk: Desk, house: House, order: Order) -> dict[str, Any]:
    """Events, files and versions of an order; the same as JSON's own types."""
    with house.begin() as conn:
        life, files, versions = (
            orders.events(conn, order.id), stored.files(conn, order.id), stored.versions(conn, order.id)
        )  # fmt: skip
    for event in life:
        desk.say(
            "{at} {who}: {act} → {state}",
            at=local(event.at),
            who=event.person,
            act=event.act,
            state=OrderState(event.state),
        )
        if words := event.details.get("note"):
            desk.out.print(f"  {words}", soft_wrap=True)
        for why in event.details.get("why", []):
            desk.out.print("  " + desk.words.say(why["template"], **why["values"]), soft_wrap=True)
    for version in versions:
        show_version(desk, order, version)
    for file in files:
        desk.say("kept: {name}, {bytes} bytes, SHA-256 {digest}", name=file.name, bytes=file.bytes,
                 digest=file.sha256[:12])  # fmt: skip
    return {
        "events": [
            {"at": e.at.isoformat(), "person": e.person, "act": e.act, "to": e.state, "evidence": e.evidence,
             "details": e.details} for e in life
        ],
        "versions": [version_as_json(each) for each in versions],
        "files": [{"name": f.name, "sha256": f.sha256, "bytes": f.bytes, "whole": f.whole} for f in files],
    }  # fmt: skip


def as_json(order: Order, each: Look | None = None) -> dict[str, Any]:
    """An order for programs."""
    plan = order.plan
    plain: dict[str, Any] = {
        "order": str(order.id), "campaign": plan.campaign, "carrier": plan.carrier, "state": order.state.value,
        "plan_hash": order.plan_hash, "text_sha256": plan.text.sha256, "segments": plan.text.segments,
        "author": order.author, "deadline": plan.deadline.isoformat(), "number": order.number,
        "date": order.dated.isoformat() if order.dated else None,
    }  # fmt: skip
    if each is not None:
        plain |= each.standing._asdict()
        plain |= {"version": each.latest.version if each.latest else None,
                  "failed": [one.rule for one in each.latest.failed] if each.latest else []}  # fmt: skip
    return plain


def version_as_json(version: Version) -> dict[str, Any]:
    """A return for programs."""
    return {
        "version": version.version, "way": version.way, "person": version.person, "origin": version.origin,
        "received_on": version.received_on.isoformat(), "received_at": version.received_at.isoformat(),
        "digest": version.given.digest, "source": version.source,
        "evidence": version.evidence, "notes": version.notes, "return": version.given.as_json(),
        "checks": [each.as_json() for each in version.findings],
    }  # fmt: skip
