"""A lost password or phone: one operator asks, another one agrees, and what the person signed in with ends."""

from __future__ import annotations

import re
import secrets

import psycopg
import pytest

from campaigns.ledger import audit, logins, people, resets
from campaigns.ledger.audit import Wanted
from campaigns.ledger.people import Person
from campaigns.terms import Problem
from dispatcher import cli
from dispatcher.assemble import Site
from dispatcher.console.call import COOKIE
from tests.console import PASSWORD, Browser, person, signed_in
from tests.serving import Served, key_of
from workers.house import House

PEOPLE = "/console/people"
LINK = re.compile(r"/console/invitation/[\w-]+")
CHOSEN = "sáu cây thông bên hồ Thác Bạc"


@pytest.fixture
def two(served: Served, house: House) -> tuple[Browser, Browser]:
    first, second = (
        signed_in(served, house, f"q-{secrets.token_hex(4)}", "operator", authenticator=True) for _ in range(2)
    )
    return first, second


def new() -> str:
    return f"m-{secrets.token_hex(4)}"


def asked(house: House, login: str) -> int:
    with house.begin() as conn:
        return next(each.id for each in resets.waiting(conn) if each.person == login)


def waits(house: House, login: str) -> bool:
    with house.begin() as conn:
        return any(each.person == login for each in resets.waiting(conn))


def login_of(house: House, browser: Browser) -> str:
    with house.begin() as conn:
        found = logins.session(conn, browser.cookies[COOKIE])
    assert found
    return found.person.login


def ask(browser: Browser, login: str, code: str, reason: str = "mất điện thoại") -> int:
    return browser.post(f"{PEOPLE}/reset", login=login, reason=reason, code=code).status


def test_two_operators_end_what_a_person_signed_in_with(
    served: Served, house: House, two: tuple[Browser, Browser]
) -> None:
    """Before the second word all is as it was; after it password, phone, sessions and old links open nothing."""
    first, second = two
    login = new()
    theirs = signed_in(served, house, login, "approver", authenticator=True)
    with house.begin() as conn:
        old = f"/console/invitation/{logins.invite(conn, login, login)}"
    assert ask(first, login, first.code()) == 303
    assert "mất điện thoại" in second.get(PEOPLE).body.decode()
    assert theirs.get("/console").status == 200
    assert Browser(served).post("/console/sign-in", login=login, password=PASSWORD).status == 303
    place = f"{PEOPLE}/reset/{asked(house, login)}"
    assert second.post(f"{place}/agree", code="000000").status == 422
    assert theirs.get("/console").status == 200
    said = second.post(f"{place}/agree", code=second.code())
    assert said.status == 200
    link = LINK.search(said.body.decode())
    assert link
    assert not LINK.search(second.get(PEOPLE).body.decode())
    assert theirs.get("/console").status == 303
    assert Browser(served).post("/console/sign-in", login=login, password=PASSWORD).status == 422
    assert Browser(served).get(old).status == 404
    fresh = Browser(served)
    assert fresh.post(link[0], password=CHOSEN, again=CHOSEN).status == 303
    assert Browser(served).get(link[0]).status == 404
    fresh.get("/console/me")
    made = fresh.post("/console/me/authenticator").body.decode()  # without a code: the lost one counts no more
    assert "Mã QR" in made
    assert second.post(f"{place}/agree", code=second.code()).status == 422


def test_a_code_of_the_lost_phone_is_worth_nothing(served: Served, house: House, two: tuple[Browser, Browser]) -> None:
    """Neither for an act nor for confirming a secret that was shown before."""
    first, second = two
    login = new()
    theirs = signed_in(served, house, login, "operator", authenticator=True)
    assert ask(first, login, first.code()) == 303
    second.post(f"{PEOPLE}/reset/{asked(house, login)}/agree", code=second.code())
    with house.begin() as conn:
        theirs.cookies[COOKIE] = logins.begin_session(conn, login, "127.0.0.1")
        assert logins.authenticator(conn, login) is None
        assert logins.authenticator(conn, login, confirmed=False) is None
    theirs.get("/console/me")
    other = person(house, new(), "officer")
    assert theirs.post(f"{PEOPLE}/switch", login=other, to="closed", code=theirs.code()).status == 403


