"""The report to the police: sums that hold, words that are honest, a layout that a province can sign."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest

from campaigns.forecast import Compared, Share
from campaigns.reports import words
from campaigns.reports.check import check
from campaigns.reports.figures import (
    CarrierFigures,
    CarrierStatement,
    MandateFacts,
    ReportFigures,
    WaveFigures,
    sha256,
)
from campaigns.reports.files import whole_file
from campaigns.reports.letter import write_letter
from campaigns.reports.letterhead import letterhead_at
from campaigns.reports.sheet import write_sheet
from campaigns.terms import Outcome, Problem, Problems, State, Verdict

PRINTED = (
    "Toàn dân tích cực tham gia phòng, chống mua bán người. Khi phát hiện dấu hiệu liên quan đến mua bán người hãy "
    "thông báo ngay cho cơ quan Công an nơi gần nhất hoặc Tổng đại quốc gia 111 để được tư vấn, hỗ trợ, hướng dẫn "
    "kịp thời"
)
SENT_TEXT = PRINTED.replace("Tổng đại", "Tổng đài")
DAYS = "“Ngày thế giới phòng, chống mua bán người” và “Ngày toàn dân phòng, chống mua bán người 30/7”"
MANDATE = MandateFacts(
    kind="Công văn",
    number="20/BCĐ",
    dated=date(2024, 6, 25),
    issuer="Ban Chỉ đạo phòng, chống tội phạm, tệ nạn xã hội và xây dựng phong trào toàn dân bảo vệ an ninh Tổ quốc "
    "tỉnh Lai Châu",
    issuer_short="Ban Chỉ đạo PCTP tỉnh",
    subject=f"triển khai hoạt động hưởng ứng {DAYS}",
    task="mục 5",
    duty="chỉ đạo các đơn vị chức năng, các doanh nghiệp viễn thông di động nhắn tin tuyên truyền theo nội dung ấn "
    "định",
    report_to="Công an tỉnh (Cơ quan thường trực Ban Chỉ đạo PCTP tỉnh)",
    deadline=date(2024, 8, 10),
    campaign=f"nhắn tin tuyên truyền hưởng ứng {DAYS} năm 2024",
    source_text=PRINTED,
    source_sha256=sha256(PRINTED),
)
OPENED = datetime(2024, 7, 28, 8, 0, tzinfo=words.HANOI)
CLOSED = OPENED + timedelta(hours=3, minutes=13)
S = State


def carrier(name: str, counts: Mapping[State, int], *, receipts: bool = True) -> CarrierFigures:
    return CarrierFigures(name.lower(), name, sum(counts.values()), 4, counts, receipts)


CARRIERS = (
    carrier("Viettel", {S.ACCEPTED: 231_870, S.REFUSED: 402, S.UNCERTAIN: 96, S.SUPPRESSED: 41}, receipts=False),
    carrier(
        "VinaPhone", {S.DELIVERED: 103_311, S.UNDELIVERED: 1_988, S.ACCEPTED: 714, S.REFUSED: 120, S.UNCERTAIN: 12}
    ),
    carrier("MobiFone", {S.DELIVERED: 61_004, S.UNDELIVERED: 1_207, S.ACCEPTED: 377, S.EXPIRED: 9}),
    carrier("Vietnamobile", {S.DELIVERED: 11_002, S.UNDELIVERED: 180, S.CANCELLED: 12}),
)
RECIPIENTS = sum(c.recipients for c in CARRIERS)
VERDICTS = {Verdict.ACCEPTED: RECIPIENTS, Verdict.DUPLICATE: 8_114, Verdict.INVALID: 907, Verdict.LANDLINE: 1_311}


def wave(name: str = "Đợt 1", wave_id: int = 0x1234_5678_9ABC, **changes: Any) -> WaveFigures:
    first = WaveFigures(
        wave_name=name,
        wave_id=wave_id,
        rehearsal=False,
        sender="STTTT.LCHAU",
        text=SENT_TEXT,
        text_sha256=sha256(SENT_TEXT),
        choice="corrected",
        choice_reason="sửa lỗi chính tả “Tổng đại” thành “Tổng đài”",
        opened=OPENED,
        closed=CLOSED,
        carriers=CARRIERS,
        file_rows=sum(VERDICTS.values()),
        verdicts=VERDICTS,
        contradictions=3,
        receipts_received=178_911,
        receipts_repeats=219,
        authored_by="Lò Thị Mẫu",
        approved_by="Vàng Văn Mẫu",
        generated_at=CLOSED + timedelta(days=4),
    )
    return replace(first, **changes)


def second(**changes: Any) -> WaveFigures:
    later = timedelta(days=2)
    return wave("Đợt 2", 2, opened=OPENED + later, closed=CLOSED + later, generated_at=CLOSED + later * 4, **changes)


REPORT = ReportFigures(MANDATE, (wave(), second()))
HEAD = letterhead_at(date(2024, 8, 5))


def report(*, statements: tuple[CarrierStatement, ...] = (), **changes: Any) -> ReportFigures:
    return ReportFigures(MANDATE, (wave(**changes),), statements)


def test_each_recipient_is_in_exactly_one_column() -> None:
    """Before and after the horizon the ten outcomes sum to the recipients, for carriers, waves and the whole."""
    for moment in (CLOSED, CLOSED + timedelta(days=30)):
        for one, row in wave(generated_at=moment).rows():
            assert row.outcomes_sum == one.recipients
        assert wave(generated_at=moment).total.outcomes_sum == RECIPIENTS
    assert REPORT.total.outcomes_sum == 2 * RECIPIENTS


def test_a_missing_receipt_is_unconfirmed_only_where_one_was_promised_and_only_after_the_horizon() -> None:
    early, late = wave(generated_at=CLOSED + timedelta(hours=71)), wave(generated_at=CLOSED + timedelta(hours=72))
    assert (early.total.unconfirmed, early.total.awaited, early.unsettled) == (0, 1_091, 1_199)
    assert (late.total.unconfirmed, late.total.awaited, late.unsettled) == (1_091, 0, 0)
    assert late.total.accepted == 231_870  # Viettel promises none: taken, neither delivered nor unknown
    assert late.total.unknown == 1_091 + 108
    assert early.total.taken == late.total.taken == 411_653
    assert late.total.segments == 4 * 411_653


FAULTS = [
    (report(file_rows=5), "the files have 5 rows"),
    (report(verdicts={**VERDICTS, Verdict.ACCEPTED: 1}, file_rows=8_114 + 907 + 1_311 + 1), "1 rows were accepted"),
    (report(text="another text"), "is not the one with SHA-256"),
    (report(choice_reason=" "), "without a reason"),
    (report(opened=OPENED.replace(tzinfo=None)), "`opened` has no zone"),
    (report(closed=OPENED - timedelta(1)), "must follow each other"),
    (report(receipts_repeats=10**9), "cannot be among"),
    (report(carriers=(), verdicts={Verdict.DUPLICATE: 3}, file_rows=3), "no carrier, so nothing to report"),
    (report(carriers=(*CARRIERS, replace(CARRIERS[3], recipients=0, counts={}))), "stands in two rows"),
    (
        report(carriers=(*CARRIERS[:3], replace(CARRIERS[3], counts={S.DELIVERED: 11_193}))),
        "Vietnamobile: outcomes sum",
    ),
    (report(carriers=(replace(CARRIERS[0], segments_each=0), *CARRIERS[1:])), "at least one segment"),
    (ReportFigures(MANDATE, ()), "no wave"),
    (ReportFigures(MANDATE, (wave(), wave())), "one wave twice"),
    (ReportFigures(MANDATE, (wave(), second(rehearsal=True))), "mixes rehearsals"),
    (ReportFigures(replace(MANDATE, source_sha256="0"), (wave(),)), "20/BCĐ: the text does not match"),
    (report(statements=(CarrierStatement("Viettel", "Công văn 1", 9, 10, 8, None),)), "does not hold; ask the carrier"),
]


@pytest.mark.parametrize(("figures", "says"), FAULTS, ids=[says for _, says in FAULTS])
def test_figures_that_do_not_hold_become_no_file(figures: ReportFigures, says: str, tmp_path: Path) -> None:
    """Both writers refuse, name the place, and leave nothing on the disk."""
    writers = (partial(write_letter, figures, HEAD), partial(write_sheet, figures))
    for writer in writers:
        with pytest.raises(Problem) as caught:
            writer(tmp_path / "report")
        assert says in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(Problems) as caught:
        check(report(text="another text", choice_reason=""))
    assert len(caught.value.found) == 2


@pytest.mark.parametrize(
    ("part", "whole", "said"),
    [(986, 1000, "98,6"), (9999, 10_000, "99,9"), (1, 10_000, "0,1"), (0, 7, "0,0"), (7, 7, "100,0"), (2, 3, "66,7")],
)
def test_a_share_never_claims_all_or_none_wrongly(part: int, whole: int, said: str) -> None:
    assert words.share(part, whole) == f"{said}\u00a0%"


def test_papers_write_figures_and_days_as_the_decree_does() -> None:
    assert words.figure(412_345) == "412.345"
    assert words.share(0, 0) == words.NOTHING
    assert words.short_day(date(2024, 2, 5)) == "05/02/2024"
    assert words.long_day(date(2024, 8, 5)) == "ngày 05 tháng 8 năm 2024"
    assert words.clock_day(datetime(2024, 7, 27, 17, 5, tzinfo=UTC)) == "00 giờ 05 phút ngày 28/7/2024"


def test_each_state_outcome_and_verdict_has_its_vietnamese_word() -> None:
    assert set(words.STATE_WORDS) == set(State)
    assert set(words.OUTCOME_WORDS) == set(Outcome)
    assert set(words.VERDICT_WORDS) == set(Verdict)


def test_no_office_is_guessed_for_a_day_that_none_covers() -> None:
    assert HEAD.body == "Sở Thông tin và Truyền thông"
    with pytest.raises(Problem, match="0 letterheads are valid on 2031-01-01"):
        letterhead_at(date(2031, 1, 1))


def opened(path: Path) -> Any:
    return docx.Document(str(path))


def lines(path: Path) -> list[str]:
    paper = opened(path)
    return [paragraph.text for paragraph in paper.paragraphs if paragraph.text]


def heads(path: Path) -> list[str]:
    """The words above each page: the first page's and the others', of each section."""
    sections = opened(path).sections
    found = [head for section in sections for head in (section.first_page_header, section.header)]
    return [" / ".join(p.text for p in head.paragraphs) for head in found]


def test_the_letter_keeps_the_decree(tmp_path: Path) -> None:
    """A4, margins 20/20/30/15 mm, Times New Roman, no number on page 1, its own pages for each appendix, "./."."""
    out = write_letter(REPORT, replace(HEAD, number=7, dated=date(2024, 8, 5)), tmp_path / "r.docx")
    paper = opened(out)
    page = paper.sections[0]
    shape = (
        page.page_width,
        page.page_height,
        page.top_margin,
        page.bottom_margin,
        page.left_margin,
        page.right_margin,
    )
    assert [round(side.mm) for side in shape if side is not None] == [210, 297, 20, 20, 30, 15]
    assert paper.styles["Normal"].font.name == "Times New Roman"
    assert [section.different_first_page_header_footer for section in paper.sections] == [True] * 3
    head = [cell.text.strip() for row in paper.tables[0].rows for cell in row.cells]
    assert head[0].split("\n")[:2] == ["UBND TỈNH LAI CHÂU", "SỞ THÔNG TIN VÀ TRUYỀN THÔNG"]
    assert head[2:] == ["Số: 07/BC-STTTT", "Lai Châu, ngày 05 tháng 8 năm 2024"]
    said = lines(out)
    assert said[0] == "BÁO CÁO"
    assert any(line.startswith("Kính gửi: Công an tỉnh Lai Châu") for line in said)
    assert [line for line in said if line.endswith("./.")] == [line for line in said if line.startswith("Trên đây")]
    assert [line for line in said if line.startswith("Phụ lục")] == ["Phụ lục I", "Phụ lục II"]
    assert "".join(heads(out)).strip(" /") == ""


def test_the_letter_says_what_is_known_and_what_is_not(tmp_path: Path) -> None:
    """Accepted is never called delivered, and a carrier without receipts has neither a share nor a zero."""
    out = write_letter(report(), HEAD, tmp_path / "r.docx")
    said = "\n".join(lines(out))
    assert "175.317 trong số 179.783 bản tin" in said
    assert "Viettel không cung cấp biên nhận: 231.870 bản tin" in said
    assert "108 bản tin có thể đã được gửi đi" in said
    assert "Sửa" not in said
    assert "sửa lỗi chính tả “Tổng đại” thành “Tổng đài”." in said
    rows = [[cell.text for cell in row.cells] for row in opened(out).tables[1].rows]
    assert rows[1][3:] == ["231.870", "927.480", "–", "96", "không có biên nhận"]
    assert rows[-1][1:] == ["Tổng cộng", "412.345", "411.653", "1.646.612", "175.317", "1.199", "97,5\u00a0%*"]


MARKS = [
    (report(), []),
    (report(rehearsal=True), ["DIỄN TẬP - KHÔNG PHẢI SỐ LIỆU THẬT"]),
    (report(generated_at=CLOSED), ["BẢN NHÁP: còn 1.199 bản tin chưa rõ"]),
    (report(closed=None), ["BẢN NHÁP: còn 1.199 bản tin chưa rõ, Đợt 1 chưa kết thúc"]),
    (
        report(rehearsal=True, generated_at=CLOSED),
        ["DIỄN TẬP - KHÔNG PHẢI SỐ LIỆU THẬT", "BẢN NHÁP: còn 1.199 bản tin chưa rõ"],
    ),
]


@pytest.mark.parametrize(("figures", "marks"), MARKS, ids=[" + ".join(marks) or "final" for _, marks in MARKS])
def test_rehearsals_and_drafts_are_marked_on_every_page(
    figures: ReportFigures, marks: list[str], tmp_path: Path
) -> None:
    out = write_letter(figures, HEAD, tmp_path / "r.docx")
    assert all([mark for mark in marks if mark in head] == marks for head in heads(out))
    assert all(("DIỄN TẬP" in head) == figures.rehearsal for head in heads(out))
    book = openpyxl.load_workbook(write_sheet(figures, tmp_path / "r.xlsx"))
    assert [page["A1"].value for page in book] == [
        marks[0] if marks else "Số liệu tính đến " + said_moment(figures)
    ] * 3


def said_moment(figures: ReportFigures) -> str:
    return words.clock_day(figures.as_of)


def test_the_workbook_sums_as_the_letter_does(tmp_path: Path) -> None:
    """Rows of carriers add up to their wave's row, waves to the last row; figures are numbers, texts are text."""
    book = openpyxl.load_workbook(write_sheet(REPORT, tmp_path / "r.xlsx"))
    rows = [row[:15] for row in book["Tổng hợp"].iter_rows(min_row=3, values_only=True)]
    assert [row[0] for row in rows] == ["Đợt 1"] * 4 + ["Cộng Đợt 1"] + ["Đợt 2"] * 4 + ["Cộng Đợt 2", "Tổng cộng"]
    columns = list(zip(*(row[2:] for row in rows), strict=True))
    for column in columns:
        assert sum(column[:4]) == column[4]
        assert sum(column[5:9]) == column[9]
        assert column[4] + column[9] == column[10]
    assert [row[2] for row in rows[4::5]] == [RECIPIENTS, RECIPIENTS]
    verdicts = list(book["Danh sách tệp"].iter_rows(min_row=3, values_only=True))
    assert verdicts[-1] == ("Tổng cộng", *(2 * cell for cell in verdicts[0][1:]))  # type: ignore[operator]
    assert SENT_TEXT in [row[1] for row in book["Giải thích"].iter_rows(values_only=True)]


