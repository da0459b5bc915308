"""Two operators who agree on the settings, for the tests of each topic."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns.ledger import agreed, people
from config.carriers import AccountSettings
from dispatcher import standards, ways
from dispatcher.assemble import Site
from dispatcher.console import routing
from tests.console import Browser, signed_in
from tests.serving import Served
from workers.house import House

_turn = itertools.count()


def forget(site: Site) -> None:
    """No change outlives its test."""
    with psycopg.connect(site.owner) as conn:
        conn.execute("DELETE FROM setting_change")


def operator(served: Served, house: House) -> Browser:
    """The next of nine operators: others than the last ones, and few, for a page lists everybody."""
    return signed_in(served, house, f"so-{next(_turn) % 9}", "operator", authenticator=True)


def pair(house: House) -> tuple[str, str]:
    """Two persons who may propose and agree, for the ledger's own functions."""
    logins = ("so-a", "so-b")
    with house.begin() as conn:
        for login in logins:
            people.add_person(conn, login, login, ["operator"])
    return logins


def agree_on(house: House, topic: str, subject: str, value: dict[str, object], day: date | None = None) -> None:
    """A change of today (or a day), by two persons."""
    first, second = pair(house)
    today = standards.today()
    with house.begin() as conn:
        change = agreed.propose(conn, topic, subject, value, day or today, "thử", first, today)
        agreed.agree(conn, change, second, today, "gọi 08:00, tổng đài trả lời")


def with_account(monkeypatch: pytest.MonkeyPatch, house: House, name: str, like: str, **changes: Any) -> None:
    """One more account of this house, in its file too: like another one, but for the changes."""
    monkeypatch.setattr(
        house, "accounts", {**house.accounts, name: replace(house.accounts[like], name=name, **changes)}
    )
    written = ways.load_accounts

    def added(path: Path) -> tuple[AccountSettings, ...]:
        rows = written(path)
        return (*rows, replace(next(each for each in rows if each.name == like), name=name, **changes))

    for module in (ways, routing):
        monkeypatch.setattr(module, "load_accounts", added)


def page(browser: Browser, path: str) -> str:
    """A page that is there."""
    said = browser.get(path)
    assert said.status == 200, path
    return said.body.decode()


def tomorrow() -> date:
    """In the province."""
    return standards.today() + timedelta(days=1)
