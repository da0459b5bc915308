"""Deputies of approvers, over the API."""

from __future__ import annotations

from datetime import UTC, date, datetime

from fastapi import APIRouter

from campaigns.ledger import deputies
from campaigns.ledger.deputies import Deputy
from dispatcher.api.shapes import Day, Given, GivenId, IdInPath, Line, Taken
from dispatcher.auth import Approver, HouseOf, Reader, Starter

router = APIRouter(prefix="/deputies", tags=["control"])


class DeputyTaken(Taken):
    """Who stands in for the caller, from the first to the last day, both whole."""

    person: Line
    first: Day
    last: Day
    reason: Line


class DeputyGiven(Given):
    """One time of standing in; `until` is the first moment after it."""

    id: GivenId
    principal: str
    person: str
    since: datetime
    until: datetime
    last_day: date
    reason: str
    named_at: datetime
    withdrawn_at: datetime | None
    withdrawn_by: str | None
    state: str  # in force, to come, over, withdrawn


@router.get("")
def list_deputies(house: HouseOf, _person: Reader) -> list[DeputyGiven]:
    """Who may approve for whom, those that end last first."""
    with house.begin() as conn:
        return [_given(each) for each in deputies.latest(conn)]


@router.post("", status_code=201)
def name_deputy(given: DeputyTaken, house: HouseOf, person: Approver) -> DeputyGiven:
    """Name who approves in the caller's place; an approver does, and nobody's deputy."""
    with house.begin() as conn:
        return _given(deputies.name(conn, person, given.person, given.first, given.last, given.reason))


@router.post("/{deputy}/withdraw")
def withdraw_deputy(deputy: IdInPath, house: HouseOf, person: Starter) -> DeputyGiven:
    """End it at once, as one of the two or as an operator; what was approved within it stays."""
    with house.begin() as conn:
        return _given(deputies.withdraw(conn, int(deputy), person))


def _given(found: Deputy) -> DeputyGiven:
    names = DeputyGiven.model_fields.keys() - {"state"}
    return DeputyGiven(**{name: getattr(found, name) for name in names}, state=found.stands(datetime.now(UTC)))
