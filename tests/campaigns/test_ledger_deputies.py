"""Deputies: what the database refuses whoever writes it, and what people are told before."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from campaigns.ledger import deputies, orders, people, plans, waves
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.order import OrderState
from campaigns.schedule import ZONE
from campaigns.terms import Problem
from tests.campaigns.test_ledger_orders import drafted
from tests.cluster import AUTHOR, CAMPAIGN, Planned
from workers.house import House

NAMED = "INSERT INTO deputy (principal, person, since, until, reason) VALUES (%s, %s, now() + %s, now() + %s, 'họp')"
APPROVAL = (
    "INSERT INTO approval (wave, plan_hash, person, choice, reason, typed) VALUES (%s, %s, %s, 'corrected', '', 40)"
)
HOUR = timedelta(hours=1)


def someone(house: House, *roles: str) -> Person:
    """A fresh person."""
    login = f"d-{secrets.token_hex(5)}"
    with house.begin() as conn:
        people.add_person(conn, login, f"Người {login}", list(roles))
    return Person(login, f"Người {login}", roles)


def now_of(house: House, login: str) -> Person:
    """The person with the roles of this moment, as a call finds them."""
    with house.begin() as conn:
        found = people.who(conn, people.new_key(conn, login, ["read", "approve"]))
    assert found
    return found


def today() -> date:
    return datetime.now(UTC).astimezone(ZONE).date()


def name(house: House, principal: Person, deputy: Person, days: int = 3, first: date | None = None) -> deputies.Deputy:
    first = first or today()
    with house.begin() as conn:
        return deputies.name(conn, principal, deputy.login, first, first + timedelta(days=days), "đi công tác")


def approve(house: House, wave: Wave, person: Person) -> int:
    with house.begin() as conn:
        return waves.approve(conn, wave.id, person, typed=wave.n, choice="corrected", reason="lỗi chữ")


def refused(house: House, wave: Wave, login: str, says: str) -> None:
    """Written by hand, past everything that tells people."""
    with pytest.raises(psycopg.errors.CheckViolation, match=says), house.begin() as conn:
        conn.execute(APPROVAL, (wave.id, wave.plan_hash, login))


def test_an_officer_approves_in_an_approvers_place_and_the_record_says_for_whom(house: House, planned: Planned) -> None:
    """Nothing without being named; then one approval, with the principal's login beside it, in the record too."""
    wave, chief, officer = planned(seed=61), someone(house, "approver"), someone(house, "officer")
    with pytest.raises(Problem, match="is not an approver"):
        approve(house, wave, now_of(house, officer.login))
    refused(house, wave, officer.login, "may approve nothing")
    name(house, chief, officer)
    deputy = now_of(house, officer.login)
    assert deputy.roles == ("officer", "deputy")
    assert approve(house, wave, deputy) == 0
    with house.begin() as conn:
        [given] = waves.approvals(conn, wave)
        assert (given.person, given.stands_for) == (officer.login, chief.login)
        row = conn.execute("SELECT details FROM audit WHERE act = 'wave.approve' AND person = %s", (officer.login,))
        assert row.fetchone()[0]["stands_for"] == chief.login  # type: ignore[index]
        assert waves.start(conn, wave.id, deputy).state == "running"


@pytest.mark.parametrize(
    ("since", "until"), [(-2 * HOUR, timedelta(seconds=-1)), (timedelta(seconds=30), HOUR)], ids=["over", "to come"]
)
def test_a_second_outside_the_dates_is_outside(
    house: House, planned: Planned, since: timedelta, until: timedelta
) -> None:
    """It ends by itself: no job ends it, the clock does, on both sides."""
    wave, chief, officer = planned(seed=62), someone(house, "approver"), someone(house, "officer")
    with house.begin() as conn:
        conn.execute(NAMED, (chief.login, officer.login, since, until))
    assert now_of(house, officer.login).roles == ("officer",)
    refused(house, wave, officer.login, "may approve nothing")


