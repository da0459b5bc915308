"""From the letter to the report on paper, as two people do it in Debian's Chromium: with JavaScript and without."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docx
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, FilePayload, Page, expect

from campaigns.samples import write_sample
from dispatcher import acts, assemble
from tests.browser.stage import PASSWORD, Phone, Stage
from tests.cluster import CAMPAIGN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
BAD = "0912 34,Tam Đường\n02133 876 543,Tam Đường\n+1 202 555 0143,Sìn Hồ\n"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
WITHIN = 120_000
"""Milliseconds for what carriers do; a wave of these people takes about 15 s."""


@dataclass(slots=True)
class Two:
    """An drafts on a desk, Bình approves on a phone."""

    stage: Stage
    an: Page
    binh: Page
    script: bool


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def two(request: pytest.FixtureRequest, browser: Browser, stage: Stage) -> Iterator[Two]:
    script = bool(request.param)
    opened = [stage.enter(browser, "", java_script_enabled=script, viewport=size) for size in (DESK, PHONE)]
    pages = [_come_in(context, stage, login) for context, login in zip(opened, ("an", "binh"), strict=True)]
    yield Two(stage, *pages, script)
    for context in opened:
        context.close()


def _come_in(context: BrowserContext, stage: Stage, login: str) -> Page:
    """By the one-time link the first time, with the password later."""
    page = context.new_page()
    if link := stage.links.pop(login, ""):
        page.goto(link)
        page.get_by_label("Mật khẩu mới").fill(PASSWORD)
        page.get_by_label("Gõ lại lần nữa").fill(PASSWORD)
        page.get_by_role("button", name="Lưu mật khẩu và đăng nhập").click()
    else:
        page.goto("/console")
        page.get_by_label("Tên đăng nhập").fill(login)
        page.get_by_label("Mật khẩu").fill(PASSWORD)
        page.get_by_role("button", name="Đăng nhập").click()
    return page


def _set_up_authenticator(page: Page, stage: Stage) -> Phone:
    """As the page tells: the key by hand, then the code."""
    page.goto("/console/me")
    page.get_by_role("button", name="Cài ứng dụng xác thực").click()
    key = page.locator("main code").inner_text().replace(" ", "")
    stage.phones["binh"] = Phone(base64.b32decode(key))
    page.get_by_label("Mã xác thực 6 số").fill(stage.phones["binh"].code())
    page.get_by_role("button", name="Xác nhận ứng dụng xác thực").click()
    expect(page.get_by_text("đang dùng", exact=False)).to_be_visible()
    return stage.phones["binh"]


def _number(text: str) -> int:
    return int(re.sub(r"\D", "", text))


def _list_with_bad_rows(folder: Path, *, seed: int, n: int) -> Path:
    path = folder / f"thue-bao-{seed}.csv"
    write_sample(path, seed=seed, table=acts.number_table(), recipients=n)
    path.write_text(path.read_text(encoding="utf-8") + BAD, encoding="utf-8")
    return path


def _write_letter(page: Page, number: str) -> None:
    """A draft from the letter's file: most is read from it, the rest is typed."""
    page.goto("/console/drafts")
    page.get_by_role("button", name="Soạn bản nháp").click()
    letter = (assemble.definitions() / CAMPAIGN / "letter.md").read_bytes()
    file: FilePayload = {"name": "cong-van.txt", "mimeType": "text/plain", "buffer": letter}
    page.get_by_label("Tệp công văn").set_input_files(file)
    page.get_by_role("button", name="Nhập công văn").click()
    assert page.locator("#date").input_value() == "25/6/2024"
    typed = {"title": "Nhắn tin hưởng ứng Ngày toàn dân phòng, chống mua bán người 30/7/2024", "number": number,
             "section": "5", "addressee": "Sở Thông tin và Truyền thông", "observance_day": "30/7/2024",
             "report_to": "Công an tỉnh"}  # fmt: skip
    for field, value in typed.items():
        page.locator(f"#{field}").fill(value)
    page.get_by_role("button", name="Lưu và tiếp tục").click()


