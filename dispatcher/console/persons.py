"""Persons, their invitations, and two operators' word on a lost password or phone; for operators."""

from __future__ import annotations

import psycopg
from starlette.responses import Response

from campaigns.ledger import logins, people, resets
from campaigns.terms import Absent, Problem
from dispatcher.console.call import Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import with_code

PLACE = "/console/people"


def people_page(call: Call) -> Response:
    """Everybody who may act here."""
    return _page(call, "")


def _page(call: Call, wrong: str, field: str = "code", *, link: str = "", status: int = 200, of: str = "") -> Response:
    with call.house.begin() as conn:
        rows, waits, known = logins.roster(conn), resets.waiting(conn), people.names(conn)
        able = resets.deciders(conn, call.who.login)
    open_ones = {f"agree-{each.id}" for each in waits if call.who.login not in (each.person, each.asked_by)}
    if field.startswith("agree-") and field not in open_ones:
        field = "reset-login"  # decided meanwhile: nothing is left to mend there
    return show(
        call, "people.html", status, rows=rows, link=link, invited=of or call.form.get("login", ""), wrong=wrong,
        field=field, good_for=logins.INVITED_HOURS, waits=waits, known=known, second=bool(able),
        why=call.form.get("reason", ""),
    )  # fmt: skip


def invite(call: Call) -> Response:
    """A one-time link for a person, shown once; it needs a code, as it opens a door."""
    login = call.form.get("login", "")
    word, wrong = with_code(call, lambda conn: _invited(conn, login, call.who.login))
    return _shown(call, login, word) if word else _page(call, wrong, status=422)


def _invited(conn: psycopg.Connection, login: str, by: str) -> str:
    word = logins.invite_new(conn, login, by)
    people.record(conn, by, "console.invite", login)
    return word


def set_address(call: Call) -> Response:
    """Where a person gets letters: with a code, as a province's account is found by it."""
    login, address = call.form.get("login", ""), call.form.get("email", "")
    _, wrong = with_code(call, lambda conn: people.set_email(conn, login, address, call.who.login))
    return _page(call, wrong, "mail-code", status=422) if wrong else to(PLACE)


def switch(call: Call) -> Response:
    """Close an account or open it again, with a code; closing ends its sessions and keys at once."""
    login, on = call.form.get("login", ""), call.form.get("to") == "open"
    _, wrong = with_code(call, lambda conn: people.switch(conn, login, call.who.login, on=on))
    return _page(call, wrong, "switch-code", status=422) if wrong else to(PLACE)


# -- a lost password or phone ------------------------------------------------------------------------------------------


def ask_reset(call: Call) -> Response:
    """Ask that a person begins anew: nothing ends before another operator agrees."""
    login, reason = call.form.get("login", ""), call.form.get("reason", "")
    _, wrong = with_code(call, lambda conn: resets.ask(conn, login, reason, call.who.login))
    return _page(call, wrong, "reset-login", status=422) if wrong else to(PLACE)


def agree_reset(call: Call) -> Response:
    """The second operator's yes, with a code: what the person signed in with ends, and a link is shown once."""
    reset = call.number("reset")
    done, wrong = with_code(call, lambda conn: resets.agree(conn, reset, call.who.login))
    return _shown(call, *done) if done else _page(call, wrong, f"agree-{reset}", status=422)


def drop_reset(call: Call) -> Response:
    """Nothing comes of it; stopping needs no code."""
    try:
        with call.house.begin() as conn:
            resets.drop(conn, call.number("reset"), call.who.login)
    except Absent:
        raise
    except Problem as problem:
        return _page(call, call.words.problem(problem), "reset-login", status=409)
    return to(PLACE)


def _shown(call: Call, login: str, word: str) -> Response:
    return _page(call, "", link=invitation_link(call.house.settings.url, word), of=login)


def invitation_link(base: str, word: str) -> str:
    """Where an invitation is opened."""
    return f"{base}/console/invitation/{word}"
