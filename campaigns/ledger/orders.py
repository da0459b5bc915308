"""Carrier orders in the ledger: drafted, approved on their hash, moved by events, never rewritten."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from campaigns.canonical import canonical
from campaigns.ledger import deputies, people
from campaigns.ledger.names import new_id
from campaigns.order import ACTS, OPEN, TRANSITIONS, OrderPlan, OrderState, Standing, plan_from_json, standing
from campaigns.schedule import ZONE
from campaigns.terms import Absent, Problem

O = OrderState  # noqa: E741 - as in campaigns/order.py


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands."""

    id: int
    author: str
    state: OrderState
    plan: OrderPlan
    plan_hash: str
    approvals_due: int
    drafted_at: datetime
    number: str  # "312/STTTT-BCVT" and its day, from the issue; "" before it
    dated: date | None
    issued_at: datetime | None


# An order with what its issue says; one issue at most, as no state leads back to `approved`.
ORDERS = """
SELECT o.id, o.author, o.state::text, o.plan, o.plan_hash, o.approvals_due, o.drafted_at,
    coalesce(e.details ->> 'number', ''), (e.details ->> 'date')::date, e.at
FROM carrier_order o LEFT JOIN order_event e ON e.order_id = o.id AND e.act = 'issue'
"""


def stands(order: Order, today: date) -> Standing:
    """How an order stands on a day of the province's calendar."""
    issued = order.issued_at.astimezone(ZONE).date() if order.issued_at else None
    return standing(order.state, order.plan.deadline, issued, today)


def get(conn: psycopg.Connection, order: int) -> Order:
    """One order; a Problem when there is none."""
    row = conn.execute(f"{ORDERS} WHERE o.id = %s", (order,)).fetchone()
    if row is None:
        raise Absent("there is no order {order}: see `dispatcher order list`", order=str(order))
    return _order(row)


def all_orders(conn: psycopg.Connection, campaign: str = "") -> list[Order]:
    """Every order, of one campaign when it is named: the newest draft first, carriers in their order."""
    rows = conn.execute(
        f"{ORDERS} WHERE %(campaign)s = '' OR o.campaign = %(campaign)s ORDER BY o.drafted_at DESC, o.carrier",
        {"campaign": campaign},
    )
    return [_order(row) for row in rows]


def _order(row: Any) -> Order:
    no, author, state, plan, plan_hash, due, drafted_at, number, dated, issued_at = row
    return Order(
        no, author, OrderState(state), plan_from_json(plan), plan_hash, due, drafted_at, number, dated, issued_at
    )


def draft(conn: psycopg.Connection, plan: OrderPlan, author: str, *, approvals_due: int = 1) -> Order:
    """Store an order; the same plan twice is the order that is there."""
    digest = plan.digest
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (digest,))
    same = "SELECT id FROM carrier_order WHERE plan_hash = %s AND state <> 'cancelled'"
    if twin := conn.execute(same, (digest,)).fetchone():
        return get(conn, twin[0])
    order = new_id()
    made = conn.execute(
        "INSERT INTO carrier_order (id, campaign, version, carrier, author, plan, plan_hash, approvals_due, deadline)"
        " SELECT %s, %s, %s, c.id, %s, %s, %s, %s, %s FROM carrier c WHERE c.name = %s RETURNING id",
        (order, plan.campaign, plan.version, author, canonical(plan.as_json()).decode(), digest, approvals_due,
         plan.deadline, plan.carrier),
    ).fetchone()  # fmt: skip
    if made is None:
        raise Absent("there is no carrier {carrier} in this installation", carrier=plan.carrier)
    note(conn, order, author, "draft", O.DRAFTED, plan_hash=digest)
    return get(conn, order)


def approve(conn: psycopg.Connection, order: int, person: people.Person, *, plan_hash: str) -> Order:
    """One person's word on exactly this plan; approved when enough have given it. The author may not."""
    found = _locked(conn, order)
    if not person.approves:
        raise Problem("{login} is not an approver", login=person.login)
    if person.login == found.author:
        raise Problem("{login} drafted this order and may not approve it: another person must", login=person.login)
    if plan_hash != found.plan_hash:
        raise Problem("the order has another hash than the one that was shown: look at it again")
    given = approvers(conn, found)
    if person.login in given:
        return found
    _must(found, "approve")
    deputies.must_be_apart(conn, person.login, {found.author}, _given(conn, found))
    made = conn.execute(
        "INSERT INTO order_approval (order_id, plan_hash, person) VALUES (%s, %s, %s) RETURNING stands_for",
        (order, plan_hash, person.login),
    ).fetchone()
    enough = len(given) + 1 >= found.approvals_due
    note(conn, order, person.login, "approve", O.APPROVED if enough else found.state, plan_hash=plan_hash,
         **({"stands_for": made[0]} if made and made[0] else {}))  # fmt: skip
    return get(conn, order)


def approvers(conn: psycopg.Connection, order: Order) -> list[str]:
    """Who has approved this exact plan, the author left out."""
    return [person for person, _ in _given(conn, order)]


def _given(conn: psycopg.Connection, order: Order) -> list[tuple[str, str | None]]:
    return conn.execute(
        "SELECT person, stands_for FROM order_approval WHERE order_id = %s AND plan_hash = %s AND person <> %s"
        " ORDER BY at",
        (order.id, order.plan_hash, order.author),
    ).fetchall()


