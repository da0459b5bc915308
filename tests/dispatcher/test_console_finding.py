"""One number's history on a page: what it tells, who may ask, and what the record keeps of it."""

from __future__ import annotations

import re
import secrets
from html import unescape

import pytest

from campaigns.ledger import lives, logbook, people, reading
from campaigns.sealing import mask
from campaigns.terms import Outcome, State
from dispatcher.assemble import Site
from dispatcher.console.finding import FATES, Found
from tests.cluster import CAMPAIGN, Planned, start
from tests.console import Browser, signed_in
from tests.serving import Served
from workers.house import House

PATH = "/console/messages"


@pytest.fixture
def auditor(served: Served, house: House) -> Browser:
    return signed_in(served, house, f"f-{secrets.token_hex(4)}", "auditor", authenticator=True)


def test_a_numbers_message_is_told_with_its_attempt_answer_and_receipt(
    house: House, planned: Planned, auditor: Browser, site: Site
) -> None:
    wave = start(house, planned(n=40, seed=7391))
    with house.begin() as conn:
        first = next(reading.messages(conn, wave.id, house.keys(wave.campaign)))
        window = secrets.randbits(62)
        conn.execute(
            "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)"
            " SELECT %s, wave, kind, seq, epoch, %s, %s + 10, '', account, 'test' FROM batch"
            " WHERE wave = %s AND kind = 'first' AND lo <= %s AND hi > %s",
            (window, first.no, first.no, wave.id, first.no, first.no),
        )
        logbook.append(conn, wave.id, [
            (window, first.no, "answer", Outcome.ACCEPTED, "0", "ref-1"),
            (window, first.no, "receipt", Outcome.DELIVERED, "DELIVRD", "ref-1"),
            (window, first.no + 1, "answer", Outcome.REFUSED, "OTHERS", "ref-2"),
        ])  # fmt: skip
    said = auditor.post(PATH, number=f"0{first.number % 10**9}", reason="Người dân hỏi", code=auditor.code())
    page = said.body.decode()
    assert said.status == 200
    for words in (
        "chuyển cho nhà mạng",
        "nhà mạng trả lời: đã nhận, chưa phải đã đến máy",
        "biên nhận của nhà mạng",
        "DELIVRD",
        wave.name,
    ):
        assert words in page
    assert "OTHERS" not in page
    number = str(first.number)
    assert number not in page
    assert page.count(number[2:]) == 1, "what was typed stands in its box, and nowhere else"
    assert f'value="0{number[2:]}"' in page
    assert f"Số {mask(first.number)} được gửi 1 bản tin." in page
    assert "không gửi lại lần nào; diễn tập: máy nhận là giả lập." in page
    assert page.index("được gửi 1 bản tin") < page.index('id="number"'), "the answer stands above the form"
    before, folded = page.split("chi tiết kỹ thuật")
    assert "sim-" not in before
    assert "sim-" in folded
    assert "tin quy đổi:" in before
    link = re.search(r'href="(/console/audit\?[^"#]*)#(e\d+)">Đã ghi nhật ký lúc', page)
    assert link is not None
    record = auditor.get(unescape(link[1])).body.decode()
    assert f'<li id="{link[2]}">' in record
    assert "Tìm thấy 1 bản tin" in record
    assert "số điện thoại (mã)" in record
    with house.begin() as conn:
        rows = conn.execute("SELECT subject, details::text FROM audit WHERE act = 'message.search'").fetchall()
    assert "Người dân hỏi" in rows[-1][1]
    assert all(number[2:] not in text for row in rows for text in row)


def test_every_state_has_a_sentence_and_tries_are_told_apart_from_messages(house: House, planned: Planned) -> None:
    """One message that was handed over twice and taken once is no two messages; no state is without its words."""
    assert FATES.keys() == set(State)
    wave = planned(n=20, seed=92)
    moment = wave.planned_at
    life = [
        lives.Event(moment, 1, "sent", "sim-smpp", None, "", ""),
        lives.Event(moment, 1, "answer", "sim-smpp", Outcome.NOT_SENT, "", ""),
        lives.Event(moment, 2, "sent", "sim-smpp", None, "", ""),
        lives.Event(moment, 2, "answer", "sim-smpp", Outcome.ACCEPTED, "0", "r"),
        lives.Event(moment, 2, "receipt", "sim-smpp", Outcome.DELIVERED, "0", "r"),
    ]
    found = Found(wave, lives.Message(3, "viettel", State.DELIVERED), life)
    assert (found.handed, found.taken) == (2, 1)
    assert found.at == moment
    assert found.text is None, "nobody has chosen a text yet"
    never = Found(wave, lives.Message(4, "viettel", State.QUEUED), [])
    assert (never.handed, never.taken, never.at) == (0, 0, None)


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"number": "0912"}, "không phải số di động"), ({"reason": " "}, "ghi lý do"), ({"code": "000000"}, "mã")],
)
def test_a_look_without_number_reason_or_code_is_refused_and_finds_nothing(
    auditor: Browser, changes: dict[str, str], told: str
) -> None:
    form = {"number": "0912345678", "reason": "Kiểm tra", "code": "123"} | changes
    said = auditor.post(PATH, **form)
    assert said.status == 422
    assert told in said.body.decode()


