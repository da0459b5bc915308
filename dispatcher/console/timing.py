"""Hours and maintenance of accounts: one person with a code, for it only ever makes sending stricter."""

from __future__ import annotations

from datetime import datetime
from datetime import time as clock

from starlette.responses import Response

from campaigns.ledger import accounts, hours
from campaigns.schedule import ZONE
from campaigns.terms import Problem
from dispatcher.console.call import STEERERS, Call, id_of, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code

PAGE = "/console/settings/hours"


def hours_page(call: Call) -> Response:
    """What is in force, and the forms."""
    return _page(call, "")


def _page(call: Call, wrong: str, field: str = "code", status: int = 200) -> Response:
    with call.house.begin() as conn:
        rows = [(each.name, each.enabled, hours.hours_of(conn, each.name), hours.maintenance_of(conn, each.name))
                for each in accounts.standing(conn)]  # fmt: skip
    return show(call, "setting_hours.html", status, rows=rows, networks=call.networks, wrong=wrong, field_of=field,
                given=call.given, may=call.has(*STEERERS))  # fmt: skip


def set_hours(call: Call) -> Response:
    """Hours of each day for an account, or none of its own."""
    opens, closes = call.form.get("opens", ""), call.form.get("closes", "")
    try:
        span = (clock.fromisoformat(opens), clock.fromisoformat(closes)) if opens or closes else None
    except ValueError:
        return _page(call, call.words.say("write both hours, or neither"), "opens", 422)
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, status=422)
    try:
        with call.house.begin() as conn:
            hours.set_hours(conn, call.form.get("account", ""), span, call.who.login, call.form.get("carrier", ""))
    except Problem as problem:
        return _page(call, call.words.problem(problem), "opens", 422)
    return to(PAGE)


def close_for(call: Call) -> Response:
    """A carrier works on its systems."""
    try:
        starts, ends = (datetime.fromisoformat(call.form.get(name, "")).replace(tzinfo=ZONE)
                        for name in ("starts", "ends"))  # fmt: skip
    except ValueError:
        return _page(call, call.words.say("choose day and time of both ends"), "starts", 422)
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, "m-code", 422)
    try:
        with call.house.begin() as conn:
            hours.close_for(conn, call.form.get("account", ""), starts, ends, call.form.get("note", "").strip()[:200],
                            call.who.login)  # fmt: skip
    except Problem as problem:
        return _page(call, call.words.problem(problem), "starts", 422)
    return to(PAGE)


def call_off(call: Call) -> Response:
    """The maintenance does not take place."""
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, status=422)
    with call.house.begin() as conn:
        hours.call_off(conn, call.form.get("account", ""), id_of(call.form.get("id", "")), call.who.login)
    return to(PAGE)
