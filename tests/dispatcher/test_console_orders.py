"""An order to a carrier on pages, from the approval to the accepted figures."""

from __future__ import annotations

import re
import secrets

import pytest

from dispatcher import orders as ordering
from tests.cluster import AUTHOR, CAMPAIGN, letter
from tests.console import Browser, signed_in
from tests.serving import Served
from workers.house import House

RETURN = {"document": "Công văn số 31/VT", "method": "Theo nơi đăng ký", "received": "2024-08-02"}


@pytest.fixture
def order(house: House) -> str:
    """The path of a fresh order."""
    definition, _ = letter(house)
    terms = ordering.default_terms(definition, f"Phòng BCVT {secrets.token_hex(4)}")
    [made] = ordering.draft(house, CAMPAIGN, ["viettel"], terms, AUTHOR.login, rehearsal=True)
    return f"/console/orders/{made.id}"


def browser(served: Served, house: House, *roles: str) -> Browser:
    return signed_in(served, house, f"o-{secrets.token_hex(4)}", *roles, authenticator="approver" in roles)


def figures(short: int = 0) -> dict[str, str]:
    """What a carrier reports for three waves; `short`: segments that are missing in each."""
    wave = {"subscribers": "1000", "messages": "1000", "segments": str(4000 - short)}
    rows = {f"w{no}_{name}": value for no in (1, 2, 3) for name, value in wave.items()}
    total = {"total_subscribers": "1000", "total_messages": "3000", "total_segments": str(3 * (4000 - short))}
    return RETURN | rows | total


def test_an_order_goes_its_way_on_pages_to_the_accepted_figures(served: Served, house: House, order: str) -> None:
    officer, approver = browser(served, house, "officer"), browser(served, house, "approver")
    page = approver.get(order).body.decode()
    [code] = re.findall(r'name="hash" value="([0-9a-f]{64})"', page)
    assert approver.post(f"{order}/approve", hash=code, code="000000").status == 422
    assert approver.post(f"{order}/approve", hash="0" * 64, code=approver.code()).status == 409
    assert approver.post(f"{order}/approve", hash=code, code=approver.code()).status == 303
    assert officer.post(f"{order}/issue", number="312/STTTT", dated="").status == 422
    assert officer.post(f"{order}/issue", number="312/STTTT-BCVT", dated="2024-06-27").status == 303
    assert officer.post(f"{order}/move", act="ack", note="Đã nhận").status == 303
    assert officer.upload(f"{order}/return", "", b"", **figures()).status == 303
    page = officer.get(order).body.decode()
    assert "Kết quả nhà mạng báo, bản 1" in page
    assert "312/STTTT-BCVT" in page
    assert officer.post(f"{order}/accept", note="Đủ").status == 303
    assert "Nghiệm thu bản" not in officer.get(order).body.decode()
    assert order in officer.get("/console/orders").body.decode()


def test_days_that_are_over_are_told_small_and_days_to_go_large(served: Served, house: House, order: str) -> None:
    """The letter is of 2024: what is long over does not shout."""
    page = browser(served, house, "officer").get("/console/orders").body.decode()
    row = page[: page.index(f'href="{order}"')].rpartition('<div class="row')[2]
    assert re.search(r'<div class="small muted">đã qua [\d.]+ ngày</div>', row)
    assert 'class="days"' not in row


def test_fewer_segments_than_ordered_stand_beside_the_figure_and_need_a_note(
    served: Served, house: House, order: str
) -> None:
    """The carrier shortened the text: three segments where four were ordered."""
    officer, approver = browser(served, house, "officer"), browser(served, house, "approver")
    [code] = re.findall(r'name="hash" value="([0-9a-f]{64})"', approver.get(order).body.decode())
    assert approver.post(f"{order}/approve", hash=code, code=approver.code()).status == 303
    assert officer.post(f"{order}/issue", number="313/STTTT", dated="2024-06-27").status == 303
    assert officer.upload(f"{order}/return", "", b"", **figures(short=1000)).status == 303
    page = officer.get(order).body.decode()
    assert re.search(r"Tin nhắn quy đổi.*?f-bad", page, re.DOTALL)
    assert "vì sao vẫn nhận số liệu" in page
    assert officer.post(f"{order}/accept", note=" ").status == 422
    assert officer.post(f"{order}/accept", note="Nhà mạng gửi bản không dấu").status == 303


def test_figures_that_are_none_are_refused_in_words(served: Served, house: House, order: str) -> None:
    officer = browser(served, house, "officer")
    said = officer.upload(f"{order}/return", "", b"", **(figures() | {"total_messages": "ba nghìn"}))
    assert said.status == 422
    assert 'role="alert"' in said.body.decode()
