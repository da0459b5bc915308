"""Signing in by the province's accounts: out to the issuer and back; the local sign-in stays beside it."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import time
from dataclasses import asdict

from starlette.responses import Response

from campaigns.ledger import logins, people, vouched
from campaigns.sealing import SealBroken
from campaigns.terms import Absent, Problem
from dispatcher import province
from dispatcher.console.call import Call, to, with_session
from dispatcher.console.pages import own_path, show
from dispatcher.province import Begun, NotBelieved, Province

log = logging.getLogger(__name__)

COOKIE = "__Host-province"
PURPOSE = "province"
LASTS = 600
"""Seconds between leaving and coming back."""
BACK = "/console/sign-in/province/back"


def leave(call: Call) -> Response:
    """To the issuer, with what is expected back sealed in a cookie of this browser."""
    there = _province(call)
    begun = Begun.new(own_path(call.request.query_params.get("next", "")))
    try:
        address = there.address(begun, _back(call))
    except Problem as problem:
        return _again(call, problem, begun.back)
    response = to(address)
    sealed = call.house.keyring.seal(json.dumps(asdict(begun)).encode(), b"", PURPOSE)
    response.set_cookie(COOKIE, base64.urlsafe_b64encode(sealed).decode(), max_age=LASTS, path="/", secure=True,
                        httponly=True, samesite="lax")  # fmt: skip
    return response


def come_back(call: Call) -> Response:
    """From the issuer: state, code and proof must be of the sign-in that this browser began."""
    there, begun, given = _province(call), _begun(call), call.request.query_params
    try:
        if (
            begun is None
            or not given.get("code")
            or not hmac.compare_digest(begun.state.encode(), given.get("state", "").encode())
        ):
            raise NotBelieved("this sign-in was not begun in this browser, or took too long: begin again")
        somebody = there.somebody(begun, given["code"][:2_000], _back(call))
        word = _enter(call, begun, somebody)
    except Problem as problem:
        return _forgotten(_again(call, problem, begun.back if begun else ""))
    return with_session(_forgotten(to(begun.back)), word)


def _forgotten(response: Response) -> Response:
    response.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="lax")
    return response


def _enter(call: Call, begun: Begun, somebody: province.Somebody) -> str:
    """A fresh session of a person who is entered here; the one before it ends."""
    with call.house.begin() as conn:
        if not vouched.use(conn, begun.nonce):
            raise NotBelieved("the proof of the province's accounts is of another sign-in: begin again")
        person = vouched.person_of(conn, somebody.issuer, somebody.subject, somebody.email)
        if person is None:
            raise NotBelieved("nobody here has this account of the province: an operator enters the person's address")
        people.record(conn, person.login, "console.sign-in", person.login, way="province")
        if call.word:
            logins.end_session(conn, call.word)
        return logins.begin_session(conn, person.login, call.address, "province")


def _province(call: Call) -> Province:
    if not province.configured(call.house.settings):
        raise Absent("there is no page at this address")
    found: Province = call.request.app.state.province
    return found


def _back(call: Call) -> str:
    return f"{call.house.settings.url}{BACK}"


def _begun(call: Call) -> Begun | None:
    """What the cookie holds; None for none, a strange or an old one."""
    try:
        sealed = base64.urlsafe_b64decode(call.request.cookies.get(COOKIE, ""))
        begun = Begun(**json.loads(call.house.keyring.open(sealed, b"", PURPOSE)))
    except (SealBroken, ValueError, TypeError, binascii.Error):
        return None
    return begun if time.time() - begun.at < LASTS else None


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _again(call: Call, problem: Problem, back: str) -> Response:
    """The local sign-in, with what went wrong beside it."""
    log.warning("sign-in by the province's accounts: %s", type(problem).__name__)
    status = 422 if isinstance(problem, NotBelieved) else 503
    return show(call, "sign_in.html", status, next=back, login="", wrong=call.words.problem(problem), province=True)
