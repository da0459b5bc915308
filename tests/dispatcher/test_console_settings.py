"""Settings: two operators agree on hotlines and prices; every reader sees the same; approved plans are not touched.

Routes and senders: test_console_routes.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import agreed, hours, lists, waves
from campaigns.ledger.agreed import HOTLINE, PRICE
from campaigns.terms import Absent, Problem
from dispatcher import foresight, standards
from dispatcher.assemble import Site
from tests.agreeing import agree_on, forget, operator, page, pair, tomorrow, with_account
from tests.cluster import APPROVER, CAMPAIGN, Planned
from tests.console import signed_in
from tests.hand import one
from tests.serving import Served
from workers.house import House

ROOT = Path(__file__).parents[2]
ACCOUNT = "sim-esms"
VALUE = {"name": "Tổng đài thử", "owner": "Sở thử nghiệm", "hours": "24/7", "cost": "free", "source": "công văn thử"}


@pytest.fixture(autouse=True)
def _forgotten(site: Site) -> Iterator[None]:
    """No change outlives its test."""
    yield
    forget(site)


# -- the two persons ---------------------------------------------------------------------------------------------------


def test_a_hotline_changes_by_two_operators_and_a_dial_test_with_every_campaign_in_sight(
    served: Served, house: House, planned: Planned
) -> None:
    """The letter's own number replaced by another: proposed, listed with its campaign, dialled, agreed, in force."""
    wave = planned(n=40, seed=71)
    first, second = operator(served, house), operator(served, house)
    form = VALUE | {"number": "1900 0000", "instead_of": "111", "reason": "chuyển tổng đài",
                    "effective": standards.today().isoformat()}  # fmt: skip
    path = "/console/settings/hotlines"
    assert first.post(path, **form, code="000000").status == 422
    assert first.post(path, **(form | {"number": "+84111"}), code="1").status == 422
    assert first.post(path, **(form | {"owner": " "}), code="1").status == 422
    assert first.post(path, **form, code=first.code()).status == 303
    with house.begin() as conn:
        [change] = agreed.changes(conn, HOTLINE)
    own = f"/console/settings/changes/{change.id}"
    shown = page(second, own)
    assert CAMPAIGN in shown
    assert f"/console/waves/{wave.id}" in shown
    assert 'name="tested"' not in page(first, own)
    assert first.post(f"{own}/agree", tested="đã gọi", code=first.code()).status == 409  # one's own
    assert second.post(f"{own}/agree", tested=" ", code="1").status == 422
    assert second.post(f"{own}/agree", tested="08:05, cô Hà nghe máy", code=second.code()).status == 303
    today = standards.today()
    with house.begin() as conn:
        found = standards.hotlines(house.settings, conn)
        assert found.find("1900 0000", today).owner == "Sở thử nghiệm"
        with pytest.raises(Absent):
            found.find("111", today)
        assert found.find("111", today - timedelta(days=1)).number == "111"
        acts_of = conn.execute("SELECT act FROM audit WHERE subject = 'hotline 1900 0000' ORDER BY id").fetchall()
    assert acts_of == [("setting.propose",), ("setting.agree",)]
    assert "cô Hà nghe máy" in page(first, own)
    assert second.post(f"{own}/drop").status == 409


def test_a_price_needs_the_second_operator_too_and_a_dropped_one_changes_nothing(served: Served, house: House) -> None:
    """Dropped, proposed again, agreed; versions are counted."""
    first, second = operator(served, house), operator(served, house)
    form = {"account": ACCOUNT, "price": "1.234", "reason": "hợp đồng mới", "effective": tomorrow().isoformat()}
    path = "/console/settings/prices"
    assert first.post(path, **(form | {"price": "ba trăm"}), code="1").status == 422
    assert first.post(path, **form, code=first.code()).status == 303
    assert operator(served, house).post(path, **form, code="1").status == 422
    third = operator(served, house)
    assert third.post(path, **form, code=third.code()).status == 422  # one waits already
    with house.begin() as conn:
        [change] = agreed.changes(conn, PRICE)
    assert second.post(f"/console/settings/changes/{change.id}/drop").status == 303
    assert first.post(path, **form, code=first.code()).status == 303
    with house.begin() as conn:
        change = agreed.changes(conn, PRICE)[0]
    assert change.version == 2
    assert second.post(f"/console/settings/changes/{change.id}/agree", code=second.code()).status == 303
    with house.begin() as conn:
        before = standards.prices(conn, house.accounts, standards.today())[ACCOUNT]
        after = standards.prices(conn, house.accounts, tomorrow())[ACCOUNT]
    assert (before, after) == (house.accounts[ACCOUNT].price, 1234)
    assert "1.234 đồng" in page(first, path)


