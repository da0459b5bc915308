"""Carrier orders and returns without a database: plans and hashes, the life, the checks, the forms cell by cell."""

from __future__ import annotations

import dataclasses
import datetime as dt
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from campaigns import canonical, returns
from campaigns.campaign import load
from campaigns.definition import Campaign
from campaigns.order import ACTS, TRANSITIONS, OrderPlan, OrderState, Terms, make_plan, plan_from_json, standing
from campaigns.return_checks import FAILED, OK, UNKNOWN, Finding, check
from campaigns.returns import Figures, Return, ReturnRow, from_mapping, return_from_json
from campaigns.terms import Problem, Problems
from config.carriers import load_accounts, load_carriers
from dispatcher import words

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "campaigns" / "definitions" / "20-BCD-2024"
ORDER = 4_611_686_018_427_387_904
DUE = dt.date(2024, 8, 5)


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return load(
        FOLDER,
        carriers=[each.id for each in load_carriers()],
        providers_accounts=[each.name for each in load_accounts()],
    )


@pytest.fixture(scope="module")
def plan(campaign: Campaign) -> OrderPlan:
    return planned(campaign)


def planned(campaign: Campaign, **changes: Any) -> OrderPlan:
    terms = Terms("tỉnh Lai Châu", "Phòng BCVT, 0213.000.000", DUE, "corrected", "lỗi chữ")._replace(**changes)
    return make_plan(campaign, 1, "viettel", "Viettel", terms, rehearsal=True)


# -- the plan ----------------------------------------------------------------------------------------------------------


def test_an_order_says_all_that_a_carrier_must_know(plan: OrderPlan) -> None:
    text = plan.text
    assert (text.units, text.segments, text.encoding, text.nfc) == (227, 4, "UCS-2", True)
    assert unicodedata.is_normalized("NFC", text.text)
    assert "Tổng đài" in text.text
    assert [(wave.no, wave.date, wave.opens.hour) for wave in plan.waves] == [
        (1, dt.date(2024, 7, 1), 8), (2, dt.date(2024, 7, 15), 8), (3, dt.date(2024, 7, 30), 8),
    ]  # fmt: skip
    assert "đang hoạt động hai chiều tại thời điểm nhắn tin" in plan.audience


def test_the_stored_form_gives_the_same_order_and_the_same_hash(plan: OrderPlan) -> None:
    again = plan_from_json(plan.as_json())
    assert again == plan
    assert again.digest == plan.digest == canonical.digest(plan.as_json())


