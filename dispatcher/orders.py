"""What a person can do with carrier orders, once for all faces: command line, HTTP and demo call the same functions."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import psycopg

from campaigns import return_sheet, returns
from campaigns.definition import Campaign
from campaigns.keeping import SCAN_BYTES, Kept, keep_file
from campaigns.ledger import orders, people, registry
from campaigns.ledger import returns as stored
from campaigns.ledger.orders import Order
from campaigns.ledger.people import Person
from campaigns.ledger.returns import Arrival, Version
from campaigns.order import Standing, Terms, make_plan
from campaigns.reports.reminder import reminder
from campaigns.reports.words import HANOI, local, short_day
from campaigns.return_checks import check
from campaigns.returns import Return
from campaigns.terms import Problem
from config.carriers import load_carriers
from workers.house import House

DAYS_TO_WRITE = 5
"""Days between the carriers' figures and the day on which the report is due, unless the draft says another day."""
ORDER_BYTES = 1_000_000_000
"""Of files that are kept for one order: whoever holds a code cannot fill the disk."""
MOST_SENTENCES = 20
"""Of one refusal, kept with it."""
FOLDER = "orders"
FORM_PATH = "/bao-cao"
"""Where a carrier's engineer reports."""


# -- drafting --------------------------------------------------------------------------------------------------------


def default_terms(campaign: Campaign, contact: str, **changes: Any) -> Terms:
    """What the campaign itself says of area and deadline; `changes` that are not None replace it."""
    told = Terms(f"tỉnh {campaign.mandate.place}", contact,
                 campaign.mandate.report_before - timedelta(DAYS_TO_WRITE))  # fmt: skip
    return told._replace(**{name: value for name, value in changes.items() if value is not None})


def draft(
    house: House, name: str, carriers: Sequence[str], terms: Terms, author: str, *, rehearsal: bool
) -> list[Order]:
    """One order for each carrier, all or none; no carrier named: all that have a sender's name in the campaign."""
    with house.begin() as conn:
        return draft_in(house, conn, name, carriers, terms, author, rehearsal=rehearsal)


def draft_in(
    house: House, conn: psycopg.Connection, name: str, carriers: Sequence[str], terms: Terms, author: str, *,
    rehearsal: bool,
) -> list[Order]:  # fmt: skip
    """The same in the caller's transaction."""
    names = {carrier.id: carrier.name for carrier in load_carriers(house.settings.carriers_file)}
    campaign, version = registry.get_campaign(conn, name)
    wanted = carriers or [sender.carrier for sender in campaign.senders]
    due = approvals_due(terms, house.settings.second_approval_above, rehearsal=rehearsal)
    return [
        orders.draft(
            conn,
            make_plan(campaign, version, carrier, names.get(carrier, carrier), terms, rehearsal=rehearsal),
            author,
            approvals_due=due,
        )
        for carrier in wanted
    ]


def approvals_due(terms: Terms, above: int, *, rehearsal: bool) -> int:
    """Two persons above the configured reach, as for a wave; without a published number it counts as above."""
    return 2 if not rehearsal and (terms.published is None or terms.published > above) else 1


def issue(
    house: House,
    order: int,
    person: Person,
    *,
    number: str,
    dated: date,
    evidence: Path | None = None,
    paper: str = "",
) -> Order:
    """Give an approved order its letter's number; `evidence` is the scan of the signed letter."""
    if not number.strip() or len(number) > 80:  # noqa: PLR2004 - a number is short
        raise Problem("the letter's number is missing or too long: give it as 312/STTTT-BCVT")
    sha256 = _evidence(house, order, evidence, person.login, paper)
    with house.begin() as conn:
        return orders.issue(conn, order, person.login, number=number.strip(), dated=dated, evidence=sha256)


def move(
    house: House,
    order: int,
    person: Person,
    act: str,
    *,
    evidence: Path | None = None,
    paper: str = "",
    words: str = "",
) -> Order:
    """Acknowledge, run or cancel."""
    sha256 = _evidence(house, order, evidence, person.login, paper)
    with house.begin() as conn:
        return orders.move(conn, order, person.login, act, evidence=sha256, words=words)


def accept(house: House, order: int, person: Person, words: str) -> tuple[Order, Version]:
    """Take the latest return as the carrier's word."""
    with house.begin() as conn:
        version = _latest(conn, order)
        return orders.accept(
            conn, order, person.login, version=version.version, failed=len(version.failed), words=words
        ), version