def _write_text(page: Page) -> None:
    """The passage that the letter quotes; its slip is for the approver to decide."""
    page.get_by_role("link", name="Lấy đoạn này").first.click()
    page.get_by_role("button", name="Lưu và tiếp tục").click()
    page.locator(".steps").get_by_role("link", name="Nội dung").click()
    page.get_by_label("Đề nghị sửa thành “Tổng đài”").check()
    page.locator("#c1_reason").fill("Mục 3 của công văn viết “Tổng đài 111”")
    page.get_by_role("button", name="Lưu và tiếp tục").click()


def _choose_people(page: Page, file: Path, n: int) -> None:
    """Upload, look at every row's verdict, come back and choose how it goes out."""
    page.get_by_label("Tệp .xlsx").set_input_files(file)
    page.get_by_role("button", name="Đọc tệp").click()
    page.get_by_role("link", name=file.name).click()
    _look_at_verdicts(page, file, n)
    page.go_back()
    page.locator("#sender").fill("LAICHAU-SIM")
    for fold in page.locator("details:not([open]):has(select[id^=route-of]) > summary").all():
        fold.click()
    for route in page.locator("select[id^=route-of]").all():
        accounts = route.locator("option").evaluate_all("all => all.map((each) => each.value)")
        route.select_option(next(each for each in accounts if each.startswith("sim-")))
    page.get_by_role("button", name="Lưu và tiếp tục").click()


def _look_at_verdicts(page: Page, file: Path, n: int) -> None:
    """Every row of the file is accounted for in what is shown, bad ones with their reason in words."""
    figures = [_number(each) for each in page.locator("table").first.locator("tbody td").all_inner_texts()]
    rows = len(file.read_text(encoding="utf-8-sig").splitlines()) - 1
    assert sum(figures) == _number(page.locator("tfoot td").first.inner_text()) == rows
    assert figures[0] == n
    for words in ("thiếu chữ số", "số cố định", "số của nước khác"):
        expect(page.get_by_text(words).first).to_be_visible()


def _submit(page: Page, n: int) -> None:
    """The letter's days, the forecast, a last look; what comes of it its author cannot approve."""
    page.get_by_role("link", name="Điền theo gợi ý").click()
    page.get_by_role("button", name="Lưu lịch và tiếp tục").click()
    segments = f"{4 * n:,}".replace(",", ".")
    expect(page.get_by_role("cell", name=segments, exact=True).first).to_be_attached()
    page.get_by_role("link", name="Xem lại và trình").click()
    for warning in page.locator("input[name^=seen_]").all():
        warning.check()
    for later in ("Đợt 2 · 15/7/2024", "Đợt 3 · 30/7/2024"):
        page.get_by_label(later).uncheck()
    page.get_by_role("button", name="Trình lãnh đạo duyệt").click()
    page.locator(".item", has_text=f"{n} người").get_by_role("link").click()
    expect(page.get_by_text("Cần người khác duyệt")).to_be_visible()
    expect(page.get_by_role("button", name="Duyệt gửi cho")).to_have_count(0)


def _approve_and_start(page: Page, phone: Phone, n: int) -> None:
    """On a phone: read, choose the text, type the count and the code."""
    page.goto("/console/approvals")
    page.locator(".item, .card").filter(has_text=f"{n} người").last.get_by_role("link").click()
    page.get_by_label("Gửi bản đã sửa").check()
    page.get_by_label("Vì sao chọn nội dung này").fill("“Tổng đại” là lỗi chữ")
    page.get_by_label("Gõ lại số người").fill(str(n))
    page.get_by_label("Mã xác thực 6 số").fill(phone.code())
    page.get_by_role("button", name=f"Duyệt gửi cho {n} người").click()
    expect(page.get_by_text("Không phải làm gì thêm.")).to_be_visible()
    page.get_by_text("Việc của cán bộ: bắt đầu gửi").click()
    page.get_by_role("button", name=f"Bắt đầu gửi {n} bản tin").click()
    expect(page.locator(".chip", has_text="Đang gửi")).to_be_visible()