def test_forecast_and_fact_stand_one_above_the_other_in_letter_and_workbook(tmp_path: Path) -> None:
    """F-C4: messages, segments, money and the last message, as foreseen at the approval and as they came."""
    told, done = Share("viettel", 232_409, 929_636, 278_890_800), Share("viettel", 231_870, 927_480, 278_244_000)
    beside = Compared(OPENED, (told,), OPENED + timedelta(hours=3), (done,), OPENED, CLOSED, over=True)
    said = {
        "Dự kiến khi duyệt": f"232.409 bản tin; 929.636 tin nhắn quy đổi; 278.890.800 đồng; lượt gửi cuối lúc "
        f"{words.clock_day(OPENED + timedelta(hours=3))}",
        "Thực tế": f"231.870 bản tin; 927.480 tin nhắn quy đổi; 278.244.000 đồng; lượt gửi cuối lúc "
        f"{words.clock_day(CLOSED)}",
    }
    figures = report(compared=beside)
    letter = opened(write_letter(figures, HEAD, tmp_path / "r.docx"))
    cells = [tuple(cell.text for cell in row.cells[:2]) for table in letter.tables for row in table.rows]
    assert set(said.items()) <= {(cell[0], cell[-1]) for cell in cells}
    book = openpyxl.load_workbook(write_sheet(figures, tmp_path / "r.xlsx"))
    rows = [row[:2] for row in book["Giải thích"].iter_rows(values_only=True)]
    assert {(f"Đợt 1: {what.lower()}", words_) for what, words_ in said.items()} <= set(rows)