@pytest.mark.parametrize(
    "change",
    [
        {"area": "xã Mường Tè"}, {"contact": "khác"}, {"deadline": dt.date(2024, 8, 6)}, {"reason": "khác"},
        {"choice": "verbatim"}, {"medium": "precall"}, {"published": 100}, {"published_source": "khác"},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_any_change_of_an_order_is_another_hash(campaign: Campaign, plan: OrderPlan, change: dict[str, Any]) -> None:
    assert planned(campaign, **change).digest != plan.digest


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reason": " "}, "say why"), ({"choice": "other"}, "choose the text"), ({"area": " "}, "lacks its area"),
        ({"contact": ""}, "lacks its contact"), ({"deadline": dt.date(2024, 6, 30)}, "before the first wave"),
        ({"medium": "fax"}, "no way 'fax'"), ({"published": 0}, "at least 1"),
    ],
)  # fmt: skip
def test_an_order_that_lacks_something_is_refused(campaign: Campaign, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        planned(campaign, **change)


def test_a_carrier_without_a_senders_name_gets_no_order(campaign: Campaign) -> None:
    with pytest.raises(Problem, match="no sender name"):
        make_plan(campaign, 1, "vsat", "VSAT", Terms("tỉnh Lai Châu", "x", DUE), rehearsal=True)


# -- the life ----------------------------------------------------------------------------------------------------------


def test_the_life_ends_only_in_acceptance_or_withdrawal() -> None:
    assert set(TRANSITIONS) == set(OrderState)
    assert {state for state, nexts in TRANSITIONS.items() if not nexts} == {OrderState.ACCEPTED, OrderState.CANCELLED}
    assert set(ACTS.values()) == set(OrderState) - {OrderState.DRAFTED}
    assert all(b in TRANSITIONS[a] for a, b in pairwise(list(OrderState)[:-1]))


@pytest.mark.parametrize(
    ("state", "today", "found"),
    [
        (OrderState.ISSUED, dt.date(2024, 6, 28), (38, False, True, False)),
        (OrderState.ISSUED, dt.date(2024, 6, 29), (37, False, True, True)),  # two days without a word
        (OrderState.ACKNOWLEDGED, dt.date(2024, 8, 1), (4, False, False, False)),
        (OrderState.RUNNING, dt.date(2024, 8, 2), (3, False, False, True)),
        (OrderState.RUNNING, dt.date(2024, 8, 5), (0, False, False, True)),  # the deadline's day is in time
        (OrderState.ACKNOWLEDGED, dt.date(2024, 8, 6), (-1, True, False, True)),
        (OrderState.RETURNED, dt.date(2024, 8, 6), (-1, False, False, False)),
        (OrderState.DRAFTED, dt.date(2024, 8, 6), (-1, False, False, False)),
    ],
)
def test_the_calendar_says_who_is_silent_and_who_is_overdue(
    state: OrderState, today: dt.date, found: tuple[int, bool, bool, bool]
) -> None:
    """Days left, overdue, silent, chase."""
    assert standing(state, DUE, dt.date(2024, 6, 27), today) == found


# -- checks ------------------------------------------------------------------------------------------------------------


def sound(plan: OrderPlan) -> Return:
    """A return in which every rule holds."""
    rows = tuple(
        ReturnRow(wave.no, wave.date, "", Figures(1000, 900, 3600, 800, 50, 20, 10, 20)) for wave in plan.waves
    )
    return Return(Figures(1000, 2700, 10_800, 2400, 150, 60, 30, 60), rows, "Công văn số 31", "nơi đăng ký")


def verdicts(plan: OrderPlan, given: Return, **how: Any) -> dict[str, Finding]:
    found = check(plan, given, **({"received": DUE, "evidence": True} | how))
    return {each.rule: each for each in found}


def test_a_sound_return_fails_nothing(campaign: Campaign) -> None:
    plan = planned(campaign, published=1000)
    assert {each.verdict for each in verdicts(plan, sound(plan)).values()} == {OK}


def change(
    given: Return, total: dict[str, Any] | None = None, row: dict[str, Any] | None = None, **more: Any
) -> Return:
    first = given.rows[0]
    rows = (dataclasses.replace(first, figures=dataclasses.replace(first.figures, **row or {}), **more),)
    return dataclasses.replace(
        given, total=dataclasses.replace(given.total, **total or {}), rows=rows + given.rows[1:]
    )  # fmt: skip


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "messages_within_subscribers": ({"total": {"messages": 3001, "segments": 12_004}}, "1.000 × 3 = 3.000"),
    "segments_of_text": ({"total": {"segments": 10_600}}, "2.700 × 4 = 10.800, chênh lệch -200"),
    "text_not_shortened": ({"total": {"segments": 8100}}, "chỉ 3 tin nhắn quy đổi, nội dung đã duyệt cần 4"),
    "rows_sum_to_totals": ({"total": {"delivered": 2399}}, "các dòng cộng lại 2.400, dòng tổng ghi 2.399"),
    "outcomes_within_messages": ({"row": {"delivered": 901}}, "nhiều hơn 900 bản tin"),
    "days_inside_waves": ({"day": dt.date(2024, 7, 2)}, "2/7/2024 nằm ngoài đợt gửi"),
    "within_published": ({"total": {"subscribers": 1001}}, "1.001 thuê bao, nhiều hơn số đã công bố 1.000"),
}