def _until_some_went(two: Two, n: int) -> None:
    """Live figures without a word of ours; without JavaScript the page says the same when it is read again."""
    page = two.binh
    taken = page.locator('[data-told="taken"]')
    for _ in range(60):
        if 0 < _number(taken.inner_text()) < n:
            return
        page.wait_for_timeout(500)
        if not two.script:
            _look_again(page)
    raise AssertionError(page.locator("main").inner_text())


def _look_again(page: Page) -> None:
    """Load the page anew; a live page that does the same at that instant, as its wave has ended, cuts ours short."""
    try:
        page.goto(page.url)
    except Error as error:
        if "ERR_ABORTED" not in error.message:
            raise
        page.wait_for_load_state("load")


def _pause(page: Page) -> str:
    """It tells how soon it was in force, and what was left; nothing moves any more."""
    page.get_by_role("button", name="Tạm dừng").click()
    told = page.locator(".note", has_text="Dừng sau").inner_text()
    assert re.search(r"Dừng sau \d+,\d giây", told)
    assert re.search(r"[\d.]+ bản tin còn trên đường, [\d.]+ bản tin chưa gửi", told)
    for _ in range(60):  # what was on the way settles; what carriers would not take now waits again
        page.wait_for_timeout(1_000)
        _look_again(page)
        if not _number(page.locator('[data-told="all.run"]').inner_text()):
            break
    waiting = page.locator('[data-told="all.wait"]').inner_text()
    page.wait_for_timeout(2_000)
    _look_again(page)
    assert page.locator('[data-told="all.wait"]').inner_text() == waiting
    return waiting


def _report(page: Page, folder: Path, n: int) -> int:
    """The paper opens, its figures add up in both ways; messages that carriers took."""
    with page.expect_download() as told:
        page.get_by_role("link", name="Tải báo cáo (.docx)").click()
    path = folder / told.value.suggested_filename
    told.value.save_as(path)
    tables = [[[cell.text for cell in row.cells] for row in table.rows] for table in docx.Document(str(path)).tables]
    [table] = [each for each in tables if "Nhà mạng đã nhận" in each[0]]
    rows = [[_number(each) for each in row[2:]] for row in table[2:]]
    carriers, total = rows[:-2], rows[-1]
    assert [sum(column) for column in zip(*carriers, strict=True)] == total
    for people, taken, _segments, *outcomes in rows:
        assert people == taken + sum(outcomes[4:])
        assert taken == sum(outcomes[:4])
    assert total[0] == n
    return total[1]


def test_from_the_letter_to_the_report(two: Two, tmp_path: Path) -> None:
    """Draft, list with bad rows, verdicts, submission, approval by another person, live, pause, resume, the paper."""
    n = 640 if two.script else 620
    phone = two.stage.phones.get("binh") or _set_up_authenticator(two.binh, two.stage)
    _write_letter(two.an, f"{n}/BCĐ")
    _write_text(two.an)
    _choose_people(two.an, _list_with_bad_rows(tmp_path, seed=n, n=n), n)
    _submit(two.an, n)
    _approve_and_start(two.binh, phone, n)
    _until_some_went(two, n)
    waiting = _pause(two.binh)
    two.an.goto(two.binh.url)
    two.an.get_by_role("button", name=f"Tiếp tục gửi {waiting} bản tin").click()
    for page in (two.binh, two.an):
        _until_over(page, script=two.script)
    figures = [_number(each) for each in two.an.locator(".k [data-told]").all_inner_texts()]
    assert sum(figures) == n
    assert _report(two.an, tmp_path, n) == _number(two.an.locator('[data-told="taken"]').inner_text())


def _until_over(page: Page, *, script: bool) -> None:
    over = page.locator(".chip", has_text="Gửi xong")
    if script:  # the page follows its wave by itself
        _look_again(page)
        expect(over).to_be_visible(timeout=WITHIN)
        return
    for _ in range(WITHIN // 1_000):
        _look_again(page)
        if over.count():
            return
        page.wait_for_timeout(1_000)
    raise AssertionError(page.locator("main").inner_text())
