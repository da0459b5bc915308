"""The report's two appendices: the approved text and the meaning of columns; the figures in full."""

from __future__ import annotations

from typing import Any

from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

from campaigns.reports import decree30, foreseen, prose, two_sources
from campaigns.reports.decree30 import CLAUSE, NOTE, Grid, Look
from campaigns.reports.figures import Columns, MandateFacts, OrderFigures, ReportFigures, WaveFigures
from campaigns.reports.glossary import DETAIL, SHORT
from campaigns.reports.letterhead import Letterhead
from campaigns.reports.words import VERDICT_WORDS, clock_day, figure

FACTS = (38.0, 127.0)  # mm
MEANINGS = (45.0, 120.0)  # mm
SMALL = 10.5  # pt: thirteen columns of figures on a lying page


def texts(paper: Any, figures: ReportFigures, head: Letterhead) -> None:
    """Phụ lục I: what was sent, to whom, and what the columns mean."""
    _start(paper, "Phụ lục I", "Nội dung tin nhắn và cách tính số liệu", figures, head)
    decree30.write(paper, "1. Nội dung tin nhắn đã duyệt", CLAUSE)
    for wave in figures.waves:
        facts = _facts(wave, figures.mandate)
        decree30.draw(paper, Grid([(wave.wave_name, "Nội dung")], facts, FACTS, frozenset({0, 1}), size=11))
    for order in two_sources.other_texts(figures):
        decree30.draw(paper, Grid([("Yêu cầu nhắn tin", "Nội dung")], _ordered(order, figures.mandate), FACTS,
                                  frozenset({0, 1}), size=11))  # fmt: skip
    if not figures.waves:
        return
    decree30.write(paper, "2. Danh sách người nhận", CLAUSE)
    decree30.draw(paper, _verdicts(figures))
    decree30.write(paper, "3. Cách tính số liệu", CLAUSE)
    numbered = [(f"({at}) {column.head}", column.meaning) for at, column in enumerate(DETAIL, 1)]
    decree30.draw(paper, Grid([("Tên cột", "Ý nghĩa")], [*numbered, *SHORT], MEANINGS, frozenset({0, 1})))


def details(paper: Any, figures: ReportFigures, head: Letterhead) -> None:
    """Phụ lục II: every outcome by wave and carrier, on a lying page."""
    _start(paper, "Phụ lục II", "Số liệu chi tiết theo đợt gửi và nhà mạng", figures, head, lying=True)
    decree30.draw(paper, _detail_grid(figures))
    decree30.write(
        paper,
        "Ghi chú: (1) = (2) + (8) + (9) + (10) + (11) + (12) + (13); (2) = (4) + (5) + (6) + (7). "
        "Ý nghĩa từng cột tại Phụ lục I.",
        NOTE,
    )


def stated(paper: Any, figures: ReportFigures, head: Letterhead) -> None:
    """The last appendix: what each carrier states, row by row, and on what paper."""
    name = "Phụ lục III" if figures.waves else "Phụ lục II"
    _start(paper, name, "Số liệu theo báo cáo của nhà mạng", figures, head)
    decree30.write(paper, "1. Văn bản báo cáo", CLAUSE)
    decree30.draw(
        paper, Grid([("Nhà mạng", "Chứng cứ")], two_sources.facts(figures), FACTS, frozenset({0, 1}), size=11)
    )
    decree30.write(paper, "2. Số liệu theo đợt, ngày", CLAUSE)
    decree30.draw(paper, two_sources.rows_grid(figures))


