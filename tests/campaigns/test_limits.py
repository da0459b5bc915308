"""Carriers' tables of text lengths, and hotlines: data with dates, refused when it contradicts itself."""

import datetime as dt
from pathlib import Path

import pytest

from campaigns import text
from campaigns.hotlines import Registry
from campaigns.limits import Limits
from campaigns.preview import costs, preview
from campaigns.terms import Absent, Problem
from config import data

DAY = dt.date(2026, 11, 26)
LIMITS = Limits.load(data.TEXT_LIMITS)
HOTLINES = Registry.load(data.HOTLINES)
MANDATED = (data.FOLDER.parent / "campaigns/definitions/20-BCD-2024/text.txt").read_text("utf-8").rstrip("\n")
ROW = """
[[limits]]
carrier = "*"
class = "public_information"
encoding = "GSM-7"
steps = [160, 306]
source = "s"
verified_on = 2026-01-01
confirmed = true
"""
PUBLIC, ADS = "public_information", "advertising"


@pytest.mark.parametrize(
    ("units", "carrier", "class_", "segments"),
    [
        (1, "viettel", PUBLIC, 1),
        (160, "viettel", PUBLIC, 1), (161, "gmobile", PUBLIC, 2), (306, "gmobile", PUBLIC, 2),
        (307, "itel", PUBLIC, 3), (459, "itel", PUBLIC, 3), (460, "itel", PUBLIC, 4), (612, "itel", PUBLIC, 4),
        (613, "itel", PUBLIC, 0),
        (122, "viettel", ADS, 1), (123, "viettel", ADS, 2), (268, "viettel", ADS, 2), (269, "viettel", ADS, 3),
        (421, "viettel", ADS, 3), (422, "viettel", ADS, 0),
        (123, "vinaphone", ADS, 1), (124, "vinaphone", ADS, 2),
        (127, "mobifone", ADS, 1), (128, "mobifone", ADS, 2), (273, "mobifone", ADS, 2), (426, "mobifone", ADS, 3),
    ],
)  # fmt: skip
def test_segments_by_table(units: int, carrier: str, class_: str, segments: int) -> None:
    """Each step of each table costs what the table says, and above the last one nothing is taken."""
    assert LIMITS.bill("a" * units, carrier, class_, DAY).segments == segments


@pytest.mark.parametrize(("units", "segments"), [(70, 1), (71, 2), (134, 2), (201, 3), (202, 4), (266, 4), (267, 0)])
def test_accented_steps(units: int, segments: int) -> None:
    assert LIMITS.bill("ạ" * units, "mobifone", PUBLIC, DAY).segments == segments


def test_the_mandated_text_fits_everywhere_and_its_nfd_nowhere() -> None:
    """227 units leave 39 to the fourth message's end; decomposed, the same text would be refused."""
    assert (LIMITS.bill(MANDATED, "viettel", PUBLIC, DAY).spare, text.normal(MANDATED)) == (39, MANDATED)
    assert LIMITS.refusals(MANDATED, ["viettel", "mobifone"], PUBLIC, DAY) == []
    [told] = LIMITS.refusals("ạ" * 290, ["mobifone"], PUBLIC, DAY)
    assert "mobifone takes at most 266 units of UCS-2, the text has 290" in str(told)


def test_bytes_count_where_the_contract_names_them(tmp_path: Path) -> None:
    """A carrier's own row comes before the row of all; its byte limit refuses a text whose units would fit."""
    own = ROW.replace('"*"', '"viettel"').replace("GSM-7", "UCS-2") + "most_bytes = 150\ncounts_bytes = true\n"
    file = tmp_path / "text_limits.toml"
    file.write_text(ROW + own, encoding="utf-8")
    limits = Limits.load(file)
    assert limits.bill("ạ" * 50, "viettel", PUBLIC, DAY).segments == 1
    [told] = limits.refusals("ạ" * 51, ["viettel"], PUBLIC, DAY)
    assert "viettel takes at most 150 bytes, the text has 153" in str(told)


