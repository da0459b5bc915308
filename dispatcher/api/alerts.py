"""What needs a person now, over the API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from campaigns.alerts import sentence
from campaigns.ledger import alerts
from dispatcher.api.shapes import Given
from dispatcher.auth import HouseOf, Reader
from workers import outlets

router = APIRouter(prefix="/alerts", tags=["control"])


class AlertGiven(Given):
    """One alert; it is over when `ended_at` is set."""

    id: str
    kind: str
    about: str  # id of a wave or an order, name of an account
    facts: dict[str, Any]
    began_at: datetime
    ended_at: datetime | None
    vi: str
    en: str


class AlertsGiven(Given):
    """Open alerts, the oldest first, then those that are over; who is told of them."""

    alerts: list[AlertGiven]
    outlets: list[str]
    failing: dict[str, str]  # outlet -> why its last message was not taken


@router.get("")
def list_alerts(
    house: HouseOf, _person: Reader, ended: Annotated[int, Query(ge=0, le=1000)] = 0
) -> AlertsGiven:  # fmt: skip
    """What needs a person now, each with what to do; `ended`: also so many that are over."""
    with house.begin() as conn:
        found, wrong = alerts.latest(conn, ended=ended), alerts.failing(conn)
    given = [
        AlertGiven(id=str(each.id), kind=each.kind, about=each.about, facts=dict(each.facts), began_at=each.began_at,
                   ended_at=each.ended_at, vi=sentence(each, "vi"), en=sentence(each, "en")) for each in found
    ]  # fmt: skip
    return AlertsGiven(alerts=given, outlets=outlets.opened(house.settings), failing=wrong)
