"""Hotlines and prices: what is in force, what is proposed, and the second operator's yes; nothing changes before it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.hotlines import Hotline
from campaigns.ledger import agreed, people, registry, waves
from campaigns.ledger.agreed import HOTLINE, PRICE, Change
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher import standards
from dispatcher.console.call import OPERATORS, Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code

NUMBER = re.compile(r"[0-9](?:[0-9. ]{0,13}[0-9])?")
"""As a text shows it and a phone dials it: no +84."""
WORDS = ("name", "owner", "hours", "cost", "source")
COSTS = ("free", "call charge")
SUBJECTS = {HOTLINE: "number", PRICE: "account"}
"""Topic -> the field that names what is changed."""
OPEN = frozenset({"planned", "running", "paused"})


@dataclass(frozen=True, slots=True)
class Used:
    """A campaign that names a hotline, with its waves that are not over."""

    campaign: str
    waves: Sequence[Wave]


def settings_page(call: Call) -> Response:
    """The topics, each a page of its own, and what waits for a second person."""
    with call.house.begin() as conn:
        waiting = [each for topic in (HOTLINE, PRICE) for each in agreed.changes(conn, topic) if each.waits]
        known = people.names(conn)
    return show(call, "settings.html", proposals=waiting, people=known)


# -- hotlines ----------------------------------------------------------------------------------------------------------


def hotlines_page(call: Call) -> Response:
    """Every number that people may be told to call; `?number=` fills the form with one."""
    return _hotlines(call, "", "number")


def _hotlines(call: Call, wrong: str, field: str, status: int = 200) -> Response:
    today = standards.today()
    with call.house.begin() as conn:
        found = standards.hotlines(call.house.settings, conn)
        verified, changes, known = standards.verified(conn), agreed.changes(conn, HOTLINE), people.names(conn)
    rows = [(row, bool(found.asks([row.number], today, verified, call.house.settings.hotline_days)))
            for row in found.rows if row.valid_from <= today <= row.valid_to]  # fmt: skip
    asked = call.request.query_params.get("number", "")
    known_one = next((row for row, _ in rows if row.number == asked), None)
    given = call.given if call.form or known_one is None else _prefilled(known_one)
    return show(
        call, "setting_hotlines.html", status, rows=rows, changes=changes[:20], known=known, given=given, wrong=wrong,
        field_of=field, may=call.has(*OPERATORS), costs=COSTS, today=today, verified=verified,
        coming=[row for row in found.rows if row.valid_from > today],
    )  # fmt: skip


def _prefilled(row: Hotline) -> Mapping[str, str]:
    return defaultdict(str, {"number": row.number} | {name: str(getattr(row, name)) for name in WORDS})


def propose_hotline(call: Call) -> Response:
    """Ask for another number, other words beside one, or the end of one."""
    try:
        number, value = _hotline(call)
        _put_forward(call, HOTLINE, number, value)
    except _Wrong as wrong:
        return _hotlines(call, wrong.told, wrong.field, 422)
    return to("/console/settings/hotlines")


def _hotline(call: Call) -> tuple[str, dict[str, Any]]:
    number = " ".join(call.form.get("number", "").split())
    if not NUMBER.fullmatch(number):
        raise _Wrong(call.words.say("write the number as a phone dials it here, without +84: 111 or 1800 1567"),
                     "number")  # fmt: skip
    if call.form.get("ended"):
        return number, {"ended": True}
    value: dict[str, Any] = {name: call.form.get(name, "").strip()[:200] for name in WORDS}
    for name in WORDS:
        if not value[name]:
            raise _Wrong(call.words.say("this must not stay empty: a text that names the number rests on it"), name)
    if instead := call.form.get("instead_of", ""):
        value["instead_of"] = instead
    return number, value


# -- prices ------------------------------------------------------------------------------------------------------------


def prices_page(call: Call) -> Response:
    """What a segment costs on each account."""
    return _prices(call, "", "account")


def _prices(call: Call, wrong: str, field: str, status: int = 200) -> Response:
    today = standards.today()
    with call.house.begin() as conn:
        now = standards.prices(conn, call.house.accounts, today)
        changes, known = agreed.changes(conn, PRICE), people.names(conn)
    coming = [change for change in changes if change.agreed_at and change.effective_on > today]
    rows = [(each, now[each.name], [change for change in coming if change.subject == each.name])
            for each in call.house.accounts.values()]  # fmt: skip
    return show(call, "setting_prices.html", status, rows=rows, changes=changes[:20], known=known, given=call.given,
                wrong=wrong, field_of=field, may=call.has(*OPERATORS), today=today)  # fmt: skip


def propose_price(call: Call) -> Response:
    """Ask for another price of a segment."""
    try:
        _put_forward(call, PRICE, _account(call), {"price": _dong(call)})
    except _Wrong as wrong:
        return _prices(call, wrong.told, wrong.field, 422)
    return to("/console/settings/prices")


def _account(call: Call) -> str:
    account = call.form.get("account", "")
    if account not in call.house.accounts:
        raise _Wrong(call.words.say("choose one of the accounts of carriers.toml"), "account")
    return account


def _dong(call: Call) -> int:
    written = re.sub(r"[. \u00a0]", "", call.form.get("price", ""))
    if not (written.isascii() and written.isdigit() and len(written) <= 7):  # noqa: PLR2004 - nobody pays more a segment
        raise _Wrong(call.words.say("write the price of a segment in whole dong: 310"), "price")
    return int(written)


# -- both --------------------------------------------------------------------------------------------------------------


class _Wrong(Exception):
    """What is to be mended in a form, and in which field."""

    def __init__(self, told: str, field: str) -> None:
        super().__init__(told)
        self.told, self.field = told, field


def _put_forward(call: Call, topic: str, subject: str, value: Mapping[str, Any]) -> None:
    """Propose with a code; what is refused is told beside the form. Raises _Wrong."""
    try:
        day = date.fromisoformat(call.form.get("effective", ""))
    except ValueError:
        raise _Wrong(call.words.say("choose the day first"), "effective") from None
    if not call.form.get("reason", "").strip():
        raise _Wrong(call.words.say("write why the setting is changed: the record keeps it"), "reason")
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        raise _Wrong(wrong, "code")
    try:
        with call.house.begin() as conn:
            agreed.propose(conn, topic, subject, value, day, call.form["reason"][:500], call.who.login,
                           standards.today())  # fmt: skip
    except Problem as problem:
        raise _Wrong(call.words.problem(problem), "effective" if day < standards.today() else SUBJECTS[topic]) from None


def change_page(call: Call) -> Response:
    """One change: now and proposed side by side, what hangs on it, and the second person's yes."""
    return _change(call, "")


