"""What a planned wave will cost and when its last message leaves, by this installation's accounts as they are now."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

import psycopg

from campaigns import schedule
from campaigns.forecast import Forecast, Lane, forecast
from campaigns.ledger import waves
from campaigns.ledger.people import Person
from campaigns.ledger.plans import Draft
from campaigns.ledger.waves import Wave
from campaigns.schedule import Window
from campaigns.terms import Problem
from dispatcher import standards
from workers.house import House


def of_wave(house: House, wave: Wave, choice: str, now: datetime | None = None) -> Forecast | None:
    """Foresee one of a plan's texts, from the moment at which it could begin if it were approved now.

    None when an account of the plan is no longer configured. Counts each message once, at the licensed pace.
    """
    accounts = wave.plan["accounts"]
    if not {*accounts.values()} <= house.accounts.keys():
        return None
    billed, prices = _billed(house, wave, wave.plan["texts"][choice]), prices_of(house, wave)
    lanes = [
        Lane(carrier, accounts[carrier], n, billed[carrier], prices[accounts[carrier]],
             house.accounts[accounts[carrier]].licence)
        for carrier, n in wave.plan["audience"]["by_carrier"].items()
    ]  # fmt: skip
    return forecast(lanes, hours_of(wave), (now or datetime.now(UTC)) + timedelta(seconds=wave.plan["cool_down"]))


def hours_of(wave: Wave) -> tuple[Window, ...]:
    """The windows of a planned wave, one a day."""
    window = wave.plan["window"]
    return schedule.between(wave.opens_at, wave.closes_at, time.fromisoformat(window["day_opens"]),
                            time.fromisoformat(window["day_closes"]))  # fmt: skip


def of_draft(house: House, draft: Draft, by_carrier: Mapping[str, int], now: datetime | None = None) -> Forecast:
    """Foresee what is not planned yet, by the draft's text of most segments; carriers without a route cost nothing."""
    segments = max(int(str(text["segments"])) for text in draft.texts.values())
    lanes = [
        Lane(carrier, draft.accounts[carrier], n, segments, draft.prices[carrier],
             house.accounts[draft.accounts[carrier]].licence)
        for carrier, n in by_carrier.items() if carrier in draft.accounts
    ]  # fmt: skip
    spans = schedule.between(draft.opens_at, draft.closes_at, draft.day_opens, draft.day_closes)
    return forecast(lanes, spans, (now or datetime.now(UTC)) + draft.cool_down)


def prices_of(house: House, wave: Wave) -> dict[str, int]:
    """Account -> dong a segment on the wave's first day, as agreed by now."""
    with house.begin() as conn:
        return standards.prices(conn, house.accounts, wave.opens_at.astimezone(schedule.ZONE).date())


def _dearer(house: House, wave: Wave) -> None:
    """Raise Problem when prices have risen since the plan was made: its ceiling would not hold."""
    segments = max(int(text["segments"]) for text in wave.plan["texts"].values())
    known, routes, total = prices_of(house, wave), wave.plan.get("routes", {}), 0
    for carrier, n in wave.plan["audience"]["by_carrier"].items():
        names = [name for name in routes.get(carrier, [wave.plan["accounts"][carrier]]) if name in known]
        total += n * segments * max((known[name] for name in names), default=0)
    if total > wave.plan["ceiling"]["dong"]:
        raise Problem(
            "prices have risen since this plan was made: it would cost up to {now} dong, its ceiling is {ceiling};"
            " plan it again", now=total, ceiling=wave.plan["ceiling"]["dong"],
        )  # fmt: skip


def _billed(house: House, wave: Wave, text: Mapping[str, Any]) -> dict[str, int]:
    """Carrier -> segments of one message, by the carrier's own table of the wave's class and day.

    A text that no table takes any more counts as phones cut it.
    """
    table, day = standards.limits(house.settings), wave.opens_at.astimezone(schedule.ZONE).date()
    class_ = wave.plan["compliance"].get("class", "public_information")
    cut = int(text["segments"])
    return {carrier: table.bill(text["text"], carrier, class_, day).segments or cut
            for carrier in wave.plan["audience"]["by_carrier"]}  # fmt: skip


def of_longest(house: House, wave: Wave) -> Forecast | None:
    """The same for the plan's text of most segments: what the ceiling is counted by."""
    texts = wave.plan["texts"]
    return of_wave(house, wave, max(texts, key=lambda choice: int(texts[choice]["segments"])))


def approve(
    house: House, conn: psycopg.Connection, wave: int, person: Person, *, typed: int, choice: str, reason: str,
    plan_hash: str,
) -> int:  # fmt: skip
    """Approve as waves.approve does, and keep what is foreseen of the chosen text at this moment."""
    found = waves.get(conn, wave)
    if found.state == "planned" and not found.started_at:
        _dearer(house, found)
    foreseen = of_wave(house, found, choice) if choice in found.plan["texts"] else None
    return waves.approve(
        conn, wave, person, typed=typed, choice=choice, reason=reason, plan_hash=plan_hash,
        forecast=foreseen.as_json() if foreseen else None,
    )  # fmt: skip
