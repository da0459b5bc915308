"""The settings' topics; hotlines and prices: what is in force, and the form that proposes another one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from campaigns.hotlines import Hotline
from campaigns.ledger import agreed, people
from campaigns.ledger.agreed import HOTLINE, PRICE, TOPICS
from dispatcher import standards
from dispatcher.console.call import OPERATORS, Call
from dispatcher.console.changing import WORDS, Wrong, proposed
from dispatcher.console.pages import show

NUMBER = re.compile(r"[0-9](?:[0-9. ]{0,13}[0-9])?")
"""As a text shows it and a phone dials it: no +84."""
COSTS = ("free", "call charge")


def settings_page(call: Call) -> Response:
    """The topics, each a page of its own, and what waits for a second person."""
    with call.house.begin() as conn:
        waiting = [each for topic in TOPICS for each in agreed.changes(conn, topic) if each.waits]
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
    return proposed(call, HOTLINE, _hotline, _hotlines)


def _hotline(call: Call) -> tuple[str, dict[str, Any]]:
    number = " ".join(call.form.get("number", "").split())
    if not NUMBER.fullmatch(number):
        raise Wrong(call.words.say("write the number as a phone dials it here, without +84: 111 or 1800 1567"),
                     "number")  # fmt: skip
    if call.form.get("ended"):
        return number, {"ended": True}
    value: dict[str, Any] = {name: call.form.get(name, "").strip()[:200] for name in WORDS}
    for name in WORDS:
        if not value[name]:
            raise Wrong(call.words.say("this must not stay empty: a text that names the number rests on it"), name)
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
    return proposed(call, PRICE, _price, _prices)


def _price(call: Call) -> tuple[str, dict[str, Any]]:
    return _account(call), {"price": _dong(call)}


def _account(call: Call) -> str:
    account = call.form.get("account", "")
    if account not in call.house.accounts:
        raise Wrong(call.words.say("choose one of the accounts of carriers.toml"), "account")
    return account


def _dong(call: Call) -> int:
    written = re.sub(r"[. \u00a0]", "", call.form.get("price", ""))
    if not (written.isascii() and written.isdigit() and len(written) <= 7):  # noqa: PLR2004 - nobody pays more a segment
        raise Wrong(call.words.say("write the price of a segment in whole dong: 310"), "price")
    return int(written)