@pytest.mark.parametrize("role", ["officer", "approver", "auditor"])
def test_others_look_and_propose_nothing(served: Served, house: House, role: str) -> None:
    """No form on their pages, and the door is shut."""
    browser = signed_in(served, house, f"s-{role}", role)
    for topic in ("hotlines", "prices", "routes", "senders"):
        assert 'name="effective"' not in page(browser, f"/console/settings/{topic}")
        assert browser.post(f"/console/settings/{topic}").status == 403


# -- what the database refuses -----------------------------------------------------------------------------------------


YES = "UPDATE setting_change SET agreed_by = 'binh', agreed_at = now(), tested = 'x'"
ROW = "INSERT INTO setting_change (topic, subject, version, value, effective_on, reason, proposed_by) VALUES "
BROKEN = [
    ("UPDATE setting_change SET agreed_by = proposed_by, agreed_at = now(), tested = 'x'", "another_person"),
    ("UPDATE setting_change SET agreed_by = 'binh', agreed_at = now()", "hotline_dialled"),
    ("UPDATE setting_change SET agreed_by = 'binh', tested = 'x'", "agreed_whole"),
    ("UPDATE setting_change SET dropped_by = 'binh'", "dropped_whole"),
    (YES + ", dropped_by = 'an', dropped_at = now()", "decided_once"),
    ("UPDATE setting_change SET agreed_by = 'binh', agreed_at = now() + interval '3 days', tested = 'x'",
     "not_backwards"),
    (ROW + "('price', 'a', 1, '{}', current_date, 'x', 'an')", "price_is_dong"),
    (ROW + "('price', 'a', 1, '{\"price\": -1}', current_date, 'x', 'an')", "price_is_dong"),
    (ROW + "('hotline', '9', 2, '{}', current_date, 'x', 'an')", "setting_waits"),
    (ROW + "('hotline', '9', 1, '{}', current_date, 'x', 'an')", "setting_change_topic_subject_version_key"),
    (ROW + "('price', 'a', 1, '{\"price\": 1}', current_date, '', 'an')", "setting_change_reason_check"),
    (ROW + "('price', '', 1, '{\"price\": 1}', current_date, 'x', 'an')", "setting_change_subject_check"),
    (ROW + "('price', 'a', 0, '{\"price\": 1}', current_date, 'x', 'an')", "setting_change_version_check"),
    (ROW + "('price', 'a', 1, '{\"price\": 1}', current_date, 'x', 'nobody')", "setting_change_proposed_by_fkey"),
    (ROW + "('route', 'viettel', 1, '{}', current_date, 'x', 'an')", "route_names_accounts"),
    (ROW + "('route', 'viettel', 1, '{\"accounts\": \"a\"}', current_date, 'x', 'an')", "route_names_accounts"),
    (ROW + "('sender', 'a b', 1, '{\"account\": \"a\", \"carrier\": \"b\", \"sender\": \"12345\"}',"
           " current_date, 'x', 'an')", "sender_is_a_name"),
    (ROW + "('sender', 'a b', 1, '{\"account\": \"a\", \"carrier\": \"b\", \"sender\": \"dài quá\"}',"
           " current_date, 'x', 'an')", "sender_is_a_name"),
    (ROW + "('sender', 'a b', 1, '{\"sender\": \"LaiChau\"}', current_date, 'x', 'an')", "sender_is_a_name"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "constraint"), BROKEN)
def test_each_constraint_of_a_change_fires(house: House, statement: str, constraint: str) -> None:
    """Whoever writes it: one's own yes, a yes without a call, a half decision, two decisions, a price that is none."""
    with house.begin() as conn:
        conn.execute(ROW + "('hotline', '9', 1, '{}', %s, 'x', 'an')", (standards.today(),))
    with pytest.raises(psycopg.errors.IntegrityError) as caught, house.begin() as conn:
        conn.execute(statement)
    assert caught.value.diag.constraint_name == constraint


