"""The shipped list of hotlines: each row says who answers, how we know it, and since when."""

import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path

import config
from campaigns import facts
from campaigns.campaign import load

ROWS = tomllib.loads((Path(config.__file__).parent / "hotlines.toml").read_text("utf-8"))["hotlines"]
NEEDED = {"number": str, "name": str, "owner": str, "hours": str, "cost": str, "source": str, "verified_on": date,
          "confirmed": bool}  # fmt: skip
DATES = {"valid_from": date, "valid_to": date}


def test_rows_are_whole() -> None:
    """Every row holds what a person needs before putting the number into a text, and nothing else."""
    assert {row["number"] for row in ROWS} >= {"111", "112", "113", "114", "115", "156", "5656", "069.2469.532"}
    for row in ROWS:
        assert NEEDED.keys() <= row.keys() <= NEEDED.keys() | DATES.keys(), row
        assert all(isinstance(value, (NEEDED | DATES)[key]) for key, value in row.items()), row


def test_one_owner_a_day() -> None:
    """Rows of the same number follow each other in time and never overlap."""
    for number in {row["number"] for row in ROWS}:
        spans = sorted(_span(row) for row in ROWS if row["number"] == number)
        assert all(one[1] < two[0] for one, two in pairwise(spans))


def test_the_campaigns_hotlines_answer_on_its_days() -> None:
    """On each wave's day exactly one confirmed row stands for each hotline of the shipped campaign."""
    folder = Path(facts.__file__).parent / "definitions" / "20-BCD-2024"
    carriers = ("viettel", "vinaphone", "mobifone", "vietnamobile", "gmobile", "itel", "wintel")
    shipped = load(folder, carriers=carriers, providers_accounts=("smpp-a", "esms-a"))
    for wave in shipped.waves:
        for hotline in shipped.text.hotlines:
            [row] = [row for row in ROWS if row["number"] == hotline and _stands(row, wave.date)]
            assert row["confirmed"]


def _stands(row: dict[str, date], day: date) -> bool:
    first, last = _span(row)
    return first <= day <= last


def _span(row: dict[str, date]) -> tuple[date, date]:
    return row.get("valid_from", date.min), row.get("valid_to", date.max)
