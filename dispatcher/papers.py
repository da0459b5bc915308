"""Papers and exports of a wave: figures from one moment of the ledger, files on the disk, the act in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Literal

import psycopg

from campaigns.ledger import figures, people, waves
from campaigns.ledger.figures import CarrierTerms
from campaigns.ledger.waves import Wave
from campaigns.reports import export as files
from campaigns.reports.figures import ReportFigures
from campaigns.reports.letter import report_paper, write_letter
from campaigns.reports.letterhead import Letterhead, letterhead_at
from campaigns.reports.pdf import write_pdf
from campaigns.reports.sheet import write_sheet
from campaigns.reports.words import local
from campaigns.units import UnitTable
from config import data as shipped
from config.carriers import load_carriers
from providers import catalog
from workers.house import House

Rows = Literal["messages", "attempts"]
"""One row a message with its state, or one row an answer, receipt and look-up."""


def write_report(house: House, wave_id: int, out: Path, who: str, *, full: bool = False) -> dict[str, Path]:
    """Write the letter, the workbook, the send log and the book of messages into `out`; kind -> path.

    `full` shows whole numbers in the two lists: the caller has checked the key's scope `export`. Raises Problem before
    any file is written when a sum does not hold.
    """
    _record(house, who, "report.write", wave_id, full=full)
    with moment(house) as conn:
        wave = waves.get(conn, wave_id)
        found = figures.report_figures(conn, [wave_id], carriers(house, wave))
        stem = out / f"{wave.campaign}-{figures.wave_label(wave)}"
        head = letterhead(found)
        letter = stem.with_name(f"{stem.name}-bao-cao.docx")
        papers = {
            "docx": write_letter(found, head, letter),
            "pdf": write_pdf(report_paper(found, head), letter.with_suffix(".pdf"), house.settings.fonts),
            "xlsx": write_sheet(found, stem.with_name(f"{stem.name}-so-lieu.xlsx")),
        }
        log = _write(house, conn, wave, "attempts", "csv", stem.with_name(f"{stem.name}-nhat-ky-gui.csv"), full=full)
        book = _write(house, conn, wave, "messages", "csv", stem.with_name(f"{stem.name}-so-ban-tin.csv"), full=full)
    _record(house, who, "report.written", wave_id, log=log.sha256, messages=book.sha256, rows=[log.rows, book.rows])
    return {**papers, "log_csv": log.path, "messages_csv": book.path}


def export(
    house: House, wave_id: int, form: files.Format, out: Path, who: str, *, rows: Rows = "messages", full: bool = False
) -> files.Written:
    """Write one list of a wave; `full` as in `write_report`."""
    _record(house, who, "export.write", wave_id, rows=rows, form=form, full=full)
    with moment(house) as conn:
        done = _write(house, conn, waves.get(conn, wave_id), rows, form, out, full=full)
    _record(house, who, "export.written", wave_id, rows=done.rows, sha256=done.sha256)
    return done


def _write(
    house: House, conn: psycopg.Connection, wave: Wave, rows: Rows, form: files.Format, out: Path, *, full: bool
) -> files.Written:
    keys = house.keys(wave.campaign)
    if rows == "attempts":
        return files.write(figures.send_log(conn, wave, keys, full=full), form, out, full_numbers=full)
    book = figures.message_book(conn, wave, keys, full=full, units=UnitTable.load(shipped.LAI_CHAU).names)
    return files.message_log(book, out, form=form, full_numbers=full)


@contextmanager
def moment(house: House) -> Iterator[psycopg.Connection]:
    """One moment of the ledger: all papers of one call say the same, while the fold goes on."""
    with house.begin() as conn:
        figures.hold_still(conn)
        yield conn


def _record(house: House, who: str, act: str, wave: int, **details: object) -> None:
    """In a transaction of its own, before anything is shown: a look that ends half-way was a look too."""
    with house.begin() as conn:
        people.record(conn, who, act, str(wave), **details)


def carriers(house: House, wave: Wave) -> dict[str, CarrierTerms]:
    """A carrier promises receipts when it is said to, and when the provider of this wave can bring them."""
    return {
        each.id: CarrierTerms(each.name, each.receipts and _brings_receipts(house, wave, each.id))
        for each in load_carriers(house.settings.carriers_file)
    }


def _brings_receipts(house: House, wave: Wave, carrier: str) -> bool:
    account = house.accounts.get(wave.plan["accounts"].get(carrier, ""))
    return account is None or catalog.find(account.provider).capability.receipts != "none"


def letterhead(found: ReportFigures) -> Letterhead:
    """The office of the report's day; a rehearsal takes the one that its letter ordered."""
    day: date = found.mandate.dated if found.rehearsal else local(found.as_of).date()
    return letterhead_at(day)
