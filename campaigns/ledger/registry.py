"""What the configuration says, entered into the ledger: carriers, accounts; and campaigns, versioned."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import psycopg

from campaigns import campaign as definitions
from campaigns.definition import Campaign
from campaigns.ledger import people
from campaigns.terms import Absent, Account


def enter_carriers(conn: psycopg.Connection, names: Sequence[str]) -> None:
    """Give each carrier its small number, once; the order of the file is the order of message numbers."""
    known = {row[0] for row in conn.execute("SELECT name FROM carrier")}
    for name in names:
        if name not in known:
            conn.execute("INSERT INTO carrier (id, name) SELECT coalesce(max(id) + 1, 1), %s FROM carrier", (name,))


def enter_accounts(conn: psycopg.Connection, accounts: Iterable[Account]) -> None:
    """Make the ledger know the accounts as they are configured now: T1 looks at them."""
    for each in accounts:
        conn.execute(
            "INSERT INTO account (name, provider, simulated, enabled, licence) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (name) DO UPDATE SET provider = excluded.provider, simulated = excluded.simulated,"
            " enabled = excluded.enabled AND NOT EXISTS (SELECT FROM route_stop r WHERE r.account = excluded.name"
            " AND r.scope = 'account' AND r.lifted_at IS NULL), licence = excluded.licence",
            (each.name, each.provider, each.simulated, each.enabled, each.licence),
        )


def load_campaign(conn: psycopg.Connection, campaign: Campaign, author: str) -> int:
    """Store a definition as its next version; the version it already has when nothing changed."""
    conn.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (campaign.name,))
    same = "SELECT version FROM campaign WHERE id = %s AND digest = %s"
    if row := conn.execute(same, (campaign.name, campaign.digest)).fetchone():
        return int(row[0])
    made = conn.execute(
        "INSERT INTO campaign (id, version, definition, digest, author)"
        " SELECT %s, coalesce(max(version) + 1, 1), %s, %s, %s FROM campaign WHERE id = %s RETURNING version",
        (campaign.name, json.dumps(campaign.as_json(), ensure_ascii=False), campaign.digest, author, campaign.name),
    ).fetchone()
    version = int(made[0]) if made else 0
    people.record(conn, author, "campaign.load", campaign.name, version=version, digest=campaign.digest)
    return version


def get_campaign(conn: psycopg.Connection, name: str, version: int | None = None) -> tuple[Campaign, int]:
    """A stored definition, the newest version unless one is named."""
    row = conn.execute(
        "SELECT definition, version FROM campaign WHERE id = %s AND (%s::int IS NULL OR version = %s)"
        " ORDER BY version DESC LIMIT 1",
        (name, version, version),
    ).fetchone()
    if row is None:
        raise Absent("there is no campaign {name}: load its definition first", name=name)
    return definitions.from_json(row[0]), int(row[1])


def list_campaigns(conn: psycopg.Connection) -> list[tuple[str, int, str, str]]:
    """(name, newest version, digest, author) of each campaign."""
    rows = conn.execute("SELECT DISTINCT ON (id) id, version, digest, author FROM campaign ORDER BY id, version DESC")
    return [(row[0], int(row[1]), row[2], row[3]) for row in rows]
