"""Papers of an order: the letter as .docx and PDF, the return form as workbook and CSV."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from campaigns.ledger import registry
from campaigns.ledger.orders import Order
from campaigns.reports import mandate
from campaigns.reports.files import whole_file
from campaigns.reports.letterhead import order_letterhead
from campaigns.reports.order_letter import Issue, order_paper
from campaigns.reports.pdf import write_pdf
from campaigns.reports.words import local
from campaigns.return_sheet import write_csv_template, write_template
from dispatcher import orders as acts
from workers.house import House


def write_order(house: House, order: Order, out: Path, who: str) -> dict[str, Path]:
    """Write the letter and the forms into `out`; kind -> path. The letter holds the code of this order."""
    code = acts.link(house, order.id, who)
    acts.remember(house, who, "order.papers", order.id)
    with house.begin() as conn:
        campaign, _ = registry.get_campaign(conn, order.plan.campaign, order.plan.version)
    now = datetime.now(UTC)
    day = order.dated or (campaign.mandate.date if order.plan.rehearsal else local(now).date())
    office = order_letterhead(day, campaign.mandate.addressee, campaign.mandate.place)
    issue = Issue(order.id, order.number, order.dated, f"{house.settings.url}{acts.FORM_PATH}", code, now)
    paper = order_paper(order.plan, mandate.facts(campaign), office, issue)
    stem = f"{order.plan.campaign}-{order.plan.carrier}"
    letter = out / f"{stem}-cong-van.docx"
    with whole_file(letter) as part:
        paper.save(str(part))
    return {
        "docx": letter,
        "pdf": write_pdf(paper, letter.with_suffix(".pdf"), house.settings.fonts),
        "xlsx": write_template(order.plan, order.id, out / f"{stem}-mau-bao-cao.xlsx"),
        "csv": write_csv_template(order.plan, order.id, out / f"{stem}-mau-bao-cao.csv"),
    }
