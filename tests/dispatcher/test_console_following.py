"""Correct and resend on pages: whom it reaches, what is shown before planning, what a running wave asks first."""

from __future__ import annotations

import re
import secrets

import psycopg
import pytest

from campaigns import text
from campaigns.ledger import resends, waves
from campaigns.ledger.waves import Wave
from dispatcher.assemble import Site
from dispatcher.console import following
from tests.cluster import AUTHOR, Planned, start
from tests.console import Browser, signed_in
from tests.hand import end_in_all_states, one
from tests.serving import Served
from workers.house import House

TEXT = "Đính chính: nội dung đúng như sau, chi tiết gọi 111"


@pytest.fixture
def officer(served: Served, house: House) -> Browser:
    return signed_in(served, house, f"k-{secrets.token_hex(4)}", "officer")


@pytest.fixture
def over(site: Site, planned: Planned) -> Wave:
    """A cancelled wave of 80 messages, ten in each state there is."""
    wave = start(planned.house, planned(n=80, seed=47, account="sim-smpp", batch_size=1000))
    with psycopg.connect(site.owner) as conn:
        end_in_all_states(conn, wave.id)
        waves.move(conn, wave.id, AUTHOR.login, "cancel", "sai văn bản")
        return waves.get(conn, wave.id)


def page(browser: Browser, path: str) -> str:
    said = browser.get(path)
    assert said.status == 200, said.body.decode()
    return said.body.decode()


def test_a_correction_is_planned_once_its_words_were_seen_as_on_a_phone(officer: Browser, over: Wave) -> None:
    """The set by state sums to the number on the button; words that changed since are shown before they are planned."""
    path = f"/console/waves/{over.id}"
    assert f'href="{path}/correct"' in page(officer, path)
    shown = page(officer, f"{path}/correct")
    assert '<span class="big">30</span>' in shown
    assert re.findall(r"<dd>(\d+) người</dd>", shown) == ["10", "10", "10"]
    assert f'<p class="bubble" lang="vi">Đính chính tin nhắn trước: {over.text}</p>' in shown
    said = officer.post(f"{path}/correct", act="plan", text=TEXT, seen=text.sha256(over.text or ""))
    assert said.status == 200
    again = said.body.decode()
    assert "Nội dung đã đổi so với bản vừa hiện" in again
    assert f'<p class="bubble" lang="vi">{TEXT}</p>' in again
    assert "Trình lãnh đạo duyệt: 30 người" in again
    [seen] = re.findall(r'name="seen" value="([0-9a-f]{64})"', again)
    said = officer.post(f"{path}/correct", act="plan", text=TEXT, seen=seen)
    assert said.status == 303
    made = said.headers["location"]
    assert re.fullmatch(r"/console/waves/\d+/approve", made)
    assert TEXT in page(officer, made)
    assert "Đã lập kế hoạch rồi" in page(officer, f"{path}/correct")
    assert "(đính chính)" in page(officer, path)


@pytest.mark.parametrize("words", ["", "gọi 0912345678", "Xem http://a.vn, gọi 111"])
def test_words_that_no_text_may_hold_are_told_at_the_field_and_kept(officer: Browser, over: Wave, words: str) -> None:
    said = officer.post(f"/console/waves/{over.id}/correct", act="look", text=words)
    shown = said.body.decode()
    assert said.status == 422
    assert 'role="alert"' in shown
    assert f">{words}</textarea>" in shown
    assert "Trình lãnh đạo duyệt" not in shown


@pytest.mark.parametrize(("kind", "wanted"), [("failed", "expired"), ("rest", "cancelled")])
def test_the_same_text_goes_again_to_exactly_its_set(
    house: House, officer: Browser, over: Wave, kind: str, wanted: str
) -> None:
    path = f"/console/waves/{over.id}/resend"
    shown = page(officer, f"{path}?to={kind}")
    assert '<span class="big">10</span>' in shown
    assert f'<p class="bubble" lang="vi">{over.text}</p>' in shown
    said = officer.post(path, to=kind)
    assert said.status == 303
    with house.begin() as conn:
        made = waves.get(conn, int(said.headers["location"].split("/")[3]))
    assert made.plan["resend"]["states"] == {wanted: 10}
    assert officer.post(path, to="everybody").status == 422


def test_a_running_wave_is_stopped_for_good_first_by_its_typed_count(
    house: House, officer: Browser, planned: Planned
) -> None:
    """Then the page of the correction; nothing is planned by the way there."""
    wave = start(house, planned(n=30, seed=48))
    path = f"/console/waves/{wave.id}"
    assert "Nội dung sai? Dừng và đính chính…" in page(officer, path)
    shown = page(officer, f"{path}/correct")
    assert '<span class="big">30</span>' in shown
    assert "Trình lãnh đạo duyệt" not in shown
    assert officer.post(f"{path}/correct", act="plan", text=TEXT, seen=text.sha256(TEXT)).status == 422
    said = officer.post(f"{path}/cancel", count="30", then="correction", reason="Sai số")
    assert said.headers["location"] == f"{path}/correct"
    assert page(officer, said.headers["location"]).count('<span class="big">0</span>') == 1
    with house.begin() as conn:
        assert resends.relations(conn, wave.id) == []


def test_the_pages_offer_by_the_states_of_the_ledger(house: House) -> None:
    """Counters on the wave's page and the sets in the database speak of the same messages."""
    with house.begin() as conn:
        for kind, states in following.STATES.items():
            assert one(conn, "SELECT resend_states(%s)", kind)[0] == [state.value for state in states]


def test_a_wave_that_never_began_has_nothing_to_correct(officer: Browser, planned: Planned) -> None:
    wave = planned(n=10, seed=49)
    assert "chưa từng" in page(officer, f"/console/waves/{wave.id}/correct")
