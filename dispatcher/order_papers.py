"""Papers of an order: the letter as .docx and PDF, the return form as workbook and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from campaigns.definition import Campaign
from campaigns.ledger import figures, registry, waves
from campaigns.ledger.order_figures import order_figures
from campaigns.ledger.orders import Order
from campaigns.order import OPEN, OrderState
from campaigns.reports import mandate
from campaigns.reports.figures import ReportFigures
from campaigns.reports.files import whole_file
from campaigns.reports.letter import report_paper, write_letter
from campaigns.reports.letterhead import is_known, office, order_letterhead
from campaigns.reports.order_letter import Issue, order_paper
from campaigns.reports.pdf import write_pdf
from campaigns.reports.sheet import write_sheet
from campaigns.reports.words import local
from campaigns.return_sheet import write_csv_template, write_template
from dispatcher import orders as acts
from dispatcher import papers
from workers.house import House


def write_order(house: House, order: Order, out: Path, who: str) -> dict[str, Path]:
    """Write the letter and the forms into `out`; kind -> path. The letter holds the code of this order."""
    code = acts.link(house, order.id, who) if order.state in {OrderState.APPROVED, *OPEN} else ""
    acts.remember(house, who, "order.papers", order.id)
    with house.begin() as conn:
        campaign, _ = registry.get_campaign(conn, order.plan.campaign, order.plan.version)
    now = datetime.now(UTC)
    day = order.dated or (campaign.mandate.date if order.plan.rehearsal else local(now).date())
    writer = order_letterhead(day, campaign.mandate.addressee, campaign.mandate.place)
    issue = Issue(order.id, order.number, order.dated, acts.form_url(house), code, now)
    paper = order_paper(order.plan, mandate.facts(campaign), writer, issue)
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


def write_report(
    house: House, campaign: str, waves_named: Sequence[int] | None, out: Path, who: str
) -> dict[str, Path]:
    """The report on a campaign with both sources side by side: letter, its PDF, workbook; kind -> path.

    With no wave named, all started waves of this installation are in it; with None, orders only. Raises Problem before
    any file is written.
    """
    acts.remember(house, who, "report.write", 0, campaign=campaign)
    with papers.moment(house) as conn:
        definition, _ = registry.get_campaign(conn, campaign)
        found = _figures(house, conn, definition, waves_named)
    ordered = definition.mandate
    known = is_known(ordered.place)
    head = papers.letterhead(found) if known else office(ordered.addressee, ordered.place, "BC-……", ordered.report_to)
    letter = out / f"{campaign}-bao-cao-tong-hop.docx"
    return {
        "docx": write_letter(found, head, letter),
        "pdf": write_pdf(report_paper(found, head), letter.with_suffix(".pdf"), house.settings.fonts),
        "xlsx": write_sheet(found, letter.with_name(f"{campaign}-so-lieu-tong-hop.xlsx")),
    }


def _figures(
    house: House, conn: psycopg.Connection, definition: Campaign, named: Sequence[int] | None
) -> ReportFigures:
    of_it = [wave for wave in waves.all_waves(conn) if wave.campaign == definition.name]
    chosen = [] if named is None else [w for w in of_it if (w.id in named if named else w.started_at)]
    wanted = sorted(chosen, key=lambda wave: wave.no)
    for wave in wanted:
        figures.verify_counts(conn, wave)
    own = tuple(figures.wave_figures(conn, wave.id, papers.carriers(house, wave)) for wave in wanted)
    return ReportFigures(
        mandate.facts(definition), own, orders=order_figures(conn, definition.name), made_at=datetime.now(UTC)
    )