def _latest(conn: psycopg.Connection, order: int) -> Version:
    found = stored.latest(conn, order)
    if found is None:
        raise Problem("order {order} has no return yet", order=str(order))
    return found


# -- returns -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Incoming:
    """A return on its way in: figures as JSON or as a filled form, a signed paper, and whose hand brings them."""

    way: str
    person: str
    origin: str
    values: Mapping[str, Any] | None = None
    table: Path | None = None
    evidence: Path | None = None
    document: str = ""
    method: str = ""
    paper: str = ""  # SHA-256 of a signed paper that was kept before
    spoken: bool = False  # places in refusals as a person sees them on the page
    whole: bool = True  # False: the file broke off on its way
    received: date | None = None  # the day on which the paper came, where a person types it in later


def take_return(house: House, order: int, incoming: Incoming, now: datetime | None = None) -> tuple[Version, bool]:
    """Take a return in as the next version; (version, whether it is new). Files are kept first, whatever follows.

    Raises Problem with the verdict on a return that cannot be read, is of another order or comes too late; the refusal
    stands in the order's events.
    """
    source = _keep(house, order, incoming.table, incoming) if incoming.table else None
    evidence = _keep(house, order, incoming.evidence, incoming) if incoming.evidence else None
    try:
        if evidence and incoming.evidence:
            fit_as_paper(evidence, incoming.evidence.name)
        with house.begin() as conn:
            found = orders.get(conn, order)
            given, notes = _read(found, incoming)
            sha256 = evidence.sha256 if evidence else _earlier_paper(conn, found, given, incoming.paper)
            day = _received(incoming, local(now or datetime.now(UTC)).date())
            arrival = Arrival(incoming.way, incoming.person, incoming.origin, day, source and source.sha256, sha256)
            findings = check(found.plan, given, received=day, evidence=sha256 is not None)
            return stored.add(conn, found, given, arrival, findings, notes)
    except Problem as problem:
        _refuse(house, order, incoming, problem, evidence or source)
        raise


def _received(incoming: Incoming, today: date) -> date:
    day = incoming.received or today
    if day > today:
        raise Problem("a return cannot have come on {day}: that day is still ahead", day=day)
    return day


def _read(order: Order, incoming: Incoming) -> tuple[Return, list[str]]:
    if incoming.table is None:
        given = dict(incoming.values or {})
        given["document"] = incoming.document or given.get("document")
        given["method"] = incoming.method or given.get("method")
        return returns.from_mapping(order.plan, given, spoken=incoming.spoken)
    table = return_sheet.read_table(incoming.table, order.plan, order.id)
    return returns.assemble(order.plan, table.total, table.rows, document=incoming.document or table.document,
                            method=incoming.method or table.method)  # fmt: skip


def _earlier_paper(conn: psycopg.Connection, order: Order, given: Return, named: str) -> str | None:
    """The paper that is named, else the one of an earlier version that cites the same document."""
    if named:
        return _named(conn, order.id, named)
    papers = [each.evidence for each in stored.versions(conn, order.id) if each.given.document == given.document]
    return next((paper for paper in reversed(papers) if paper), None)


def _refuse(house: House, order: int, incoming: Incoming, problem: Problem, kept: Kept | None) -> None:
    with house.begin() as conn:
        found = orders.get(conn, order)
        orders.note(conn, order, incoming.person, "refuse", found.state, evidence=kept.sha256 if kept else None,
                    problem=str(problem)[:2000], why=_sentences(problem), way=incoming.way,
                    origin=incoming.origin)  # fmt: skip


def _sentences(problem: Problem) -> list[dict[str, Any]]:
    """What is wrong, to be said later in anybody's language; the first of very many."""
    return [
        {"template": each.template, "values": {name: str(value)[:200] for name, value in each.values.items()}}
        for each in problem.each()[:MOST_SENTENCES]
    ]


def _keep(house: House, order: int, path: Path, incoming: Incoming) -> Kept:
    return keep(house, order, path, incoming.person, incoming.origin, whole=incoming.whole)


