"""The tables that texts and plans are held against: the data folder's files, over them what two persons agreed on.

Hotlines, prices, routes and senders are read here and nowhere else (docs/decisions/021-settings.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import psycopg

from campaigns.dated import NEVER
from campaigns.hotlines import Hotline, Registry
from campaigns.ledger import agreed, people
from campaigns.ledger.agreed import Change
from campaigns.limits import Limits
from campaigns.schedule import ZONE
from campaigns.terms import Problem
from config import data as shipped
from config.settings import Settings

VERIFIED = "SELECT subject, max(at) FROM audit WHERE act = 'hotline.verify' GROUP BY subject"


def limits(settings: Settings) -> Limits:
    """Lengths that carriers take. Raises Problem."""
    return Limits.load(_own(settings, shipped.TEXT_LIMITS))


def hotlines(settings: Settings, conn: psycopg.Connection) -> Registry:
    """The registry of hotlines: the file, with the agreed changes from their days on. Raises Problem."""
    found = Registry.load(_own(settings, shipped.HOTLINES))
    for change in agreed.in_force(conn, agreed.HOTLINE):
        found = _changed(found, change)
    return found


def _changed(found: Registry, change: Change) -> Registry:
    value, day = change.value, change.effective_on
    if value.get("instead_of"):
        found = found.ended(value["instead_of"], day)
    if value.get("ended"):
        return found.ended(change.subject, day)
    dialled = change.agreed_at.astimezone(ZONE).date() if change.agreed_at else day
    words = {name: str(value[name]) for name in ("name", "owner", "hours", "cost", "source")}
    return found.followed(
        Hotline(number=change.subject, valid_from=day, valid_to=NEVER, verified_on=dialled, confirmed=True, **words)
    )


class Priced(Protocol):
    """An account, as a file names it."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def price(self) -> int:
        """Dong a segment, by the file."""
        ...


def prices(conn: psycopg.Connection, accounts: Mapping[str, Priced], day: date) -> dict[str, int]:
    """Account -> dong a segment on a day: the file, with the agreed changes from their days on."""
    found = {name: each.price for name, each in accounts.items()}
    for change in agreed.in_force(conn, agreed.PRICE, day):
        if change.subject in found:
            found[change.subject] = int(change.value["price"])
    return found


def routes(conn: psycopg.Connection, day: date) -> dict[str, tuple[str, ...]]:
    """Carrier -> accounts, the first choice first, as two persons agreed; else the definition's route holds."""
    found = {each.subject: tuple(each.value["accounts"]) for each in agreed.in_force(conn, agreed.ROUTE, day)}
    return {carrier: names for carrier, names in found.items() if names}  # none: the definition's again


class Named(Protocol):
    """An account with its names at the carriers, as a file has them."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def senders(self) -> Mapping[str, str]:
        """Carrier -> sender name."""
        ...


def senders(conn: psycopg.Connection, accounts: Iterable[Named], day: date) -> dict[str, dict[str, str]]:
    """Account -> carrier -> sender name on a day: the file, with the agreed changes from their days on."""
    found = {each.name: dict(each.senders) for each in accounts}
    for change in agreed.in_force(conn, agreed.SENDER, day):
        if change.value["account"] in found:
            found[change.value["account"]][change.value["carrier"]] = change.value["sender"]
    return found


def _own(settings: Settings, path: Path) -> Path:
    own = settings.data / path.name
    return own if own.is_file() else path


def verify(conn: psycopg.Connection, settings: Settings, number: str, login: str, words: str) -> Hotline:
    """Record that a person made sure of a hotline today; raises Problem when it is not in the registry."""
    if not words.strip():
        raise Problem("say with --verified who answered and when")
    row = hotlines(settings, conn).find(number, today())
    people.record(conn, login, "hotline.verify", number, owner=row.owner, words=words)
    return row


def verified(conn: psycopg.Connection) -> dict[str, date]:
    """When each hotline was last made sure of by a person here."""
    return {str(number): at.astimezone(ZONE).date() for number, at in conn.execute(VERIFIED)}


def asks(conn: psycopg.Connection, settings: Settings, numbers: Sequence[str], day: date) -> list[Problem]:
    """What must be made sure of before a wave of that day names these hotlines."""
    return hotlines(settings, conn).asks(numbers, day, verified(conn), settings.hotline_days)


def today() -> date:
    """The day in the province."""
    return datetime.now(UTC).astimezone(ZONE).date()
