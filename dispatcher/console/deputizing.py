"""Deputies of approvers: who stands in for whom, until when; named by the approver, with a code."""

from __future__ import annotations

from datetime import date

import psycopg
from starlette.responses import Response

from campaigns.ledger import deputies, logins, people
from campaigns.terms import Problem
from dispatcher.console.call import Call, to
from dispatcher.console.pages import local, now, show
from dispatcher.console.signing import check_code

TAGS = {"in force": "run", "to come": "warn", "over": "off", "withdrawn": "off"}


def deputies_page(call: Call) -> Response:
    """Everybody's, open to all who work here: who may sign for whom is no secret."""
    return _page(call, "")


def _page(call: Call, wrong: str, field: str = "person", status: int = 200) -> Response:
    with call.house.begin() as conn:
        rows, known = deputies.latest(conn), people.names(conn)
        able = [each for each in logins.roster(conn) if each.active and deputies.CAN_STAND_IN & set(each.roles)
                and each.login != call.who.login]  # fmt: skip
    return show(
        call, "deputies.html", status, rows=rows, people=known, able=able, wrong=wrong, field=field, now=now(),
        tags=TAGS, today=local(now()).date().isoformat(), most=deputies.MOST_DAYS, given=call.form,
    )  # fmt: skip


def name(call: Call) -> Response:
    """Name one; nothing is kept while a field is wrong, and no code is used up by it."""
    said = call.form
    try:
        first, last = _day(said.get("first", "")), _day(said.get("last", ""))
        with call.house.begin() as conn, conn.transaction(force_rollback=True):
            _name(call, conn, first, last)
        with call.house.begin() as conn:
            wrong = check_code(call, conn)
            if not wrong:
                _name(call, conn, first, last)
    except Problem as problem:
        if type(problem) is not Problem:
            raise
        return _page(call, call.words.problem(problem), status=422)
    return _page(call, wrong, "code", 422) if wrong else to("/console/deputies")


def _name(call: Call, conn: psycopg.Connection, first: date, last: date) -> None:
    if not call.form.get("person"):
        raise Problem("choose who stands in")
    deputies.name(conn, call.who, call.form.get("person", ""), first, last, call.form.get("reason", "")[:500])


def _day(text: str) -> date:
    """A day as the browser's calendar gives it, or as people write it: 2024-07-30, 30/7/2024, 30-7-2024."""
    parts = text.strip().replace("/", "-").split("-")
    try:
        numbers = [int(part) for part in parts]
        return date(*(numbers if len(parts[0]) == 4 else reversed(numbers)))  # noqa: PLR2004 - the year first
    except (ValueError, TypeError):
        raise Problem("{day} is no day: write it as 30/7/2024", day=repr(text[:20])) from None


def withdraw(call: Call) -> Response:
    """End it at once: no code, as ending is easier than beginning."""
    with call.house.begin() as conn:
        deputies.withdraw(conn, call.number("deputy"), call.who)
    return to("/console/deputies")
