"""Accounts on pages: which are in trial, who said that one may go live, and a second person's word with a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from campaigns import typed
from campaigns.ledger import accounts, people, trials
from campaigns.ledger.waves import Wave
from campaigns.sealing import mask
from campaigns.terms import Absent, Problem
from dispatcher import exclusions
from dispatcher.console.call import Call, to
from dispatcher.console.carrying import plain
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code, with_code
from dispatcher.trialing import planned_trials, seed_trials, waiting_trials, why

PLACE = "/console/accounts"
WORDS_MOST = 500
LINES = 20
"""Wrong ones that a sentence names."""


@dataclass(frozen=True, slots=True)
class Changed:
    """What a form did to an allow-list; who is on it is kept as hashes, so this is the last time that it is told."""

    n: int  # numbers that were new, or there
    numbers: Sequence[str]  # all of the form, masked
    off: bool


def accounts_page(call: Call) -> Response:
    """Every account, live or in trial."""
    with call.house.begin() as conn:
        found, stays = accounts.standing(conn), trials.current(conn)
    return show(call, "accounts.html", found=found, plain=plain, trials={each.account: each for each in stays})


def account_page(call: Call) -> Response:
    """One account, and what may be done about its trial."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200, *, field: str = "reason", done: Changed | None = None) -> Response:
    name = str(call.request.path_params["account"])
    with call.house.begin() as conn:
        account = next((each for each in accounts.standing(conn) if each.name == name), None)
        trial = next((each for each in trials.current(conn) if each.account == name), None)
        known = people.names(conn)
    if account is None:
        raise Absent("there is no account {name}: see `dispatcher account list`", name=name)
    return show(call, "account.html", status, account=account, trial=trial, people=known, wrong=wrong, field=field,
                because=why(call.words, trial) if trial else "", why=call.form.get("reason", ""), most=trials.MOST,
                done=done, typed=call.form.get("numbers", "") if wrong else "")  # fmt: skip


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


def allow(call: Call) -> Response:
    """Put numbers on the allow-list: with a code, as more people are reached; one wrong line, and none is put there."""
    try:
        numbers = _numbers(call)
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422, field="numbers")
    name, hashes = str(call.request.path_params["account"]), call.house.keyring.installation_hashes(numbers)
    new, wrong = with_code(call, lambda conn: trials.allow(conn, name, hashes, call.who))
    if wrong or new is None:
        return _page(call, wrong, 422, field="numbers-code")
    return _page(call, "", done=Changed(new, [mask(each) for each in numbers], off=False))


def disallow(call: Call) -> Response:
    """Take numbers off it, at once: fewer are reached, so no code is asked."""
    try:
        numbers = _numbers(call)
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422, field="numbers-off")
    hashes = call.house.keyring.installation_hashes(numbers)
    with call.house.begin() as conn:
        gone = trials.disallow(conn, str(call.request.path_params["account"]), hashes, call.who)
    return _page(call, "", done=Changed(gone, [mask(each) for each in numbers], off=True))


def _numbers(call: Call) -> list[int]:
    """Of the form, one a line; raises Problem naming each line that holds no mobile number."""
    lines = typed.lines(call.form.get("numbers", ""))
    if not lines:
        raise Problem("write at least one number, one a line")
    numbers, bad = exclusions.numbers_in(lines)
    if bad:
        raise Problem("no mobile number in line {lines}: nothing was changed", lines=", ".join(map(str, bad[:LINES])))
    return numbers


def notes(call: Call, wave: Wave) -> list[str]:
    """What accounts in trial mean for a wave, for its pages; none: it meets none, or is over."""
    if wave.state not in {"planned", "running", "paused"}:
        return []
    with call.house.begin() as conn:
        found, seeds = trials.of_wave(conn, wave.id), trials.of_seeds(conn, wave.id)
    said = planned_trials(call.words, found) if wave.started_at is None else waiting_trials(call.words, found)
    return [*seed_trials(call.words, seeds), *said]
