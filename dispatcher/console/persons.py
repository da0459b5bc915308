"""Persons and their invitations, for operators."""

from __future__ import annotations

from starlette.responses import Response

from campaigns.ledger import logins, people
from campaigns.terms import Absent
from dispatcher.console.call import Call
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


def invitation_link(base: str, word: str) -> str:
    """Where an invitation is opened."""
    return f"{base}/console/invitation/{word}"
