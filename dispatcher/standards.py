"""The tables that a text is held against, as this installation has them: the data folder's own go first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg

from campaigns.hotlines import Hotline, Registry
from campaigns.ledger import people
from campaigns.limits import Limits
from campaigns.schedule import ZONE
from campaigns.terms import Problem
from config import data as shipped
from config.settings import Settings

VERIFIED = "SELECT subject, max(at) FROM audit WHERE act = 'hotline.verify' GROUP BY subject"


def limits(settings: Settings) -> Limits:
    """Lengths that carriers take. Raises Problem."""
    return Limits.load(_own(settings, shipped.TEXT_LIMITS))


def hotlines(settings: Settings) -> Registry:
    """The registry of hotlines. Raises Problem."""
    return Registry.load(_own(settings, shipped.HOTLINES))


def _own(settings: Settings, path: Path) -> Path:
    own = settings.data / path.name
    return own if own.is_file() else path


def verify(conn: psycopg.Connection, settings: Settings, number: str, login: str, words: str) -> Hotline:
    """Record that a person made sure of a hotline today; raises Problem when it is not in the registry."""
    if not words.strip():
        raise Problem("say with --verified who answered and when")
    row = hotlines(settings).find(number, _today())
    people.record(conn, login, "hotline.verify", number, owner=row.owner, words=words)
    return row


def verified(conn: psycopg.Connection) -> dict[str, date]:
    """When each hotline was last made sure of by a person here."""
    return {str(number): at.astimezone(ZONE).date() for number, at in conn.execute(VERIFIED)}


def asks(conn: psycopg.Connection, settings: Settings, numbers: Sequence[str], day: date) -> list[Problem]:
    """What must be made sure of before a wave of that day names these hotlines."""
    return hotlines(settings).asks(numbers, day, verified(conn), settings.hotline_days)


def _today() -> date:
    return datetime.now(UTC).astimezone(ZONE).date()
