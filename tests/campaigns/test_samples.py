"""Invented lists hold what they say they hold, and the reader finds exactly that."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns.audience import check_file
from campaigns.numbers import NumberTable
from campaigns.samples import write_sample
from campaigns.sheets import open_sheet
from campaigns.terms import Problem

CONFIG = Path(__file__).parents[2] / "config"
TABLE = NumberTable.load(CONFIG / "prefixes.csv", CONFIG / "prefix_conversion_2018.csv")
UNITS = ("Huyện Tam Đường", "Huyện Mường Tè")


@pytest.mark.parametrize("name", ["list.csv", "list.xlsx"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reader_finds_what_the_maker_made(tmp_path: Path, name: str, seed: int) -> None:
    """Verdicts and networks of 3,000 rows are known from their making and come out the same, row for row."""
    truth = write_sample(tmp_path / name, rows=3_000, seed=seed, table=TABLE, units=UNITS)
    check = check_file(tmp_path / name, TABLE)
    assert (check.rows, check.verdicts, check.by_carrier) == (3_000, truth.verdicts, truth.by_carrier)
    assert truth.rows == 3_000
    assert 0.02 < check.converted / 3_000 < 0.04


@pytest.mark.parametrize("recipients", [1, 7, 100, 1_000])
def test_recipients_are_counted_exactly(tmp_path: Path, recipients: int) -> None:
    """A demo of N recipients has N accepted rows, the bad ones on top."""
    truth = write_sample(tmp_path / "list.csv", recipients=recipients, seed=5, table=TABLE)
    assert truth.verdicts["accepted"] == recipients
    assert check_file(tmp_path / "list.csv", TABLE).verdicts == truth.verdicts
    assert truth.rows >= recipients


def test_the_same_seed_makes_the_same_list(tmp_path: Path) -> None:
    """A sample can be made again, byte for byte; another seed makes another one."""
    made = []
    for name, seed in (("a.csv", 1), ("b.csv", 1), ("c.csv", 2)):
        write_sample(tmp_path / name, rows=500, seed=seed, table=TABLE, units=UNITS)
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1] != made[2]


def test_a_list_has_the_columns_of_a_department(tmp_path: Path) -> None:
    """Header, names and areas stand as in real lists; without areas the last column is left out."""
    write_sample(tmp_path / "a.csv", rows=50, seed=1, table=TABLE, units=UNITS)
    write_sample(tmp_path / "b.csv", rows=50, seed=1, table=TABLE)
    with open_sheet(tmp_path / "a.csv") as sheet:
        assert sheet.header == ("STT", "Họ và tên", "Số điện thoại", "Đơn vị")
        assert {unit for _, _, unit in sheet.entries()} == set(UNITS)
    with open_sheet(tmp_path / "b.csv") as sheet:
        assert sheet.header == ("STT", "Họ và tên", "Số điện thoại")


@pytest.mark.parametrize("asked", [{}, {"rows": 1, "recipients": 1}, {"rows": -1}])
def test_rows_or_recipients_not_both(tmp_path: Path, asked: dict[str, int]) -> None:
    """An unclear order is refused."""
    with pytest.raises(Problem, match="either the number of rows or the number of recipients"):
        write_sample(tmp_path / "a.csv", seed=1, table=TABLE, **asked)