def test_a_text_that_looks_like_a_formula_stays_text(tmp_path: Path) -> None:
    evil = '=HYPERLINK("http://x.invalid")'
    out = write_sheet(report(text=evil, text_sha256=sha256(evil), sender="=1+1"), tmp_path / "r.xlsx")
    cells = [cell for row in openpyxl.load_workbook(out)["Giải thích"].iter_rows() for cell in row]
    assert {cell.data_type for cell in cells if cell.value in (evil, "=1+1")} == {"s"}


def test_a_carriers_own_figures_stand_apart(tmp_path: Path) -> None:
    """A carrier's statement has its own table and sheet, and changes no sum of ours."""
    stated = CarrierStatement("Viettel Lai Châu", "Công văn số 312 ngày 02/8/2024", 241_200, 239_870, 959_480, None)
    with_it, without = report(statements=(stated,)), report()
    assert with_it.total == without.total
    said = lines(write_letter(with_it, HEAD, tmp_path / "r.docx"))
    assert any("không cộng vào số liệu tại mục 1 và mục 2" in line for line in said)
    book = openpyxl.load_workbook(write_sheet(with_it, tmp_path / "r.xlsx"))
    assert [cell.value for cell in book["Nhà mạng báo"][3][2:]] == [241_200, 239_870, 959_480, None]


