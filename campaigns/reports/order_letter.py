"""The letter that asks a carrier to send (công văn, Decree 30/2020, form 1.5), with the return form as its appendix."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from docx.enum.text import WD_ALIGN_PARAGRAPH as ALIGN

from campaigns.order import MEDIA, OrderPlan
from campaigns.reports import decree30, official
from campaigns.reports.decree30 import BODY_LOOK, CLAUSE, NOTE, Grid, Look
from campaigns.reports.figures import MandateFacts
from campaigns.reports.letterhead import Letterhead
from campaigns.reports.prose import BLANK, REHEARSAL
from campaigns.reports.words import figure, local, long_day, short_day
from campaigns.returns import COUNTS, FAILURES

FACTS = (50.0, 115.0)  # mm
WAVES = (30.0, 75.0, 60.0)  # mm
FORM = (16.0, 24.0, 35.0, 22.0, 22.0, 24.0, 24.0, 24.0, 22.0, 20.0, 19.0)  # mm on a lying page


class Issue(NamedTuple):
    """What the clerk and the installation put on the letter beside the plan."""

    order: int
    number: str  # "" leaves room for the clerk
    dated: date | None
    url: str  # where the carrier's engineer reports
    code: str  # "" when none was made
    made_at: datetime


def order_paper(plan: OrderPlan, mandate: MandateFacts, office: Letterhead, issue: Issue) -> Any:
    """The letter as a decree30 paper, unsigned: saved as .docx, and set as PDF from the same."""
    bands = [REHEARSAL] if plan.rehearsal else []
    paper = decree30.new_paper(bands if issue.number else [*bands, "DỰ THẢO: CHƯA CÓ SỐ VÀ CHỮ KÝ"])
    _properties(paper, plan, office, issue)
    official.head(paper, office, issue.number or f"{BLANK}/{office.symbol}", _dated(issue), f"V/v {mandate.campaign}")
    look = Look(align=ALIGN.CENTER, before=12, after=12, first=0)
    decree30.write(paper, f"Kính gửi: Doanh nghiệp viễn thông di động {plan.carrier_name}", look)
    for words in _opening(plan, mandate, office):
        decree30.write(paper, words, BODY_LOOK)
    _whom(paper, plan)
    _text(paper, plan, mandate)
    _when(paper, plan)
    _report(paper, plan, issue)
    decree30.write(paper, _closing(plan, office))
    official.signature(paper, office)
    _form(paper, plan, office, issue)
    return paper


def _properties(paper: Any, plan: OrderPlan, office: Letterhead, issue: Issue) -> None:
    facts = paper.core_properties
    facts.title, facts.author = f"Công văn yêu cầu nhắn tin: {plan.carrier_name}", office.body
    facts.last_modified_by, facts.comments, facts.language = office.body, f"SHA-256 {plan.digest}", "vi-VN"
    facts.created = facts.modified = issue.made_at.astimezone(UTC).replace(tzinfo=None)


def _dated(issue: Issue) -> str:
    if issue.dated:
        return long_day(issue.dated)
    return f"ngày{BLANK}tháng{BLANK}năm {local(issue.made_at).year}"


def _opening(plan: OrderPlan, mandate: MandateFacts, office: Letterhead) -> Iterator[str]:
    if plan.rehearsal:
        yield "Công văn này lập trong diễn tập: không gửi đến doanh nghiệp, không phát sinh nghĩa vụ thực hiện."
    yield (
        f"Thực hiện {mandate.kind} số {mandate.number} {long_day(mandate.dated)} của {mandate.issuer} về việc "
        f"{mandate.subject}; {office.body} đề nghị doanh nghiệp viễn thông di động {plan.carrier_name} (sau đây gọi "
        f"tắt là doanh nghiệp) nhắn tin tuyên truyền đến thuê bao trên địa bàn {plan.area}, cụ thể như sau:"
    )


def _whom(paper: Any, plan: OrderPlan) -> None:
    decree30.write(paper, "1. Đối tượng, hình thức", CLAUSE)
    decree30.write(
        paper,
        f"- Đối tượng: {plan.audience} của doanh nghiệp trên địa bàn {plan.area}. Doanh nghiệp tự xác định thuê bao, "
        "không cung cấp số thuê bao cho cơ quan yêu cầu (khoản 4 Điều 6 Luật Viễn thông số 24/2023/QH15).",
    )
    decree30.write(paper, f"- Hình thức: {MEDIA[plan.medium]}; tên người gửi: “{plan.sender}”.")
    decree30.write(paper, f"- Căn cứ: {plan.legal_basis}.")


def _text(paper: Any, plan: OrderPlan, mandate: MandateFacts) -> None:
    text = plan.text
    decree30.write(paper, "2. Nội dung tin nhắn", CLAUSE)
    decree30.write(
        paper, "Gửi nguyên văn nội dung dưới đây, không rút gọn, không bỏ dấu, không thêm nhãn quảng cáo:", BODY_LOOK
    )
    decree30.draw(paper, Grid([("Mục", "Nội dung")], list(_text_facts(plan)), FACTS, frozenset({0, 1}), size=13))
    if plan.choice != "verbatim":
        decree30.write(
            paper, f"Nội dung có chỉnh sửa so với {mandate.kind} số {mandate.number}. Lý do: {_stop(plan.reason)}"
        )
    decree30.write(
        paper,
        f"Bản tin được coi là đúng nội dung khi mã SHA-256 của phần chữ (UTF-8, dạng NFC) trùng mã nêu trên; gửi dạng "
        f"khác có thể làm tăng số tin nhắn quy đổi (mỗi bản tin đúng là {text.segments}).",
    )


def _text_facts(plan: OrderPlan) -> Iterator[tuple[str, str]]:
    text = plan.text
    yield "Toàn văn", text.text
    yield "Mã nội dung (SHA\u2011256)", text.sha256
    yield "Dạng ký tự", "Unicode dựng sẵn (NFC)" if text.nfc else "Unicode, không phải NFC"
    yield "Độ dài", f"{text.units} đơn vị {text.encoding}; {text.segments} tin nhắn quy đổi mỗi bản tin"


def _when(paper: Any, plan: OrderPlan) -> None:
    decree30.write(paper, "3. Thời gian nhắn tin", CLAUSE)
    rows = [
        (wave.name, _span(wave.date, wave.until), f"từ {wave.opens:%H:%M} đến {wave.closes:%H:%M}")
        for wave in plan.waves
    ]
    decree30.draw(paper, Grid([("Đợt gửi", "Ngày gửi", "Khung giờ")], rows, WAVES, frozenset({0, 1, 2}), size=13))
    decree30.write(paper, "Trong mỗi đợt, mỗi thuê bao nhận một bản tin; không nhắn tin ngoài khung giờ nêu trên.")


def _span(first: date, last: date) -> str:
    return short_day(first) if first == last else f"{short_day(first)} đến {short_day(last)}"


def _report(paper: Any, plan: OrderPlan, issue: Issue) -> None:
    decree30.write(paper, "4. Báo cáo kết quả", CLAUSE)
    decree30.write(
        paper,
        f"- Doanh nghiệp báo cáo bằng văn bản có chữ ký, kèm số liệu theo mẫu tại Phụ lục, chậm nhất ngày "
        f"{short_day(plan.deadline)}: số thuê bao, số bản tin, số tin nhắn quy đổi, số bản tin đã đến máy, số không "
        "đến máy theo lý do, theo từng đợt và ngày (theo xã, phường nếu có), và cách chọn thuê bao của địa bàn.",
    )
    ways = "- Số liệu gửi bằng tệp mẫu (.xlsx hoặc .csv) kèm theo"
    if issue.code:
        decree30.write(paper, f"{ways}, hoặc nhập trực tuyến tại {issue.url}.")
        paragraph = decree30.write(paper, "- Mã nộp báo cáo: ")  # of its own: a long code would tear a line apart
        decree30.add(paragraph, issue.code.replace("-", "\u2011"), bold=True)  # a code stays on one line
        decree30.add(paragraph, " (chỉ dùng cho yêu cầu này, giao cho người lập báo cáo của doanh nghiệp).")
    else:
        decree30.write(paper, f"{ways}.")
    decree30.write(paper, f"- Đầu mối liên hệ: {_stop(plan.contact)}")


def _stop(words: str) -> str:
    return words.strip().rstrip(".") + "."


def _closing(plan: OrderPlan, office: Letterhead) -> str:
    return f"{office.body} đề nghị doanh nghiệp {plan.carrier_name} quan tâm phối hợp thực hiện./."


# -- appendix ----------------------------------------------------------------------------------------------------------


def _form(paper: Any, plan: OrderPlan, office: Letterhead, issue: Issue) -> None:
    decree30.new_appendix(paper, lying=True)
    decree30.write(paper, "Phụ lục", decree30.TITLE)
    decree30.write(paper, "MẪU BÁO CÁO KẾT QUẢ NHẮN TIN", decree30.TITLE)
    number = issue.number or f"{BLANK}/{office.symbol}"
    decree30.write(
        paper, f"(Kèm theo Công văn số {number} {_dated(issue)} của {office.body})",
        Look(13, italic=True, align=ALIGN.CENTER, after=8, first=0),
    )  # fmt: skip
    for words in (
        f"Doanh nghiệp: {plan.carrier_name}. Mã yêu cầu: {issue.order}. Mã kế hoạch: {plan.digest[:12]}.",
        "Văn bản báo cáo (số, ngày): ………………………………………",
        "Cách chọn thuê bao của địa bàn: ………………………………………",
    ):
        decree30.write(paper, words, Look(13, align=ALIGN.LEFT, first=0))
    heads = ("Đợt", "Ngày gửi", "Đơn vị (nếu có)", *COUNTS.values(), *FAILURES.values())
    rows = [("Tổng", *[""] * (len(heads) - 1))]
    for wave in plan.waves:
        rows += [(str(wave.no), day, *[""] * (len(heads) - 2)) for day in _days(wave)]
    decree30.draw(paper, Grid([heads], rows, FORM, frozenset({0, 1, 2}), size=11, sums=frozenset({0})))
    decree30.write(
        paper,
        f"Ghi chú: dòng tổng ghi số thuê bao của đợt lớn nhất; các cột khác là tổng của các đợt. Tin nhắn quy đổi = "
        f"bản tin × {figure(plan.text.segments)}. Số liệu doanh nghiệp không có thì để trống, không ghi 0.",
        NOTE,
    )


DAYS_SHOWN = 3


def _days(wave: Any) -> list[str]:
    """Each day of a short wave; a long one as a span, as the workbook has a row for each of its days."""
    count = (wave.until - wave.date).days + 1
    if count > DAYS_SHOWN:
        return [_span(wave.date, wave.until)]
    return [short_day(date.fromordinal(wave.date.toordinal() + n)) for n in range(count)]
