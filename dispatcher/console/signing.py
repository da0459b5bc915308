"""Signing in and out, invitations, and the authenticator of a person."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import psycopg
import segno
from starlette.responses import Response

from campaigns.ledger import logins, people
from campaigns.terms import Problem
from dispatcher.auth import NotAllowed, TooManyTries
from dispatcher.console import codes
from dispatcher.console.call import COOKIE, Call, to, with_session
from dispatcher.console.pages import local, own_path, show
from dispatcher.province import configured
from workers.house import House

PURPOSE = "authenticator"
Done = TypeVar("Done")
FRESH = timedelta(minutes=10)
"""How long after the password a first authenticator may be set up."""


def sign_in_page(call: Call) -> Response:
    """The form; whoever is signed in goes on to where the link led, or home."""
    if call.person is not None:
        return to(own_path(call.request.query_params.get("next", "")))
    return show(call, "sign_in.html", next=call.request.query_params.get("next", ""), login="", wrong="",
                province=configured(call.house.settings))  # fmt: skip


def sign_in(call: Call) -> Response:
    """Take a login and a password; one sentence for every wrong pair."""
    login, password = call.form.get("login", "").strip().lower()[:40], call.form.get("password", "")
    try:
        word = _enter(call.house, login, password, call.address, call.word)
    except Problem as problem:
        status = 429 if isinstance(problem, TooManyTries) else 422
        return show(call, "sign_in.html", status, next=call.form.get("next", ""), login=login,
                    wrong=call.words.problem(problem), province=configured(call.house.settings))  # fmt: skip
    return with_session(to(own_path(call.form.get("next", ""))), word)


def _enter(house: House, login: str, password: str, address: str, old: str) -> str:
    """A fresh session; the one before it ends, so that a planted cookie is worth nothing."""
    with house.begin() as conn:
        found = logins.password_of(conn, login)
        known = found[0].login if found else None
        _open(conn, known, address)
        passed = codes.matches(password, found[1] if found else None)
        passed = passed and logins.password_of(conn, login) == found  # it may have ended while this try waited its turn
        logins.note_try(conn, known, address, "password", passed=passed)
        if passed and known:
            people.record(conn, known, "console.sign-in", known)
            if old:
                logins.end_session(conn, old)
            return logins.begin_session(conn, known, address)
    raise Problem("name and password do not belong together")


def _open(conn: psycopg.Connection, login: str | None, address: str) -> None:
    logins.lock_tries(conn, login, address)
    until = logins.closed_until(conn, login, address)
    if until is not None:
        raise TooManyTries("too many wrong tries: open again at {clock}", clock=_minute(until))


def _minute(at: datetime) -> str:
    shown = local(at)
    return f"{shown + timedelta(seconds=59):%H:%M}"  # the whole minute by which it is open


def sign_out(call: Call) -> Response:
    """End the session, here and in the browser."""
    with call.house.begin() as conn:
        logins.end_session(conn, call.word)
        people.record(conn, call.who.login, "console.sign-out", call.who.login)
    response = to("/console/sign-in")
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


# -- invitations -------------------------------------------------------------------------------------------------------


def invitation_page(call: Call) -> Response:
    """Choose a password; the word stands in the path, and works once."""
    word = str(call.request.path_params["word"])
    with call.house.begin() as conn:
        person = logins.invited(conn, word)
    if person is None:
        return show(call, "gone.html", 404)
    return show(call, "invitation.html", invited=person, least=codes.LEAST, wrong="")


def accept_invitation(call: Call) -> Response:
    """Keep the new password, and sign the person in."""
    word, password = str(call.request.path_params["word"]), call.form.get("password", "")
    with call.house.begin() as conn:
        person = logins.invited(conn, word)
        if person is None:
            return show(call, "gone.html", 404)
        if wrong := _unfit(call, password, person.login):
            return show(call, "invitation.html", 422, invited=person, least=codes.LEAST, wrong=wrong)
        if logins.accept(conn, word, codes.hasher().hash(password)) is None:
            return show(call, "gone.html", 404)
        people.record(conn, person.login, "console.password", person.login)
        made = logins.begin_session(conn, person.login, call.address)
    return with_session(to("/console/me"), made)


def _unfit(call: Call, password: str, login: str) -> str:
    if len(password) < codes.LEAST:
        return call.words.say(
            "the password has {n} characters: take at least {least}", n=len(password), least=codes.LEAST
        )
    if len(password) > codes.MOST:
        return call.words.say("the password is longer than {most} characters", most=codes.MOST)
    if len(set(password)) < codes.LEAST // 2 or login in password.lower():
        return call.words.say("the password is easy to guess: take several words that do not belong together")
    if password != call.form.get("again", ""):
        return call.words.say("the two passwords are not the same: type them again")
    return ""


# -- the authenticator -------------------------------------------------------------------------------------------------


def me_page(call: Call) -> Response:
    """The person's own page: whether an authenticator is there."""
    return _me(call, "")