def test_a_report_is_whole_or_absent_and_for_its_owner_only(tmp_path: Path) -> None:
    """A failure in the middle leaves the old file; no half-written file stays; mode 0600."""
    out = write_letter(report(), HEAD, tmp_path / "r.docx")
    before = out.read_bytes()
    with pytest.raises(ZeroDivisionError):
        _break_in_the_middle(out)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["r.docx"]
    assert out.stat().st_mode & 0o777 == 0o600


def _break_in_the_middle(out: Path) -> None:
    with whole_file(out) as part:
        part.write_text(f"half {1 // 0}")


@pytest.mark.slow
def test_the_letter_prints(tmp_path: Path) -> None:
    """LibreOffice lays it out: head on single lines, every glyph present, band on each page, a sensible length."""
    for program, package in (("soffice", "libreoffice-writer"), ("pdftotext", "poppler-utils")):
        if not shutil.which(program):
            pytest.fail(f"{program} is missing: install {package} to check how the report prints")
    out = write_letter(report(rehearsal=True), HEAD, tmp_path / "r.docx")
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    subprocess.run(
        [
            shutil.which("soffice") or "",
            profile,
            "--headless",
            "--convert-to",
            "pdf",
            "--outdir",
            str(tmp_path),
            str(out),
        ],
        check=True,
        capture_output=True,
        timeout=110,
    )
    printed = subprocess.run(
        ["pdftotext", "-layout", str(out.with_suffix(".pdf")), "-"], check=True, capture_output=True
    )
    pages = printed.stdout.decode().rstrip("\f").split("\f")
    assert 4 <= len(pages) <= 8
    assert all("DIỄN TẬP - KHÔNG PHẢI SỐ LIỆU THẬT" in page for page in pages)
    assert "SỞ THÔNG TIN VÀ TRUYỀN THÔNG" in pages[0]
    assert "\ufffd" not in "".join(pages)