def test_nobody_decides_alone_or_on_the_own_account(served: Served, house: House, two: tuple[Browser, Browser]) -> None:
    first, second = two
    mine, theirs, login = login_of(house, first), login_of(house, second), new()
    person(house, login, "officer")
    one, other, their = first.code(), first.code(), second.code()  # what is refused leaves a code unused
    assert ask(first, mine, one) == 422
    assert ask(first, login, one, reason="  ") == 422
    assert ask(first, login, one) == 303
    assert ask(second, login, their) == 422  # it waits already
    place = f"{PEOPLE}/reset/{asked(house, login)}"
    assert first.post(f"{place}/agree", code=other).status == 422
    assert waits(house, login)
    assert first.post(f"{place}/drop").status == 303
    assert second.post(f"{place}/agree", code=their).status == 422
    assert Browser(served).post("/console/sign-in", login=login, password=PASSWORD).status == 303
    assert ask(first, theirs, other) == 303
    place = f"{PEOPLE}/reset/{asked(house, theirs)}"
    assert second.post(f"{place}/agree", code=their).status == 422
    assert second.post(f"{place}/drop").status == 409
    assert waits(house, theirs)
    assert second.post(f"{PEOPLE}/reset/{2**62}/agree", code=their).status == 404
    with house.begin() as conn:
        acts = {each.act for each in audit.entries(conn, Wanted(subject=login), most=9)}
    assert {"person.reset-asked", "person.reset-dropped"} <= acts


def test_one_operator_makes_no_link_for_who_has_a_password(house: House, two: tuple[Browser, Browser]) -> None:
    """Else the second word would be for show."""
    login, fresh = new(), new()
    person(house, login, "officer")
    with house.begin() as conn:
        people.add_person(conn, fresh, fresh, ["officer"])
    said = two[0].post(f"{PEOPLE}/invite", login=login, code=two[0].code())
    assert (said.status, LINK.search(said.body.decode())) == (422, None)
    said = two[0].post(f"{PEOPLE}/invite", login=fresh, code=two[0].code())
    assert said.status == 200
    assert LINK.search(said.body.decode())


def test_the_database_refuses_what_two_persons_did_not_decide(
    owner: psycopg.Connection, house: House, two: tuple[Browser, Browser]
) -> None:
    """Oneself, the same person twice, somebody who is no operator, alone beside a second operator, twice."""
    first, second = (login_of(house, each) for each in two)
    login, officer = new(), person(house, new(), "officer")
    person(house, login, "officer")
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute("INSERT INTO person_reset (person, reason, asked_by) VALUES (%s, 'x', %s)", (login, login))
    with house.begin() as conn:
        reset = resets.ask(conn, login, "mất máy", first)
    for by, alone in ((first, False), (login, False), (officer, False), (first, True)):
        with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
            conn.execute(
                "UPDATE person_reset SET agreed_by = %s, agreed_at = now(), alone = %s WHERE id = %s",
                (by, alone, reset),
            )
    with house.begin() as conn:
        resets.agree(conn, reset, second)
        assert logins.password_of(conn, login) is None
    with pytest.raises(psycopg.errors.CheckViolation):
        owner.execute("UPDATE person_reset SET dropped_by = %s, dropped_at = now() WHERE id = %s", (first, reset))


def test_on_the_command_line_only_where_there_is_no_second_operator(house: House, site: Site) -> None:
    login, by = new(), Person(new(), "", ("operator",))
    person(house, login, "approver")
    person(house, by.login, "operator")
    env = {"DISPATCHER_LANG": "vi", "DISPATCHER_KEY": key_of(house, by, "admin")}
    flags = ["--reason", "mất máy", "--as", by.login, "--rehearsal", "--data", str(site.settings.data)]
    with house.begin() as conn:
        others = [each for each in resets.deciders(conn, login) if each != by.login]
        conn.execute("UPDATE person SET disabled_at = now() WHERE login = ANY (%s)", (others,))
    invited = ["person", "invite", login, *flags[2:]]
    try:
        assert cli.run(["person", "reset", by.login, *flags], env) == 1
        assert cli.run(invited, env) == 1  # it would be a reset that nobody agreed to
        with pytest.raises(Problem), house.begin() as conn:
            resets.ask(conn, login, "mất máy", by.login)
        assert cli.run(["person", "reset", login, *flags], env) == 0
        with house.begin() as conn:
            assert logins.password_of(conn, login) is None
        assert cli.run(invited, env) == 0
    finally:
        with house.begin() as conn:
            conn.execute("UPDATE person SET disabled_at = NULL WHERE login = ANY (%s)", (others,))
    person(house, new(), "operator")
    assert cli.run(["person", "reset", login, *flags], env) == 1


def test_an_only_operator_is_told_the_command_line(served: Served, house: House) -> None:
    browser = signed_in(served, house, new(), "operator", authenticator=True)
    mine = login_of(house, browser)
    with house.begin() as conn:
        others = resets.deciders(conn, mine)
        conn.execute("UPDATE person SET disabled_at = now() WHERE login = ANY (%s)", (others,))
    try:
        page = browser.get(PEOPLE).body.decode()
    finally:
        with house.begin() as conn:
            conn.execute("UPDATE person SET disabled_at = NULL WHERE login = ANY (%s)", (others,))
    assert "dispatcher person reset" in page
    assert f'action="{PEOPLE}/reset"' in page
    assert 'id="reset-code"' not in page
