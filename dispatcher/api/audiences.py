"""Audiences: a list comes in, is judged row by row, sealed, and its file is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from campaigns.ledger import audiences, lists
from campaigns.ledger.people import Person
from dispatcher import acts, tags
from dispatcher.api.errors import NotReadable
from dispatcher.api.shapes import AudienceGiven, FileGiven, Given, IdInPath
from dispatcher.api.upload import Room, file, form, received
from dispatcher.auth import HouseOf, Reader, Writer
from workers.house import House

router = APIRouter(prefix="/audiences", tags=["audiences"])

FORM = form(
    {
        "campaign": {"type": "string", "example": "20-BCD-2024"},
        "name": {"type": "string", "description": "For people; the file's name when left out."},
        "seeds": {"type": "string", "enum": ["true"], "description": "Our own phones, texted first."},
        "file": file("CSV or XLSX with a heading."),
    },
    "campaign",
    "file",
)


class TagGiven(Given):
    """Rows of a list with the same tags."""

    carrier: str
    area: str
    language: str  # of the text that the campaign's rule sends to carrier and area
    n: int


class TagsGiven(Given):
    """How many accepted rows each tag has; the rows sum to them."""

    rows: list[TagGiven]
    by_carrier: dict[str, int]
    by_area: dict[str, int]
    by_language: dict[str, int]


@router.post("", openapi_extra=FORM, responses={201: {"model": AudienceGiven}})
async def take_list(request: Request, house: HouseOf, person: Writer, response: Response) -> AudienceGiven:
    """Import a list as a new audience; 200 and the audience that is there, when this campaign has this very file.

    The list is read in a thread, one at a time, in one transaction: all of its rows or none. Its file is deleted.
    """
    async with received(request, house.folder("incoming"), Room(house.settings.upload_bytes)) as upload:
        campaign, path = upload.fields.get("campaign", ""), upload.path
        if not campaign or path is None:
            raise NotReadable("send the list as multipart/form-data with the fields campaign and file")
        name = upload.fields.get("name") or path.name
        seeds = upload.fields.get("seeds") == "true"
        one_at_a_time: asyncio.Semaphore = request.app.state.imports
        async with one_at_a_time:
            given, made = await asyncio.shield(
                asyncio.to_thread(_import, house, person, campaign, name[:200], path, seeds=seeds)
            )
    response.status_code = 201 if made else 200
    return given


def _import(
    house: House, person: Person, campaign: str, name: str, path: Path, *, seeds: bool
) -> tuple[AudienceGiven, bool]:
    audience, new = acts.take_list(house, person, campaign, name, path, seeds=seeds)
    with house.begin() as conn:
        return _given(conn, audience), new


def _given(conn: Any, audience: int) -> AudienceGiven:
    found = lists.audience(conn, audience)
    files = [FileGiven(name=each.name, sha256=each.sha256, rows=each.rows) for each in found.files]
    return AudienceGiven(
        id=str(found.id), campaign=found.campaign, name=found.name, author=found.author, created_at=found.created_at,
        frozen_at=found.frozen_at, rows=sum(each.rows for each in files), files=files,
        verdicts=audiences.verdict_counts(conn, audience),
    )  # fmt: skip


@router.get("/{audience}")
def get_audience(audience: IdInPath, house: HouseOf, _person: Reader) -> AudienceGiven:
    """An audience with the verdicts over its rows."""
    with house.begin() as conn:
        return _given(conn, int(audience))


@router.get("/{audience}/tags")
def get_tags(audience: IdInPath, house: HouseOf, _person: Reader) -> TagsGiven:
    """What a wave can choose by: carrier, area, and the language of the text that the rule sends there."""
    with house.begin() as conn:
        found = tags.of_audience(conn, int(audience))
    return TagsGiven(
        rows=[TagGiven(**tag._asdict()) for tag in found], by_carrier=tags.summed(found, "carrier"),
        by_area=tags.summed(found, "area"), by_language=tags.summed(found, "language"),
    )  # fmt: skip


@router.get("/{audience}/verdicts", response_class=StreamingResponse,
            responses={200: {"content": {"text/csv": {}}}})  # fmt: skip
def get_verdicts(audience: IdInPath, house: HouseOf, _person: Reader) -> StreamingResponse:
    """Each row of the files as file, line, verdict, reason (CSV): what to mend, without a number in it."""
    with house.begin() as conn:
        lists.audience(conn, int(audience))
    return StreamingResponse(
        _verdicts(house, int(audience)), media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="verdicts-{audience}.csv"'},
    )  # fmt: skip


def _verdicts(house: House, audience: int) -> Iterator[bytes]:
    with house.begin() as conn:
        yield from lists.verdict_lines(conn, audience)