def test_a_table_ends_and_another_begins(tmp_path: Path) -> None:
    """Validity decides, both days included; a day without a table is told."""
    older = ROW + "valid_to = 2026-06-30\n"
    newer = ROW.replace("[160, 306]", "[150, 290]") + "valid_from = 2026-07-01\n"
    file = tmp_path / "text_limits.toml"
    file.write_text(older + newer, encoding="utf-8")
    limits = Limits.load(file)
    assert limits.bill("a" * 155, "itel", PUBLIC, dt.date(2026, 6, 30)).segments == 1
    assert limits.bill("a" * 155, "itel", PUBLIC, dt.date(2026, 7, 1)).segments == 2
    with pytest.raises(Problem, match="no table of text lengths holds for itel, advertising"):
        limits.bill("a", "itel", ADS, DAY)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (ROW + ROW, "rows 1 and 2 hold on the same day"),
        (ROW.replace("306", "160"), "limits\\[1\\].steps must rise"),
        (ROW.replace("[160, 306]", '["160"]'), "a list of whole numbers"),
        (ROW.replace("true", '"yes"'), "true or false"),
        (ROW + "colour = 1\n", "is not known here"),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, rows: str, told: str) -> None:
    file = tmp_path / "text_limits.toml"
    file.write_text(rows, encoding="utf-8")
    with pytest.raises(Problem, match=told):
        Limits.load(file)


def test_preview_is_the_text_byte_for_byte() -> None:
    """Whatever the carrier, the parts joined are the approved bytes; only a label stands before them."""
    for class_, label in ((PUBLIC, ""), (ADS, "[QC] ")):
        for each in preview(MANDATED[:190], {"viettel": "UBNDLaiChau", "mobifone": "UBND"}, LIMITS, class_, DAY):
            assert "".join(each.parts).encode() == MANDATED[:190].encode()
            assert each.shown() == label + MANDATED[:190]
            assert [len(part) for part in each.parts] == [67, 67, 56]
            assert (each.billed.segments, each.refusal) == (3, None)
    [bears] = preview("[QC] Khuyến mãi", {"viettel": "X"}, LIMITS, ADS, DAY)
    assert bears.shown() == "[QC] Khuyến mãi"


def test_costs_name_each_character_once() -> None:
    found = {cost.char: (cost.times, cost.position, cost.why, cost.plain) for cost in costs("Giá €5 {đồng} đ😀")}
    assert found["đ"] == (2, 9, "ucs-2", "d")
    assert found["😀"] == (1, 16, "surrogates", "😀")
    assert "€" not in found  # in UCS-2 it costs no more than any other
    assert {cost.char: cost.why for cost in costs("5€ {a}")} == {"€": "escape", "{": "escape", "}": "escape"}


def test_hotlines_have_owners_by_date() -> None:
    """111 changed hands on 29/6/2025; a number that nobody entered is told."""
    assert HOTLINES.find("111", dt.date(2024, 7, 1)).owner.startswith("Bộ Lao động")
    assert HOTLINES.find("111", dt.date(2025, 6, 29)).owner == "Bộ Y tế"
    with pytest.raises(Absent, match="116 is not in the registry"):
        HOTLINES.find("116", DAY)
    with pytest.raises(Absent, match="112 has no owner"):
        HOTLINES.find("112", dt.date(2024, 7, 1))


@pytest.mark.parametrize(
    ("number", "days", "verified", "asks"),
    [
        ("111", 0, {}, None),
        ("111", 90, {}, None),
        ("111", 91, {}, "last verified on 2026-11-23"),
        ("111", 91, {"111": 1}, None),
        ("111", 200, {"111": 100}, "last verified"),
        ("156", 0, {}, "one source or none"),
        ("156", 5, {"156": 0}, None),
        ("116", 0, {}, "not in the registry"),
    ],
)
def test_an_unverified_hotline_asks(number: str, days: int, verified: dict[str, int], asks: str | None) -> None:
    """Older than n days, or never confirmed: it asks, until a person has recorded that it answers."""
    said = {key: dt.date(2026, 11, 23) + dt.timedelta(days - ago) for key, ago in verified.items()}
    found = HOTLINES.asks([number], dt.date(2026, 11, 23) + dt.timedelta(days), said, 90)
    assert [asks in str(each) for each in found if asks] == ([True] if asks else [])
    assert bool(found) == bool(asks)