def test_it_ends_when_it_is_withdrawn_and_what_was_approved_stays(house: House, planned: Planned) -> None:
    first, second = planned(seed=63), planned(seed=64)
    chief, officer, other = someone(house, "approver"), someone(house, "officer"), someone(house, "officer")
    named = name(house, chief, officer)
    approve(house, first, now_of(house, officer.login))
    with house.begin() as conn:
        with pytest.raises(Problem, match="or an operator"):
            deputies.withdraw(conn, named.id, other)
        assert deputies.withdraw(conn, named.id, chief).stands(datetime.now(UTC)) == "withdrawn"
        assert len(waves.approvals(conn, first)) == 1
    refused(house, second, officer.login, "may approve nothing")
    with pytest.raises(psycopg.errors.CheckViolation, match="stays withdrawn"), house.begin() as conn:
        conn.execute("UPDATE deputy SET withdrawn_at = NULL, withdrawn_by = NULL WHERE id = %s", (named.id,))


@pytest.mark.parametrize("change", ["disabled_at = now()", "roles = ARRAY['auditor']"])
def test_it_ends_with_the_principals_own_right(house: House, planned: Planned, change: str) -> None:
    """Nobody gives what he has no more."""
    wave, chief, officer = planned(seed=65), someone(house, "approver"), someone(house, "officer")
    name(house, chief, officer)
    with house.begin() as conn:
        conn.execute(f"UPDATE person SET {change} WHERE login = %s", (chief.login,))
    refused(house, wave, officer.login, "may approve nothing")


def test_an_author_gets_nothing_through_a_deputy(house: House, planned: Planned) -> None:
    """Neither side: not the author's deputy, and not the author as somebody's deputy."""
    author, clerk, chief = someone(house, "officer", "approver"), someone(house, "officer"), someone(house, "approver")
    draft = planned.draft(planned.audience(seed=66))
    with house.begin() as conn:
        wave = plans.plan(conn, draft, author.login, house.keys(CAMPAIGN))
    name(house, author, clerk)
    with pytest.raises(Problem, match="deputy and principal"):
        approve(house, wave, now_of(house, clerk.login))
    refused(house, wave, clerk.login, "nor through a deputy")
    mine = planned(seed=67)
    named = name(house, chief, AUTHOR)
    refused(house, mine, AUTHOR.login, "nor through a deputy")
    refused(house, mine, chief.login, "nor through a deputy")
    with house.begin() as conn:
        deputies.withdraw(conn, named.id, chief)


def test_deputy_and_principal_are_one_of_two_approvals(house: House, planned: Planned) -> None:
    """Before, within and after the dates, whoever of the two was first; a third person makes it two."""
    chief, deputy, third = (someone(house, "approver") for _ in range(3))
    wave = planned(seed=68, approvals_due=2)
    named = name(house, chief, deputy)
    assert approve(house, wave, now_of(house, deputy.login)) == 1
    with pytest.raises(Problem, match="give one approval"):
        approve(house, wave, now_of(house, chief.login))
    refused(house, wave, chief.login, "give one approval")
    with house.begin() as conn:
        deputies.withdraw(conn, named.id, deputy)
    refused(house, wave, chief.login, "give one approval")
    assert approve(house, wave, now_of(house, third.login)) == 0
    other = planned(seed=69, approvals_due=2)
    assert approve(house, other, now_of(house, chief.login)) == 1
    name(house, chief, deputy)
    refused(house, other, deputy.login, "give one approval")


def test_fifty_approvals_of_the_two_at_once_are_one(house: House, planned: Planned) -> None:
    """Twenty-five of each, on lines of their own: the plan has one approval and needs another person's."""
    chief, deputy = someone(house, "approver"), someone(house, "approver")
    wave = planned(seed=70, approvals_due=2)
    name(house, chief, deputy)
    both = [now_of(house, each.login) for each in (chief, deputy)]

    def attempt(n: int) -> bool:
        try:
            approve(house, wave, both[n % 2])
        except Problem:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(attempt, range(50)))
    with house.begin() as conn:
        assert len(waves.approvals(conn, wave)) == 1
        with pytest.raises(Problem, match="cannot be started"):
            waves.start(conn, wave.id, AUTHOR)


