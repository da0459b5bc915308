"""An approval on its page: another person, the shown plan, its count and a fresh code; once, or not at all."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from campaigns.ledger import waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher import acts
from tests.cluster import Planned
from tests.console import Browser, signed_in
from tests.serving import Served
from workers.house import House


def decide(browser: Browser, wave: int, **changes: str) -> int:
    page = browser.get(f"/console/waves/{wave}/approve").body.decode()
    [shown] = set(re.findall(r'name="hash" value="([0-9a-f]{64})"', page)) or {""}
    form = {"hash": shown, "count": "40", "choice": "corrected", "reason": "lỗi chữ", "code": ""} | changes
    if form["code"] == "phone":
        form["code"] = browser.code()
    return browser.post(f"/console/waves/{wave}/approve", **form).status


def test_an_approval_needs_another_person_the_shown_plan_its_count_and_a_fresh_code(
    served: Served, house: House, planned: Planned
) -> None:
    wave = planned(n=40, seed=31)
    without = signed_in(served, house, "c-plain", "approver")
    assert decide(without, wave.id, code="123456") == 403
    approver = signed_in(served, house, f"c-{secrets.token_hex(4)}", "approver", authenticator=True)
    assert decide(approver, wave.id, code="000000") == 422
    assert decide(approver, wave.id, code="phone", hash="0" * 64) == 409
    code = approver.code()
    assert decide(approver, wave.id, code=code, reason=" ") == 422
    assert decide(approver, wave.id, code=code) == 303  # still good: nothing was wrong with it


def test_the_letters_spellings_stand_side_by_side_and_the_choice_is_in_the_record(
    served: Served, house: House, planned: Planned
) -> None:
    """F-A5: both spellings with the letter's lines; the record names person, choice, reason and the text's hash."""
    wave = planned(n=40, seed=37)
    login = f"c-{secrets.token_hex(4)}"
    approver = signed_in(served, house, login, "approver", authenticator=True)
    page = approver.get(f"/console/waves/{wave.id}/approve").body.decode()
    for words, line in (("Tổng đại", 51), ("Tổng đài", 37)):
        assert f"<b>“{words}”</b>" in page
        assert re.search(rf"dòng {line}:</span>[^<]*<mark>{words}</mark>", page)
    assert decide(approver, wave.id, code="phone", choice="verbatim", reason="giữ nguyên văn") == 303
    with house.begin() as conn:
        row = conn.execute("SELECT details FROM audit WHERE act = 'wave.approve' AND person = %s", (login,)).fetchone()
    assert row
    assert {key: row[0][key] for key in ("choice", "reason", "text_sha256")} == {
        "choice": "verbatim", "reason": "giữ nguyên văn", "text_sha256": wave.plan["texts"]["verbatim"]["sha256"],
    }  # fmt: skip


def test_an_approval_is_told_what_it_lacks(served: Served, house: House, planned: Planned) -> None:
    wave = planned(n=40, seed=32)
    approver = signed_in(served, house, f"c-{secrets.token_hex(4)}", "approver", authenticator=True)
    assert decide(approver, wave.id, code="phone", count="41") == 409
    used = approver.code()
    assert decide(approver, wave.id, code=used) == 303
    assert decide(approver, wave.id, code=used) in {409, 422}


def test_nobody_approves_what_he_has_planned(served: Served, house: House, planned: Planned) -> None:
    wave = planned(n=40, seed=33)
    with house.begin() as conn:
        conn.execute("SELECT 1")
    author = signed_in(served, house, "an", "officer", "approver", authenticator=True)
    page = author.get(f"/console/waves/{wave.id}/approve").body.decode()
    assert "Cần người khác duyệt" in page
    assert 'name="count"' not in page
    assert author.post(f"/console/waves/{wave.id}/approve", hash=wave.plan_hash, count="40", choice="corrected",
                       code=author.code()).status == 403  # fmt: skip


def test_fifty_approvals_at_once_with_one_code_are_one(served: Served, house: House, planned: Planned) -> None:
    wave = planned(n=40, seed=34)
    approver = signed_in(served, house, f"c-{secrets.token_hex(4)}", "approver", authenticator=True)
    form = {"hash": wave.plan_hash, "count": "40", "choice": "corrected", "reason": "lỗi chữ", "code": approver.code()}
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: approver.post(f"/console/waves/{wave.id}/approve", **form).status, range(50)))
    assert said.count(303) == 1
    assert set(said) <= {303, 422, 429}
    with house.begin() as conn:
        assert conn.execute("SELECT count(*) FROM approval WHERE wave = %s", (wave.id,)).fetchone() == (1,)


def test_a_returned_plan_says_why_and_cannot_be_approved_any_more(
    served: Served, house: House, planned: Planned
) -> None:
    wave = planned(n=40, seed=35)
    approver = signed_in(served, house, f"c-{secrets.token_hex(4)}", "approver", authenticator=True)
    assert approver.post(f"/console/waves/{wave.id}/return", hash=wave.plan_hash, why="").status == 422
    assert approver.post(f"/console/waves/{wave.id}/return", hash=wave.plan_hash, why="Sai ngày").status == 303
    assert "Sai ngày" in approver.get(f"/console/waves/{wave.id}").body.decode()
    assert decide(approver, wave.id, code="phone", hash=wave.plan_hash) == 409


def test_a_wave_whose_hotline_nobody_made_sure_of_starts_only_with_a_reason(
    served: Served, house: House, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rehearsal asks nothing; whether a real one asks has its own tests, here the answer is always yes."""

    def ask(_house: House, _conn: psycopg.Connection, _wave: Wave, _login: str, why: str) -> None:
        if not why:
            raise Problem("there is no page at this address")

    monkeypatch.setattr(acts, "ask_first", ask)
    wave = planned(n=40, seed=37)
    approver = signed_in(served, house, f"c-{secrets.token_hex(4)}", "approver", authenticator=True)
    path = f"/console/waves/{wave.id}/start"
    assert decide(approver, wave.id, code="phone") == 303
    assert approver.post(path).status == 422
    assert approver.post(path, unverified_hotline=" ").status == 422
    assert approver.post(path, unverified_hotline="Đã gọi thử sáng nay").status == 303


