"""Carrier orders: drafted, approved by another person, issued, reported on, accepted."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import psycopg
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field

from campaigns.keeping import MOST_BYTES
from campaigns.ledger import orders, registry
from campaigns.ledger import returns as stored
from campaigns.ledger.orders import Order
from campaigns.ledger.returns import Version
from dispatcher import orders as acts
from dispatcher.api.errors import NotReadable
from dispatcher.api.papers import sent
from dispatcher.api.shapes import Given, GivenId, IdInPath, Line, Name, Taken
from dispatcher.api.upload import Room, file, form, received
from dispatcher.auth import Approver, HouseOf, Reader, Starter, Writer
from dispatcher.orders import Incoming, Look
from workers.house import House

router = APIRouter(prefix="/orders", tags=["orders"])

ROOM = Room(MOST_BYTES, cut=True, parts=12)
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Day = Annotated[date, BeforeValidator(lambda said: date.fromisoformat(said) if isinstance(said, str) else said)]
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Kind = Literal["docx", "pdf", "xlsx", "csv"]


class OrderDrafted(Taken):
    """Which carriers are asked; the rest stands in the campaign's definition."""

    campaign: Name
    contact: Line
    carriers: list[Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]] = Field(default=[], max_length=50)
    area: Line | None = None
    deadline: Day | None = None
    text: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = "verbatim"
    reason: Note = ""
    medium: Literal["sms", "precall", "zalo", "loudspeaker"] = "sms"
    published: Annotated[int, Field(ge=1, le=2_000_000_000)] | None = None
    published_source: Note = ""


class HashTaken(Taken):
    """The hash of the plan that was read."""

    plan_hash: Sha256


class Issued(Taken):
    """Number and day of the signed letter."""

    number: Annotated[Line, Field(max_length=80)]
    date: Day
    evidence: Sha256 | None = None


class Acknowledged(Taken):
    """What the carrier said."""

    running: bool = False
    note: Note = ""
    evidence: Sha256 | None = None


class NoteTaken(Taken):
    """Why; it stands in the record."""

    note: Note = ""


class Reported(Taken):
    """A carrier's figures; each row names a wave. Figures are checked by the ledger's rules, not here."""

    document: Annotated[str, Field(max_length=300)]
    method: Annotated[str, Field(max_length=1000)]
    total: dict[str, Any]
    rows: Annotated[list[dict[str, Any]], Field(max_length=2000)]
    received: Day | None = None
    evidence: Sha256 | None = None


class Renewed(Taken):
    """Whether the present code is made void and replaced."""

    renew: bool = False


class OrderGiven(Given):
    """An order as it stands, and what the calendar says of it."""

    id: GivenId
    campaign: str
    carrier: str
    state: str
    plan_hash: str
    author: str
    deadline: date
    number: str
    date: date | None
    days_left: int
    overdue: bool
    silent: bool
    chase: bool
    version: int | None  # of the latest return
    failed: list[str]  # rules that do not hold in it


class CheckGiven(Given):
    """One rule's verdict on a return."""

    rule: str
    verdict: Literal["ok", "failed", "unknown"]
    column: str
    vi: str
    en: str
    figures: dict[str, int]


class VersionGiven(Given):
    """One version of a return, as it came."""

    version: int
    way: str
    person: str
    origin: str
    received_on: date
    received_at: datetime
    source: str | None
    evidence: str | None
    notes: list[str]
    statement: dict[str, Any]
    checks: list[CheckGiven]


class OrderWhole(OrderGiven):
    """An order with its plan, its life and every version of its return."""

    plan: dict[str, Any]
    events: list[dict[str, Any]]
    versions: list[VersionGiven]
    files: list[dict[str, Any]]


class KeptGiven(Given):
    """A file that was kept."""

    sha256: str
    bytes: int
    whole: bool


class LinkGiven(Given):
    """Where the carrier's engineer reports, and with which code."""

    url: str
    code: str


@router.post("", responses={201: {"model": list[OrderGiven]}})
def draft_orders(
    wanted: OrderDrafted, request: Request, house: HouseOf, person: Writer, response: Response
) -> list[OrderGiven]:
    """Draft one order for each carrier; 200 and the orders that are there, when their plans would be the same."""
    with house.begin() as conn:
        campaign, _ = registry.get_campaign(conn, wanted.campaign)
        known = {order.id for order in orders.all_orders(conn, wanted.campaign)}
    terms = acts.default_terms(
        campaign, wanted.contact, area=wanted.area, deadline=wanted.deadline, choice=wanted.text,
        reason=wanted.reason, medium=wanted.medium, published=wanted.published,
        published_source=wanted.published_source,
    )  # fmt: skip
    made = acts.draft(house, wanted.campaign, wanted.carriers, terms, person.login,
                      rehearsal=request.app.state.rehearsal)  # fmt: skip
    response.status_code = 200 if {order.id for order in made} <= known else 201
    return [_given(house, order) for order in made]


