"""Orders in the real database: who may do what, what may follow what, and that nothing recorded is ever changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from itertools import product

import psycopg
import pytest

from campaigns.ledger import orders, registry
from campaigns.ledger import returns as stored
from campaigns.ledger.orders import Order
from campaigns.ledger.returns import Arrival
from campaigns.order import TRANSITIONS, OrderState, Terms, make_plan
from campaigns.return_checks import check
from campaigns.returns import Figures, Return, ReturnRow
from campaigns.terms import Problem
from dispatcher import acts, assemble
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, SECOND
from tests.hand import one
from workers.house import House

DUE = dt.date(2024, 8, 5)


@pytest.fixture
def order(house: House, app: psycopg.Connection) -> Order:
    return drafted(house, app)


def drafted(house: House, conn: psycopg.Connection, *, area: str = "tỉnh Lai Châu", carrier: str = "viettel") -> Order:
    campaign = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
    version = registry.load_campaign(conn, campaign, AUTHOR.login)
    terms = Terms(area, "Phòng BCVT", DUE)
    plan = make_plan(campaign, version, carrier, carrier.title(), terms, rehearsal=True)
    return orders.draft(conn, plan, AUTHOR.login)


def issued(app: psycopg.Connection, order: Order) -> Order:
    orders.approve(app, order.id, APPROVER, plan_hash=order.plan_hash)
    return orders.issue(app, order.id, AUTHOR.login, number="612/STTTT-BCVT", dated=dt.date(2024, 6, 27))


def statement(order: Order, messages: int = 900) -> Return:
    rows = tuple(ReturnRow(wave.no, wave.date, "", Figures(1000, messages, 4 * messages)) for wave in order.plan.waves)
    return Return(Figures(1000, 3 * messages, 12 * messages), rows, "Công văn số 31", "nơi đăng ký")


def report(app: psycopg.Connection, order: Order, given: Return) -> tuple[stored.Version, bool]:
    findings = check(order.plan, given, received=DUE, evidence=False)
    return stored.add(app, order, given, Arrival("typed", AUTHOR.login, "local", DUE), findings, [])


def test_the_same_draft_is_one_order_until_it_is_withdrawn(house: House, app: psycopg.Connection, order: Order) -> None:
    assert drafted(house, app).id == order.id
    assert drafted(house, app, area="xã khác").id != order.id
    orders.move(app, order.id, AUTHOR.login, "cancel", words="thay")
    assert drafted(house, app).id != order.id


def test_the_author_does_not_approve_and_an_approval_is_of_one_hash(app: psycopg.Connection, order: Order) -> None:
    for person, digest, said in (
        (dataclasses.replace(SECOND, login=AUTHOR.login), order.plan_hash, "may not approve"),
        (AUTHOR, order.plan_hash, "not an approver"),
        (APPROVER, "0" * 64, "another hash"),
    ):
        with pytest.raises(Problem, match=said):
            orders.approve(app, order.id, person, plan_hash=digest)
    assert orders.get(app, order.id).state is OrderState.DRAFTED
    for _ in range(2):  # the second word of the same person changes nothing
        assert orders.approve(app, order.id, APPROVER, plan_hash=order.plan_hash).state is OrderState.APPROVED
    assert orders.approvers(app, order) == [APPROVER.login]
    assert [event.act for event in orders.events(app, order.id)] == ["draft", "approve"]


def event(app: psycopg.Connection, order: Order, state: OrderState, **details: object) -> None:
    app.execute(
        "INSERT INTO order_event (order_id, person, act, state, details)"
        " VALUES (%s, 'an', 'hand', %s::order_state, %s)",
        (order.id, state.value, json.dumps(details)),
    )


@pytest.mark.parametrize(("was", "after"), list(product(OrderState, OrderState)))
def test_the_database_itself_refuses_what_the_table_does_not_name(
    house: House, app: psycopg.Connection, owner: psycopg.Connection, was: OrderState, after: OrderState
) -> None:
    """Every pair of states, by a bare INSERT."""
    order = drafted(house, owner)
    orders.approve(owner, order.id, APPROVER, plan_hash=order.plan_hash)
    orders.issue(owner, order.id, AUTHOR.login, number="1/X", dated=DUE)
    report(owner, orders.get(owner, order.id), statement(order))
    owner.execute("UPDATE carrier_order SET state = %s::order_state WHERE id = %s", (was.value, order.id))
    legal = was is after or after in TRANSITIONS[was]
    if legal:
        event(owner, order, after, note="ghi chú")
        assert orders.get(owner, order.id).state is after
    else:
        with pytest.raises(psycopg.errors.CheckViolation, match="may not go from state"):
            event(owner, order, after, note="ghi chú")


def test_no_approval_no_state_approved_whatever_the_program_says(app: psycopg.Connection, order: Order) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="may not approve"), app.transaction():
        app.execute("INSERT INTO order_approval VALUES (%s, %s, %s)", (order.id, order.plan_hash, AUTHOR.login))
    app.execute("INSERT INTO order_approval VALUES (%s, %s, %s)", (order.id, "0" * 64, APPROVER.login))
    with pytest.raises(psycopg.errors.CheckViolation, match="lacks an approval"):
        event(app, order, OrderState.APPROVED)


def test_no_acceptance_of_failed_checks_without_a_note_whatever_the_program_says(
    app: psycopg.Connection, order: Order
) -> None:
    report(app, issued(app, order), statement(order))
    with pytest.raises(psycopg.errors.CheckViolation, match="a note is needed"):
        event(app, order, OrderState.ACCEPTED)


def test_a_return_needs_an_issued_order_and_none_comes_after_acceptance(app: psycopg.Connection, order: Order) -> None:
    with pytest.raises(Problem, match="takes no return"):
        report(app, order, statement(order))
    found = issued(app, order)
    version, _ = report(app, found, statement(order))
    with pytest.raises(Problem, match="accept it with a note"):
        orders.accept(app, order.id, AUTHOR.login, version=1, failed=len(version.failed), words=" ")
    orders.accept(app, order.id, AUTHOR.login, version=1, failed=len(version.failed), words="bản giấy đến sau")
    with pytest.raises(Problem, match="has been accepted"):
        report(app, orders.get(app, order.id), statement(order, 800))
    assert report(app, orders.get(app, order.id), statement(order)) == (version, False)
    with pytest.raises(psycopg.errors.CheckViolation, match="takes no return"):
        app.execute(
            "INSERT INTO order_return SELECT order_id, 9, 'x', document, method, total, way, person, origin, source,"
            " evidence, notes, checks, failed, received_on FROM order_return WHERE order_id = %s", (order.id,),
        )  # fmt: skip


def test_a_correction_is_a_new_version_and_the_old_one_stays(app: psycopg.Connection, order: Order) -> None:
    found = issued(app, order)
    first, new = report(app, found, statement(order))
    second, also = report(app, found, statement(order, 950))
    assert (first.version, second.version, new, also) == (1, 2, True, True)
    assert report(app, found, statement(order)) == (first, False)
    assert [each.given for each in stored.versions(app, order.id)] == [statement(order), statement(order, 950)]
    latest = stored.latest(app, order.id)
    assert latest is not None
    assert latest.version == 2
    assert one(app, "SELECT count(*) FROM order_return_row WHERE order_id = %s", order.id) == (6,)


def test_an_order_keeps_its_number(app: psycopg.Connection, order: Order) -> None:
    found = issued(app, order)
    again = orders.issue(app, order.id, AUTHOR.login, number="612/STTTT-BCVT", dated=dt.date(2024, 6, 27))
    assert again == found
    with pytest.raises(Problem, match="keeps that number"):
        orders.issue(app, order.id, AUTHOR.login, number="613/STTTT-BCVT", dated=dt.date(2024, 6, 27))


def test_a_code_opens_one_order_until_it_is_revoked(house: House, app: psycopg.Connection, order: Order) -> None:
    other = drafted(house, app, carrier="mobifone")
    orders.add_code(app, order.id, 1, "AAAA", AUTHOR.login)
    orders.add_code(app, other.id, 1, "BBBB", AUTHOR.login)
    opened = [orders.of_code(app, code) for code in ("AAAA", "BBBB", "CCCC", "")]
    assert [found and found[0].id for found in opened] == [order.id, other.id, None, None]
    assert orders.revoke_codes(app, order.id, AUTHOR.login) == 1
    assert orders.revoke_codes(app, order.id, AUTHOR.login) == 0
    assert orders.of_code(app, "AAAA") is None
    assert orders.of_code(app, "BBBB") is not None
    assert one(app, "SELECT count(*) FROM order_code WHERE position('AAAA' IN encode(digest, 'escape')) > 0") == (0,)
