"""Routes, with a dry run on a list; senders and limits, to look at. Nothing is changed here: the pages say where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.definition import Campaign, all_texts
from campaigns.ledger import accounts, audiences, lists, registry
from campaigns.ledger.lists import Audience
from campaigns.terms import Account, Problem
from config.carriers import load_accounts, load_carriers
from dispatcher import acts, standards
from dispatcher.console.call import Call, id_of
from dispatcher.console.pages import show

PICK = "to_"
"""Before a carrier's id in the names of the dry run's fields."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One network of a list: which account carries it now, which would, and what both cost today."""

    carrier: str
    n: int
    segments: int
    was: str  # "": none
    became: str
    dong_was: int
    dong_became: int
    other_sender: bool  # phones would show another name

    @property
    def moves(self) -> bool:
        """Whether these people would go another way."""
        return self.was != self.became


def routes_page(call: Call) -> Response:
    """Routes as they are; `?list=` and `?to_CARRIER=` try others on a list, and write nothing."""
    asked = call.request.query_params
    with call.house.begin() as conn:
        usable = _lists(conn)
    facts: dict[str, Any] = {"lanes": [], "wrong": "", "campaign": None}
    status = 200
    if asked.get("list"):
        try:
            facts |= _tried(call, id_of(asked["list"]), asked)
        except Problem as problem:
            facts["wrong"], status = call.words.problem(problem), 422
    return show(call, "setting_routes.html", status, lists=usable, chosen=asked.get("list", ""), networks=_named(call),
                choices=_choices(call), pick=PICK, **facts)  # fmt: skip


def _lists(conn: psycopg.Connection) -> list[tuple[Audience, int]]:
    """Lists of every campaign with people to text."""
    every = [each for name, *_ in registry.list_campaigns(conn) for each in lists.of_campaign(conn, name)]
    counted = [(each, audiences.verdict_counts(conn, each.id)["accepted"]) for each in every]
    return [(each, n) for each, n in counted if n][:30]


def _named(call: Call) -> dict[str, str]:
    return {each.id: each.name for each in load_carriers(call.house.settings.carriers_file)}


def _choices(call: Call) -> dict[str, list[Account]]:
    """Carrier -> the accounts that may carry it, of the kind of this installation."""
    ours = [each for each in call.house.accounts.values() if each.simulated == call.rehearsal]
    return {name: [each for each in ours if name in each.carriers] for name in _named(call)}


def _tried(call: Call, audience: int, asked: Mapping[str, str]) -> dict[str, Any]:
    with call.house.begin() as conn:
        found = lists.audience(conn, audience)
        campaign, _ = registry.get_campaign(conn, found.campaign)
        counted = lists.by_carrier(conn, audience)
        prices = standards.prices(conn, call.house.accounts, standards.today())
    now = {carrier: each.name for carrier, each in
           acts.accounts_of(call.house, campaign, rehearsal=call.rehearsal).items()}  # fmt: skip
    senders = {each.name: each.senders for each in load_accounts(call.house.settings.carriers_file)}
    choices, sizes = _choices(call), _segments(call, campaign, counted)
    lanes = []
    for carrier, n in counted.items():
        allowed = {each.name for each in choices.get(carrier, [])}
        was = now.get(carrier, "")
        became = asked.get(f"{PICK}{carrier}", was)
        became = became if became in allowed else was
        dong = {name: n * sizes[carrier] * prices.get(name, 0) for name in (was, became)}
        other = bool(was) and senders[was].get(carrier) != senders.get(became, {}).get(carrier)
        lanes.append(Lane(carrier, n, sizes[carrier], was, became, dong[was], dong[became], other))
    return {"lanes": lanes, "campaign": campaign}


def _segments(call: Call, campaign: Campaign, carriers: Mapping[str, int]) -> dict[str, int]:
    """Carrier -> segments of one message, of the campaign's longest text, by the carrier's own table."""
    table, class_ = standards.limits(call.house.settings), campaign.text.class_.value
    return {carrier: max(table.bill(each.text, carrier, class_, standards.today()).segments
                         for each in all_texts(campaign).values()) for carrier in carriers}  # fmt: skip


def senders_page(call: Call) -> Response:
    """The names that phones show, by account and network."""
    with call.house.begin() as conn:
        rates = {each.name: each.senders for each in accounts.standing(conn)}
    rows = load_accounts(call.house.settings.carriers_file)
    return show(call, "setting_senders.html", rows=rows, networks=_named(call), rates=rates)


def limits_page(call: Call) -> Response:
    """What holds a wave back: approvals, pauses, the hours of the law."""
    return show(call, "setting_limits.html", settings=call.house.settings, law=acts.law(),
                span=lambda seconds: timedelta(seconds=seconds))  # fmt: skip