def _me(call: Call, wrong: str, secret: bytes | None = None, status: int = 200) -> Response:
    with call.house.begin() as conn:
        has = logins.authenticator(conn, call.who.login) is not None
    scan, typed, side = "", "", 0
    if secret is not None:
        drawn = segno.make_qr(codes.address(secret, call.who.login, "Campaign dispatcher"), error="m")
        scan, side, typed = _drawing(drawn), int(drawn.symbol_size(border=2)[0]), codes.typed_form(secret)
    return show(call, "me.html", status, has=has, scan=scan, side=side, typed=typed, wrong=wrong)


def _drawing(drawn: segno.QRCode) -> str:
    """One path over unit squares; the template draws it in black on white in both themes."""
    runs = []
    for y, row in enumerate(drawn.matrix_iter(border=2)):
        runs += [f"M{x} {y}h1v1h-1z" for x, dark in enumerate(row) if dark]
    return "".join(runs)


def new_authenticator(call: Call) -> Response:
    """Show a fresh secret, once; a new one needs a code of the old one."""
    with call.house.begin() as conn:
        has = logins.authenticator(conn, call.who.login) is not None
        refused = check_code(call, conn) if has else _stale(call, conn)
        if not refused:
            secret = codes.new_secret()
            logins.add_authenticator(conn, call.who.login, _seal(call, secret))
    return _me(call, refused, status=422) if refused else _me(call, "", secret)


def _stale(call: Call, conn: psycopg.Connection) -> str:
    """A first authenticator is set up by whoever has just shown the password: a browser left open is not enough."""
    found = logins.session(conn, call.word)
    if found is not None and found.way == "password" and datetime.now(UTC) - found.began_at < FRESH:
        return ""
    return call.words.say("sign out and in again first: an authenticator is set up right after the password was shown")


def confirm_authenticator(call: Call) -> Response:
    """The first code makes the secret count."""
    with call.house.begin() as conn:
        _open(conn, call.who.login, call.address)
        found = logins.authenticator(conn, call.who.login, confirmed=False)
        if found is None:
            return to("/console/me")
        secret = call.house.keyring.open(found.sealed, call.who.login.encode(), PURPOSE)
        step = codes.step_of(secret, call.form.get("code", ""), time.time(), found.last_step)
        logins.note_try(conn, call.who.login, call.address, "code", passed=step is not None)
        if step is not None:
            logins.use_step(conn, found, step)
            people.record(conn, call.who.login, "console.authenticator", call.who.login)
    if step is None:
        return _me(call, _why_not(call, secret, found.last_step), secret, 422)
    return to("/console/me")


def _seal(call: Call, secret: bytes) -> bytes:
    return call.house.keyring.seal(secret, call.who.login.encode(), PURPOSE)


def check_code(call: Call, conn: psycopg.Connection) -> str:
    """Look at the code of a form: "" when it is right, else what to tell. The caller commits either way.

    Raises NotAllowed without an authenticator, TooManyTries after too many wrong codes.
    """
    _open(conn, call.who.login, call.address)
    found = logins.authenticator(conn, call.who.login)
    if found is None:
        raise NotAllowed("this needs a code of an authenticator: set one up on the page of your own account")
    secret = call.house.keyring.open(found.sealed, call.who.login.encode(), PURPOSE)
    step = codes.step_of(secret, call.form.get("code", ""), time.time(), found.last_step)
    logins.note_try(conn, call.who.login, call.address, "code", passed=step is not None)
    if step is None:
        return _why_not(call, secret, found.last_step)
    logins.use_step(conn, found, step)
    return ""


def with_code(call: Call, act: Callable[[psycopg.Connection], Done]) -> tuple[Done | None, str]:
    """Do it when the code of the form is right; (what came of it, what to tell when nothing did).

    What the act refuses leaves the code unused. Raises what has a page of its own: Absent, NotAllowed, TooManyTries.
    """
    try:
        with call.house.begin() as conn:
            wrong = check_code(call, conn)
            return (None, wrong) if wrong else (act(conn), "")
    except Problem as problem:
        if type(problem) is not Problem:
            raise
        return None, call.words.problem(problem)


def _why_not(call: Call, secret: bytes, last: int) -> str:
    wait = codes.seconds_left(secret, call.form.get("code", ""), time.time(), last)
    if wait is None:
        return call.words.say("the code is wrong: type the six digits that the authenticator shows now")
    return call.words.say("this code was used already: a new one appears in {n} seconds, type that", n=wait)
