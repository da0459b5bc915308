"""Routes, with a dry run on a list, and senders, each with the form that proposes another one; limits to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.definition import Campaign, all_texts
from campaigns.ledger import accounts, agreed, audiences, lists, people, registry
from campaigns.ledger.agreed import ROUTE, SENDER
from campaigns.ledger.lists import Audience
from campaigns.rules import SENDER_NAME
from campaigns.terms import Account, Problem
from config.carriers import load_accounts
from dispatcher import acts, standards, ways
from dispatcher.console.call import OPERATORS, Call, id_of
from dispatcher.console.changing import Wrong, proposed
from dispatcher.console.pages import show

PICK = "to_"
"""Before a carrier's id in the names of the dry run's fields."""
TURNS = ("first", "second", "third")
"""The fields of a route: who carries, who takes over, and after that one."""


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
    """Routes in force; `?list=` and `?to_CARRIER=` try others on a list, `?carrier=` and `?first=` fill the form."""
    return _routes(call, "", "list")


def _routes(call: Call, wrong: str, field: str, status: int = 200) -> Response:
    asked, today = call.request.query_params, standards.today()
    with call.house.begin() as conn:
        usable, now = _lists(conn), standards.routes(conn, today)
        changes, known = agreed.changes(conn, ROUTE), people.names(conn)
    facts: dict[str, Any] = {"lanes": [], "campaign": None}
    if asked.get("list"):
        try:
            facts |= _tried(call, id_of(asked["list"]), asked)
        except Problem as problem:
            wrong, status = call.words.problem(problem), 422
    given = call.given if call.form else defaultdict(str, asked)
    return show(call, "setting_routes.html", status, lists=usable, chosen=asked.get("list", ""), now=now, wrong=wrong,
                choices=_choices(call), pick=PICK, changes=changes[:20], known=known, given=given, field_of=field,
                may=call.has(*OPERATORS), today=today, turns=TURNS, **facts)  # fmt: skip


def propose_route(call: Call) -> Response:
    """Ask for another route of a network, or for the definitions' own again."""
    return proposed(call, ROUTE, _route, _routes)


def _route(call: Call) -> tuple[str, dict[str, Any]]:
    """The network, and its accounts in their order; none: each definition decides. Raises Wrong."""
    carrier, say = call.form.get("carrier", ""), call.words.say
    if carrier not in call.networks:
        raise Wrong(say("choose one of the networks"), "carrier")
    may = {each.name: each for each in _choices(call)[carrier]}
    names: list[str] = []
    for turn in TURNS:
        name = call.form.get(turn, "")
        if not name:
            continue
        if name not in may or not may[name].enabled:
            raise Wrong(say("{account} cannot carry {carrier}: it is off, or its contract does not name this network",
                            account=name, carrier=call.networks[carrier]), turn)  # fmt: skip
        if name in names:
            raise Wrong(say("{account} stands twice: choose each account once", account=name), turn)
        names.append(name)
    if names and not call.form.get(TURNS[0]):
        raise Wrong(
            say("choose who carries first, or nobody at all: then each campaign’s definition decides"), TURNS[0]
        )
    return carrier, {"accounts": names}


def _lists(conn: psycopg.Connection) -> list[tuple[Audience, int]]:
    """Lists of every campaign with people to text."""
    every = [each for name, *_ in registry.list_campaigns(conn) for each in lists.of_campaign(conn, name)]
    counted = [(each, audiences.verdict_counts(conn, each.id)["accepted"]) for each in every]
    return [(each, n) for each, n in counted if n][:30]


def _choices(call: Call) -> dict[str, list[Account]]:
    """Carrier -> the accounts that may carry it, of the kind of this installation."""
    ours = [each for each in call.house.accounts.values() if each.simulated == call.rehearsal]
    return {name: [each for each in ours if name in each.carriers] for name in call.networks}


def _tried(call: Call, audience: int, asked: Mapping[str, str]) -> dict[str, Any]:
    with call.house.begin() as conn:
        found = lists.audience(conn, audience)
        campaign, _ = registry.get_campaign(conn, found.campaign)
        counted, today = lists.by_carrier(conn, audience), standards.today()
        prices, senders = standards.prices(conn, call.house.accounts, today), ways.senders(call.house, conn, today)
        now = ways.of(call.house, conn, campaign, today, rehearsal=call.rehearsal).accounts
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
    """The names that phones show, by account and network; `?way=` fills the form with one."""
    return _senders(call, "", "way")


def _senders(call: Call, wrong: str, field: str, status: int = 200) -> Response:
    today = standards.today()
    with call.house.begin() as conn:
        rates = {each.name: each.senders for each in accounts.standing(conn)}
        now, changes, known = ways.senders(call.house, conn, today), agreed.changes(conn, SENDER), people.names(conn)
    given = call.given if call.form else defaultdict(str, call.request.query_params)
    return show(call, "setting_senders.html", status, rows=load_accounts(call.house.settings.carriers_file), now=now,
                rates=rates, changes=changes[:20], known=known, given=given, wrong=wrong, field_of=field,
                may=call.has(*OPERATORS), today=today, way=way_of)  # fmt: skip


def way_of(account: str, carrier: str) -> str:
    """What names a sender's place: an account's name has no space at its end, a carrier's id none at all."""
    return f"{account} {carrier}"


def propose_sender(call: Call) -> Response:
    """Ask for another sender name of an account at a network."""
    return proposed(call, SENDER, _sender, _senders)


def _sender(call: Call) -> tuple[str, dict[str, Any]]:
    rows = load_accounts(call.house.settings.carriers_file)
    known = {way_of(each.name, carrier): (each.name, carrier) for each in rows for carrier in each.carriers}
    way, name = call.form.get("way", ""), call.form.get("sender", "").strip()
    if way not in known:
        raise Wrong(call.words.say("choose an account and a network"), "way")
    if not SENDER_NAME.fullmatch(name):
        raise Wrong(call.words.say("a sender has at most 11 Latin letters, digits, - _ . or spaces, and is not all"
                                   " digits"), "sender")  # fmt: skip
    account, carrier = known[way]
    return way, {"account": account, "carrier": carrier, "sender": name}


def limits_page(call: Call) -> Response:
    """What holds a wave back: approvals, pauses, the hours of the law."""
    return show(call, "setting_limits.html", settings=call.house.settings, law=acts.law(),
                span=lambda seconds: timedelta(seconds=seconds))  # fmt: skip
