"""A draft's fields: what people type is read, refused at its field, and makes the very definition of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, time
from pathlib import Path
from typing import Any

import pytest

from campaigns import drafting, typed
from campaigns.definition import Campaign
from campaigns.terms import Problem
from config.carriers import load_accounts, load_carriers
from config.settings import Settings
from dispatcher import acts, assemble

CARRIERS = [each.id for each in load_carriers()]
ACCOUNTS = [each.name for each in load_accounts()]


@pytest.fixture
def campaign(settings: Settings) -> Campaign:
    return acts.read_definition(settings, assemble.definitions() / "20-BCD-2024")


def read(fields: dict[str, str]) -> drafting.Read:
    return drafting.read(fields, carriers=CARRIERS, accounts=ACCOUNTS, law=acts.law())


def whole(campaign: Campaign) -> dict[str, str]:
    """Fields of a draft that could be submitted."""
    return drafting.fields_of(campaign) | {"audience": "7"}


@pytest.mark.parametrize(
    ("reader", "said", "meant"),
    [
        *((typed.day, said, date(2024, 7, 30)) for said in (
            "30/7/2024", "30-07-2024", " 30.7.2024 ", "2024-07-30", "30 tháng 7 năm 2024", "ngày 30 tháng 7 năm 2024")),
        *((typed.clock, said, time(8)) for said in ("08:00", "8:00", "8h", "8h00", "8 giờ", "8")),
        (typed.clock, "20 giờ 30", time(20, 30)),
        *((typed.whole, said, 412_345) for said in ("412.345", "412,345", "412 345", "412345")),
    ],
)  # fmt: skip
def test_people_may_write_as_they_do(reader: Callable[[str], Any], said: str, meant: object) -> None:
    """Days, hours and figures in each form that console.md names are one value."""
    assert reader(said) == meant


@pytest.mark.parametrize(
    ("reader", "said", "word"),
    [
        (typed.day, "7/30/2024", "30/7/2024"),  # month first: the day that was meant is offered
        (typed.day, "31/6/2024", "calendar"),
        (typed.day, "mai", "30/7/2024"),
        (typed.day, "30/7/24", "30/7/2024"),
        (typed.clock, "25:00", "08:00"),
        (typed.clock, "sáng", "08:00"),
        (typed.whole, "0", "412.345"),
        (typed.whole, "41.23", "412.345"),
        (typed.whole, "nhiều", "412.345"),
    ],
)
def test_what_cannot_be_read_is_refused_with_what_to_write(reader: Callable[[str], Any], said: str, word: str) -> None:
    """The sentence holds the right form, so that nobody has to ask."""
    with pytest.raises(Problem, match=word):
        reader(said)


def test_a_definition_as_fields_is_the_same_definition(campaign: Campaign) -> None:
    """Byte for byte: the digest of what is read back is the digest of the folder's own."""
    found = read(whole(campaign))
    assert found.faults == []
    assert found.campaign.digest == campaign.digest
    assert drafting.name_of(campaign.mandate) == campaign.name


def test_variants_of_a_definition_are_not_lost(campaign: Campaign) -> None:
    """What no form shows stays with the draft."""
    plain = read(whole(campaign) | {"form": "plain", "vouched_by": "Lò Thị Mai"}).campaign
    assert [each.name for each in plain.text.variants] == [drafting.PLAIN]
    assert "Tong dai quoc gia 111" in plain.text.variants[0].text
    again = read(drafting.fields_of(plain) | {"audience": "7"})
    assert again.campaign.digest == plain.digest


def test_an_empty_draft_lacks_every_step_and_breaks_none() -> None:
    """What is only missing never keeps anybody on a page."""
    found = read({})
    assert {each.step for each in found.faults} == set(drafting.WRITTEN)
    assert all(each.missing for each in found.faults if each.field != "way")


@pytest.mark.parametrize(
    ("changes", "step", "field", "words"),
    [
        ({"verbatim": "Khi cần, gọi tổng đài 113."}, "text", "verbatim", "hotline 111"),
        ({"verbatim": "Gọi 111 để được tư vấn."}, "text", "extract", "word for word"),
        ({"date": "6/25/2024"}, "letter", "date", "25/6/2024"),
        ({"section": "năm"}, "letter", "section", "412.345"),
        ({"peak_to": "1/6/2024"}, "letter", "peak_to", "before"),
        ({"name": "công văn"}, "letter", "name", "short name"),
        ({"sender": "UBND Lai Châu"}, "people", "sender", "11 Latin letters"),
        ({"sender": ""}, "people", "sender", "not written"),
        ({"w2_closes": "23:00"}, "schedule", "w2_closes", "22:00"),
        ({"w2_opens": "20:00", "w2_closes": "08:00"}, "schedule", "w2_closes", "ends before it begins"),
        ({"w1_date": "1/12/2024"}, "schedule", "w1_date", "outside the peak period"),
        ({"w3_until": "29/7/2024"}, "schedule", "w3_until", "ends before it begins"),
        ({"audience": ""}, "people", "audience", "no list"),
        ({"way": "orders", "order_itel": "yes", "contact": "x"}, "people", "area", "not written"),
    ],
)  # fmt: skip
def test_a_fault_stands_at_its_field(
    campaign: Campaign, changes: dict[str, str], step: str, field: str, words: str
) -> None:
    """By the rules of a definition's file, said at the place where somebody can mend it."""
    found = [each for each in read(whole(campaign) | changes).faults if each.field == field]
    assert {each.step for each in found} == {step}
    assert words in " ".join(str(each.problem) for each in found)


def test_a_wave_without_day_and_name_is_gone_and_the_others_keep_their_number(campaign: Campaign) -> None:
    """An emptied row is how a wave is taken out without JavaScript."""
    found = read(whole(campaign) | {"w2_date": "", "w2_name": ""})
    assert [(each.no, each.name) for each in found.campaign.waves] == [(1, "Đợt 1"), (3, "Đợt 3")]
    assert found.faults == []


def test_a_letter_that_nobody_could_read_is_typed_as_its_paragraph(campaign: Campaign, tmp_path: Path) -> None:
    """The rule that the text stands in the letter holds for the typed paragraph too."""
    fields = whole(campaign) | {"letter": "", "extract": f"nội dung: “{campaign.text.verbatim}”."}
    found = read(fields)
    assert found.faults == []
    assert found.campaign == replace(campaign, text=replace(campaign.text, letter=fields["extract"]))
