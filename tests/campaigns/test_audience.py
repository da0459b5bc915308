"""Each row of a list has exactly one verdict, and the counts sum to the rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.audience import Check, check_file, examine, explain, mask_text, plain_cell
from campaigns.numbers import NumberTable, Reason
from campaigns.terms import Verdict

CONFIG = Path(__file__).parents[2] / "config"
TABLE = NumberTable.load(CONFIG / "prefixes.csv", CONFIG / "prefix_conversion_2018.csv")
LIST = """STT,SĐT,Xã
1,0912345678,A
2,+84 912 345 678,A
3,01201234567,B
4,02133876543,B
5,+8613812345678,B
6,"=HYPERLINK(""x"")",B
7,,B
8,0387654321
"""


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    (path := tmp_path / "list.csv").write_text(LIST, encoding="utf-8")
    return path


def test_candidates_stand_in_parallel_arrays() -> None:
    """Lines, numbers, carriers and areas of a chunk belong together; the rest has line, verdict and reason."""
    entries = [(2, "0912345678", "A"), (3, "x", "A"), (5, "01201234567", "B"), (6, "0912345678", "")]
    (chunk,) = examine(entries, TABLE)
    assert list(chunk.lines) == [2, 5, 6]
    assert list(chunk.numbers) == [84912345678, 84701234567, 84912345678]
    assert [TABLE.carriers[index] for index in chunk.carriers] == ["vinaphone", "mobifone", "vinaphone"]
    assert chunk.units == ["A", "B", ""]
    assert chunk.rest == [(3, Verdict.INVALID, Reason.LETTERS)]
    assert (chunk.rows, chunk.converted) == (4, 1)


@pytest.mark.parametrize(("rows", "sizes"), [(0, []), (1, [1]), (10, [10]), (11, [10, 1]), (25, [10, 10, 5])])
def test_chunks_are_cut_by_rows(rows: int, sizes: list[int]) -> None:
    """A chunk has at most the asked number of rows, bad ones counted, and none is empty."""
    entries = [(line, "0912345678" if line % 2 else "", "") for line in range(rows)]
    assert [chunk.rows for chunk in examine(iter(entries), TABLE, chunk=10)] == sizes


def test_a_file_is_counted_whole(listed: Path) -> None:
    """All seven verdicts are named, duplicates meet across spellings, and a short row counts too."""
    assert check_file(listed, TABLE) == Check(
        rows=8,
        verdicts={
            "accepted": 3,
            "duplicate": 1,
            "invalid": 2,
            "landline": 1,
            "foreign": 1,
            "suppressed": 0,
            "capped": 0,
        },
        by_carrier={"mobifone": 1, "viettel": 1, "vinaphone": 1},
        reasons={"empty": 1, "letters": 1, "landline": 1, "foreign": 1},
        converted=1,
    )


def test_each_row_is_explained_without_its_number(listed: Path, tmp_path: Path) -> None:
    """The download names every row's verdict, shows numbers masked and starts no formula."""
    explain(listed, tmp_path / "out.csv", TABLE)
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        head, *rows = list(csv.reader(file))
    assert head == ["line", "number", "verdict", "reason"]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("2", "84912•••678", "accepted"),
        ("3", "84912•••678", "duplicate"),
        ("4", "84701•••567", "accepted"),
        ("5", "0213••••543", "landline"),
        ("6", "'+8613••••••678", "foreign"),
        ("7", '\'=HYPERLINK("x")', "invalid"),
        ("8", "", "invalid"),
        ("9", "84387•••321", "accepted"),
    ]
    assert rows[2][3] == "old 11-digit number, converted as in 2018"
    assert "0912345678" not in (tmp_path / "out.csv").read_text()


@given(st.text())
def test_no_cell_becomes_a_formula_or_shows_a_number(raw: str) -> None:
    """Whatever a cell holds, its shown form begins with no formula sign and has at most seven digits."""
    shown = plain_cell(mask_text(raw))
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\0"))
    assert sum(sign.isdigit() for sign in shown) <= 7


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("091 234 5678 mẹ", "091 2•• •678 mẹ"),
        ("0912345678/0987654321", "0912••••••/•••••••321"),
        ("113", "113"),
        ("x" * 60, "x" * 40),
    ],
)
def test_what_is_no_number_is_masked_too(raw: str, shown: str) -> None:
    """A number with a word beside it is still somebody's number."""
    assert mask_text(raw) == shown
