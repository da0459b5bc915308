"""One change of the settings: put forward by one operator, shown with what hangs on it, agreed to by another one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.ledger import agreed, people, registry, waves
from campaigns.ledger.agreed import HOTLINE, PRICE, ROUTE, SENDER, Change
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher import standards, ways
from dispatcher.console.call import OPERATORS, Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code

WORDS = ("name", "owner", "hours", "cost", "source")
"""What is known of a hotline beside its number."""
SUBJECTS = {HOTLINE: "number", PRICE: "account", ROUTE: "carrier", SENDER: "way"}
"""Topic -> the field that names what is changed."""
OPEN = frozenset({"planned", "running", "paused"})


@dataclass(frozen=True, slots=True)
class Used:
    """A campaign that a change touches, with its waves that are not over."""

    campaign: str
    waves: Sequence[Wave]


class Wrong(Exception):
    """What is to be mended in a form, and in which field."""

    def __init__(self, told: str, field: str) -> None:
        super().__init__(told)
        self.told, self.field = told, field


Asked = tuple[str, Mapping[str, Any]]
"""Subject and value, as a form asks for them."""


def proposed(
    call: Call, topic: str, read: Callable[[Call], Asked], again: Callable[[Call, str, str, int], Response]
) -> Response:
    """Put forward what the form of a topic asks for; what is wrong is told on its page, beside the field."""
    try:
        _put_forward(call, topic, *read(call))
    except Wrong as wrong:
        return again(call, wrong.told, wrong.field, 422)
    return to(f"/console/settings/{topic}s")


def _put_forward(call: Call, topic: str, subject: str, value: Mapping[str, Any]) -> None:
    """Propose with a code; what is refused is told beside the form. Raises Wrong."""
    try:
        day = date.fromisoformat(call.form.get("effective", ""))
    except ValueError:
        raise Wrong(call.words.say("choose the day first"), "effective") from None
    if not call.form.get("reason", "").strip():
        raise Wrong(call.words.say("write why the setting is changed: the record keeps it"), "reason")
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        raise Wrong(wrong, "code")
    try:
        with call.house.begin() as conn:
            agreed.propose(conn, topic, subject, value, day, call.form["reason"][:500], call.who.login,
                           standards.today())  # fmt: skip
    except Problem as problem:
        raise Wrong(call.words.problem(problem), "effective" if day < standards.today() else SUBJECTS[topic]) from None


def change_page(call: Call) -> Response:
    """One change: now and proposed side by side, what hangs on it, and the second person's yes."""
    return _change(call, "")


def _change(call: Call, wrong: str, field: str = "code", status: int = 200) -> Response:
    with call.house.begin() as conn:
        found = agreed.get(conn, call.number("change"))
        known = people.names(conn)
        now, used = FACTS[found.topic](call, conn, found)
        names = waves.names(conn, [wave.id for each in used for wave in each.waves])
    may = call.has(*OPERATORS) and found.waits
    return show(
        call, "setting_change.html", status, change=found, known=known, wrong=wrong, field_of=field, words_of=WORDS,
        may_agree=may and found.proposed_by != call.who.login, may_drop=may, today=standards.today(), now=now,
        used=used, names=names, tested=call.form.get("tested", ""), proposed=defaultdict(str, found.value),
        asks_test=found.topic in agreed.MISSING,
    )  # fmt: skip


# -- what is in force now, and what hangs on it ------------------------------------------------------------------------


def _hotline(call: Call, conn: psycopg.Connection, change: Change) -> tuple[Any, list[Used]]:
    """The rows of this number, and of the one that it replaces; every campaign that names one of them."""
    numbers = [change.subject, *filter(None, [change.value.get("instead_of")])]
    rows = standards.hotlines(call.house.settings, conn).rows
    today = standards.today()
    now = [row for row in rows if row.number in numbers and row.valid_from <= today <= row.valid_to]
    every = waves.all_waves(conn)
    campaigns = [registry.get_campaign(conn, name)[0] for name, *_ in registry.list_campaigns(conn)]
    return now, [Used(each.name, [wave for wave in every if wave.campaign == each.name and wave.state in OPEN])
                 for each in campaigns if set(numbers) & set(each.text.hotlines)]  # fmt: skip


def _price(call: Call, conn: psycopg.Connection, change: Change) -> tuple[Any, list[Used]]:
    """Dong a segment, and the waves that go over this account."""
    now = standards.prices(conn, call.house.accounts, standards.today()).get(change.subject)
    return now, _open(conn, lambda wave: change.subject in wave.plan["accounts"].values())


def _route(_call: Call, conn: psycopg.Connection, change: Change) -> tuple[Any, list[Used]]:
    """Accounts agreed on so far, none where each definition decides, and the waves that reach this network."""
    now = standards.routes(conn, standards.today()).get(change.subject, ())
    return now, _open(conn, lambda wave: change.subject in wave.plan["accounts"])


def _sender(call: Call, conn: psycopg.Connection, change: Change) -> tuple[Any, list[Used]]:
    """The name so far, and the waves that use it."""
    account, carrier = change.value["account"], change.value["carrier"]
    now = ways.senders(call.house, conn, standards.today()).get(account, {}).get(carrier, "")
    return now, _open(conn, lambda wave: wave.plan["accounts"].get(carrier) == account)


Facts = Callable[[Call, psycopg.Connection, Change], tuple[Any, list[Used]]]
FACTS: Mapping[str, Facts] = {HOTLINE: _hotline, PRICE: _price, ROUTE: _route, SENDER: _sender}


def _open(conn: psycopg.Connection, touched: Callable[[Wave], bool]) -> list[Used]:
    """Waves that are not over and touched, by campaign."""
    mine: Iterable[Wave] = [wave for wave in waves.all_waves(conn) if wave.state in OPEN and touched(wave)]
    names = sorted({wave.campaign for wave in mine})
    return [Used(name, [wave for wave in mine if wave.campaign == name]) for name in names]


# -- the decision ------------------------------------------------------------------------------------------------------


def agree(call: Call) -> Response:
    """The second operator's yes, with a code, and for a hotline or a sender with what proves it."""
    change = call.number("change")
    with call.house.begin() as conn:
        found = agreed.get(conn, change)
    if found.topic in agreed.MISSING and not call.form.get("tested", "").strip():
        problem = Problem(agreed.MISSING[found.topic], subject=found.subject)
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
