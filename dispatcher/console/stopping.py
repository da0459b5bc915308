"""The kill switch on pages: stopping never asks first; going on needs two persons, each with a reason and a code."""

from __future__ import annotations

import time

from starlette.responses import Response

from campaigns.ledger import halts, people
from campaigns.terms import Problem
from dispatcher.console.call import Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code
from dispatcher.halting import ALL, all_noted, told


def stop_page(call: Call) -> Response:
    """Whether all sending is stopped, by whom and why, and who has said that it may go on."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200) -> Response:
    with call.house.begin() as conn:
        found, known, last = halts.current(conn), people.names(conn), told(conn, ALL, "installation")
    halted = last[1] if found and last else None
    return show(call, "stop.html", status, halt=found, people=known, wrong=wrong, halted=halted,
                why=call.form.get("reason", ""))  # fmt: skip


def stop(call: Call) -> Response:
    """Stop all sending at once; the page then tells how soon it was in force and what was on its way."""
    since = time.monotonic()
    with call.house.begin() as conn:
        halts.stop(conn, call.who.login, call.form.get("reason", "")[:500])
    all_noted(call.house, call.who.login, since)
    return to("/console/stop")


def lift(call: Call) -> Response:
    """Say that sending may go on: the first asks, a second person who approves opens it."""
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, 422)
    try:
        with call.house.begin() as conn:
            file_there = call.house.settings.kill_switch_file.exists()
            halts.lift(conn, call.who, call.form.get("reason", "")[:500], file_there=file_there)
    except Problem as problem:
        return _page(call, call.words.problem(problem), 409)
    return to("/console/stop")
