"""A wave that asks, on the pages, over the API and in the command line's words; new hours from each of them."""

from __future__ import annotations

from datetime import datetime, timedelta

import psycopg
import pytest

from campaigns.ledger import fold, late, waves
from campaigns.ledger.waves import Wave
from campaigns.schedule import ZONE
from dispatcher import cli
from dispatcher.assemble import Site
from dispatcher.going import why_paused
from dispatcher.words import speak
from tests.cluster import APPROVER, AUTHOR, SECOND, Started
from tests.console import signed_in
from tests.hand import shut_down
from tests.serving import key_of, serving
from workers.house import House

API = "/api/v1/waves"


@pytest.fixture
def asking(site: Site, house: House, started: Started) -> Wave:
    """A wave of 40 whose ten hours passed three days ago, an hour after which everything was shut down."""
    wave = started(n=40, seed=61)
    with psycopg.connect(site.owner) as owner:
        shut_down(owner, wave.id)
    with house.begin() as conn:
        fold.close_waves(conn)
        return waves.get(conn, wave.id)


def tomorrow() -> str:
    return (datetime.now(ZONE).date() + timedelta(1)).isoformat()


def test_the_pages_ask_and_take_new_hours(site: Site, house: House, asking: Wave) -> None:
    """Home and wave page show the question; no button resumes; the form leads to the approval page, which says why."""
    with serving(site) as served:
        officer = signed_in(served, house, "can-bo", "officer")
        home = officer.get("/console").body.decode()
        assert f"/console/waves/{asking.id}" in home
        assert "chờ hỏi ý kiến" in home
        page = officer.get(f"/console/waves/{asking.id}").body.decode()
        assert "Đã muộn?" in page
        assert f"{asking.id}/resume" not in page
        hours = {"first": tomorrow(), "until": tomorrow(), "opens": "08:00", "closes": "20:00"}
        wrong = officer.post(f"/console/waves/{asking.id}/reopen", **hours | {"opens": "x"}, reason="mất điện")
        assert wrong.status == 422
        assert officer.post(f"/console/waves/{asking.id}/reopen", **hours, reason="mất điện").status == 303
        approver = signed_in(served, house, "lanh-dao", "approver")
        due = approver.get(f"/console/waves/{asking.id}/approve").body.decode()
        assert "Giờ gửi mới, do Người can-bo đặt" in due
        assert "Từ 08:00 đến 20:00" in due
    with house.begin() as conn:
        assert waves.get(conn, asking.id).state == "planned"


def test_the_api_asks_and_takes_new_hours(site: Site, house: House, asking: Wave) -> None:
    """`asks` is true, resuming is refused, the new plan needs approvals of its new hash; not by who gave the hours."""
    author, second = key_of(house, AUTHOR, "read", "write"), key_of(house, SECOND, "read", "write", "approve")
    with serving(site) as served:
        here = f"{API}/{asking.id}"
        assert served.get(here, author).json["asks"] is True
        assert "giờ gửi đã qua" in served.get(f"{here}/status", author).json["reason"]
        assert served.post(f"{here}/resume", author).status == 409
        assert (
            served.post(f"{here}/reopen", author, {"until": tomorrow(), "opens": "08:00", "reason": "x"}).status == 422
        )
        assert served.post(f"{here}/reopen", author, {"until": tomorrow()}).status == 422
        found = served.post(f"{here}/reopen", second, {"until": tomorrow(), "reason": "mất điện"}).json
        assert (found["state"], found["asks"], found["approvals"]) == ("planned", False, [])
        word = {"count": 40, "text": "corrected", "reason": "x", "plan_hash": found["plan_hash"]}
        assert served.post(f"{here}/approve", second, word).status == 403
        approver = key_of(house, APPROVER, "read", "approve")
        assert served.post(f"{here}/approve", approver, word).json["approvals_due"] == 0
        assert served.post(f"{here}/start", author).json["state"] == "running"


def test_the_question_is_said_in_both_languages() -> None:
    assert "giờ gửi đã qua" in why_paused(speak("vi"), late.TOO_LATE)
    assert "new hours" in why_paused(speak("en"), late.TOO_LATE)


def test_the_command_line_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["wave", "reopen", "--help"], {"DISPATCHER_LANG": "en"}) == 0
    said = capsys.readouterr()
    assert "--until" in said.out + said.err
