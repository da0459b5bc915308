"""The whole act of approving by keyboard alone, and where the focus is meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.stage import Stage

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
PEOPLE = 83
"""Of the wave that is approved here; no other wave has as many."""
FOCUSED = """() => {
  const e = document.activeElement, style = getComputedStyle(e), box = e.getBoundingClientRect();
  return {said: [e.innerText, ...[...(e.labels ?? [])].map((each) => each.innerText)].join(" "), id: e.id,
    ring: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 3,
    seen: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight};
}"""


def _tab_to(page: Page, words: str) -> None:
    """Tab on until what says these words has the focus; at each stop the focus can be seen."""
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        assert at["ring"], at
        assert at["seen"], at
        if words in at["said"]:
            return
    raise AssertionError(f"no stop says {words!r}")


def _fill_in(page: Page, code: str) -> None:
    """From the top of the approval page to its button, which is pressed."""
    _tab_to(page, "Gửi bản đã sửa")
    page.keyboard.press("Space")
    _tab_to(page, "Vì sao chọn nội dung này")
    page.keyboard.press("Control+A")
    page.keyboard.type("Mục 3 viết “Tổng đài 111”")
    _tab_to(page, "Gõ lại số người")
    page.keyboard.type(str(PEOPLE))
    _tab_to(page, "Mã xác thực 6 số")
    page.keyboard.type(code)
    _tab_to(page, "Duyệt gửi cho")
    page.keyboard.press("Enter")


def test_approving_needs_no_mouse(browser: Browser, stage: Stage, tmp_path: Path) -> None:
    """Skip link, the wrong code with the focus on what is to mend, the right one, and start."""
    wave = stage.plan(tmp_path, "Danh sách để duyệt bằng bàn phím", n=PEOPLE, seed=PEOPLE)
    context = stage.enter(browser, "hoa", viewport={"width": 1280, "height": 900})
    page = context.pages[0]
    page.goto("/console/approvals")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["said"].strip() == "Đến nội dung"
    assert page.evaluate(FOCUSED)["seen"]
    page.keyboard.press("Enter")
    page.goto(f"/console/waves/{wave.id}/approve")
    _fill_in(page, "000000")
    expect(page.locator(".summary")).to_be_focused()
    _tab_to(page, "Mã sai.")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Mã xác thực 6 số")).to_be_focused()
    page.goto(f"/console/waves/{wave.id}/approve")
    _fill_in(page, stage.phones["hoa"].code())
    page.wait_for_url(f"**/waves/{wave.id}")
    _tab_to(page, "Việc của cán bộ")
    page.keyboard.press("Enter")
    _tab_to(page, "Bắt đầu gửi")
    page.keyboard.press("Enter")
    expect(page.locator(".chip", has_text="Đang gửi")).to_be_visible()
    context.close()


def test_the_skip_link_leads_past_the_menu(browser: Browser, stage: Stage) -> None:
    """The stop after it is in the page's own part."""
    context = stage.enter(browser, "hoa")
    page = context.pages[0]
    page.goto("/console/approvals")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")
    context.close()