def test_who_has_approved_is_told_so_and_has_nothing_left_to_do(served: Served, house: House, planned: Planned) -> None:
    """The wave, the lists and the menu's count say "approved", and starting stands in a fold, not in the bar."""
    wave = planned(n=40, seed=38)
    login = f"c-{secrets.token_hex(4)}"
    approver = signed_in(served, house, login, "approver", authenticator=True)
    with house.begin() as conn:
        assert wave.id in waves.lacking(conn) & waves.lacking(conn, login)
        assert wave.id not in waves.lacking(conn, wave.author)
    assert decide(approver, wave.id, code="phone", choice="verbatim", reason="giữ nguyên văn") == 303
    with house.begin() as conn:
        assert wave.id not in waves.lacking(conn) | waves.lacking(conn, login)
    page = approver.get(f"/console/waves/{wave.id}").body.decode()
    assert re.search(rf"Đã duyệt lúc [^<]* · bởi Người {login}</b>Không phải làm gì thêm\. Chưa gửi bản tin nào", page)
    assert ">đã duyệt, chưa bắt đầu<" in page
    assert ">Chờ duyệt<" not in page.split("<main")[1]
    assert '<div class="acts">' not in page
    assert page.index("Việc của cán bộ") < page.index("Bắt đầu gửi 40 bản tin")
    assert re.search(r"<h2>Nội dung nguyên văn <span[^>]*>.*?bản được duyệt", page, re.DOTALL)
    for path in ("/console/approvals", f"/console/campaigns/{wave.campaign}"):
        assert ">đã duyệt, chưa bắt đầu<" in approver.get(path).body.decode()
    officer = signed_in(served, house, f"c-{secrets.token_hex(4)}", "officer")
    for_officer = officer.get(f"/console/waves/{wave.id}").body.decode()
    assert "Đã duyệt lúc" in for_officer
    assert "Không phải làm gì thêm" not in for_officer
    assert for_officer.index("Bắt đầu gửi 40 bản tin") < for_officer.index("Đã duyệt lúc")


def test_the_page_says_which_text_is_shown_and_where_the_two_differ(
    served: Served, house: House, planned: Planned
) -> None:
    """Each bubble has its label, the difference stands beside the choice, list and hours stand above the fields."""
    wave = planned(n=40, seed=39)
    approver = signed_in(served, house, f"c-{secrets.token_hex(4)}", "approver", authenticator=True)
    page = approver.get(f"/console/waves/{wave.id}/approve").body.decode()
    for label in ("Nội dung, bản đã sửa lỗi gõ", "Nội dung nguyên văn"):
        assert f'<p class="small which"><b>{label}</b></p><p class="bubble"' in page
        assert f"<dt>Mã: {label}</dt>" in page
    assert re.search(r"Bản sửa khác 1 chữ: <b>“đại” → “đài”</b></p>", page)
    assert page.index("Danh sách: ") < page.index("Gõ lại số người")
    assert '<textarea id="why-choice" name="reason"' in page
    [hours] = re.findall(r"<dt>Thời gian</dt><dd>([^<;]*)", page)
    assert f"<dd>{hours}</dd>" in approver.get(f"/console/waves/{wave.id}").body.decode()
