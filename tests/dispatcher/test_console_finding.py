"""One number's history on a page: what it tells, who may ask, and what the record keeps of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from campaigns.ledger import logbook, reading
from campaigns.terms import Outcome
from dispatcher.assemble import Site
from tests.cluster import Planned, start
from tests.console import Browser, signed_in
from tests.serving import Served, serving
from workers.house import House

PATH = "/console/messages"


@pytest.fixture(scope="module")
def served(site: Site) -> Iterator[Served]:
    with serving(site) as running:
        yield running


@pytest.fixture
def auditor(served: Served, house: House) -> Browser:
    return signed_in(served, house, f"f-{secrets.token_hex(4)}", "auditor", authenticator=True)


def test_a_numbers_message_is_told_with_its_attempt_answer_and_receipt(
    house: House, planned: Planned, auditor: Browser, site: Site
) -> None:
    wave = start(house, planned(n=40, seed=91))
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
    assert number[2:] not in page
    with house.begin() as conn:
        rows = conn.execute("SELECT subject, details::text FROM audit WHERE act = 'message.search'").fetchall()
    assert "Người dân hỏi" in rows[-1][1]
    assert all(number[2:] not in text for row in rows for text in row)


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
    assert "Không có bản tin nào gửi tới số này" in said.body.decode()


def test_a_look_needs_an_authenticator(served: Served, house: House) -> None:
    plain = signed_in(served, house, f"f-{secrets.token_hex(4)}", "officer")
    assert plain.post(PATH, number="0981000001", reason="Kiểm tra", code="123456").status == 403
