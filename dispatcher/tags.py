"""Tags of a list's rows: carrier, area, and the language that the campaign's rule gives that area."""

from __future__ import annotations

from typing import NamedTuple

import psycopg

from campaigns import wordings
from campaigns.ledger import lists, registry
from dispatcher import acts


class Tag(NamedTuple):
    """Rows of a list that bear the same tags."""

    carrier: str
    area: str  # "" where the list gives none that the era's administrative list knows
    language: str  # of the text that these rows get: vi, hmn ...
    n: int


def of_audience(conn: psycopg.Connection, audience: int) -> list[Tag]:
    """Every combination of tags with its rows, by the campaign's newest version; the rows sum to the accepted ones."""
    found = lists.audience(conn, audience)
    campaign, _ = registry.get_campaign(conn, found.campaign)
    names = acts.units().names
    return [
        Tag(carrier, names.get(unit, ""), wordings.language(campaign, carrier, unit), n)
        for carrier, unit, n in lists.tags(conn, audience)
    ]


def summed(tags: list[Tag], name: str) -> dict[str, int]:
    """Rows by one of the tags, the most first."""
    sums: dict[str, int] = {}
    for tag in tags:
        key = str(getattr(tag, name))
        sums[key] = sums.get(key, 0) + tag.n
    return dict(sorted(sums.items(), key=lambda each: -each[1]))
