"""The report to the provincial police as a .docx in the layout of Decree 30/2020 (form 1.4): an unsigned draft."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import Any

from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

from campaigns.reports import appendix, decree30, official, prose, two_sources
from campaigns.reports.check import check
from campaigns.reports.decree30 import BODY_LOOK, CLAUSE, NOTE, SECTION, TITLE, Grid, Look
from campaigns.reports.figures import Columns, ReportFigures, WaveFigures
from campaigns.reports.files import whole_file
from campaigns.reports.letterhead import Letterhead
from campaigns.reports.words import NOTHING, figure, share


def write_letter(figures: ReportFigures, head: Letterhead, out: Path) -> Path:
    """Write the report; raises Problem before any file is opened when a sum does not hold."""
    paper = report_paper(figures, head)
    with whole_file(out) as part:
        paper.save(str(part))
    return out


def report_paper(figures: ReportFigures, head: Letterhead) -> Any:
    """The report as a decree30 paper, for .docx and PDF alike; raises Problem when a sum does not hold."""
    check(figures)
    paper = decree30.new_paper(prose.bands(figures))
    _properties(paper, figures, head)
    official.head(paper, head, prose.number(head), prose.dated(head, figures))
    _title(paper, figures)
    _addressee(paper, head)
    _body(paper, figures, head)
    official.signature(paper, head)
    appendix.texts(paper, figures, head)
    if figures.waves:
        appendix.details(paper, figures, head)
    if figures.orders:
        appendix.stated(paper, figures, head)
    return paper


def _properties(paper: Any, figures: ReportFigures, head: Letterhead) -> None:
    facts = paper.core_properties
    facts.title, facts.author = f"Báo cáo kết quả {figures.mandate.campaign}", head.body
    facts.last_modified_by, facts.comments, facts.language = head.body, "", "vi-VN"
    facts.created = facts.modified = figures.as_of.astimezone(UTC).replace(tzinfo=None)


def _title(paper: Any, figures: ReportFigures) -> None:
    subject = f"Kết quả {figures.mandate.campaign}"
    decree30.write(paper, "BÁO CÁO", Look(14, bold=True, align=ALIGN.CENTER, before=12, after=0, first=0, keep=True))
    decree30.write(paper, subject, TITLE)
    decree30.rule(
        paper, official.PART * min(decree30.words_width(subject, 14), decree30.WIDTH), decree30.WIDTH, after=10
    )


def _addressee(paper: Any, head: Letterhead) -> None:
    decree30.write(paper, f"Kính gửi: {head.addressee}", Look(align=ALIGN.CENTER, after=10, first=0))


def _body(paper: Any, figures: ReportFigures, head: Letterhead) -> None:
    _paragraphs(paper, prose.opening(figures, head))
    decree30.write(paper, "I. CÔNG TÁC CHỈ ĐẠO, TRIỂN KHAI", SECTION)
    for title, paragraphs in prose.deployment(figures, head):
        _clause(paper, title, paragraphs)
    decree30.write(paper, "II. KẾT QUẢ THỰC HIỆN", SECTION)
    _clause(paper, "1. Kết quả chung", prose.overview(figures))
    if figures.waves:
        decree30.write(paper, "2. Kết quả theo từng nhà mạng", CLAUSE)
        _results(paper, figures)
        _clause(paper, "3. Nhận xét về số liệu", prose.remarks(figures))
    _statements(paper, figures)
    if figures.orders:
        _two_sources(paper, figures)
    decree30.write(paper, "III. TỒN TẠI, HẠN CHẾ", SECTION)
    _paragraphs(paper, prose.shortcomings(figures))
    decree30.write(paper, "IV. KIẾN NGHỊ, ĐỀ XUẤT", SECTION)
    _paragraphs(paper, prose.proposals(figures))
    decree30.write(paper, prose.closing(figures, head))


def _clause(paper: Any, title: str, paragraphs: list[str]) -> None:
    decree30.write(paper, title, CLAUSE)
    _paragraphs(paper, paragraphs)


def _paragraphs(paper: Any, paragraphs: list[str]) -> None:
    for words in paragraphs:
        decree30.write(paper, words, BODY_LOOK)


def _results(paper: Any, figures: ReportFigures) -> None:
    grids = [(f"Kết quả {wave.wave_name}", _wave_grid(wave)) for wave in figures.waves]
    if len(figures.waves) > 1:
        grids.append(("Tổng hợp các đợt gửi", _waves_grid(figures)))
    for at, (title, grid) in enumerate(grids, 1):
        _caption(paper, f"Bảng {at}. {title}")
        decree30.draw(paper, grid)
    for words in prose.column_notes():
        decree30.write(paper, words, NOTE)


def _caption(paper: Any, words: str) -> None:
    decree30.write(paper, words, Look(13, bold=True, align=ALIGN.CENTER, before=4, after=4, first=0, keep=True))


RESULT_HEADS = (
    "TT",
    "Nhà mạng",
    "Người nhận",
    "Bản tin nhà mạng đã nhận",
    "Tin nhắn quy đổi",
    "Bản tin đã đến máy",
    "Bản tin chưa rõ kết quả",
    "Tỷ lệ đã đến máy",
)
RESULT_WIDTHS = (10.0, 32.0, 20.0, 22.0, 22.0, 20.0, 20.0, 19.0)


def _wave_grid(wave: WaveFigures) -> Grid:
    rows = [
        [str(at), carrier.name, *_result(row, receipts=carrier.receipts_promised)]
        for at, (carrier, row) in enumerate(wave.rows(), 1)
    ]
    return _with_sum(RESULT_HEADS, rows, wave.total)


def _waves_grid(figures: ReportFigures) -> Grid:
    heads = ("TT", "Đợt gửi", "Lượt người nhận", *RESULT_HEADS[3:])
    rows = [
        [str(at), wave.wave_name, *_result(wave.total, receipts=bool(wave.total.taken_receipted))]
        for at, wave in enumerate(figures.waves, 1)
    ]
    return _with_sum(heads, rows, figures.total)


def _with_sum(heads: tuple[str, ...], rows: list[list[str]], whole: Columns) -> Grid:
    rows = [*rows, ["", "Tổng cộng", *_result(whole, receipts=bool(whole.taken_receipted))]]
    return Grid([heads], rows, RESULT_WIDTHS, frozenset({1}), sums=frozenset({len(rows) - 1}))


def _result(row: Columns, *, receipts: bool) -> list[str]:
    part = "" if row.taken == row.taken_receipted else "*"
    shares = share(row.delivered_receipted, row.taken_receipted) + part if receipts else "không có biên nhận"
    delivered = figure(row.delivered) if receipts or row.delivered else NOTHING
    return [*map(figure, (row.recipients, row.taken, row.segments)), delivered, figure(row.unknown), shares]


def _statements(paper: Any, figures: ReportFigures) -> None:
    if not figures.statements:
        return
    _clause(paper, "4. Số liệu do doanh nghiệp viễn thông báo", prose.statements(figures))
    heads = ["TT", "Doanh nghiệp", "Văn bản báo cáo", "Thuê bao", "Bản tin", "Tin nhắn quy đổi", "Bản tin đã đến máy"]
    rows = [
        [str(at), s.name, s.document, *map(figure, (s.subscribers, s.messages, s.segments)), _stated(s.delivered)]
        for at, s in enumerate(figures.statements, 1)
    ]
    decree30.draw(paper, Grid([heads], rows, (10, 28, 45, 21, 21, 21, 19), frozenset({1, 2})))


def _two_sources(paper: Any, figures: ReportFigures) -> None:
    number = 2 + 2 * bool(figures.waves) + bool(figures.statements)
    decree30.write(paper, f"{number}. Số liệu theo nguồn", CLAUSE)
    _caption(paper, "Bảng số liệu theo nguồn: hệ thống tự gửi và nhà mạng báo")
    two_sources.draw(paper, figures)


def _stated(count: int | None) -> str:
    return NOTHING if count is None else figure(count)
