"""Letters: what one seems to order, each value beside its source line; nothing is stored, nothing accepted."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from campaigns import letter, proposals
from dispatcher.api.errors import NotReadable
from dispatcher.api.shapes import ProposalGiven
from dispatcher.api.upload import Room, file, form, received
from dispatcher.auth import HouseOf, Writer

router = APIRouter(prefix="/letters", tags=["letters"])
MOST_BYTES = letter.MOST_BYTES
FORM = form({"file": file("Text, .docx, or PDF with text.")})
FORM["requestBody"]["content"]["text/plain"] = {
    "schema": {"type": "string", "description": "The letter, pasted; UTF-8."}
}


@router.post("/read", openapi_extra=FORM)
async def read_letter(request: Request, house: HouseOf, _person: Writer) -> ProposalGiven:
    """Propose text, dates, hotlines, number, issuer and deadlines of a letter; a person accepts each of them."""
    if request.headers.get("content-type", "").partition(";")[0].strip() == "text/plain":
        return await asyncio.to_thread(_given, await request.body(), "letter")
    async with received(request, house.folder("incoming"), Room(MOST_BYTES)) as upload:
        if upload.path is None:
            raise NotReadable("send the letter as multipart/form-data with the field file, or as text/plain")
        content = await asyncio.to_thread(upload.path.read_bytes)
        one_at_a_time: asyncio.Semaphore = request.app.state.papers
        async with one_at_a_time:
            return await asyncio.to_thread(_given, content, upload.path.name)


def _given(content: bytes, name: str) -> ProposalGiven:
    read = letter.of_bytes(content, name)
    return ProposalGiven(**proposals.propose(read).as_json(), lines=read.split("\n"))
