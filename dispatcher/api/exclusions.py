"""Lists of people who must not be texted: filled and emptied by a file, counted, and never read out."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from fastapi import Path as InPath

from campaigns.compliance import LISTS
from campaigns.ledger import suppression
from campaigns.ledger.people import Person
from dispatcher import acts, exclusions
from dispatcher.api.errors import NotReadable, language
from dispatcher.api.shapes import Given
from dispatcher.api.upload import Room, file, form, received
from dispatcher.auth import HouseOf, Reader, Writer
from dispatcher.words import speak

router = APIRouter(prefix="/exclusions", tags=["exclusions"])

ListName = Annotated[str, InPath(pattern=f"^({'|'.join(LISTS)})$", examples=["request"])]
FORM = form({
    "file": file("CSV or XLSX with a heading."),
    "column": {"type": "string", "description": "Of the numbers; guessed when left out."},
    "sheet": {"type": "string", "description": "Of a workbook with several."},
})  # fmt: skip


class ListGiven(Given):
    """One list: how many people, since when the newest, and why it suppresses, by class of campaign."""

    name: str
    about: str  # in the caller's language
    people: int
    newest: datetime | None
    kept_by: Literal["write", "admin"]  # the scope of a key that changes it
    suppresses: dict[str, Literal["always", "unless decided"]]  # class of campaign -> how; absent: not at all
    sources: dict[str, str]  # class of campaign -> the law or custom of today's table


class ListChanged(Given):
    """What a file did to a list; no number is told, only lines that hold none."""

    name: str
    changed: int  # people who are new on it, or off it
    given: int  # different numbers of the file
    unreadable: int
    unreadable_lines: list[int]  # the first hundred


@router.get("")
def list_exclusions(request: Request, house: HouseOf, _person: Reader) -> list[ListGiven]:
    """Each list with its count and its reasons; who is on it is never shown."""
    words = speak(language(request))
    with house.begin() as conn:
        found = suppression.counts(conn)
    return [
        ListGiven(
            name=each.list, about=words.say(exclusions.LIST_NAMES[each.list]), people=each.n, newest=each.newest,
            kept_by="admin" if each.list == suppression.POLICE else "write", **_reasons(each.list),
        )
        for each in found
    ]  # fmt: skip


def _reasons(name: str) -> dict[str, Any]:
    """How and by which source each class of campaigns obeys a list today; the newest row of a class speaks."""
    rules = {each.class_.value: each for each in sorted(acts.law(), key=lambda each: each.valid_from)}
    how = {class_: "always" if name in each.always else "unless decided" for class_, each in rules.items()
           if name in (*each.always, *each.unless_decided)}  # fmt: skip
    return {"suppresses": how, "sources": {class_: rules[class_].source for class_ in how}}


@router.post("/{name}/add", openapi_extra=FORM)
async def add_to_list(name: ListName, request: Request, house: HouseOf, person: Writer) -> ListChanged:
    """Put the numbers of a file on a list, in force at once, for running waves too; the police list wants `admin`."""
    return await _change(request, house, "add", name, person)


@router.post("/{name}/remove", openapi_extra=FORM)
async def take_off_list(name: ListName, request: Request, house: HouseOf, person: Writer) -> ListChanged:
    """Take the numbers of a file off a list; waves planned before still leave them out."""
    return await _change(request, house, "remove", name, person)


async def _change(request: Request, house: HouseOf, act: str, name: str, person: Person) -> ListChanged:
    suppression.allow(name, person)  # before anything is read
    async with received(request, house.folder("incoming"), Room(house.settings.upload_bytes)) as upload:
        if upload.path is None:
            raise NotReadable("send the list as multipart/form-data with the field file")
        column, sheet = upload.fields.get("column", ""), upload.fields.get("sheet", "")
        one_at_a_time: asyncio.Semaphore = request.app.state.imports
        async with one_at_a_time:
            done = await asyncio.shield(
                asyncio.to_thread(exclusions.in_file, house, exclusions.changing(act, name, person), upload.path,
                                  column=column, sheet=sheet)
            )  # fmt: skip
    return ListChanged(name=name, changed=done.changed, given=done.given, unreadable=len(done.unreadable),
                       unreadable_lines=list(done.unreadable[:100]))  # fmt: skip