def test_a_number_that_got_nothing_is_told_so(auditor: Browser) -> None:
    said = auditor.post(PATH, number="0981 000 001", reason="Kiểm tra", code=auditor.code())
    assert "Không có bản tin nào gửi tới số 84981•••001" in said.body.decode()


def test_a_look_needs_an_authenticator(served: Served, house: House) -> None:
    plain = signed_in(served, house, f"f-{secrets.token_hex(4)}", "officer")
    assert plain.post(PATH, number="0981000001", reason="Kiểm tra", code="123456").status == 403


# -- the record --------------------------------------------------------------------------------------------------------


def test_the_record_tells_who_did_what_and_is_filtered_by_its_address(house: House, auditor: Browser) -> None:
    """An act in the record is a sentence; details are folded; the filter is part of the address."""
    word = secrets.token_hex(6)
    with house.begin() as conn:
        people.record(conn, "an", "wave.pause", word, reason="Xem lại <b>")
        people.record(conn, "binh", "sending.stop", word)
    page = auditor.get(f"/console/audit?subject={word}").body.decode()
    assert page.count('<li id="e') == 2
    assert "tạm dừng một đợt gửi" in page
    assert "&lt;b&gt;" in page
    assert auditor.get(f"/console/audit?subject={word}&act=wave.").body.decode().count('<li id="e') == 1
    assert auditor.get(f"/console/audit?subject={word}&person=binh").body.decode().count('<li id="e') == 1
    assert "Không có mục nào" in auditor.get(f"/console/audit?subject={word}&until=2020-01-01").body.decode()
    assert auditor.get("/console/audit?since=hôm-qua".replace("ô", "o")).status == 422


def test_an_act_on_a_wave_names_the_wave_and_a_filter_can_be_taken_off(planned: Planned, auditor: Browser) -> None:
    wave = planned(n=20, seed=95)
    page = auditor.get(f"/console/audit?subject={wave.id}").body.decode()
    assert f'<a href="/console/waves/{wave.id}">{wave.name} · ' in page
    assert 'href="/console/audit">Bỏ lọc</a>' in page
    assert "Bỏ lọc" not in auditor.get("/console/audit").body.decode()


def test_taking_the_record_out_needs_a_code_and_a_reason_and_is_recorded(house: House, auditor: Browser) -> None:
    word = secrets.token_hex(6)
    with house.begin() as conn:
        people.record(conn, "an", "wave.pause", word)
    path = "/console/audit/export"
    assert auditor.post(path, subject=word, why="", code=auditor.code()).status == 422
    assert auditor.post(path, subject=word, why="Thanh tra", code="000000").status == 422
    said = auditor.post(path, subject=word, why="Thanh tra", code=auditor.code())
    lines = said.body.decode().splitlines()
    assert lines[0] == "id,at,person,act,subject,details"
    assert len(lines) == 2
    assert "lấy nhật ký ra tệp" in auditor.get("/console/audit?act=audit.").body.decode()


def test_a_number_is_looked_up_in_many_waves_at_once(
    house: House, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three waves to the same people, asked in statements of two: each message is found, in no other wave one is."""
    monkeypatch.setattr(lives, "TABLES", 2)
    same = [planned(n=20, seed=93, batch_size=100 + at) for at in range(3)]
    other = planned(n=20, seed=94)
    with house.begin() as conn:
        first = next(reading.messages(conn, same[0].id, house.keys(CAMPAIGN)))
        digest = house.keys(CAMPAIGN).number_hash(first.number)
        found = lives.of_number(conn, {wave.id: digest for wave in (*same, other)})
        assert found.keys() == {wave.id for wave in same}
        assert {each.carrier for each in found.values()} == {first.carrier}
        assert lives.of_number(conn, {}) == {}
