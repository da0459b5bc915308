"""The carriers' workbench: connection, speed, receipts and errors of each account; engineers see their own."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.ledger import accounts, engineers, hours, progress, receipts, stops
from campaigns.ledger.accounts import Standing
from campaigns.ledger.progress import Complaint
from campaigns.ledger.stops import Stop
from campaigns.terms import Absent, Problem
from dispatcher.callbacks import TurnedCall
from dispatcher.console import receiving
from dispatcher.console.call import OPERATORS, STAFF, STEERERS, Call, to
from dispatcher.console.finding import OUTCOMES
from dispatcher.console.pages import clock, now, show
from dispatcher.console.signing import check_code
from dispatcher.going import advice

STALE = 60.0
"""Seconds after which a worker's word is worth nothing."""
WAVES = 2
"""Newest waves whose errors are read."""


@dataclass(frozen=True, slots=True)
class Link:
    """How one account stands, for a person."""

    each: Standing
    tag: str
    says: str  # a sentence of ours
    values: Mapping[str, Any] = field(default_factory=dict)
    speed: float = 0.0  # segments a second of the last three, one place


def link(each: Standing, stopped: Sequence[Stop], now: float) -> Link:
    """Never green without a fresh word of a worker that stands connected."""
    if any(stop.account == each.name and stop.scope == "account" for stop in stopped):
        return Link(each, "bad", "stopped by the carrier's answer, waits for a person")
    if not each.enabled:
        return Link(each, "off", "switched off in the settings")
    fresh = [worker.says for worker in each.workers if now - float(worker.says.get("told") or 0) < STALE]
    if not fresh:
        return Link(each, "unk", "not known: no worker of this account tells of itself")
    speed = round(sum(float(says.get("speed") or 0) for says in fresh), 1)
    down = [says for says in fresh if says.get("breaker", "closed") != "closed"]
    if down:
        at = datetime.fromtimestamp(float(down[0].get("next_try") or now), UTC)
        values = {"code": str(down[0].get("code") or "-"), "time": clock(at)}
        return Link(each, "bad", "no connection ({code}), next try {time}", values, speed)
    if any(says.get("bound") for says in fresh):
        return Link(each, "ok", "connected", speed=speed)
    return Link(each, "off", "at rest: connects when there is something to send")


def plain(value: float) -> float:
    """8.000 and not 8.000,0."""
    return int(value) if value == int(value) else round(value, 1)


def carriers_page(call: Call) -> Response:
    """Every account that this person may see."""
    with call.house.begin() as conn:
        found = [each for each in accounts.standing(conn) if _may_see(call, conn, each.name)]
        stopped = stops.stops(conn)
    links = [link(each, stopped, time.time()) for each in found]
    return show(call, "carriers.html", links=links, stopped=stopped, networks=call.networks, plain=plain, at=now())


def carrier_page(call: Call) -> Response:
    """One account."""
    return _page(call, "")


def _page(call: Call, wrong: str, field_of: str = "code", status: int = 200) -> Response:
    name = str(call.request.path_params["account"])
    turned: Mapping[str, Sequence[TurnedCall]] = call.request.app.state.turned
    with call.house.begin() as conn:
        found = _mine(call, conn, name)
        stopped = [stop for stop in stops.stops(conn) if stop.account == name]
        seen = receiving.lately(call.house, conn, name, list(turned.get(name, ())))
        told = _complaints(conn, name)
        theirs, known = engineers.of_account(conn, name), engineers.everybody(conn)
        open_hours, closed = hours.hours_of(conn, name), hours.maintenance_of(conn, name)
    whole = call.has(*OPERATORS) or not call.has(*STAFF)
    return show(
        call, "carrier.html", status, link=link(found, stopped, time.time()), stopped=stopped, seen=seen,
        verdicts=receiving.KNOWN, word=lambda each: receiving.outcome_word(each, OUTCOMES), told=told,
        advice=lambda outcome: advice(call.words, outcome), networks=call.networks, wrong=wrong, field_of=field_of,
        example=receiving.example(call.house, name, whole=whole), whole=whole, theirs=theirs,
        others=[each for each in known if each not in theirs], hours_of=open_hours, closed=closed,
        why=call.form.get("reason", ""), plain=plain, at=now(), may_open=call.has(*STEERERS),
        may_tie=call.has(*OPERATORS),
    )  # fmt: skip


def _may_see(call: Call, conn: psycopg.Connection, account: str) -> bool:
    """The office sees all; whoever is only an engineer, the accounts that he is tied to."""
    return call.has(*STAFF) or account in engineers.accounts_of(conn, call.who.login)


def _mine(call: Call, conn: psycopg.Connection, name: str) -> Standing:
    """The account of the path; one of another company is as absent as one that does not exist."""
    found = [each for each in accounts.standing(conn) if each.name == name]
    if not found or not _may_see(call, conn, name):
        raise Absent("there is no account {name}: see `dispatcher account list`", name=name)
    return found[0]


def _complaints(conn: psycopg.Connection, account: str) -> list[Complaint]:
    """What its answers say of the newest waves, summed by network and code."""
    found: dict[tuple[Any, ...], Complaint] = {}
    for wave, _ in receipts.waves_of(conn, account)[:WAVES]:
        for each in progress.complaints(conn, wave, account):
            key = (each.carrier, each.outcome, each.code)
            before = found.get(key)
            found[key] = each if before is None else each._replace(
                messages=each.messages + before.messages, last=max(each.last, before.last))  # fmt: skip
    return sorted(found.values(), key=lambda each: each.last, reverse=True)


def reopen(call: Call) -> Response:
    """Say that what stopped the account is mended: with a reason and a code."""
    name = str(call.request.path_params["account"])
    with call.house.begin() as conn:
        _mine(call, conn, name)
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, status=422)
    try:
        with call.house.begin() as conn:
            stops.lift(conn, name, call.who.login, call.form.get("reason", "")[:500])
    except Problem as problem:
        return _page(call, call.words.problem(problem), "reason", 409)
    return to(f"/console/carriers/{name}")


def tie(call: Call) -> Response:
    """Let a carrier's engineer see this account, or no longer: with a code."""
    name = str(call.request.path_params["account"])
    with call.house.begin() as conn:
        _mine(call, conn, name)
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, status=422)
    with call.house.begin() as conn:
        if leaving := call.form.get("leaves", ""):
            engineers.untie(conn, leaving, name, call.who.login)
        else:
            engineers.tie(conn, call.form.get("login", ""), [name], call.who.login)
    return to(f"/console/carriers/{name}")
