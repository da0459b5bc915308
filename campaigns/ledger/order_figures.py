"""Orders and what carriers state, as a report needs them."""

from __future__ import annotations

import psycopg

from campaigns.ledger import orders, returns
from campaigns.ledger.orders import Order
from campaigns.ledger.returns import Version
from campaigns.order import OrderState
from campaigns.reports.figures import CarrierStatement, OrderFigures, StatementRow
from campaigns.reports.words import short_day


def order_figures(conn: psycopg.Connection, campaign: str) -> tuple[OrderFigures, ...]:
    """Every issued order of a campaign, withdrawn ones left out, carriers in their order."""
    found = [each for each in orders.all_orders(conn, campaign) if each.issued_at]
    living = [each for each in found if each.state is not OrderState.CANCELLED]
    ranks: dict[str, int] = dict(conn.execute("SELECT name, id FROM carrier").fetchall())
    living.sort(key=lambda each: ranks[each.plan.carrier])
    return tuple(_order(conn, each) for each in living)


def _order(conn: psycopg.Connection, order: Order) -> OrderFigures:
    plan = order.plan
    latest = returns.latest(conn, order.id)
    return OrderFigures(
        name=plan.carrier_name,
        number=order.number,
        dated=order.dated,
        area=plan.area,
        sender=plan.sender,
        text=plan.text.text,
        text_sha256=plan.text.sha256,
        segments_each=plan.text.segments,
        choice="verbatim" if plan.choice == "verbatim" else "corrected",
        choice_reason=plan.reason,
        deadline=plan.deadline,
        authored_by=_names(conn, [order.author]),
        approved_by=_names(conn, orders.approvers(conn, order)),
        rehearsal=plan.rehearsal,
        stated=_statement(conn, order, latest) if latest else None,
    )


def _statement(conn: psycopg.Connection, order: Order, version: Version) -> CarrierStatement:
    given, total = version.given, version.given.total
    names = {wave.no: wave.name for wave in order.plan.waves}
    rows = tuple(
        StatementRow(names[row.wave], row.day, row.unit, row.figures.subscribers, row.figures.messages,
                     row.figures.segments, row.figures.delivered)
        for row in given.rows
    )  # fmt: skip
    notes = [e.details.get("note", "") for e in orders.events(conn, order.id) if e.act == "accept"]
    return CarrierStatement(
        order.plan.carrier_name, given.document, total.subscribers, total.messages, total.segments, total.delivered,
        version=version.version, received=version.received_on, method=given.method, evidence=version.evidence or "",
        failed=tuple(each.vi for each in version.failed), accepted=order.state is OrderState.ACCEPTED,
        note=notes[-1] if notes else "", rows=rows, earlier=_earlier(conn, version),
    )  # fmt: skip


def _earlier(conn: psycopg.Connection, latest: Version) -> tuple[str, ...]:
    """Each earlier version with the checks that it failed."""
    return tuple(
        f"phiên bản {each.version} (nhận ngày {short_day(each.received_on)}) không đạt: "
        f"{'; '.join(found.vi for found in each.failed) or '–'}"
        for each in returns.versions(conn, latest.order)
        if each.version < latest.version
    )


def _names(conn: psycopg.Connection, logins: list[str]) -> str:
    rows = conn.execute("SELECT login, name FROM person WHERE login = ANY(%s)", (logins,))
    names = {str(login): str(name) for login, name in rows}
    return ", ".join(names.get(login, login) for login in logins)