@router.get("")
def list_orders(
    house: HouseOf, _person: Reader, campaign: Annotated[str, Query(max_length=100)] = ""
) -> list[OrderGiven]:
    """Every order with its days left; silent carriers are marked."""
    return [_shown(each) for each in acts.looks(house, campaign)]


@router.get("/report", response_class=StreamingResponse)
async def report_campaign(
    request: Request,
    house: HouseOf,
    person: Reader,
    campaign: Annotated[str, Query(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")],
    form: Annotated[Literal["docx", "pdf", "xlsx"], Query(alias="format")] = "pdf",
    orders_only: Annotated[bool, Query(description="Carriers' returns only, without our own waves.")] = False,  # noqa: FBT002 - a field of a query
) -> Response:
    """The report on a campaign: own waves and carriers' returns side by side, each figure with its source."""

    def write(folder: Path) -> Path:
        from dispatcher import order_papers as papers  # noqa: PLC0415 - python-docx and typst are 0.3 s

        return papers.write_report(house, campaign, None if orders_only else [], folder, person.login)[form]

    return await sent(request, house, write)


@router.get("/{order}")
def get_order(order: IdInPath, house: HouseOf, _person: Reader) -> OrderWhole:
    """An order whole."""
    with house.begin() as conn:
        found = orders.get(conn, int(order))
        plain = _shown(acts.look(conn, found)).model_dump()
        return OrderWhole(
            **plain, plan=found.plan.as_json(),
            events=[{"at": e.at, "person": e.person, "act": e.act, "state": e.state, "evidence": e.evidence,
                     "details": e.details} for e in orders.events(conn, found.id)],
            versions=[version_given(each) for each in stored.versions(conn, found.id)],
            files=[{"name": f.name, "sha256": f.sha256, "bytes": f.bytes, "whole": f.whole}
                   for f in stored.files(conn, found.id)],
        )  # fmt: skip


@router.post("/{order}/approve")
def approve_order(order: IdInPath, given: HashTaken, house: HouseOf, person: Approver) -> OrderGiven:
    """Approve exactly this plan, as an approver who did not draft it."""
    with house.begin() as conn:
        found = orders.approve(conn, int(order), person, plan_hash=given.plan_hash)
    return _given(house, found)


@router.post("/{order}/issue")
def issue_order(order: IdInPath, given: Issued, house: HouseOf, person: Starter) -> OrderGiven:
    """Give an approved order the number and day of its letter."""
    found = acts.issue(house, int(order), person, number=given.number, dated=given.date, paper=given.evidence or "")
    return _given(house, found)


@router.post("/{order}/ack")
def acknowledge_order(order: IdInPath, given: Acknowledged, house: HouseOf, person: Starter) -> OrderGiven:
    """The carrier has confirmed the order, or says that it sends."""
    act = "run" if given.running else "ack"
    return _given(house, acts.move(house, int(order), person, act, words=given.note, paper=given.evidence or ""))


@router.post("/{order}/cancel")
def cancel_order(order: IdInPath, given: NoteTaken, house: HouseOf, person: Starter) -> OrderGiven:
    """Withdraw an order."""
    return _given(house, acts.move(house, int(order), person, "cancel", words=given.note))


@router.post("/{order}/returns", responses={201: {"model": VersionGiven}})
def take_return(
    order: IdInPath, given: Reported, request: Request, house: HouseOf, person: Writer, response: Response
) -> VersionGiven:
    """Take in a carrier's figures as the next version; 200 when this very statement is there already."""
    values = given.model_dump(include={"document", "method", "total", "rows"})
    incoming = Incoming("api", person.login, origin(request), values, paper=given.evidence or "",
                        received=given.received)  # fmt: skip
    version, new = acts.take_return(house, int(order), incoming)
    response.status_code = 201 if new else 200
    return version_given(version)


UPLOAD = form({
    "file": file(), "paper": file("The signed paper."), "document": {"type": "string"}, "method": {"type": "string"},
})  # fmt: skip


@router.post("/{order}/forms", responses={201: {"model": VersionGiven}}, openapi_extra=UPLOAD)
async def take_form(
    order: IdInPath, request: Request, house: HouseOf, person: Writer, response: Response
) -> VersionGiven:
    """Take in a filled form (.xlsx or .csv), with the signed paper beside it when it is there."""
    room = Room(MOST_BYTES, files=("file", "paper"), parts=12, cut=True)
    async with received(request, house.folder("incoming"), room) as upload:
        if upload.path is None:
            raise NotReadable("send one file, in the field file")
        incoming = Incoming(
            "csv" if upload.path.suffix.lower() == ".csv" else "xlsx", person.login, origin(request),
            table=upload.path, evidence=upload.files.get("paper"), document=upload.fields.get("document", ""),
            method=upload.fields.get("method", ""), whole=upload.whole,
        )  # fmt: skip
        version, new = await asyncio.to_thread(acts.take_return, house, int(order), incoming)
    response.status_code = 201 if new else 200
    return version_given(version)


@router.post("/{order}/papers", status_code=201, openapi_extra=UPLOAD)
async def keep_paper(order: IdInPath, request: Request, house: HouseOf, person: Writer) -> KeptGiven:
    """Keep a scan of a signed paper; its SHA-256 is what issue, ack and returns name as evidence."""
    async with received(request, house.folder("incoming"), ROOM) as upload:
        if upload.path is None:
            raise NotReadable("send one file, in the field file")
        kept = await asyncio.to_thread(_keep, house, int(order), upload.path, person.login, request,
                                       whole=upload.whole)  # fmt: skip
    return KeptGiven.model_validate(kept)


def _keep(house: House, order: int, path: Path, login: str, request: Request, *, whole: bool) -> Any:
    kept = acts.keep(house, order, path, login, origin(request), whole=whole)
    acts.fit_as_paper(kept, path.name)
    return kept


@router.get("/{order}/papers/{kind}", response_class=StreamingResponse)
async def order_papers(order: IdInPath, kind: Kind, request: Request, house: HouseOf, person: Starter) -> Response:
    """The letter (docx, pdf) or the return form (xlsx, csv); the letter holds the code for the carrier's engineer."""

    def write(folder: Path) -> Path:
        from dispatcher import order_papers as papers  # noqa: PLC0415 - python-docx and typst are 0.3 s

        with house.begin() as conn:
            found = orders.get(conn, int(order))
        return papers.write_order(house, found, folder, person.login)[kind]

    return await sent(request, house, write)


@router.post("/{order}/accept")
def accept_order(order: IdInPath, given: NoteTaken, house: HouseOf, person: Starter) -> OrderGiven:
    """Take the latest return as the carrier's word; failed checks need a note."""
    found, _ = acts.accept(house, int(order), person, given.note)
    return _given(house, found)


@router.post("/{order}/link")
def link_order(order: IdInPath, given: Renewed, house: HouseOf, person: Writer) -> LinkGiven:
    """The code for the carrier's engineer."""
    code = acts.link(house, int(order), person.login, renew=given.renew)
    return LinkGiven(url=acts.form_url(house), code=code)


@router.post("/{order}/revoke")
def revoke_codes(order: IdInPath, house: HouseOf, person: Writer) -> dict[str, int]:
    """Make every code of the order void."""
    with house.begin() as conn:
        return {"revoked": orders.revoke_codes(conn, int(order), person.login)}


# -- shapes ------------------------------------------------------------------------------------------------------------


def origin(request: Request) -> str:
    """The address at the other end of the connection."""
    return request.client.host if request.client else ""


def _given(house: House, order: Order) -> OrderGiven:
    with house.begin() as conn:
        return _look(conn, order)


def _look(conn: psycopg.Connection, order: Order) -> OrderGiven:
    return _shown(acts.look(conn, order))


def _shown(each: Look) -> OrderGiven:
    order, plan = each.order, each.order.plan
    return OrderGiven(
        id=str(order.id), campaign=plan.campaign, carrier=plan.carrier, state=order.state.value,
        plan_hash=order.plan_hash, author=order.author, deadline=plan.deadline, number=order.number, date=order.dated,
        **each.standing._asdict(), version=each.latest.version if each.latest else None,
        failed=[one.rule for one in each.latest.failed] if each.latest else [],
    )  # fmt: skip


def version_given(version: Version) -> VersionGiven:
    """A return for programs."""
    return VersionGiven(
        version=version.version, way=version.way, person=version.person, origin=version.origin,
        received_on=version.received_on, received_at=version.received_at, source=version.source,
        evidence=version.evidence, notes=version.notes, statement=version.given.as_json(),
        checks=[CheckGiven.model_validate(each.as_json()) for each in version.findings],
    )  # fmt: skip
