"""A simulated HTTP carrier that is described, not programmed: enough for one request a message and one callback.

Its description is its settings, so that a case file of the contract suite can hold it (docs/add-a-carrier.md).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from aiohttp import web

from providers.simulator.faults import Faults
from providers.simulator.http import DELIVERED, Call, HttpCarrier, Ready, Record, Submission, serve_carrier


@dataclass(frozen=True, slots=True)
class Description:
    """How one carrier speaks; field names are paths ("to.0"), answers are texts with %id%, %code%, %number%..."""

    path: str
    reads: str  # "json", "form" or "query"
    number: str
    text: str
    ref: str
    url: str
    proof: str  # "Authorization=Basic ..." as a header or a field of the request
    accepted: str
    coded: str
    refused: str
    unproved: str
    callback_url: str
    callback: str
    delivered: str
    undelivered: str


class DescribedCarrier(HttpCarrier):
    """The carrier a description describes."""

    def __init__(self, truth: Path, faults: Faults, odd: str, description: Description) -> None:
        self._is = description
        super().__init__(truth, faults, odd)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The one path; wrong credentials and unreadable requests are refused before anything else."""
        if request.path != self._is.path:
            return web.Response(status=404)
        try:
            fields = await self._fields(request)
            wanted = self._wanted(fields)
        except (ValueError, LookupError, TypeError):
            return web.Response(status=400)
        name, _, value = self._is.proof.partition("=")
        if name and value not in (request.headers.get(name), str(_at(fields, name, ""))):
            return self.coded(self._is.unproved)
        return await self.submit(request, wanted)

    async def _fields(self, request: web.BaseRequest) -> object:
        if self._is.reads == "json":
            return json.loads(await request.read())
        raw = request.query_string if self._is.reads == "query" else (await request.read()).decode()
        return dict(parse_qsl(raw, keep_blank_values=True))

    def _wanted(self, fields: object) -> Submission:
        number = str(_at(fields, self._is.number)).removeprefix("+").removeprefix("84").removeprefix("0")
        url = str(_at(fields, self._is.url, "")) or self._is.callback_url
        return Submission(f"84{number}", str(_at(fields, self._is.text)), str(_at(fields, self._is.ref, "")), url)

    def accepted(self, record: Record) -> web.Response:
        """The described text with the message's id."""
        return _answer(self._filled(self._is.accepted, record))

    def coded(self, code: str) -> web.Response:
        """The described refusal."""
        return _answer(self._is.coded.replace("%code%", code or self._is.refused))

    def call(self, record: Record) -> Call:
        """POST of the described body; a description without one calls by GET with the same text as query."""
        body = self._filled(self._is.callback, record)
        if body.startswith("{"):
            return Call("POST", record.callback_url, {"Content-Type": "application/json"}, body.encode())
        return Call("GET", f"{record.callback_url}?{body}")

    def _filled(self, text: str, record: Record) -> str:
        status = self._is.delivered if record.outcome == DELIVERED else self._is.undelivered
        values = {"id": record.message_id, "ref": record.ref, "number": record.number, "status": status}
        for name, value in values.items():
            text = text.replace(f"%{name}%", value)
        return text


def _at(fields: object, path: str, absent: object = None) -> object:
    """What stands at "a.0.b"; raises LookupError or TypeError when nothing does, unless `absent` is given."""
    try:
        for step in path.split("."):
            fields = fields[int(step)] if isinstance(fields, list) else fields[step]  # type: ignore[index]
    except (LookupError, TypeError):
        if absent is None:
            raise
        return absent
    return fields


def _answer(body: str) -> web.Response:
    return web.Response(body=body.encode(), content_type="application/json")


async def serve(
    host: str,
    port: int,
    truth: Path,
    faults: Faults,
    *,
    path: str,
    reads: str,
    number: str,
    text: str,
    accepted: str,
    coded: str,
    refused: str,
    ref: str = "",
    url: str = "",
    proof: str = "",
    unproved: str = "",
    callback_url: str = "",
    callback: str = "",
    delivered: str = "",
    undelivered: str = "",
    odd: str = "",
    ready: Ready | None = None,
) -> None:
    """Run until cancelled; the settings are a Description's fields, `odd` as in `read_odd`."""
    description = Description(
        path, reads, number, text, ref, url, proof, accepted, coded, refused, unproved,
        callback_url, callback, delivered, undelivered,
    )  # fmt: skip
    await serve_carrier(DescribedCarrier(truth, faults, odd, description), host, port, ready)
