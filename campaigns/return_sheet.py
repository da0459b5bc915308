"""The form that a carrier fills in as a workbook or as CSV: written with an order, read back cell by cell."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xlsxwriter

from campaigns import return_cells
from campaigns.encodings import text_encoding
from campaigns.order import OrderPlan
from campaigns.reports.files import whole_file
from campaigns.reports.words import short_day
from campaigns.returns import COUNTS, FAILURES, FIGURES, ROWS, Place, RawRow
from campaigns.terms import Problem
from campaigns.workbook import judge

SHEET, HIDDEN = return_cells.SHEET, return_cells.HIDDEN
MARK = "campaign-dispatcher return 1"
HEADS: Mapping[str, str] = {"wave": "Đợt", "day": "Ngày gửi", "unit": "Đơn vị (nếu có)", **COUNTS, **FAILURES}
COLUMNS = tuple(HEADS)
LETTER = {name: chr(ord("A") + at) for at, name in enumerate(COLUMNS)}
DOCUMENT, METHOD, HEAD, TOTAL, FIRST = 6, 7, 10, 11, 12  # rows, from 1
SPARE = 40  # empty rows below the prefilled ones
FACTS = ("Nhà mạng", "Yêu cầu", "Nội dung (SHA-256)")
HEAD_HEIGHT = 34.0  # pt
WIDTHS = (8, 14, 26, 14, 14, 18, 18, 18, 18, 16, 14)
CSV_BYTES = 5_000_000
CSV_HEADS: Mapping[str, str] = {
    "order": "ma_yeu_cau", "wave": "dot", "day": "ngay", "unit": "don_vi", "subscribers": "thue_bao",
    "messages": "ban_tin", "segments": "tin_quy_doi", "delivered": "da_den_may", "unreachable": "khong_lien_lac",
    "barred": "bi_chan", "system": "loi_he_thong", "other": "ly_do_khac", "document": "van_ban", "method": "cach_chon",
}  # fmt: skip
TOTAL_WORD = "tong"
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(slots=True)
class Table:
    """What a filled form holds, cell by cell; `returns.assemble` makes a return of it."""

    total: RawRow | None = None
    rows: list[RawRow] = field(default_factory=list)
    document: str = ""
    method: str = ""


# -- writing -----------------------------------------------------------------------------------------------------------


def write_template(plan: OrderPlan, order: int, out: Path) -> Path:
    """The form as a workbook: locked but for the cells to fill in, each of which refuses what cannot be a figure."""
    with whole_file(out) as part, xlsxwriter.Workbook(part, {"tmpdir": str(part.parent)}) as book:
        page = book.add_worksheet(SHEET)
        hidden = book.add_worksheet(HIDDEN)
        for at, words in enumerate((MARK, str(order), plan.digest)):
            hidden.write_string(at, 0, words)
        hidden.very_hidden()
        _fill(book, page, plan)
    return out


def _fill(book: Any, page: Any, plan: OrderPlan) -> None:
    locked = {"valign": "vcenter", "font_name": "Times New Roman", "font_size": 12}
    bold, plain = book.add_format({**locked, "bold": True}), book.add_format(locked)
    heads = book.add_format({**locked, "bold": True, "text_wrap": True, "border": 1, "align": "center"})
    edged = {**locked, "locked": False, "border": 1, "bg_color": "#FFFBE6"}
    looks = {"figure": book.add_format({**edged, "num_format": "0"}), "words": book.add_format(edged),
             "day": book.add_format({**edged, "num_format": "dd/mm/yyyy"})}  # fmt: skip
    for column, width in enumerate(WIDTHS):
        page.set_column(column, column, width)
    page.write_string("A1", "BÁO CÁO KẾT QUẢ NHẮN TIN THEO YÊU CẦU", bold)
    facts = (plan.carrier_name, f"{plan.campaign}, {plan.area}", plan.text.sha256)
    for at, (head, value) in enumerate(zip(FACTS, facts, strict=True)):
        page.write_string(at + 1, 0, head, plain)
        page.write_string(at + 1, 3, value, plain)
    page.write_string("A5", "Chỉ điền các ô nền vàng. Số chỉ gồm chữ số. Không thêm, bớt, dời cột.", plain)
    for row, head in ((DOCUMENT, "Văn bản báo cáo (số, ngày)"), (METHOD, "Cách chọn thuê bao của địa bàn")):
        page.write_string(row - 1, 0, head, plain)
        page.write_blank(row - 1, 3, None, looks["words"])
    for column, head in enumerate(HEADS.values()):
        page.write_string(HEAD - 1, column, head, heads)
    page.set_row(HEAD - 1, HEAD_HEIGHT)  # two lines: programs that do not measure show one
    page.write_string(TOTAL - 1, 0, "Tổng", heads)
    for column in range(1, COLUMNS.index(FIGURES[0])):
        page.write_blank(TOTAL - 1, column, None, heads)
    _inputs(page, plan, looks)
    page.freeze_panes(TOTAL, 0)
    page.set_landscape()
    page.set_paper(9)  # A4
    page.fit_to_pages(1, 0)
    page.repeat_rows(HEAD - 1)
    page.protect("", {"format_columns": True, "select_locked_cells": True})


def _inputs(page: Any, plan: OrderPlan, looks: Mapping[str, Any]) -> None:
    last = FIRST + _prefilled(plan) + SPARE - 1
    figures = COLUMNS.index(FIGURES[0])
    for row in range(TOTAL, last + 1):
        for column in range(figures if row == TOTAL else 0, len(COLUMNS)):
            look = looks.get(COLUMNS[column], looks["words" if COLUMNS[column] == "unit" else "figure"])
            page.write_blank(row - 1, column, None, look)
    at = FIRST
    for wave in plan.waves:
        for n in range((wave.until - wave.date).days + 1):
            page.write_number(at - 1, 0, wave.no, looks["figure"])
            page.write_datetime(at - 1, 1, dt.datetime.combine(wave.date + dt.timedelta(n), dt.time()), looks["day"])
            at += 1
    _validate(page, plan, last)


def _prefilled(plan: OrderPlan) -> int:
    return sum((wave.until - wave.date).days + 1 for wave in plan.waves)


def _validate(page: Any, plan: OrderPlan, last: int) -> None:
    def rule(first: int, name: str, until: str, **how: Any) -> None:
        page.data_validation(f"{LETTER[name]}{first}:{LETTER[until]}{last}", {"ignore_blank": True, **how})

    rule(TOTAL, FIGURES[0], FIGURES[-1], validate="integer", criteria=">=", value=0, error_title="Số liệu",
         error_message="Chỉ nhận số nguyên không âm, gõ liền các chữ số.")  # fmt: skip
    rule(FIRST, "wave", "wave", validate="list", source=[str(wave.no) for wave in plan.waves], error_title="Đợt",
         error_message="Chọn một đợt của yêu cầu.")  # fmt: skip
    first, end = min(wave.date for wave in plan.waves), max(wave.until for wave in plan.waves)
    rule(FIRST, "day", "day", validate="date", criteria="between", minimum=first, maximum=end, error_title="Ngày gửi",
         error_message=f"Ngày từ {short_day(first)} đến {short_day(end)}.")  # fmt: skip


def write_csv_template(plan: OrderPlan, order: int, out: Path) -> Path:
    """The same form as CSV, for carriers whose systems write it."""
    with whole_file(out) as part, part.open("w", encoding="utf-8-sig", newline="") as file:
        pen = csv.writer(file)
        pen.writerow(CSV_HEADS.values())
        blank = [""] * len(FIGURES)
        pen.writerow([order, TOTAL_WORD, "", "", *blank, "", ""])
        for wave in plan.waves:
            for n in range((wave.until - wave.date).days + 1):
                pen.writerow([order, wave.no, (wave.date + dt.timedelta(n)).isoformat(), "", *blank, "", ""])
    return out


# -- reading -----------------------------------------------------------------------------------------------------------


def read_table(path: Path, plan: OrderPlan, order: int) -> Table:
    """A filled form of this very order; raises Problem or Problems naming sheet and cell, or the line of a CSV."""
    with path.open("rb") as file:
        start = file.read(8)
    if not start:
        raise Problem("{file} is empty. Check that the right file was saved.", file=path.name)
    if start.startswith(OLD_OFFICE):
        sentence = "{file} is protected by a password or an old .xls. Save it as .xlsx without a password."
        raise Problem(sentence, file=path.name)
    return _workbook(path, plan, order) if start.startswith(b"PK") else _csv(path, order)


def _workbook(path: Path, plan: OrderPlan, order: int) -> Table:
    try:
        judge(path)
    except Problem:  # its sentences are about lists of people
        raise _damaged(path) from None
    told = _cells(path)
    if "problem" in told:
        raise Problem("{file}: sheet {sheet} is missing or reaches beyond the form; fill in the form that came with the"
                      " order", file=path.name, sheet=repr(SHEET))  # fmt: skip
    _of_this_order(path, told["hidden"], plan, order)
    if told["merged"]:
        raise Problem("{file}, {place}: merged cells hide figures; split them", file=path.name,
                      place=f"{SHEET}!{told['merged'][0]}")  # fmt: skip
    rows: list[list[Any]] = told["rows"]
    _heads(path, _row(rows, HEAD))
    table = Table(document=_words(_row(rows, DOCUMENT), 3), method=_words(_row(rows, METHOD), 3))
    table.total = RawRow(_place(TOTAL), _named(_row(rows, TOTAL)))
    for at in range(FIRST, len(rows) + 1):
        cells = _named(_row(rows, at))
        if any(cells[name] not in ("", None) for name in (*FIGURES, "unit")):
            table.rows.append(RawRow(_place(at), cells))
    return table


def _of_this_order(path: Path, hidden: Sequence[str], plan: OrderPlan, order: int) -> None:
    if not hidden or hidden[0] != MARK:
        raise Problem("{file} is not the form that came with the order: fill in that one", file=path.name)
    if hidden[1:] != [str(order), plan.digest]:
        raise Problem("{file} is the form of another order ({other}); this one is {order}", file=path.name,
                      other=hidden[1] if len(hidden) > 1 else "-", order=str(order))  # fmt: skip


def _heads(path: Path, row: Sequence[Any]) -> None:
    for at, (name, head) in enumerate(HEADS.items()):
        found = _words(row, at)
        if found != head:
            raise Problem(
                "{file}, {place}: the column must be {wanted}, but is {found}; columns may not be moved",
                file=path.name, place=f"{SHEET}!{LETTER[name]}{HEAD}", wanted=repr(head), found=repr(found),
            )  # fmt: skip
    if extra := _words(row, len(HEADS)):
        raise Problem("{file}, {place}: {found} is no column of the form; take it out", file=path.name,
                      place=f"{SHEET}!{chr(ord('A') + len(HEADS))}{HEAD}", found=repr(extra))  # fmt: skip


def _row(rows: Sequence[list[Any]], at: int) -> list[Any]:
    return rows[at - 1] if at <= len(rows) else []


def _words(row: Sequence[Any], at: int) -> str:
    return str(row[at]).strip() if at < len(row) and row[at] is not None else ""


def _named(row: Sequence[Any]) -> dict[str, Any]:
    return {name: _value(row[at]) if at < len(row) else None for at, name in enumerate(COLUMNS)}


def _value(cell: Any) -> Any:
    return dt.date.fromisoformat(cell["day"]) if isinstance(cell, dict) else cell


def _place(line: int) -> Place:
    return Place(f"{SHEET}!", lambda name: f"{LETTER[name]}{line}")


def _cells(path: Path) -> dict[str, Any]:
    """All cells, read by a process of its own within limits: the reader dies of some files (reliability: T10)."""
    program = [sys.executable, "-P", str(Path(return_cells.__file__)), str(path.absolute())]
    done = subprocess.run(program, stdin=subprocess.DEVNULL, capture_output=True, check=False)  # noqa: S603 - our own program, no shell
    try:
        found: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    except ValueError:
        found = {}
    if not found:
        raise _damaged(path)
    return found


def _damaged(path: Path) -> Problem:
    return Problem("{file} is damaged: it cannot be read as a workbook. Send it again, or as CSV.", file=path.name)


# -- CSV -------------------------------------------------------------------------------------------------------------


def _csv(path: Path, order: int) -> Table:
    if path.stat().st_size > CSV_BYTES:
        raise Problem("{file} is larger than a return can be", file=path.name)
    try:
        words = path.read_bytes().decode(text_encoding(path))
    except UnicodeError:
        raise Problem("{file} is not text; save the form as .xlsx or as CSV UTF-8", file=path.name) from None
    if "\0" in words:
        raise Problem("{file} is not text; save the form as .xlsx or as CSV UTF-8", file=path.name)
    first = words.partition("\n")[0]
    lines = list(csv.reader(io.StringIO(words, newline=""), delimiter=max(",;\t", key=first.count)))
    names = _csv_names(path, lines[0] if lines else [])
    table = Table()
    for at, cells in enumerate(lines[1 : ROWS + 3], 2):
        if any(cell.strip() for cell in cells):
            _csv_row(path, table, at, dict(zip(names, cells, strict=False)), order)
    return table


def _csv_names(path: Path, heads: Sequence[str]) -> list[str]:
    names = {head: name for name, head in CSV_HEADS.items()}
    found = [head.strip().lstrip("\ufeff") for head in heads]
    strange = [head for head in found if head not in names]
    missing = [head for head in (CSV_HEADS[name] for name in ("order", "wave", *COUNTS)) if head not in found]
    if strange or missing or len(set(found)) < len(found):
        raise Problem("{file}, line 1: the columns must be {wanted}; wrong or missing: {found}", file=path.name,
                      wanted=", ".join(CSV_HEADS.values()), found=", ".join(strange or missing) or "-")  # fmt: skip
    return [names[head] for head in found]


def _csv_row(path: Path, table: Table, at: int, cells: dict[str, str], order: int) -> None:
    place = Place(f"{path.name}, dòng {at}, ", lambda name: CSV_HEADS[name])
    if cells.get("order", "").strip() != str(order):
        raise Problem("{file}, line {line}: it is of another order ({other}); this one is {order}", file=path.name,
                      line=at, other=cells.get("order", "").strip() or "-", order=str(order))  # fmt: skip
    if cells.get("wave", "").strip().lower() == TOTAL_WORD:
        if table.total is not None:
            raise Problem("{file}, line {line}: a second row of totals; keep one", file=path.name, line=at)
        table.total = RawRow(place, cells)
        table.document, table.method = cells.get("document", ""), cells.get("method", "")
    elif any(cells.get(name, "").strip() for name in (*FIGURES, "unit")):
        table.rows.append(RawRow(place, cells))