@pytest.mark.parametrize("way", ["chain", "circle", "second deputy", "second principal", "himself"])
def test_no_chain_no_circle_no_second_one(house: House, way: str) -> None:
    """Told to people, and refused by the table when it is written past that."""
    one, two, three = (someone(house, "approver") for _ in range(3))
    name(house, one, two)
    principal, deputy = {"chain": (two, three), "circle": (two, one), "second deputy": (one, three),
                         "second principal": (three, two), "himself": (three, three)}[way]  # fmt: skip
    with pytest.raises(Problem, match=r"already|for himself"):
        name(house, principal, deputy)
    with pytest.raises(psycopg.errors.IntegrityError), house.begin() as conn:
        conn.execute(NAMED, (principal.login, deputy.login, timedelta(0), HOUR))


def test_fifty_names_at_once_make_no_circle(house: House) -> None:
    """Two approvers name each other, again and again at once: one of the two stands."""
    pair = [someone(house, "approver"), someone(house, "approver")]

    def attempt(n: int) -> bool:
        try:
            with house.begin() as conn:
                conn.execute(NAMED, (pair[n % 2].login, pair[1 - n % 2].login, timedelta(0), HOUR))
        except psycopg.errors.IntegrityError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(50))) == 1


@pytest.mark.parametrize("roles", [("auditor",), ("operator",), ("engineer",)])
def test_who_looks_on_or_gives_keys_away_stands_in_for_nobody(house: House, roles: tuple[str, ...]) -> None:
    chief, other = someone(house, "approver"), someone(house, *roles)
    with pytest.raises(Problem, match="cannot stand in"):
        name(house, chief, other)
    with pytest.raises(Problem, match="only an approver has"):
        name(house, other, chief)
    for principal, deputy in ((chief, other), (other, chief)):
        with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
            conn.execute(NAMED, (principal.login, deputy.login, timedelta(0), HOUR))


@pytest.mark.parametrize(
    ("first", "last", "reason", "says"),
    [(-1, 3, "x", "today or later"), (2, 1, "x", "before the first"), (0, 92, "x", "at most"), (0, 1, " ", "say why")],
)
def test_days_that_make_no_sense_are_told(house: House, first: int, last: int, reason: str, says: str) -> None:
    chief, officer = someone(house, "approver"), someone(house, "officer")
    with pytest.raises(Problem, match=says), house.begin() as conn:
        deputies.name(conn, chief, officer.login, today() + timedelta(first), today() + timedelta(last), reason)


@pytest.mark.parametrize("column", ["reason = ' '", "until = since", "until = since + interval '94 days'"])
def test_the_tables_own_checks(owner: psycopg.Connection, house: House, column: str) -> None:
    named = name(house, someone(house, "approver"), someone(house, "officer"))
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute(f"UPDATE deputy SET {column} WHERE id = %s", (named.id,))


def test_a_deputy_approves_an_order_too_and_the_two_are_one_there(house: House, app: psycopg.Connection) -> None:
    chief, officer = someone(house, "approver"), someone(house, "officer")
    name(house, chief, officer)
    order = drafted(house, app)
    orders.approve(app, order.id, now_of(house, officer.login), plan_hash=order.plan_hash)
    assert orders.get(app, order.id).state is OrderState.APPROVED
    kept = app.execute("SELECT person, stands_for FROM order_approval WHERE order_id = %s", (order.id,))
    assert kept.fetchall() == [(officer.login, chief.login)]
    with pytest.raises(psycopg.errors.CheckViolation, match="one approval"):
        app.execute("INSERT INTO order_approval VALUES (%s, %s, %s)", (order.id, order.plan_hash, chief.login))
