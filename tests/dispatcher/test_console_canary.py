"""The canary on the wave's page: a row a seed phone, the word of a person, and who may say it."""

from __future__ import annotations

import re
import secrets
import time

import pytest

from campaigns.ledger import canaries
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome
from tests.campaigns.test_ledger_canary import ON, answer, seed
from tests.cluster import Planned, start
from tests.console import Browser, signed_in
from tests.serving import Served
from workers.house import House


@pytest.fixture
def officer(served: Served, house: House) -> Browser:
    return signed_in(served, house, f"s-{secrets.token_hex(4)}", "officer")


@pytest.fixture
def waiting(planned: Planned) -> Wave:
    """A running wave whose seed messages are not out yet."""
    seed(planned.house, planned.folder)
    return start(planned.house, planned(n=60, account="sim-smpp", batch_size=1000, carriers=tuple(ON), canary=ON))


def shown(browser: Browser, wave: Wave) -> str:
    said = browser.get(f"/console/waves/{wave.id}")
    assert said.status == 200
    return said.body.decode()


def once_it_says(browser: Browser, wave: Wave, words: str) -> str:
    """The page, when its snapshot is a newer one."""
    for _ in range(100):
        if words in (page := shown(browser, wave)):
            return page
        time.sleep(0.1)
    raise AssertionError(words)


def words(house: House, wave: Wave) -> dict[str, str | None]:
    with house.begin() as conn:
        return {each.carrier: each.word for each in canaries.standing(conn, wave.id)}


def test_each_seed_phone_has_a_row_masked_and_the_right_word_lets_its_carriers_out(
    house: House, officer: Browser, waiting: Wave
) -> None:
    """Before anything arrived there is nothing to say "right" to; afterwards one button speaks of all that arrived."""
    before = shown(officer, waiting)
    n = sum(waiting.plan["canary"]["by_carrier"].values())
    assert len(re.findall(r"<li><span>84\d{3}•••\d{3}</span>", before)) == n
    assert f"/console/waves/{waiting.id}/canary/right" not in before
    with house.begin() as conn:
        answer(conn, waiting, viettel=Outcome.DELIVERED, vinaphone=Outcome.ACCEPTED)
    page = once_it_says(officer, waiting, "Đúng nội dung: Viettel, VinaPhone")
    assert page.count('<button class="btn">') == 1, "one filled button: what this page asks for now"
    assert officer.post(f"/console/waves/{waiting.id}/canary/right").status == 303
    assert words(house, waiting) == {"viettel": "right", "vinaphone": "right"}
    assert "đúng nội dung" in shown(officer, waiting)


def test_wrong_needs_what_is_wrong_and_stands_on_the_page_with_its_person(
    served: Served, house: House, officer: Browser, waiting: Wave
) -> None:
    """Who may stop may say it, the operator too; who only looks may not."""
    path = f"/console/waves/{waiting.id}/canary/wrong"
    operator = signed_in(served, house, f"s-{secrets.token_hex(4)}", "operator")
    refused = operator.post(path, carrier="viettel")
    assert refused.status == 422
    assert 'role="alert"' in refused.body.decode()
    assert operator.post(path, carrier="viettel", reason="Thiếu số 111").status == 303
    assert words(house, waiting) == {"viettel": "wrong", "vinaphone": None}
    page = shown(officer, waiting)
    assert "Thiếu số 111" in page
    assert "sai nội dung" in page
    auditor = signed_in(served, house, f"s-{secrets.token_hex(4)}", "auditor")
    assert "canary/wrong" not in shown(auditor, waiting)


def test_a_phone_that_was_off_lets_its_carrier_go_on_only_by_another_approver(
    served: Served, house: House, officer: Browser, waiting: Wave
) -> None:
    with house.begin() as conn:
        answer(conn, waiting, viettel=Outcome.UNDELIVERED, vinaphone=Outcome.ACCEPTED)
    path = f"/console/waves/{waiting.id}/canary/right"
    form = {"carrier": "viettel", "despite": "yes", "reason": "Máy hết pin"}
    assert "Gửi tiếp, không chờ các máy này" not in shown(officer, waiting)
    assert officer.post(path, **form).status == 422
    approver = signed_in(served, house, f"s-{secrets.token_hex(4)}", "approver")
    once_it_says(approver, waiting, "không đến máy thử")
    assert "Gửi tiếp, không chờ các máy này" in shown(approver, waiting)
    assert approver.post(path, **form).status == 303
    assert words(house, waiting) == {"viettel": "right", "vinaphone": None}


def test_a_page_that_looks_on_is_opened_anew_when_the_canary_moves(officer: Browser, waiting: Wave) -> None:
    """Its buttons depend on it: the stream's state holds it beside the wave's."""
    [before] = re.findall(r'data-state="([^"]+)"', shown(officer, waiting))
    officer.post(f"/console/waves/{waiting.id}/canary/wrong", reason="sai")
    [now] = re.findall(r'data-state="([^"]+)"', shown(officer, waiting))
    assert before.startswith("running")
    assert now != before
