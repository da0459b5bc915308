"""Orders to carriers on pages: how many days are left and whose move it is, one order's life, its return, its end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from starlette.responses import Response

from campaigns.ledger import orders, people
from campaigns.ledger import returns as stored
from campaigns.ledger.orders import Order
from campaigns.order import TRANSITIONS, OrderState
from campaigns.return_checks import FAILED, HEADS, OK
from campaigns.returns import COUNTS, FAILURES, FIGURES
from campaigns.terms import Problem
from dispatcher import orders as acts
from dispatcher.console.call import Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code
from dispatcher.orders import Incoming, Look

O = OrderState  # noqa: E741 - as in campaigns/order.py
LIFE = (O.DRAFTED, O.APPROVED, O.ISSUED, O.ACKNOWLEDGED, O.RUNNING, O.RETURNED, O.ACCEPTED)


class Move(NamedTuple):
    """Whose turn it is."""

    holder: str  # a sentence of ours
    tag: str  # of its chip


MOVES: Mapping[OrderState, Move] = {
    O.DRAFTED: Move("the approver's move: approve the order", "warn"),
    O.APPROVED: Move("the officer's move: give the letter its number", "off"),
    O.ISSUED: Move("the carrier's move: acknowledge", "run"),
    O.ACKNOWLEDGED: Move("the carrier's move: send, then report", "run"),
    O.RUNNING: Move("the carrier's move: report the figures", "run"),
    O.RETURNED: Move("the officer's move: look at the figures and accept", "warn"),
    O.ACCEPTED: Move("done", "ok"),
    O.CANCELLED: Move("cancelled", "off"),
}


def orders_page(call: Call) -> Response:
    """Every order, what is overdue first."""
    looks = sorted(acts.looks(call.house), key=_urgency)
    return show(call, "orders.html", found=looks, moves=MOVES)


def _urgency(each: Look) -> tuple[bool, int]:
    return each.order.state in {O.ACCEPTED, O.CANCELLED}, each.standing.days_left


def order_page(call: Call) -> Response:
    """One order: text, stage, what the carrier told, and the act that comes next."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200) -> Response:
    number = call.number("order")
    with call.house.begin() as conn:
        look, events = acts.look(conn, orders.get(conn, number)), orders.events(conn, number)
        versions, kept = stored.versions(conn, number), stored.files(conn, number)
        known, given = people.names(conn), orders.approvers(conn, look.order)
    return show(
        call, "order.html", status, order=look.order, plan=look.order.plan, look=look, move=MOVES[look.order.state],
        events=events, versions=versions, kept=kept, people=known, given=given, life=LIFE, state=O, wrong=wrong,
        done={event.state for event in events}, open_to=TRANSITIONS[look.order.state], counts=COUNTS,
        failures=FAILURES, heads=HEADS, verdicts={OK: "ok", FAILED: "bad"}, said=call.form,
        own=look.order.author == call.who.login,
    )  # fmt: skip


def approve(call: Call) -> Response:
    """Approve exactly what was read, with a code."""
    number = call.number("order")
    with call.house.begin() as conn:
        if orders.get(conn, number).author == call.who.login:  # before a code is looked at: it is not used up
            raise Problem("{login} drafted this order and may not approve it: another person must",
                          login=call.who.login)  # fmt: skip
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, 422)
    try:
        with call.house.begin() as conn:
            orders.approve(conn, number, call.who, plan_hash=call.form.get("hash", ""))
    except Problem as problem:
        return _page(call, call.words.problem(problem), 409)
    return to(f"/console/orders/{number}")


def issue(call: Call) -> Response:
    """Give the letter its number and day."""
    number = call.number("order")
    try:
        acts.issue(call.house, number, call.who, number=call.form.get("number", ""), dated=_day(call, "dated"))
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422)
    return to(f"/console/orders/{number}")


def _day(call: Call, name: str) -> date:
    try:
        return date.fromisoformat(call.form.get(name, ""))
    except ValueError:
        raise Problem("choose the day first") from None


def move(call: Call) -> Response:
    """What the carrier said: it has the order, or it sends."""
    number, act = call.number("order"), call.form.get("act", "")
    if act not in {"ack", "run"}:
        raise Problem("the form is not whole: open the page again and send it once more")
    try:
        acts.move(call.house, number, call.who, act, words=call.form.get("note", "")[:500])
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422)
    return to(f"/console/orders/{number}")


def take_return(call: Call) -> Response:
    """Take in figures typed from the carrier's paper, or its filled workbook; the checks then stand beside them."""
    number = call.number("order")
    with call.house.begin() as conn:
        order = orders.get(conn, number)
    form = call.form
    try:
        incoming = Incoming(
            "typed", call.who.login, call.address, None if call.file else _values(order, form), call.file,
            call.files.get("paper"), form.get("document", ""), form.get("method", ""), spoken=True,
            received=_day(call, "received") if form.get("received") else None,
        )  # fmt: skip
        acts.take_return(call.house, number, incoming)
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422)
    return to(f"/console/orders/{number}")


def _values(order: Order, form: Mapping[str, str]) -> dict[str, Any]:
    """The form's figures: a row a wave that says something, and the total."""
    rows = [
        {"wave": str(wave.no), "day": "", "unit": ""} | {name: form.get(f"w{wave.no}_{name}", "") for name in FIGURES}
        for wave in order.plan.waves
        if any(form.get(f"w{wave.no}_{name}") for name in FIGURES)
    ]
    return {"total": {name: form.get(f"total_{name}", "") for name in FIGURES}, "rows": rows}


def accept(call: Call) -> Response:
    """Take the latest return as the carrier's word; failed checks need a note."""
    number = call.number("order")
    try:
        acts.accept(call.house, number, call.who, call.form.get("note", "")[:500])
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422)
    return to(f"/console/orders/{number}")