def keep(house: House, order: int, path: Path, person: str, origin: str, *, whole: bool = True) -> Kept:
    """Seal a file that came with an order into the data folder, and record it."""
    with house.begin() as conn:
        orders.get(conn, order)
        if stored.bytes_kept(conn, order) > ORDER_BYTES:
            raise Problem("more than {most} MB have come with this order: ask the operator",
                          most=ORDER_BYTES // 1_000_000)  # fmt: skip
    if not path.is_file():
        raise Problem("{file} is not a file. Check the name.", file=str(path))
    kept = keep_file(house.folder(FOLDER), house.keyring, path, whole=whole)
    with house.begin() as conn:
        stored.keep_file(conn, order, path.name, kept, person, origin)
    return kept


def _evidence(house: House, order: int, path: Path | None, person: str, paper: str) -> str | None:
    """The SHA-256 of a file that is kept now, or of one that was kept before."""
    if path is None:
        with house.begin() as conn:
            return _named(conn, order, paper) if paper else None
    kept = keep(house, order, path, person, "local")
    fit_as_paper(kept, path.name)
    return kept.sha256


def _named(conn: psycopg.Connection, order: int, sha256: str) -> str:
    if sha256 not in {each.sha256 for each in stored.files(conn, order)}:
        raise Problem("there is no kept file {sha256}", sha256=sha256[:12])
    return sha256


def fit_as_paper(kept: Kept, name: str) -> None:
    """Raise Problem for a paper that is too large or empty; it stays kept."""
    if kept.bytes > SCAN_BYTES:
        raise Problem(
            "{file} has {size} MB, a signed paper may have {most}: scan it in grey at 200 dpi. It is kept as {sha256},"
            " but not taken as evidence",
            file=name, size=kept.bytes // 1_000_000, most=SCAN_BYTES // 1_000_000, sha256=kept.sha256[:12],
        )  # fmt: skip
    if not kept.bytes:
        raise Problem("{file} is empty. Check that the right file was saved.", file=name)


# -- the code for the carrier's engineer -------------------------------------------------------------------------------

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's: nothing that is read as something else
_ALIKE = str.maketrans("OIL", "011", "-\u2011\u2013 \u00a0\t\r\n.")


def code_of(house: House, order: int, serial: int) -> str:
    """The code of this order and serial: made from the installation's key, so that no database holds it."""
    key = house.keyring.mac_key("order-code")
    raw = hashlib.blake2b(f"{order}|{serial}".encode(), key=key, digest_size=15).digest()
    said = base64.b32encode(raw).decode().translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _LETTERS))[:20]
    return "-".join(said[at : at + 5] for at in range(0, 20, 5))


def form_url(house: House) -> str:
    """Where a carrier's engineer reports."""
    settings = house.settings
    return f"{settings.public_url or house.callback_base or settings.url}".rstrip("/") + FORM_PATH


def plain_code(said: str) -> str:
    """A code as somebody types it -> as it is digested."""
    return said.upper().translate(_ALIKE)[:40]


def link(house: House, order: int, person: str, *, renew: bool = False) -> str:
    """The code that opens the form of this order; the present one, or a new one that voids it."""
    with house.begin() as conn:
        found = orders.get(conn, order)
        serial, valid = orders.serial(conn, order)
        if renew and valid:
            orders.revoke_codes(conn, order, person)
        if renew or not valid:
            orders.must_be_open(found) if found.issued_at else None
            serial += 1
            orders.add_code(conn, order, serial, plain_code(code_of(house, order, serial)), person)
    return code_of(house, order, serial)


def opened_by(conn: psycopg.Connection, code: str) -> tuple[Order, int] | None:
    """The order that a typed code opens, while it takes returns."""
    found = orders.of_code(conn, plain_code(code))
    return found if found and found[0].issued_at else None


# -- looking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """One line of the list: an order, how it stands today, and what it reports."""

    order: Order
    standing: Standing
    latest: Version | None


def look(conn: psycopg.Connection, order: Order, now: datetime | None = None) -> Look:
    """An order as the list shows it."""
    today = local(now or datetime.now(UTC)).date()
    return Look(order, orders.stands(order, today), stored.latest(conn, order.id))


def looks(house: House, campaign: str = "", now: datetime | None = None) -> list[Look]:
    """All orders with their standing."""
    with house.begin() as conn:
        return [look(conn, order, now) for order in orders.all_orders(conn, campaign)]


def reminders(house: House, campaign: str = "", now: datetime | None = None) -> list[tuple[Look, str]]:
    """Whom to remind on this day, each with the words for it."""
    return [
        (each, reminder(each.order.plan, each.order.number, short_day(each.order.dated or each.order.plan.deadline),
                        each.standing))
        for each in looks(house, campaign, now) if each.standing.chase
    ]  # fmt: skip


def remember(house: House, who: str, act: str, order: int, **details: object) -> None:
    """Write a look at papers into the audit log."""
    with house.begin() as conn:
        people.record(conn, who, act, str(order), **details)


def noon(day: date) -> datetime:
    """Noon of a day in the province."""
    return datetime.combine(day, time(12), HANOI).astimezone(UTC)
