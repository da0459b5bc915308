"""Closing an account: every session and key of it is nobody's at the next call; by another operator, with a code."""

from __future__ import annotations

import secrets

from campaigns.ledger import logins, people
from campaigns.ledger.people import Person
from dispatcher import cli
from dispatcher.assemble import Site
from tests.cluster import AUTHOR
from tests.console import PASSWORD, Browser, signed_in
from tests.serving import Served, key_of
from workers.house import House


def test_sessions_keys_and_links_of_a_closed_account_end_at_once(served: Served, house: House) -> None:
    """Its pages, its key, its invitation and its password open nothing; opened again, old keys stay dead."""
    login = f"z-{secrets.token_hex(4)}"
    theirs = signed_in(served, house, login, "officer")
    key = key_of(house, Person(login, "", ()), "read")
    with house.begin() as conn:
        link = f"/console/invitation/{logins.invite(conn, login, AUTHOR.login)}"
    assert (theirs.get("/console").status, served.get("/api/v1/waves", key).status) == (200, 200)
    operator = signed_in(served, house, f"z-{secrets.token_hex(4)}", "operator", authenticator=True)
    assert operator.post("/console/people/switch", login=login, to="closed", code="000000").status == 422
    assert theirs.get("/console").status == 200
    assert operator.post("/console/people/switch", login=login, to="closed", code=operator.code()).status == 303
    assert (theirs.get("/console").status, served.get("/api/v1/waves", key).status) == (303, 401)
    assert Browser(served).get(link).status == 404
    assert Browser(served).post("/console/sign-in", login=login, password=PASSWORD).status == 422
    assert operator.post("/console/people/switch", login=login, to="open", code=operator.code()).status == 303
    assert (theirs.get("/console").status, served.get("/api/v1/waves", key).status) == (303, 401)
    assert Browser(served).post("/console/sign-in", login=login, password=PASSWORD).status == 303


def test_nobody_closes_the_own_account_and_an_address_needs_a_code(served: Served, house: House) -> None:
    login = f"z-{secrets.token_hex(4)}"
    operator = signed_in(served, house, login, "operator", authenticator=True)
    assert operator.post("/console/people/switch", login=login, to="closed", code=operator.code()).status == 422
    assert operator.get("/console/people").status == 200
    address = f"{login}@example.vn"
    assert operator.post("/console/people/address", login=login, email=address, code="000000").status == 422
    assert address not in operator.get("/console/people").body.decode()
    assert operator.post("/console/people/address", login=login, email=address, code=operator.code()).status == 303
    assert address in operator.get("/console/people").body.decode()


def test_on_the_command_line(house: House, site: Site) -> None:
    login, operator = f"z-{secrets.token_hex(4)}", Person(f"z-{secrets.token_hex(4)}", "", ("operator",))
    with house.begin() as conn:
        people.add_person(conn, login, login, ["officer"])
        people.add_person(conn, operator.login, operator.login, list(operator.roles))
    env = {"DISPATCHER_LANG": "vi", "DISPATCHER_KEY": key_of(house, operator, "admin")}
    key = key_of(house, Person(login, "", ()), "read")
    flags = ["--as", operator.login, "--rehearsal", "--data", str(site.settings.data)]
    for words in (["email", login, f"{login}@example.vn"], ["close", login], ["open", login]):
        assert cli.run(["person", *words, *flags], env) == 0
    assert cli.run(["person", "close", operator.login, *flags], env) == 1
    with house.begin() as conn:
        assert people.who(conn, key) is None
        assert logins.may_enter(conn, login)
