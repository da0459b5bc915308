"""What carriers reported, version after version; and the files that came, for good or ill."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from campaigns.keeping import Kept
from campaigns.ledger import orders
from campaigns.ledger.orders import Order
from campaigns.order import OrderState
from campaigns.return_checks import Finding, failed
from campaigns.returns import FIGURES, Return, return_from_json
from campaigns.terms import Absent


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a carrier's return, as it was taken in."""

    order: int
    version: int
    given: Return
    way: str
    person: str
    origin: str
    source: str | None
    evidence: str | None
    notes: list[str]
    findings: list[Finding]
    received_on: date
    received_at: datetime

    @property
    def failed(self) -> list[Finding]:
        """Checks that do not hold."""
        return failed(self.findings)


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a return came."""

    way: str
    person: str
    origin: str
    received_on: date
    source: str | None = None  # SHA-256 of the table's file
    evidence: str | None = None  # SHA-256 of the signed paper


def add(
    conn: psycopg.Connection, order: Order, given: Return, arrival: Arrival, findings: list[Finding], notes: list[str]
) -> tuple[Version, bool]:
    """Record a return as the order's next version; (version, whether it is new). The same statement twice is one."""
    if known := of_digest(conn, order.id, given.digest):
        return known, False
    orders.must_be_open(order)
    row = conn.execute(
        "SELECT coalesce(max(version), 0) + 1 FROM order_return WHERE order_id = %s", (order.id,)
    ).fetchone()
    version = int(row[0]) if row else 1
    conn.execute(
        "INSERT INTO order_return (order_id, version, digest, document, method, total, way, person, origin, source,"
        " evidence, notes, checks, failed, received_on)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (order.id, version, given.digest, given.document, given.method, json.dumps(given.total.as_json()), arrival.way,
         arrival.person, arrival.origin, arrival.source, arrival.evidence, json.dumps(notes, ensure_ascii=False),
         json.dumps([each.as_json() for each in findings], ensure_ascii=False), len(failed(findings)),
         arrival.received_on),
    )  # fmt: skip
    _add_rows(conn, order.id, version, given)
    orders.note(
        conn, order.id, arrival.person, "return", OrderState.RETURNED, evidence=arrival.evidence, version=version,
        way=arrival.way, origin=arrival.origin, source=arrival.source, failed=[each.rule for each in failed(findings)],
    )  # fmt: skip
    return get(conn, order.id, version), True


def _add_rows(conn: psycopg.Connection, order: int, version: int, given: Return) -> None:
    names = ", ".join(FIGURES)
    with conn.cursor() as cur, cur.copy(
        f"COPY order_return_row (order_id, version, place, wave, day, unit, {names}) FROM STDIN"
    ) as copy:  # fmt: skip
        for place, row in enumerate(given.rows, 1):
            figures = [getattr(row.figures, name) for name in FIGURES]
            copy.write_row((order, version, place, row.wave, row.day, row.unit, *figures))


VERSIONS = (
    "SELECT order_id, version, document, method, total, way, person, origin, source, evidence, notes, checks,"
    " received_on, received_at FROM order_return"
)


def versions(conn: psycopg.Connection, order: int) -> list[Version]:
    """All versions of an order's return, oldest first."""
    rows = conn.execute(f"{VERSIONS} WHERE order_id = %s ORDER BY version", (order,)).fetchall()
    return [_version(conn, row) for row in rows]


def get(conn: psycopg.Connection, order: int, version: int) -> Version:
    """One version; a Problem when there is none."""
    row = conn.execute(f"{VERSIONS} WHERE order_id = %s AND version = %s", (order, version)).fetchone()
    if row is None:
        raise Absent("order {order} has no return {version}", order=str(order), version=version)
    return _version(conn, row)


def latest(conn: psycopg.Connection, order: int) -> Version | None:
    """The version that holds now, None when nothing was reported."""
    row = conn.execute(f"{VERSIONS} WHERE order_id = %s ORDER BY version DESC LIMIT 1", (order,)).fetchone()
    return _version(conn, row) if row else None


def of_digest(conn: psycopg.Connection, order: int, digest: str) -> Version | None:
    """The version that says exactly this."""
    row = conn.execute(f"{VERSIONS} WHERE order_id = %s AND digest = %s", (order, digest)).fetchone()
    return _version(conn, row) if row else None


def _version(conn: psycopg.Connection, row: Any) -> Version:
    order, version, document, method, total, way, person, origin, source, evidence, notes, checks, day, at = row
    names = ("wave", "day", "unit", *FIGURES)
    rows = conn.execute(
        f"SELECT {', '.join(names)} FROM order_return_row WHERE order_id = %s AND version = %s ORDER BY place",
        (order, version),
    ).fetchall()
    lines = [{**dict(zip(names, each, strict=True)), "day": each[1].isoformat() if each[1] else None} for each in rows]
    given = return_from_json({"document": document, "method": method, "total": total, "rows": lines})
    findings = [Finding(**each) for each in checks]
    return Version(order, version, given, way, person, origin, source, evidence, notes, findings, day, at)


# -- files -------------------------------------------------------------------------------------------------------------


def keep_file(conn: psycopg.Connection, order: int, name: str, kept: Kept, person: str, origin: str) -> None:
    """Record a file that lies in the data folder; the same one twice is one."""
    conn.execute(
        "INSERT INTO kept_file (order_id, sha256, name, bytes, whole, person, origin)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (order, kept.sha256, name[:200], kept.bytes, kept.whole, person, origin),
    )


@dataclass(frozen=True, slots=True)
class KeptFile:
    """One file as it was kept."""

    sha256: str
    name: str
    bytes: int
    whole: bool
    person: str
    origin: str
    at: datetime


def files(conn: psycopg.Connection, order: int) -> Sequence[KeptFile]:
    """What came with an order, oldest first."""
    rows = conn.execute(
        "SELECT sha256, name, bytes, whole, person, origin, at FROM kept_file WHERE order_id = %s ORDER BY at", (order,)
    )
    return [KeptFile(*row) for row in rows]


def bytes_kept(conn: psycopg.Connection, order: int) -> int:
    """How much has come with an order."""
    row = conn.execute("SELECT coalesce(sum(bytes), 0) FROM kept_file WHERE order_id = %s", (order,)).fetchone()
    return int(row[0]) if row else 0