@pytest.mark.parametrize("rule", BAD)
def test_each_rule_names_its_figures_when_it_does_not_hold(campaign: Campaign, rule: str) -> None:
    plan = planned(campaign, published=1000)
    changes, said = BAD[rule]
    found = verdicts(plan, change(sound(plan), **changes))[rule]
    assert found.verdict == FAILED
    assert said in found.vi
    assert "{" not in found.vi + found.en


def test_a_late_or_unsigned_return_and_a_missing_wave_are_told(plan: OrderPlan) -> None:
    given = sound(plan)
    found = verdicts(plan, dataclasses.replace(given, rows=given.rows[:2]), received=DUE + dt.timedelta(2))
    assert found["in_time"].vi == "Báo muộn 2 ngày so với thời hạn"
    assert found["all_waves"].vi == "Không có số liệu của đợt 3"
    assert verdicts(plan, given, evidence=False)["signed_paper"].verdict == FAILED


def test_what_is_not_stated_is_unknown_and_not_nought(plan: OrderPlan) -> None:
    bare = Figures(1000, 900, 3600)
    rows = tuple(ReturnRow(wave.no, None, "", bare) for wave in plan.waves)
    found = verdicts(plan, Return(Figures(1000, 2700, 10_800), rows, "x", "y"))
    assert {rule for rule, each in found.items() if each.verdict == UNKNOWN} == {
        "outcomes_within_messages", "days_inside_waves", "within_published",
    }  # fmt: skip
    assert not [each for each in found.values() if each.verdict == FAILED]


def test_segments_within_the_tolerance_hold_and_beyond_it_do_not(plan: OrderPlan) -> None:
    for segments, verdict in ((10_800 + 108, OK), (10_800 - 108, OK), (10_800 + 109, FAILED), (10_800 - 109, FAILED)):
        given = change(sound(plan), total={"segments": segments})
        assert verdicts(plan, given)["segments_of_text"].verdict == verdict


# -- figures as they are written ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read", "noted"),
    [
        (412345, 412345, 0), ("412345", 412345, 0), (" 412345 ", 412345, 0), (412345.0, 412345, 0), ("", None, 0),
        ("412.345", 412345, 1), ("412 345", 412345, 1), ("1\u00a0412\u00a0345", 1412345, 1), (None, None, 0),
        ("1,412,345", 1412345, 1), ("0", 0, 0),
    ],
)  # fmt: skip
def test_a_figure_is_read_and_the_reading_of_groups_is_noted(written: Any, read: int | None, noted: int) -> None:
    notes: list[str] = []
    assert returns.number(written, "D12", notes) == read
    assert len(notes) == noted


@pytest.mark.parametrize(
    "written",
    ["khoảng 5000", "12.34", "1.23.456", "1.234,567", "-5", -5, 412.345, True, "5e3", "١٢٣", 3_000_000_000, "9" * 30],
)
def test_what_is_no_count_is_refused_with_its_place(written: Any) -> None:
    with pytest.raises(Problem, match="D12"):
        returns.number(written, "D12", [])


def test_a_return_survives_its_stored_form(plan: OrderPlan) -> None:
    given = sound(plan)
    assert return_from_json(given.as_json()) == given
    again, notes = from_mapping(plan, given.as_json())
    assert (again, notes, again.digest) == (given, [], given.digest)


def test_all_faults_of_a_return_are_told_at_once(plan: OrderPlan) -> None:
    with pytest.raises(Problems) as told:
        from_mapping(plan, {"total": {"subscribers": "x"}, "rows": [{"wave": 9, "messages": "y"}], "document": ""})
    said = str(told.value)
    for place in ("total.subscribers", "total.messages", "rows[1].messages", "rows[1].wave", "document", "method"):
        assert place in said
    assert "{" not in words.speak("vi").problem(told.value)
