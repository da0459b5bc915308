"""Every spelling a list may hold comes out as one number and one reason."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.numbers import NumberTable, Reason
from campaigns.terms import Problem, Verdict

CONFIG = Path(__file__).parents[2] / "config"
TABLE = NumberTable.load(CONFIG / "prefixes.csv", CONFIG / "prefix_conversion_2018.csv")
VINAPHONE = 84912345678

SPELLINGS = [
    "0912345678",
    "84912345678",
    "+84912345678",
    "+84 912 345 678",
    "(+84) 912-345-678",
    "+84 (0)912 345 678",
    "840912345678",
    "0084912345678",
    "0084 912 345 678",
    "+0912345678",
    "912345678",
    "9.12345678E8",
    "9.12345678E+8",
    "9,12345678e+08",
    "8.4912345678E10",
    "912345678.0",
    "0912345678.0",
    "84912345678.00",
    "091.234.5678",
    "0912,345,678",
    "091-234-5678",
    "091–234–5678",
    "(091) 234 5678",
    "091\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}5678",
    "  0912345678\t",
    "'0912345678",
    "’0912345678",
    "\N{LEFT-TO-RIGHT EMBEDDING}+84912345678\N{POP DIRECTIONAL FORMATTING}",
    "\N{ZERO WIDTH NO-BREAK SPACE}0912345678",
    "０９１２３４５６７８",
]

NOT_SENT = {
    "": Reason.EMPTY,
    "   ": Reason.EMPTY,
    "-": Reason.EMPTY,
    "'": Reason.EMPTY,
    "không có": Reason.LETTERS,
    "0912345678 (mẹ)": Reason.LETTERS,
    "O912345678": Reason.LETTERS,
    "#REF!": Reason.LETTERS,
    "=1+2": Reason.LETTERS,
    "٠٩١٢٣٤٥٦٧٨": Reason.LETTERS,
    "0912345678/0987654321": Reason.SEVERAL,
    "0912345678, 0987654321": Reason.SEVERAL,
    "0912345678 - 0987654321": Reason.SEVERAL,
    "0912345678\n0987654321": Reason.SEVERAL,
    "9.12E+08": Reason.ROUNDED,
    "8.49123E+10": Reason.ROUNDED,
    "091234567": Reason.TOO_SHORT,
    "8491234567": Reason.TOO_SHORT,
    "8491234567.0": Reason.TOO_SHORT,
    "0": Reason.TOO_SHORT,
    "09123456789": Reason.TOO_LONG,
    "084912345678": Reason.TOO_LONG,
    "012345678901": Reason.TOO_LONG,
    "0912345678" * 10_000: Reason.TOO_LONG,
    "111": Reason.SHORT_NUMBER,
    "113": Reason.SHORT_NUMBER,
    "5656": Reason.SHORT_NUMBER,
    "19001234": Reason.SERVICE_NUMBER,
    "1900 123456": Reason.SERVICE_NUMBER,
    "18001234": Reason.SERVICE_NUMBER,
    "0412345678": Reason.UNKNOWN_PREFIX,
    "0140123456": Reason.UNKNOWN_PREFIX,
    "0951234567": Reason.UNASSIGNED,
    "0672123456": Reason.NO_SMS,
    "01301234567": Reason.NEVER_CONVERTED,
    "84 130 1234567": Reason.NEVER_CONVERTED,
    "02133876543": Reason.LANDLINE,
    "0213 3876 543": Reason.LANDLINE,
    "0213387654": Reason.LANDLINE,
    "2133876543": Reason.LANDLINE,
    "842133876543": Reason.LANDLINE,
    "+84 24 3812 3456": Reason.LANDLINE,
    "069.2469.532": Reason.MINISTRY,
    "+86 138 1234 5678": Reason.FOREIGN,
    "(+86) 138 1234 5678": Reason.FOREIGN,
    "008613812345678": Reason.FOREIGN,
    "+856 20 5512 3456": Reason.FOREIGN,
    "+86 1": Reason.FOREIGN_WRONG,
    "+999 123456789": Reason.FOREIGN_WRONG,
    "00": Reason.FOREIGN_WRONG,
}


@pytest.mark.parametrize("raw", SPELLINGS)
def test_each_spelling_is_the_same_number(raw: str) -> None:
    """However a number is written, it is one number of one network, and duplicates meet."""
    assert TABLE.classify(raw) == (VINAPHONE, "vinaphone", Verdict.ACCEPTED, Reason.OK, False)


@pytest.mark.parametrize(("raw", "reason"), NOT_SENT.items(), ids=[raw[:20] for raw in NOT_SENT])
def test_each_refusal_has_its_own_reason(raw: str, reason: Reason) -> None:
    """Nothing that is not surely a Vietnamese mobile number is accepted, and the row says why."""
    assert TABLE.classify(raw) == (0, "", reason.verdict, reason, False)


@pytest.mark.parametrize("form", ["0{}", "{}", "84{}", "+84 {}", "0084{}", "84 0{}"])
def test_every_old_prefix_becomes_its_new_one(form: str) -> None:
    """All 21 conversions of 2018 are applied in all spellings, and recorded as such."""
    assert len(TABLE.old_prefixes) == 21
    for new, old in TABLE.old_prefixes.items():
        found = TABLE.classify(form.format(f"{old}2345678"))
        assert (found.number, found.converted) == (int(f"84{new}2345678"), True)
        assert found.carrier == TABLE.classify(f"0{new}2345678").carrier


def test_virtual_operators_are_told_from_their_hosts() -> None:
    """The longest prefix decides: 0775 is not 077, 087 and 055 are not their host."""
    cases = {"0771234567": "mobifone", "0775123456": "fpt_retail", "0871234567": "itel", "0551234567": "wintel"}
    assert {raw: TABLE.classify(raw).carrier for raw in cases} == cases
    assert TABLE.hosts == {"fpt_retail": "mobifone", "itel": "vinaphone", "wintel": "vinaphone"}


def test_carrier_of_an_accepted_number() -> None:
    """A number alone, as read back from a sealed block, leads to the same network."""
    assert TABLE.carrier_of(VINAPHONE) == "vinaphone"
    with pytest.raises(KeyError):
        TABLE.carrier_of(84412345678)


@given(st.text())
def test_no_cell_breaks_the_reader(raw: str) -> None:
    """Any text at all gets a reading, and a number only if it is a whole Vietnamese one."""
    number, carrier, reason = TABLE.read(raw)
    assert (number > 0) is (reason.verdict is Verdict.ACCEPTED)
    assert number == 0 or TABLE.carrier_of(number) == TABLE.carriers[carrier]


@given(st.integers(10**8, 10**10 - 1).map(str), st.sampled_from(["{}", "0{}", "84{}", "+84{}", "0084{}"]))
def test_the_fast_way_and_the_slow_way_agree(digits: str, form: str) -> None:
    """The short cut for clean cells never says anything that the careful reading would not."""
    raw = form.format(digits)
    assert TABLE.read(raw) == TABLE._read_slowly(raw)


WRITTEN = ["0", "84", "+84", "0084", "91", "912", "0912", "84912", "345", "678", "5678", "000"]
GROUPS = st.lists(st.sampled_from(WRITTEN), min_size=1, max_size=5)
SIGNS = st.lists(st.sampled_from([" ", ".", "-", ",", "", "  ", " - ", "/", "(", "E"]), min_size=5, max_size=5)


@given(GROUPS, SIGNS)
def test_grouped_numbers_are_read_the_fast_way_as_the_slow_one(groups: list[str], signs: list[str]) -> None:
    """Signs between groups, alike and unlike, and spreadsheets' 91234567.0: no short cut gives another number."""
    raw = "".join(group + sign for group, sign in zip(groups, [*signs[: len(groups) - 1], ""], strict=True))
    assert TABLE.read(raw) == TABLE._read_slowly(raw)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("91,vinaphone,,10", "prefix holds '91'"),
        ("091,Vina Phone,,10", "operator_id holds 'Vina Phone'"),
        ("091,vinaphone,,11", "national_length holds '11'"),
    ],
)
def test_a_wrong_table_names_file_line_and_column(tmp_path: Path, row: str, said: str) -> None:
    """Who edits the prefix table is told where the slip is."""
    path = tmp_path / "prefixes.csv"
    path.write_text(f"prefix,operator_id,host_operator_id,national_length\n{row}\n")
    with pytest.raises(Problem, match=rf"prefixes.csv, line 2: column {said}"):
        NumberTable.load(path, CONFIG / "prefix_conversion_2018.csv")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    """A lost file is a sentence, not a traceback."""
    with pytest.raises(Problem, match=r"none.csv: cannot be read"):
        NumberTable.load(tmp_path / "none.csv", CONFIG / "prefix_conversion_2018.csv")
