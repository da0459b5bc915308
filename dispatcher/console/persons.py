"""Persons and their invitations, for operators."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from starlette.responses import Response

from campaigns.ledger import logins, people
from campaigns.terms import Absent, Problem
from dispatcher.console.call import Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code


def people_page(call: Call) -> Response:
    """Everybody who may act here."""
    return _page(call, "", "", "")


def _page(call: Call, link: str, login: str, wrong: str, status: int = 200) -> Response:
    with call.house.begin() as conn:
        rows = logins.roster(conn)
    return show(
        call, "people.html", status, rows=rows, link=link, invited=login, wrong=wrong, good_for=logins.INVITED_HOURS
    )


def invite(call: Call) -> Response:
    """A one-time link for a person, shown once; it needs a code, as it opens a door."""
    login = call.form.get("login", "")
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
        if not wrong:
            if not logins.may_enter(conn, login):
                raise Absent("there is no person {login}: see `dispatcher person add --help`", login=login)
            word = logins.invite(conn, login, call.who.login)
            people.record(conn, call.who.login, "console.invite", login)
    if wrong:
        return _page(call, "", login, wrong, 422)
    return _page(call, invitation_link(call.house.settings.url, word), login, "")


def set_address(call: Call) -> Response:
    """Where a person gets letters: with a code, as a province's account is found by it."""
    login, address = call.form.get("login", ""), call.form.get("email", "")
    return _with_code(call, lambda conn: people.set_email(conn, login, address, call.who.login))


def switch(call: Call) -> Response:
    """Close an account or open it again, with a code; closing ends its sessions and keys at once."""
    login, on = call.form.get("login", ""), call.form.get("to") == "open"
    return _with_code(call, lambda conn: people.switch(conn, login, call.who.login, on=on))


def _with_code(call: Call, act: Callable[[psycopg.Connection], None]) -> Response:
    try:
        with call.house.begin() as conn:
            wrong = check_code(call, conn)
            if not wrong:
                act(conn)
    except Problem as problem:
        if type(problem) is not Problem:
            raise
        wrong = call.words.problem(problem)
    return _page(call, "", call.form.get("login", ""), wrong, 422) if wrong else to("/console/people")


def invitation_link(base: str, word: str) -> str:
    """Where an invitation is opened."""
    return f"{base}/console/invitation/{word}"
