"""The kill switch over the API."""

from __future__ import annotations

import time
from datetime import datetime

import psycopg
from fastapi import APIRouter

from campaigns.ledger import halts
from dispatcher.api.shapes import Given, Halted, Reason
from dispatcher.auth import HouseOf, Reader, Starter
from dispatcher.halting import all_noted

router = APIRouter(prefix="/stop", tags=["control"])


class Switch(Given):
    """The kill switch: whether all sending is stopped, by whom, and who has said that it may go on."""

    stopped: bool
    by: str | None = None
    reason: str | None = None
    at: datetime | None = None
    asked_by: str | None = None  # a second person, an approver, has to say the same
    asked_why: str | None = None


def _switch(conn: psycopg.Connection) -> Switch:
    found = halts.current(conn)
    if found is None:
        return Switch(stopped=False)
    return Switch(stopped=True, by=found.by, reason=found.reason, at=found.at, asked_by=found.asked_by,
                  asked_why=found.asked_why)  # fmt: skip


@router.get("")
def get_stop(house: HouseOf, _person: Reader) -> Switch:
    """Whether the kill switch is on."""
    with house.begin() as conn:
        return _switch(conn)


@router.post("")
def stop_all(house: HouseOf, person: Starter, given: Reason | None = None) -> Halted:
    """Stop all sending of this installation; it stays stopped until two persons lift it."""
    since = time.monotonic()
    with house.begin() as conn:
        halts.stop(conn, person.login, given.reason if given else "")
    return Halted.model_validate(all_noted(house, person.login, since))


@router.post("/lift")
def lift_stop(house: HouseOf, person: Starter, given: Reason) -> Switch:
    """Say that sending may go on: the first asks, the second, an approver, opens it."""
    with house.begin() as conn:
        halts.lift(conn, person, given.reason, file_there=house.settings.kill_switch_file.exists())
        return _switch(conn)
