"""The demo's other half: letter 20/BCĐ as orders to five carriers, with invented returns, good and bad."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from campaigns.definition import Campaign
from campaigns.ledger import orders
from campaigns.ledger.orders import Order
from campaigns.ledger.people import Person
from campaigns.ledger.returns import Version
from dispatcher import order_papers
from dispatcher import orders as acts
from dispatcher.orders import Incoming
from workers.house import House

CARRIERS = {"viettel": 251_530, "vinaphone": 118_240, "mobifone": 46_310, "vietnamobile": 9_870, "gmobile": 2_450}
"""Carrier -> invented subscribers."""
LATE, WRONG = "vietnamobile", "mobifone"
"""One reports two days late; one's totals are not the sum of its rows, and it corrects them."""
NUMBER, CONTACT = "612/STTTT-BCVT", "Phòng Bưu chính, Viễn thông, Sở Thông tin và Truyền thông (diễn tập)"
NOTE = "Số liệu đúng, báo muộn do nhân sự trực; lãnh đạo đồng ý tổng hợp."


@dataclass(frozen=True, slots=True)
class Told:
    """What became of the orders."""

    orders: int
    versions: int
    failed: int  # checks that did not hold in the first versions
    files: dict[str, Path]


def run(house: House, campaign: Campaign, author: Person, approver: Person, out: Path, choice: str, why: str) -> Told:
    """Draft, approve, issue, report, correct, accept; then the report with both sources. Twice is once."""
    terms = acts.default_terms(campaign, CONTACT, choice=choice, reason=why if choice == "corrected" else "")
    made = acts.draft(house, campaign.name, list(CARRIERS), terms, author.login, rehearsal=True)
    found: list[Version] = []
    for order in made:
        papers = out if order is made[0] else None
        _issue(house, order, author, approver, papers)
        found += _report(house, order, author)
        acts.accept(house, order.id, author, NOTE if order.plan.carrier == LATE else "")
    files = order_papers.write_report(house, campaign.name, [], out, author.login)
    return Told(len(made), len(found), sum(len(version.failed) for version in found), files)


def _issue(house: House, order: Order, author: Person, approver: Person, out: Path | None) -> None:
    with house.begin() as conn:
        orders.approve(conn, order.id, approver, plan_hash=order.plan_hash)
    issued = acts.issue(house, order.id, author, number=NUMBER, dated=date(2024, 6, 27))
    if out is not None:
        order_papers.write_order(house, issued, out, author.login)
    acts.move(house, order.id, author, "ack")


def _report(house: House, order: Order, author: Person) -> list[Version]:
    carrier = order.plan.carrier
    day = order.plan.deadline + timedelta(2 if carrier == LATE else -2)
    given = [_figures(order)]
    if carrier == WRONG:
        wrong = _figures(order)
        wrong["total"]["messages"] += 800
        given.insert(0, wrong)
    with _scan(house, carrier) as paper:
        return [
            acts.take_return(
                house, order.id,
                Incoming("typed", author.login, "local", values, evidence=paper, received=day + timedelta(at)),
            )[0]
            for at, values in enumerate(given)
        ]  # fmt: skip


def _figures(order: Order) -> dict[str, Any]:
    """Invented figures that hold together: nine in ten subscribers reached, each wave a little fewer."""
    n, each = CARRIERS[order.plan.carrier], order.plan.text.segments
    rows = [
        {"wave": wave.no, "day": wave.date.isoformat(), "subscribers": n - 90 * at, "messages": n - 90 * at - n // 50,
         "segments": each * (n - 90 * at - n // 50), "delivered": n - 90 * at - n // 12, "unreachable": n // 25}
        for at, wave in enumerate(order.plan.waves)
    ]  # fmt: skip
    summed = ("messages", "segments", "delivered", "unreachable")
    total = {"subscribers": n, **{name: sum(int(str(row[name])) for row in rows) for name in summed}}
    return {
        "document": f"Công văn số 31/{order.plan.carrier.upper()}-LC (diễn tập)",
        "method": "Theo nơi đăng ký thuê bao (diễn tập)", "total": total, "rows": rows,
    }  # fmt: skip


@contextmanager
def _scan(house: House, carrier: str) -> Iterator[Path]:
    """A stand-in for the carrier's signed paper, sealed by who takes it in."""
    path = house.folder("incoming") / f"{secrets.token_hex(4)}-{carrier}.pdf"
    path.write_bytes(f"%PDF-1.4\n% {carrier}: văn bản ký, diễn tập\n".encode())
    try:
        yield path
    finally:
        path.unlink()
