"""The sweeper tells people: what stands still, waits or fails is found twice a minute, and told once a outlet."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg

from campaigns.alerts import Alert, Found, sentence
from campaigns.ledger import alerts, orders
from campaigns.reports.words import local, short_day
from providers import catalog
from workers import outlets
from workers.house import House

log = logging.getLogger(__name__)

EVERY = 30.0
"""Seconds between two looks."""
SUBJECTS = {
    "vi": ("Hệ thống nhắn tin: {n} việc cần xem", "diễn tập"),
    "en": ("Message dispatcher: {n} alerts", "rehearsal"),
}


class Alerter:
    """Used by the sweeper alone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._next = 0.0
        self._with_receipts = [
            account.name
            for account in house.accounts.values()
            if catalog.find(account.provider).capability.receipts != "none"
        ]

    def look(self) -> None:
        """Find, note and tell, when it is time."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + EVERY
        self.find()
        for outlet in outlets.opened(self._house.settings):
            self.tell(outlet)

    def find(self) -> tuple[int, int]:
        """What is so now, into the ledger; how many alerts began and ended."""
        with self._house.begin() as conn:
            found = alerts.now(conn, self._with_receipts) + _orders(conn)
            opened, ended = alerts.note(conn, found, outlets.opened(self._house.settings))
        if opened:
            log.warning("%d new alerts: see `dispatcher alert list`", opened)
        return opened, ended

    def tell(self, outlet: str) -> int:
        """What is due on a outlet, in one message; how many alerts it took."""
        house = self._house
        with house.begin() as conn:  # committed before anything leaves: a crash costs a wait, not a flood
            due, rehearsal = alerts.claim(conn, outlet), alerts.in_rehearsal(conn)
        if not due:
            return 0
        language = house.settings.language
        lines = [sentence(each, language) for each in due]
        template, mark = SUBJECTS[language]
        subject = (f"[{mark}] " if rehearsal else "") + template.format(n=len(due))
        body = "\n\n".join(f"- {line}" for line in lines) + f"\n\n{house.settings.url}/console\n"
        error = ""
        try:
            outlets.send(house.settings, outlet, subject, body, _documents(due, lines))
        except outlets.OutletError as failed:
            error = str(failed)
            log.warning("alerts: %s did not take %d: %s", outlet, len(due), error)
        with house.begin() as conn:
            alerts.told(conn, outlet, due, error)
        return 0 if error else len(due)


def _documents(due: Sequence[Alert], lines: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"id": str(each.id), "kind": each.kind, "about": each.about, "began_at": each.began_at.isoformat(),
         "ended_at": each.ended_at.isoformat() if each.ended_at else None, "facts": dict(each.facts), "says": line}
        for each, line in zip(due, lines, strict=True)
    ]  # fmt: skip


def _orders(conn: psycopg.Connection) -> list[Found]:
    """Carriers that are to be reminded of an order (see workers/chasing.py, which names them in the log)."""
    today = local(datetime.now(UTC)).date()
    found = []
    for order in orders.all_orders(conn):
        stands = orders.stands(order, today)
        if stands.chase:
            facts = {"carrier": order.plan.carrier_name, "campaign": order.plan.campaign,
                     "deadline": short_day(order.plan.deadline), "days_left": stands.days_left}  # fmt: skip
            found.append(Found("order", str(order.id), facts))
    return found