def _ordered(order: OrderFigures, mandate: MandateFacts) -> list[tuple[str, str]]:
    found = [
        ("Nội dung gửi", order.text),
        ("Mã nội dung (SHA\u2011256)", order.text_sha256),
        ("Độ dài", f"{len(order.text)} ký tự; {order.segments_each} tin nhắn quy đổi mỗi bản tin"),
        ("Tên người gửi", order.sender),
        ("Người soạn; người duyệt", f"{order.authored_by}; {order.approved_by}"),
    ]
    if order.choice == "verbatim":
        return [*found, ("So với văn bản", f"Giữ nguyên văn theo {mandate.kind} số {mandate.number}")]
    return [*found, ("So với văn bản", f"Có chỉnh sửa. Lý do: {order.choice_reason}"),
            ("Nguyên văn", mandate.source_text)]  # fmt: skip


def _start(paper: Any, name: str, title: str, figures: ReportFigures, head: Letterhead, *, lying: bool = False) -> None:
    """III.1.b and c: name 14 bold, title in capitals, then the paper it belongs to in italics; all centred."""
    decree30.new_appendix(paper, lying=lying)
    decree30.write(paper, name, decree30.TITLE)
    decree30.write(paper, title.upper(), decree30.TITLE)
    decree30.write(
        paper,
        f"(Kèm theo Báo cáo số {prose.number(head)} {prose.dated(head, figures)} của {head.body})",
        Look(13, italic=True, align=ALIGN.CENTER, after=10, first=0),
    )


def _facts(wave: WaveFigures, mandate: MandateFacts) -> list[tuple[str, str]]:
    each = sorted({carrier.segments_each for carrier in wave.carriers})
    facts = [
        ("Nội dung gửi", wave.text),
        ("Mã nội dung (SHA\u2011256)", wave.text_sha256),
        ("Độ dài", f"{len(wave.text)} ký tự; {' hoặc '.join(map(str, each))} tin nhắn quy đổi mỗi bản tin"),
        ("Tên người gửi", wave.sender),
        ("Thời gian gửi", f"{clock_day(wave.opened)} – {clock_day(wave.closed) if wave.closed else 'chưa kết thúc'}"),
        *foreseen.lines(wave),
        ("Người soạn; người duyệt", f"{wave.authored_by}; {wave.approved_by}"),
    ]
    if wave.choice == "verbatim":
        return [*facts, ("So với văn bản", f"Giữ nguyên văn theo {mandate.kind} số {mandate.number}")]
    return [
        *facts,
        ("So với văn bản", f"Có chỉnh sửa. Lý do: {wave.choice_reason}"),
        ("Nguyên văn", mandate.source_text),
        ("Mã nguyên văn (SHA\u2011256)", mandate.source_sha256),
    ]


def _verdicts(figures: ReportFigures) -> Grid:
    heads = ("Đợt gửi", "Số dòng", *(words.capitalize() for words in VERDICT_WORDS.values()))
    rows = [
        [wave.wave_name, figure(wave.file_rows), *(figure(wave.verdicts.get(v, 0)) for v in VERDICT_WORDS)]
        for wave in figures.waves
    ]
    return Grid([heads], rows, (21.0, *[18.0] * 8), frozenset({0}), size=11)


def _detail_grid(figures: ReportFigures) -> Grid:
    heads = ("Đợt gửi", "Nhà mạng", *(column.head for column in DETAIL))
    marks = ("", "", *(f"({at})" for at in range(1, len(DETAIL) + 1)))
    rows, sums = [], []
    for wave in figures.waves:
        rows += [[wave.wave_name, carrier.name, *_figures(row)] for carrier, row in wave.rows()]
        sums.append(len(rows))
        rows.append([f"Cộng {wave.wave_name}", "", *_figures(wave.total)])
    sums.append(len(rows))
    rows.append(["Tổng cộng", "", *_figures(figures.total)])
    widths = (22.0, 27.0, 17.0, 17.0, 19.0, 17.0, *[15.0] * 6, 14.0, 14.0, 14.0)
    return Grid([heads, marks], rows, widths, frozenset({0, 1}), size=SMALL, sums=frozenset(sums))


def _figures(row: Columns) -> list[str]:
    return [figure(column.of(row)) for column in DETAIL]
