"""Our own sending and what carriers state of theirs, side by side: each figure with its source, no sum over both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from campaigns.reports import decree30
from campaigns.reports.decree30 import NOTE, Grid
from campaigns.reports.figures import CarrierStatement, Columns, OrderFigures, ReportFigures, total
from campaigns.reports.words import NOTHING, figure, short_day

OWN = "Hệ thống tự gửi: sổ gửi và biên nhận"
STATED = "Theo báo cáo của nhà mạng"
SILENT = "Nhà mạng chưa báo"
HEADS = (
    "TT", "Nhà mạng", "Nguồn số liệu", "Người nhận, thuê bao", "Bản tin", "Tin nhắn quy đổi", "Bản tin đã đến máy",
    "Kiểm tra",
)  # fmt: skip
WIDTHS = (9.0, 24.0, 42.0, 19.0, 18.0, 19.0, 18.0, 16.0)  # mm
ROW_HEADS = ("Nhà mạng", "Đợt gửi", "Ngày gửi", "Đơn vị", "Thuê bao", "Bản tin", "Tin nhắn quy đổi", "Đã đến máy")
ROW_WIDTHS = (28.0, 18.0, 24.0, 29.0, 17.0, 17.0, 17.0, 15.0)  # mm


class Line(NamedTuple):
    """One row of the table: figures of one source."""

    name: str
    source: str
    subscribers: int | None
    messages: int | None
    segments: int | None
    delivered: int | None
    checks: str
    bold: bool = False


LEAD = decree30.Look(keep=True)  # never alone at the end of a page


def lines(figures: ReportFigures) -> Iterator[Line]:
    """Carriers by source, each source with a sum of its own."""
    own = _own(figures)
    yield from (_own_line(name, columns) for name, columns in own.items())
    if own:
        yield _own_line("Cộng", total(own.values()))._replace(bold=True)
    yield from map(_order_line, figures.orders)
    stated = [order.stated for order in figures.orders if order.stated]
    if stated:
        yield _sum(stated, len(figures.orders))


def _own(figures: ReportFigures) -> dict[str, Columns]:
    found: dict[str, Columns] = {}
    for wave in figures.waves:
        for carrier, row in wave.rows():
            found[carrier.name] = found.get(carrier.name, Columns()) + row
    return found


def _own_line(name: str, columns: Columns) -> Line:
    return Line(name, OWN, columns.recipients, columns.taken, columns.segments, columns.delivered, "đạt")


def _order_line(order: OrderFigures) -> Line:
    stated = order.stated
    if stated is None:
        return Line(order.name, f"{SILENT} (hạn {short_day(order.deadline)})", None, None, None, None, NOTHING)
    source = f"{STATED}: {stated.document} (phiên bản {stated.version})"
    checks = f"{len(stated.failed)} mục không đạt" if stated.failed else "đạt"
    return Line(order.name, source, stated.subscribers, stated.messages, stated.segments, stated.delivered, checks)


def _sum(stated: list[CarrierStatement], asked: int) -> Line:
    delivered = None if any(each.delivered is None for each in stated) else sum(each.delivered or 0 for each in stated)
    failed = sum(len(each.failed) for each in stated)
    return Line(
        "Cộng", f"{STATED} ({len(stated)}/{asked} nhà mạng)", sum(each.subscribers for each in stated),
        sum(each.messages for each in stated), sum(each.segments for each in stated), delivered,
        f"{failed} mục không đạt" if failed else "đạt", bold=True,
    )  # fmt: skip


def draw(paper: Any, figures: ReportFigures) -> None:
    """The table, its note, and each failed check with the note of its acceptance."""
    found = list(lines(figures))
    carriers = [line for line in found if not line.bold]
    rows = [_cells("" if line.bold else str(carriers.index(line) + 1), line) for line in found]
    sums = frozenset(at for at, line in enumerate(found) if line.bold)
    decree30.draw(paper, Grid([HEADS], rows, WIDTHS, frozenset({1, 2, 7}), size=11, sums=sums))
    decree30.write(
        paper,
        "Ghi chú: số liệu “theo báo cáo của nhà mạng” do doanh nghiệp tự tổng hợp, không có biên nhận từng bản tin để "
        "đối chiếu; hai nguồn số liệu được nêu cạnh nhau và không cộng với nhau. Thuê bao của nhà mạng là số của đợt "
        "lớn nhất; người nhận của hệ thống là lượt người nhận của các đợt.",
        NOTE,
    )
    for words in findings(figures):
        decree30.write(paper, words, LEAD if words.endswith(":") else decree30.BODY_LOOK)


def _cells(at: str, line: Line) -> list[str]:
    counts = (line.subscribers, line.messages, line.segments, line.delivered)
    return [at, line.name, line.source, *map(_stated, counts), line.checks]


def _stated(count: int | None) -> str:
    return NOTHING if count is None else figure(count)


def findings(figures: ReportFigures) -> list[str]:
    """Failed checks in words; a note says on whose word the figures were taken all the same."""
    found = []
    for order in figures.orders:
        stated = order.stated
        if stated and stated.failed:
            note = f" Nghiệm thu kèm ghi chú: {stated.note.rstrip('.')}." if stated.note else ""
            found.append(f"- {order.name}: {'; '.join(stated.failed)}.{note}")
    return ["Các mục kiểm tra không đạt trong số liệu nhà mạng báo:", *found] if found else []


def overview(figures: ReportFigures) -> list[str]:
    """What was asked of carriers, and what they say, in one paragraph."""
    if not figures.orders:
        return []
    stated = [order.stated for order in figures.orders if order.stated]
    words = f"Theo báo cáo của nhà mạng ({len(stated)}/{len(figures.orders)} nhà mạng đã báo): "
    if not stated:
        return [f"{words}chưa có số liệu."]
    whole = _sum(stated, len(figures.orders))
    words += (
        f"đã nhắn {figure(whole.messages or 0)} bản tin, tương đương {figure(whole.segments or 0)} tin nhắn quy đổi, "
        f"đến {figure(whole.subscribers or 0)} thuê bao"
    )
    words += f"; {figure(whole.delivered)} bản tin đã đến máy." if whole.delivered is not None else "."
    return [f"{words} Số liệu này không cộng vào số liệu do hệ thống tự gửi."]


def asked(figures: ReportFigures) -> list[str]:
    """Which letters went out to whom; one sentence for carriers that were asked the same."""
    found: dict[str, list[str]] = {}
    for order in figures.orders:
        day = f" ngày {short_day(order.dated)}" if order.dated else ""
        words = (
            f"nhắn tin đến toàn bộ thuê bao đang hoạt động hai chiều trên địa bàn {order.area} (Công văn số "
            f"{order.number}{day}); tên người gửi “{order.sender}”; mỗi bản tin tương đương {order.segments_each} tin "
            f"nhắn quy đổi; hạn báo kết quả {short_day(order.deadline)}."
        )
        found.setdefault(words, []).append(order.name)
    return [f"- Yêu cầu {', '.join(names)} {words}" for words, names in found.items()]


def other_texts(figures: ReportFigures) -> list[OrderFigures]:
    """One order for each ordered text that none of our own waves bore."""
    own = {wave.text_sha256 for wave in figures.waves}
    found = {order.text_sha256: order for order in reversed(figures.orders) if order.text_sha256 not in own}
    return list(reversed(found.values()))


def shortcomings(figures: ReportFigures) -> list[str]:
    """What carriers owe."""
    found = [f"{order.name} chưa báo kết quả (hạn {short_day(order.deadline)})" for order in figures.silent]
    found += [
        f"{order.name} báo muộn {(stated.received - order.deadline).days} ngày"
        for order in figures.orders
        if (stated := order.stated) and stated.received and stated.received > order.deadline
    ]
    return found


def rows(figures: ReportFigures) -> list[tuple[Any, ...]]:
    """Every row of every statement, figures as numbers."""
    return [
        (order.name, row.wave, row.day, row.unit, row.subscribers, row.messages, row.segments, row.delivered)
        for order in figures.orders
        if order.stated
        for row in order.stated.rows
    ]


def rows_grid(figures: ReportFigures) -> Grid:
    """The same for a paper."""
    found = [
        [name, wave, short_day(day) if day else NOTHING, unit or NOTHING, *map(_stated, counts)]
        for name, wave, day, unit, *counts in rows(figures)
    ]
    return Grid([ROW_HEADS], found, ROW_WIDTHS, frozenset({0, 1, 2, 3}), size=11)


def facts(figures: ReportFigures) -> list[tuple[str, str]]:
    """Evidence of each statement, for the appendix."""
    found = []
    for order in figures.orders:
        if stated := order.stated:
            day = f"; nhận ngày {short_day(stated.received)}" if stated.received else ""
            paper = f"; bản ký lưu với mã {stated.evidence[:16]}…" if stated.evidence else "; chưa có bản ký"
            words = f"{stated.document}{day}; phiên bản {stated.version}{paper}. Cách chọn thuê bao: {stated.method}."
            before = f" Đã sửa: {'; '.join(stated.earlier)}." if stated.earlier else ""
            found.append((order.name, words + before))
    return found