def issue(
    conn: psycopg.Connection, order: int, person: str, *, number: str, dated: date, evidence: str | None = None
) -> Order:
    """Give an approved order the number and day of its letter; the same again changes nothing."""
    found = _locked(conn, order)
    if found.number:
        if (found.number, found.dated) != (number, dated):
            raise Problem("this order was issued as {number} of {day}: it keeps that number",
                          number=found.number, day=found.dated)  # fmt: skip
        return found
    _must(found, "issue")
    note(conn, order, person, "issue", O.ISSUED, evidence=evidence, number=number, date=dated.isoformat())
    return get(conn, order)


def move(
    conn: psycopg.Connection, order: int, person: str, act: str, *, evidence: str | None = None, words: str = ""
) -> Order:
    """Acknowledge, run or cancel; what was done once is not done twice."""
    found = _locked(conn, order)
    if act in {event.act for event in events(conn, order)}:
        return found
    _must(found, act)
    note(conn, order, person, act, ACTS[act], evidence=evidence, note=words)
    return get(conn, order)


def accept(conn: psycopg.Connection, order: int, person: str, *, version: int, failed: int, words: str) -> Order:
    """Take the latest version of the return as the carrier's word; failed checks need a note."""
    found = _locked(conn, order)
    if found.state is O.ACCEPTED:
        return found
    _must(found, "accept")
    if failed and not words.strip():
        raise Problem("{n} checks of this return do not hold: accept it with a note, or ask for a correction", n=failed)
    note(conn, order, person, "accept", O.ACCEPTED, version=version, failed=failed, note=words.strip())
    return get(conn, order)


def _locked(conn: psycopg.Connection, order: int) -> Order:
    """The order, with other hands at it waiting until this transaction ends; the role may not lock the row itself."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext('order'), %s)", (order % 2**31,))
    return get(conn, order)


def _must(order: Order, act: str) -> None:
    if ACTS[act] not in TRANSITIONS[order.state]:
        raise Problem("order {order} is {state}: '{act}' cannot be done with it",
                      order=str(order.id), state=order.state, act=act)  # fmt: skip


def must_be_open(order: Order) -> None:
    """Raise Problem unless the order takes a return now."""
    if order.state is O.ACCEPTED:
        raise Problem("the return of {carrier} has been accepted: it cannot be changed any more",
                      carrier=order.plan.carrier_name)  # fmt: skip
    if order.state not in OPEN:
        raise Problem("order {order} is {state}: it takes no return", order=str(order.id), state=order.state)


def note(
    conn: psycopg.Connection,
    order: int,
    person: str,
    act: str,
    state: OrderState,
    *,
    evidence: str | None = None,
    **details: Any,
) -> None:
    """Write one step of an order's life; the database moves the order, or refuses."""
    conn.execute(
        "INSERT INTO order_event (order_id, person, act, state, evidence, details)"
        " VALUES (%s, %s, %s, %s::order_state, %s, %s)",
        (order, person, act, state.value, evidence, json.dumps(details, ensure_ascii=False, default=str)),
    )
    people.record(conn, person, f"order.{act}", str(order), evidence=evidence, **details)


@dataclass(frozen=True, slots=True)
class Event:
    """One step of an order's life."""

    at: datetime
    person: str
    act: str
    state: str
    evidence: str | None
    details: dict[str, Any]


def events(conn: psycopg.Connection, order: int) -> list[Event]:
    """An order's life, oldest first."""
    rows = conn.execute(
        "SELECT at, person, act, state::text, evidence, details FROM order_event WHERE order_id = %s ORDER BY id",
        (order,),
    )
    return [Event(*row) for row in rows]


# -- codes -----------------------------------------------------------------------------------------------------------


def digest_of(code: str) -> bytes:
    """What the ledger keeps of a code: 100 random bits need no slow hash."""
    return hashlib.sha256(code.encode()).digest()


def serial(conn: psycopg.Connection, order: int) -> tuple[int, bool]:
    """(number of the latest code, whether it is valid); 0 when none was made."""
    row = conn.execute(
        "SELECT serial, revoked_at IS NULL FROM order_code WHERE order_id = %s ORDER BY serial DESC LIMIT 1", (order,)
    ).fetchone()
    return (int(row[0]), bool(row[1])) if row else (0, False)


def add_code(conn: psycopg.Connection, order: int, number: int, code: str, person: str) -> None:
    """Make a code valid."""
    found = _locked(conn, order)
    conn.execute(
        "INSERT INTO order_code (order_id, serial, digest, made_by) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (order, number, digest_of(code), person),
    )
    note(conn, order, person, "link", found.state, serial=number)


def revoke_codes(conn: psycopg.Connection, order: int, person: str) -> int:
    """Make every code of an order void; how many were valid."""
    found = _locked(conn, order)
    done = conn.execute(
        "UPDATE order_code SET revoked_at = now() WHERE order_id = %s AND revoked_at IS NULL RETURNING serial", (order,)
    ).fetchall()
    if done:
        note(conn, order, person, "revoke", found.state, serials=[row[0] for row in done])
    return len(done)


def of_code(conn: psycopg.Connection, code: str) -> tuple[Order, int] | None:
    """The order that a valid code opens, and the code's serial; None for any other."""
    row = conn.execute(
        "SELECT order_id, serial FROM order_code WHERE digest = %s AND revoked_at IS NULL", (digest_of(code),)
    ).fetchone()
    return (get(conn, row[0]), int(row[1])) if row else None
