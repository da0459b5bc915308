"""Accounts on pages: which are in trial, who said that one may go live, and a second person's word with a code."""

from __future__ import annotations

from starlette.responses import Response

from campaigns.ledger import accounts, people, trials
from campaigns.ledger.waves import Wave
from campaigns.terms import Absent, Problem
from dispatcher.console.call import Call, to
from dispatcher.console.carrying import plain
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code
from dispatcher.trialing import planned_trials, waiting_trials, why

PLACE = "/console/accounts"
WORDS_MOST = 500


def accounts_page(call: Call) -> Response:
    """Every account, live or in trial."""
    with call.house.begin() as conn:
        found, stays = accounts.standing(conn), trials.current(conn)
    return show(call, "accounts.html", found=found, plain=plain, trials={each.account: each for each in stays})


def account_page(call: Call) -> Response:
    """One account, and what may be done about its trial."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200, *, field: str = "reason") -> Response:
    name = str(call.request.path_params["account"])
    with call.house.begin() as conn:
        account = next((each for each in accounts.standing(conn) if each.name == name), None)
        trial = next((each for each in trials.current(conn) if each.account == name), None)
        known = people.names(conn)
    if account is None:
        raise Absent("there is no account {name}: see `dispatcher account list`", name=name)
    return show(call, "account.html", status, account=account, trial=trial, people=known, wrong=wrong, field=field,
                because=why(call.words, trial) if trial else "", why=call.form.get("reason", ""))  # fmt: skip


def go_live(call: Call) -> Response:
    """Say that an account may send to everybody: the first asks, a second person who approves lets it go live."""
    name = str(call.request.path_params["account"])
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, 422, field="code")
    try:
        with call.house.begin() as conn:
            trials.go_live(conn, name, call.who, call.form.get("reason", "")[:WORDS_MOST])
    except Problem as problem:
        return _page(call, call.words.problem(problem), 409)
    return to(f"{PLACE}/{name}")


def enter(call: Call) -> Response:
    """Put an account back into trial: stopping is easier than starting, so no code is asked."""
    name = str(call.request.path_params["account"])
    try:
        with call.house.begin() as conn:
            trials.enter(conn, name, call.who, call.form.get("reason", "")[:WORDS_MOST])
    except Absent:
        raise
    except Problem as problem:
        return _page(call, call.words.problem(problem), 409)
    return to(f"{PLACE}/{name}")


def notes(call: Call, wave: Wave) -> list[str]:
    """What accounts in trial mean for a wave, for its pages; none: it meets none, or is over."""
    if wave.state not in {"planned", "running", "paused"}:
        return []
    with call.house.begin() as conn:
        found = trials.of_wave(conn, wave.id)
    return planned_trials(call.words, found) if wave.started_at is None else waiting_trials(call.words, found)
