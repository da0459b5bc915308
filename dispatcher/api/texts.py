"""Texts before they are approved: what is wrong with one, what it costs, and what phones show; and whom to call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from campaigns import facts, text
from campaigns.definition import Class
from campaigns.preview import costs, preview
from campaigns.schedule import ZONE
from config.carriers import load_carriers
from dispatcher import standards
from dispatcher.api.errors import told
from dispatcher.api.shapes import Given, HotlineGiven, Line, Taken, Told
from dispatcher.auth import HouseOf, Reader, Writer

router = APIRouter(prefix="/texts", tags=["texts"])


class TextTaken(Taken):
    """A text to look at; nothing of it is stored."""

    text: Annotated[str, Field(min_length=1, max_length=5_000)]
    hotlines: Annotated[list[str], Field(max_length=20)] = Field(default_factory=list)
    senders: Annotated[dict[str, str], Field(max_length=20)] = Field(default_factory=dict)


class TextLooked(Given):
    """Its normal form with its hash, every fault, every character that costs, and one preview a carrier."""

    text: str
    sha256: str
    figures: dict[str, Any]
    faults: list[Told]
    costs: list[dict[str, Any]]
    previews: list[dict[str, Any]]
    unaccented_previews: list[dict[str, Any]]


class Verified(Taken):
    """Who answered, and when."""

    words: Line


@router.post("/look")
def look_at_text(wanted: TextTaken, request: Request, house: HouseOf, _person: Reader) -> TextLooked:
    """Measure a text and preview it at each carrier, with accents and without."""
    found = facts.of_text(wanted.text)
    known = [each.id for each in load_carriers(house.settings.carriers_file)]
    senders = {carrier: wanted.senders.get(carrier, "") for carrier in known}
    limits, day = standards.limits(house.settings), datetime.now(UTC).astimezone(ZONE).date()
    both = [
        [each.as_json() for each in preview(form, senders, limits, Class.PUBLIC_INFORMATION.value, day)]
        for form in (found.text, found.unaccented)
    ]
    return TextLooked(
        text=found.text, sha256=found.sha256, figures=found.as_json(),
        faults=[Told(**told(request, each)) for each in text.faults(found.text, wanted.hotlines)],
        costs=[each._asdict() for each in costs(found.text)], previews=both[0], unaccented_previews=both[1],
    )  # fmt: skip


@router.get("/hotlines")
def list_hotlines(house: HouseOf, _person: Reader) -> list[HotlineGiven]:
    """The registry as it is today; `asks` is true where somebody must call before a wave names the number."""
    day = datetime.now(UTC).astimezone(ZONE).date()
    with house.begin() as conn:
        verified, registry = standards.verified(conn), standards.hotlines(house.settings, conn)
    return [
        HotlineGiven(
            number=row.number, name=row.name, owner=row.owner, hours=row.hours, cost=row.cost,
            verified_on=max(row.verified_on, verified.get(row.number, row.verified_on)),
            asks=bool(registry.asks([row.number], day, verified, house.settings.hotline_days)),
        )
        for row in registry.rows
        if row.valid_from <= day <= row.valid_to
    ]  # fmt: skip


@router.post("/hotlines/{number}/verify", status_code=204)
def verify_hotline(number: str, said: Verified, house: HouseOf, person: Writer) -> None:
    """Record that a person called this hotline and it answered; it counts from today on."""
    with house.begin() as conn:
        standards.verify(conn, house.settings, number, person.login, said.words)