def test_what_is_decided_stays_and_nobody_inserts_a_decision(house: House) -> None:
    """By trigger, and by the columns that the program may write."""
    agree_on(house, PRICE, ACCOUNT, {"price": 5})
    with pytest.raises(psycopg.errors.CheckViolation, match="decided"), house.begin() as conn:
        conn.execute("UPDATE setting_change SET tested = 'other'")
    decided = ROW.replace("proposed_by)", "proposed_by, agreed_by)")
    for statement in (
        "UPDATE setting_change SET value = '{}'",
        "DELETE FROM setting_change",
        decided + """('price', 'b', 1, '{"price": 1}', current_date, 'x', 'an', 'binh')""",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), house.begin() as conn:
            conn.execute(statement)


def test_a_day_that_is_over_and_ones_own_change_are_refused_in_words(house: House) -> None:
    """Before the database has to."""
    first, second = pair(house)
    today = standards.today()
    with house.begin() as conn:
        with pytest.raises(Problem, match="is over"):
            agreed.propose(conn, PRICE, ACCOUNT, {"price": 1}, today - timedelta(days=1), "x", first, today)
        change = agreed.propose(conn, PRICE, ACCOUNT, {"price": 1}, today, "x", first, today)
        with pytest.raises(Problem, match="another operator"):
            agreed.agree(conn, change, first, today)
        with pytest.raises(Problem, match="is over"):
            agreed.agree(conn, change, second, tomorrow())


# -- what a change does to plans ---------------------------------------------------------------------------------------


def test_an_approved_plan_keeps_its_hash_its_ceiling_and_its_way_out(house: House, planned: Planned) -> None:
    """Price up, hotline gone: the approved wave starts as it was approved; the same draft now gives another hash."""
    wave = planned(n=40, seed=72)
    with house.begin() as conn:
        foresight.approve(house, conn, wave.id, APPROVER, typed=40, choice="corrected", reason="thử",
                          plan_hash=wave.plan_hash)  # fmt: skip
    for account in house.accounts.values():
        agree_on(house, PRICE, account.name, {"price": account.price + 100})
    agree_on(house, HOTLINE, "111", {"ended": True})
    with house.begin() as conn:
        started = waves.start(conn, wave.id, APPROVER)
    assert (started.plan, started.plan_hash, started.state) == (wave.plan, wave.plan_hash, "running")
    draft = planned.draft(planned.audience(n=40, seed=73))
    assert all(price == house.accounts[draft.accounts[carrier]].price + 100 for carrier, price in draft.prices.items())
    again = planned(n=40, seed=74)
    assert again.plan["ceiling"]["dong"] > wave.plan["ceiling"]["dong"]
    assert again.plan_hash != wave.plan_hash


def test_a_plan_that_waits_while_a_price_rises_must_be_planned_again(house: House, planned: Planned) -> None:
    """Its ceiling would not hold. A price that falls leaves it alone."""
    wave = planned(n=40, seed=75)
    names = set(wave.plan["accounts"].values())

    def approve() -> None:
        with house.begin() as conn:
            foresight.approve(house, conn, wave.id, APPROVER, typed=40, choice="corrected", reason="thử",
                              plan_hash=wave.plan_hash)  # fmt: skip

    for name in names:
        agree_on(house, PRICE, name, {"price": house.accounts[name].price + 1})
    with pytest.raises(Problem, match="plan it again"):
        approve()
    for name in names:
        agree_on(house, PRICE, name, {"price": 1})
    approve()


def test_a_real_waves_start_asks_about_a_hotline_that_ended_since(house: House, planned: Planned) -> None:
    """A rehearsal asks nothing; the question is the registry's, with the agreed change in it."""
    wave = planned(n=40, seed=76)
    with house.begin() as conn:
        standards.verify(conn, house.settings, "111", "an", "gọi thử")
        assert standards.asks(conn, house.settings, ["111"], standards.today()) == []
    agree_on(house, HOTLINE, "111", {"ended": True})
    with house.begin() as conn:
        [asked] = standards.asks(conn, house.settings, ["111"], standards.today())
    assert "111" in str(asked)
    assert wave.plan["texts"]


