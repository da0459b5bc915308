"""Reminders to carriers: the words for a person to send, the line in the log, and who must approve."""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import replace

import pytest

from campaigns.ledger import orders
from campaigns.order import Terms
from dispatcher import orders as acts
from dispatcher.api import carrier_form
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN
from tests.ordering import CONTACT, DAY, NUMBER, REASON, Desk
from workers.chasing import Chaser


def test_reminders_before_and_after_the_deadline(desk: Desk) -> None:
    """Nobody long before; then how many days are left, that no word came; after it, how many days it is over."""
    said: dict[str, str] = {}
    for day in ("2024-08-04", "2024-08-05", "2024-08-07"):
        found = acts.reminders(desk.house, CAMPAIGN, acts.noon(dt.date.fromisoformat(day)))
        said[day] = next(text for each, text in found if str(each.order.id) == desk.order)
    assert "chưa nhận được phản hồi" in said["2024-08-04"]
    assert "(còn 1 ngày)" in said["2024-08-04"]
    assert "(hết hôm nay)" in said["2024-08-05"]
    assert "quá hạn báo cáo 2 ngày (hạn: 05/8/2024)" in said["2024-08-07"]
    assert f"Công văn số {NUMBER} ngày 27/6/2024" in said["2024-08-07"]
    assert all(desk.code not in text and text.startswith("[DIỄN TẬP] ") for text in said.values())


def test_the_log_names_late_carriers_once_a_day(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    chaser = Chaser()
    with caplog.at_level(logging.WARNING, "workers.chasing"):
        counts = [chaser.look(desk.house, acts.noon(dt.date(2024, 8, day))) for day in (6, 6, 7)]
    assert counts[1] == 0
    assert counts[0] >= 1
    mine = [record.getMessage() for record in caplog.records if desk.order in record.getMessage()]
    assert [line.partition("days left")[0][-3:] for line in mine] == ["-1 ", "-2 "]


def test_a_second_approval_above_the_reach(desk: Desk) -> None:
    """As for waves: above the configured number, or where none is published; a rehearsal needs one."""
    terms = Terms("tỉnh Lai Châu", CONTACT, dt.date.fromisoformat(DAY), published=50_000)
    asked = [(terms, False), (terms._replace(published=50_001), False), (terms._replace(published=None), False),
             (terms._replace(published=None), True)]  # fmt: skip
    assert [acts.approvals_due(each, 50_000, rehearsal=rehearsal) for each, rehearsal in asked] == [1, 2, 2, 1]
    with desk.house.begin() as conn:
        plan = orders.get(conn, int(desk.order)).plan
        twice = orders.draft(conn, replace(plan, reason=f"{REASON} (hai người)"), AUTHOR.login, approvals_due=2)
        first = orders.approve(conn, twice.id, APPROVER, plan_hash=twice.plan_hash)
        assert first.state.value == "drafted"


def test_the_page_shows_every_day_of_a_long_wave(desk: Desk) -> None:
    """92 days are 92 rows; above half a year the page says what to do with the rest."""
    with desk.house.begin() as conn:
        order = orders.get(conn, int(desk.order))
    wave = order.plan.waves[0]
    for n, told in ((92, False), (200, True)):
        until = wave.date + dt.timedelta(n - 1)
        long = replace(order, plan=replace(order.plan, waves=(replace(wave, until=until),)))
        page = carrier_form._form(long, desk.code, {})
        assert page.count('_day" value="') == min(n, carrier_form.DAYS) + carrier_form.SPARE
        assert (f"{n} ngày nhắn tin" in page) is told
