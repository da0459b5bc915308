"""The report's figures as .xlsx: the sums of the letter, the verdicts on the files, the meaning of columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import xlsxwriter

from campaigns.reports import foreseen, prose, two_sources
from campaigns.reports.check import check
from campaigns.reports.figures import Columns, ReportFigures
from campaigns.reports.files import whole_file
from campaigns.reports.glossary import DETAIL, SHORT
from campaigns.reports.words import VERDICT_WORDS, clock_day, short_day

COUNT = "#,##0"  # Excel shows the reader's own thousands sign
SHARE = "0.0%"
A4 = 9  # as the format numbers papers
LINE = 15.0  # pt, one line of words at 11 pt


def write_sheet(figures: ReportFigures, out: Path) -> Path:
    """Write the workbook; raises Problem before any file is opened when a sum does not hold."""
    check(figures)
    bands, options = _bands(figures), {"constant_memory": True}
    with whole_file(out) as part, xlsxwriter.Workbook(part, {**options, "tmpdir": str(part.parent)}) as workbook:
        book = _Book(workbook)
        if figures.orders:
            book.page("Theo nguồn", (18, 60, 16, 14, 16, 16, 18), [*bands, *_sources(figures)])
            book.page("Nhà mạng báo theo đợt", (18, 14, 14, 24, 14, 14, 16, 14), [*bands, *_stated_rows(figures)])
        if figures.waves:
            book.page("Tổng hợp", (18, 18, *[13] * (len(DETAIL) + 1)), [*bands, *_summary(figures)])
            book.page("Danh sách tệp", (18, *[13] * (len(VERDICT_WORDS) + 1)), [*bands, *_verdicts(figures)])
        if figures.statements:
            book.page("Nhà mạng báo", (24, 36, 14, 14, 14, 14), [*bands, *_stated(figures)])
        book.page("Giải thích", (36, 110), [*bands, *_meanings(figures)])
    return out


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of cells: whole numbers are counts, fractions are shares, words are words."""

    cells: Sequence[object]
    bold: bool = False
    wrap: bool = False
    head: bool = False


def _head(*cells: str) -> _Row:
    return _Row(cells, bold=True, wrap=True, head=True)


class _Book:
    """A workbook written row by row: nothing above the present row is touched again."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._looks: dict[tuple[bool, bool, bool, str], Any] = {}

    def page(self, name: str, widths: Sequence[float], rows: Iterable[_Row]) -> None:
        """Add a sheet with these rows."""
        page = self._book.add_worksheet(name)
        page.set_landscape()
        page.set_paper(A4)
        page.fit_to_pages(1, 0)  # printed whole in its width, on as many pages as it has rows
        for column, width in enumerate(widths):
            page.set_column(column, column, width)
        for at, row in enumerate(rows):
            if row.wrap:  # programs that do not measure wrapped words show one line of them
                page.set_row(at, LINE * max(map(_lines, row.cells, widths)))
            for column, value in enumerate(row.cells):
                self._cell(page, (at, column), value, row)

    def _cell(self, page: Any, place: tuple[int, int], value: object, row: _Row) -> None:
        if isinstance(value, str):
            page.write_string(*place, value, self._look(row, "@"))  # never read as a formula
        elif value is not None:
            page.write_number(*place, value, self._look(row, COUNT if isinstance(value, int) else SHARE))

    def _look(self, row: _Row, shape: str) -> Any:
        key = (row.bold, row.wrap, row.head, shape)
        if key not in self._looks:
            look = {"bold": row.bold, "text_wrap": row.wrap, "valign": "vcenter", "num_format": shape}
            if row.head:
                look |= {"align": "center", "bottom": 1}  # over words and figures alike
            self._looks[key] = self._book.add_format(look)
        return self._looks[key]


def _lines(value: object, width: float) -> int:
    """Lines that words take in a column of so many characters; a little room is left, as words break early."""
    return ceil(len(value) * 1.15 / width) if isinstance(value, str) and value else 1


def _bands(figures: ReportFigures) -> list[_Row]:
    words = [*prose.bands(figures), f"Số liệu tính đến {clock_day(figures.as_of)}"]
    return [_Row((line,), bold=True) for line in words]


def _summary(figures: ReportFigures) -> list[_Row]:
    rows: list[_Row] = [_head("Đợt gửi", "Nhà mạng", *(column.head for column in DETAIL), SHORT[1][0])]
    for wave in figures.waves:
        rows += [_Row((wave.wave_name, carrier.name, *_counts(row))) for carrier, row in wave.rows()]
        rows.append(_Row((f"Cộng {wave.wave_name}", "", *_counts(wave.total)), bold=True))
    return [*rows, _Row(("Tổng cộng", "", *_counts(figures.total)), bold=True)]


def _counts(row: Columns) -> list[object]:
    part = row.delivered_receipted / row.taken_receipted if row.taken_receipted else None
    return [*(column.of(row) for column in DETAIL), part]


def _verdicts(figures: ReportFigures) -> list[_Row]:
    rows = [(w.wave_name, w.file_rows, *(w.verdicts.get(v, 0) for v in VERDICT_WORDS)) for w in figures.waves]
    sums = [sum(column) for column in list(zip(*rows, strict=True))[1:]]
    heads = _head("Đợt gửi", "Số dòng", *(words.capitalize() for words in VERDICT_WORDS.values()))
    return [heads, *map(_Row, rows), _Row(("Tổng cộng", *sums), bold=True)]


def _sources(figures: ReportFigures) -> list[_Row]:
    """As the letter's table: each source with its own sum, and failed checks below."""
    rows = [
        _Row((each.name, each.source, each.subscribers, each.messages, each.segments, each.delivered, each.checks),
             bold=each.bold, wrap=True)
        for each in two_sources.lines(figures)
    ]  # fmt: skip
    return [_head(*two_sources.HEADS[1:]), *rows, *(_Row((words,)) for words in two_sources.findings(figures))]


def _stated_rows(figures: ReportFigures) -> list[_Row]:
    rows = [
        _Row((name, wave, short_day(day) if day else "", *rest)) for name, wave, day, *rest in two_sources.rows(figures)
    ]
    return [_head(*two_sources.ROW_HEADS), *rows]


def _stated(figures: ReportFigures) -> list[_Row]:
    heads = ("Doanh nghiệp", "Văn bản báo cáo", "Thuê bao", "Bản tin", "Tin nhắn quy đổi", "Bản tin đã đến máy")
    return [
        _head(*heads),
        *(_Row((s.name, s.document, s.subscribers, s.messages, s.segments, s.delivered)) for s in figures.statements),
    ]


def _meanings(figures: ReportFigures) -> list[_Row]:
    columns = [_Row((f"({at}) {column.head}", column.meaning)) for at, column in enumerate(DETAIL, 1)]
    texts = [
        _Row(facts)
        for wave in figures.waves
        for facts in (
            (f"{wave.wave_name}: nội dung gửi", wave.text),
            (f"{wave.wave_name}: mã nội dung (SHA-256)", wave.text_sha256),
            (f"{wave.wave_name}: tên người gửi", wave.sender),
            *((f"{wave.wave_name}: {what.lower()}", said) for what, said in foreseen.lines(wave)),
        )
    ]
    texts += [
        _Row(facts)
        for order in figures.orders
        for facts in (
            (f"Yêu cầu {order.name}: nội dung", order.text),
            (f"Yêu cầu {order.name}: mã nội dung (SHA-256)", order.text_sha256),
            (f"Yêu cầu {order.name}: công văn", order.number),
        )
    ]
    return [_head("Tên cột", "Ý nghĩa"), *columns, *map(_Row, SHORT), *texts]