def test_forecasts_count_by_the_price_of_the_waves_day(house: House, planned: Planned) -> None:
    """Today's price for a wave of today, although another one waits for tomorrow."""
    wave = planned(n=40, seed=77)
    before = foresight.of_wave(house, wave, "corrected")
    for name in set(wave.plan["accounts"].values()):
        agree_on(house, PRICE, name, {"price": 9999}, tomorrow())
    after = foresight.of_wave(house, wave, "corrected")
    assert before
    assert after
    assert after.dong == before.dong


def test_nobody_reads_hotlines_or_prices_past_the_one_loader() -> None:
    """The file of hotlines and the price of an account are read in one place each."""
    found = []
    for package in ("dispatcher", "workers", "providers"):
        for path in sorted((ROOT / package).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if re.search(r"shipped\.HOTLINES|Registry\.load|\baccounts?(?:\[[^\]]+\])*\.price\b", source):
                found.append(str(path.relative_to(ROOT)))
    assert found == ["dispatcher/standards.py"]


# -- hours, routes, pages to look at -----------------------------------------------------------------------------------


def test_hours_and_maintenance_are_set_with_a_code_and_called_off(served: Served, house: House) -> None:
    """By an operator or an approver; the table that workers obey."""
    browser, path = operator(served, house), "/console/settings/hours"

    def sent(to: str, **fields: str) -> int:
        """By somebody else each time: a code is good once, and the test waits for none."""
        hand = operator(served, house)
        return hand.post(to, **fields, code=hand.code()).status

    form = {"account": ACCOUNT, "opens": "08:00", "closes": "17:00", "carrier": ""}
    assert browser.post(path, **form, code="000000").status == 422
    assert sent(path, **(form | {"closes": "07:00"})) == 422
    assert sent(path, **(form | {"closes": ""})) == 422
    assert sent(path, **form) == 303
    closing = {"account": ACCOUNT, "starts": "2031-01-01T22:00", "ends": "2031-01-02T02:00", "note": "nâng cấp"}
    assert sent(f"{path}/maintenance", **closing) == 303
    assert {"08:00 – 17:00", "nâng cấp"} <= {
        each for each in ("08:00 – 17:00", "nâng cấp") if each in page(browser, path)
    }
    with house.begin() as conn:
        [entered] = hours.maintenance_of(conn, ACCOUNT)
        assert len(hours.hours_of(conn, ACCOUNT)) == 1
    off = {"account": ACCOUNT, "id": str(entered.id)}
    assert sent(f"{path}/maintenance/off", **off) == 303
    assert sent(f"{path}/maintenance/off", **off) == 404
    assert sent(path, **(form | {"opens": "", "closes": ""})) == 303
    with house.begin() as conn:
        assert hours.maintenance_of(conn, ACCOUNT) == hours.hours_of(conn, ACCOUNT) == []


def test_a_dry_run_counts_people_and_dong_and_changes_nothing(
    served: Served, house: House, planned: Planned, owner: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody moves without a choice; the figures add up to the list."""
    audience = planned.audience(n=60, seed=78)
    planned.draft(audience)
    browser = signed_in(served, house, "s-officer", "officer")
    before = one(owner, "SELECT count(*) FROM audit")
    owner.rollback()
    path = f"/console/settings/routes?list={audience}"
    shown = page(browser, path)
    assert '<span class="big">0</span>' in shown
    assert ">60<" in shown
    assert browser.get(f"{path}&to_viettel=sim-none").status == 200
    assert browser.get("/console/settings/routes?list=7").status == 422
    with_account(monkeypatch, served.front.house, "sim-two", "sim-smpp", price=400)
    with house.begin() as conn:
        n = lists.by_carrier(conn, audience)["viettel"]
    tried = page(browser, f"{path}&to_viettel=sim-two&to_mobifone=sim-two")  # it carries no MobiFone
    assert f'<span class="big">{n}</span>' in tried
    assert "sim-smpp → <b>sim-two</b>" in tried
    assert f"tăng {n * 4 * 100:,} đồng".replace(",", ".") in tried
    assert one(owner, "SELECT count(*) FROM audit") == before
