"""Below the table of a wave: speed against the licence, time left, what carriers complain of and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from campaigns.ledger import budgets, calls, canaries, halts, progress, resends, shares, trials
from campaigns.ledger.progress import Complaint, Going
from campaigns.ledger.trials import Waiting
from campaigns.ledger.waves import Wave
from dispatcher.going import (
    advice,
    as_json,
    budget_json,
    calls_json,
    canary_json,
    say_budget,
    say_calls,
    say_canary,
    segments_of,
    why_paused,
)
from dispatcher.resending import relation_json, say_relation
from dispatcher.trialing import waiting_json, waiting_trials
from dispatcher.verbs.desk import Desk
from dispatcher.verbs.plan_page import carrier_names, local
from workers.house import House

LOOKS = {"arrived": "yellow", "failed": "red", "wrong": "red"}
"""Canaries that wait for a person."""


def show_progress(desk: Desk, house: House, wave: Wave) -> dict[str, Any]:
    """Print it; the same as JSON's own types."""
    with house.begin() as conn:
        found = progress.going(conn, wave.id)
        age = progress.age(conn, wave.id)
        why = progress.state_reason(conn, wave.id)
        told = progress.complaints(conn, wave.id) if wave.started_at else []
        canary = canaries.standing(conn, wave.id)
        slow = calls.of(conn, wave.id)
        budget, related = budgets.lines(conn, wave.id), resends.relations(conn, wave.id)
        met = trials.of_wave(conn, wave.id)
        stopped, at_work = halts.current(conn), set(shares.at_work(conn))
    if stopped:
        desk.say("all sending is stopped since {time} by {by}: {reason}", time=local(stopped.at), by=stopped.by,
                 reason=stopped.reason or "-", style="red")  # fmt: skip
    if wave.state == "paused" and (said := why_paused(desk.words, why)):
        desk.say("paused: {reason}", reason=said, style="yellow")
    if wave.state == "running" and not at_work & {each.account for each in found}:
        desk.say("nobody is sending now: no worker of these accounts is alive", style="yellow")
    for other in related:
        desk.out.print(say_relation(desk.words, other))
    names = carrier_names(house, [each.carrier for each in canary])
    for seed in canary:
        desk.out.print(say_canary(desk.words, seed, names[seed.carrier]), style=LOOKS.get(seed.state))
    if slow:
        desk.out.print(say_calls(desk.words, slow))
    for line in budget:
        desk.out.print(say_budget(desk.words, line), style="yellow" if line.alert else None)
    segments = segments_of(wave)
    if wave.state in {"running", "paused"}:
        _say_accounts(desk, found, met, segments)
    _say_complaints(desk, house, told)
    desk.say("counts lag by {age:.1f} seconds at most", age=age)
    return {
        "age": round(age, 2),
        "stopped": stopped is not None,
        "reason": why,
        "canary": [canary_json(seed) for seed in canary],
        "relations": [relation_json(other) for other in related],
        "calls": calls_json(slow),
        "trial": waiting_json(met),
        "budget": [budget_json(line) for line in budget],
        "accounts": [as_json(each, segments) for each in found],
        "errors": [{"carrier": each.carrier, "outcome": each.outcome.name.lower(), "code": each.code,
                    "messages": each.messages, "last": each.last.isoformat(),
                    "advice": advice(desk.words, each.outcome)} for each in told],
    }  # fmt: skip


def _say_accounts(desk: Desk, found: Sequence[Going], met: Sequence[Waiting], segments: int) -> None:
    for said in waiting_trials(desk.words, met):
        desk.out.print(said, style="yellow", soft_wrap=True)
    for each in found:
        _say_account(desk, each, segments)


def _say_account(desk: Desk, each: Going, segments: int) -> None:
    eta = each.eta(segments)
    left = desk.words.say("time left unknown")
    if eta is not None:
        left = desk.words.say("{minutes} minutes left", minutes=max(1, round(eta / 60)) if each.waiting else 0)
    desk.say("{account}: {speed:.1f} of {rate:g} segments a second, {on_wire} messages on the way, {waiting} wait,"
             " {left}", account=each.account, speed=each.speed, rate=each.rate, on_wire=each.on_wire,
             waiting=each.waiting, left=left)  # fmt: skip


def _say_complaints(desk: Desk, house: House, told: Sequence[Complaint]) -> None:
    names = carrier_names(house, [each.carrier for each in told])
    for each in told:
        desk.say("{carrier}, code {code}, {n} messages, last {time}: {advice}", carrier=names[each.carrier],
                 code=each.code or "-", n=each.messages, time=local(each.last),
                 advice=advice(desk.words, each.outcome))  # fmt: skip