def _change(call: Call, wrong: str, field: str = "code", status: int = 200) -> Response:
    with call.house.begin() as conn:
        found = agreed.get(conn, call.number("change"))
        known = people.names(conn)
        facts = _hotline_facts(call, conn, found) if found.topic == HOTLINE else _price_facts(call, conn, found)
    may = call.has(*OPERATORS) and found.waits
    return show(
        call, "setting_change.html", status, change=found, known=known, wrong=wrong, field_of=field, words_of=WORDS,
        may_agree=may and found.proposed_by != call.who.login, may_drop=may, today=standards.today(),
        tested=call.form.get("tested", ""), proposed=defaultdict(str, found.value), **facts,
    )  # fmt: skip


def _hotline_facts(call: Call, conn: psycopg.Connection, change: Change) -> dict[str, Any]:
    """What is in force of this number, and of the one that it replaces; every campaign that names one of them."""
    numbers = [change.subject, *filter(None, [change.value.get("instead_of")])]
    rows = standards.hotlines(call.house.settings, conn).rows
    today = standards.today()
    now = [row for row in rows if row.number in numbers and row.valid_from <= today <= row.valid_to]
    return {"now": now, "used": _used(conn, numbers), "price_now": None}


def _used(conn: psycopg.Connection, numbers: Sequence[str]) -> list[Used]:
    every = waves.all_waves(conn)
    campaigns = [registry.get_campaign(conn, name)[0] for name, *_ in registry.list_campaigns(conn)]
    return [Used(each.name, [wave for wave in every if wave.campaign == each.name and wave.state in OPEN])
            for each in campaigns if set(numbers) & set(each.text.hotlines)]  # fmt: skip


def _price_facts(call: Call, conn: psycopg.Connection, change: Change) -> dict[str, Any]:
    """What is in force, and the waves that go over this account and are not over."""
    now = standards.prices(conn, call.house.accounts, standards.today()).get(change.subject)
    mine = [wave for wave in waves.all_waves(conn)
            if wave.state in OPEN and change.subject in wave.plan["accounts"].values()]  # fmt: skip
    names = sorted({wave.campaign for wave in mine})
    return {"now": [], "price_now": now,
            "used": [Used(name, [wave for wave in mine if wave.campaign == name]) for name in names]}  # fmt: skip


def agree(call: Call) -> Response:
    """The second operator's yes, with a code; for a hotline also who answered when it was dialled."""
    change = call.number("change")
    with call.house.begin() as conn:
        found = agreed.get(conn, change)
    if found.topic == HOTLINE and not call.form.get("tested", "").strip():
        problem = Problem("dial {number} first, then write who answered and what was said", number=found.subject)
        return _change(call, call.words.problem(problem), "tested", 422)
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _change(call, wrong, status=422)
    try:
        with call.house.begin() as conn:
            agreed.agree(conn, change, call.who.login, standards.today(), call.form.get("tested", "")[:500])
    except Problem as problem:
        return _change(call, call.words.problem(problem), status=409)
    return to(f"/console/settings/changes/{change}")


def drop(call: Call) -> Response:
    """Nothing comes of a proposal."""
    change = call.number("change")
    try:
        with call.house.begin() as conn:
            agreed.drop(conn, change, call.who.login)
    except Problem as problem:
        return _change(call, call.words.problem(problem), status=409)
    return to(f"/console/settings/changes/{change}")
