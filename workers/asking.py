"""The sweeper asks approvers: one letter for each plan and person, with the link of the approval page."""

from __future__ import annotations

import logging
import time

from campaigns import asking
from campaigns.asking import Asked
from campaigns.ledger import alerts, letters
from workers import outlets
from workers.house import House

log = logging.getLogger(__name__)

EVERY = 10.0
"""Seconds between two looks."""


class Asker:
    """Used by the sweeper alone."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._next = 0.0

    def look(self) -> None:
        """Ask whoever was not asked yet, when it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self.ask()

    def ask(self) -> int:
        """Enter and send what is due; how many letters were taken."""
        opened = outlets.opened(self._house.settings)
        if not opened:
            return 0
        with self._house.begin() as conn:
            letters.enter(conn, opened)
        return sum(self._ask(outlet) for outlet in opened)

    def _ask(self, outlet: str) -> int:
        with self._house.begin() as conn:  # committed before anything leaves: a crash costs a wait, not a flood
            due, rehearsal = letters.claim(conn, outlet), alerts.in_rehearsal(conn)
        taken, error = 0, ""
        for asked in due:  # after one failure the others wait too: a dead server must not hold the sweeper
            error = error or self._send(outlet, asked, rehearsal=rehearsal)
            with self._house.begin() as conn:
                letters.told(conn, asked, error)
            taken += not error
        if error:
            log.warning("approval letters: %s took %d of %d: %s", outlet, taken, len(due), error)
        return taken

    def _send(self, outlet: str, asked: Asked, *, rehearsal: bool) -> str:
        settings, mark = self._house.settings, f"{asked.wave}.{asked.plan_hash[:16]}.{asked.person}"
        subject, body = asking.letter(asked, settings.language, settings.url, rehearsal=rehearsal)
        try:
            if outlet == "mail":
                outlets.mail(settings, subject, body, [asked.email or ""], mark)
            else:
                facts = {"person": asked.person, "wave": str(asked.wave), "link": asking.link(asked, settings.url)}
                outlets.post(settings, {"subject": subject, "asked": facts | {"says": body}})
        except outlets.OutletError as failed:
            return str(failed)
        return ""
