"""The send log as a file: every row, no formula, no number by accident, and memory that does not grow."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.reports import export
from campaigns.reports.export import LOG_HEADS, MESSAGE_HEADS, LogRow, MessageRow, masked, message_log, write
from campaigns.terms import Outcome, Problem, State

AT = datetime(2024, 7, 28, 1, 0, 0, 125_000, tzinfo=UTC)
ROW = LogRow("dot-1", 7, 84_912_345_678, "viettel", 1, 0xAB, "answer", Outcome.REFUSED, "esms", "-99", "=1+1", AT,
             "ab" * 32)  # fmt: skip
WIDE_FORMATS: tuple[export.Format, ...] = ("csv", "jsonl", "xlsx")


def read(path: Path) -> list[dict[str, Any]]:
    """Any export as rows by column name, as a program reads it."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    pages = [list(page.iter_rows(values_only=True)) for page in openpyxl.load_workbook(path, read_only=True)]
    return [dict(zip(map(str, page[0]), row, strict=True)) for page in pages for row in page[1:]]


@pytest.mark.parametrize("form", WIDE_FORMATS)
def test_one_row_says_all_in_each_format(form: export.Format, tmp_path: Path) -> None:
    """Words in two languages, both clocks, raw codes, the window as carriers see it; numbers masked."""
    done = write([ROW], form, tmp_path / f"log.{form}")
    [row] = read(done.path)
    assert tuple(row) == LOG_HEADS
    assert row["number"] == "84912•••678"
    assert (row["outcome"], row["outcome_vi"]) == ("refused", "nhà mạng từ chối")
    assert (row["at"], row["at_utc"]) == ("2024-07-28T08:00:00.125+07:00", "2024-07-28T01:00:00.125+00:00")
    assert (row["window"], row["text_sha256"]) == ("00000000000000ab", "ab" * 32)
    raw = ("'-99", "'=1+1") if form == "csv" else ("-99", "=1+1")
    assert (row["provider_code"], row["provider_ref"]) == raw
    assert done.rows == 1
    assert done.sha256 == hashlib.sha256(done.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("shape", [ROW, tuple(ROW), ROW._asdict()], ids=["LogRow", "tuple", "mapping"])
def test_rows_come_in_any_shape(shape: Any, tmp_path: Path) -> None:
    assert read(write([shape], "jsonl", tmp_path / "log.jsonl").path)[0]["message_no"] == 7


NUMBERS = [
    (84_912_345_678, "84912•••678"),
    ("84912345678", "84912•••678"),
    ("+84912345678", "84912•••678"),
    ("84912•••678", "84912•••678"),
    (8_421_0123_4567, "842101•••567"),
]


@pytest.mark.parametrize(("number", "shown"), NUMBERS)
def test_a_number_is_masked_unless_asked_in_full(number: int | str, shown: str, tmp_path: Path) -> None:
    """A full number is digits only: a leading plus would be a formula."""
    masked_row = read(write([ROW._replace(number=number)], "csv", tmp_path / "a.csv").path)[0]
    full_row = read(write([ROW._replace(number=number)], "csv", tmp_path / "b.csv", full_numbers=True).path)[0]
    assert masked_row["number"] == shown
    assert full_row["number"] == str(number).removeprefix("+")
    assert masked(shown) == shown


@given(st.lists(st.tuples(*[st.text(alphabet=st.sampled_from("=+-@\t\r\n\0;,\"'aấ•")) for _ in range(3)]), max_size=5))
def test_no_cell_of_a_csv_is_a_formula_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, ...]]
) -> None:
    """T9: whatever a carrier or a file name holds, and line breaks and quotes come back as they were."""
    out = tmp_path_factory.getbasetemp() / "t9.csv"
    rows = [ROW._replace(wave=a, provider_code=b, provider_ref=c) for a, b, c in cells]
    write(rows, "csv", out)
    found = read(out)
    assert [(row["wave"], row["provider_code"], row["provider_ref"]) for row in found] == [
        tuple(f"'{cell}" if cell[:1] in set("=+-@\t\r\n\0") else cell for cell in three) for three in cells
    ]
    assert not any(value[:1] in set("=+-@\t\r\n\0") for row in found for value in row.values() if value)


def test_a_spreadsheet_opens_the_csv_and_json_has_no_mark(tmp_path: Path) -> None:
    """Excel needs the byte order mark for Vietnamese; RFC 8259 forbids it in JSON."""
    assert write([ROW], "csv", tmp_path / "a.csv").path.read_bytes().startswith(b"\xef\xbb\xbfwave,")
    assert write([ROW], "jsonl", tmp_path / "a.jsonl").path.read_bytes().startswith(b'{"wave"')


def test_text_in_a_workbook_is_never_a_formula(tmp_path: Path) -> None:
    page = openpyxl.load_workbook(write([ROW], "xlsx", tmp_path / "a.xlsx").path).active
    assert page is not None
    assert {cell.data_type for cell in next(page.iter_rows(min_row=2))} == {"s", "n"}


def test_a_full_sheet_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is made small; each sheet has its heads, and no row is lost or empty at the seam."""
    monkeypatch.setattr(export, "SHEET_ROWS", 3)
    for count, sheets in ((0, 1), (1, 1), (3, 1), (4, 2), (6, 2), (7, 3)):
        done = write((ROW._replace(message_no=no) for no in range(count)), "xlsx", tmp_path / "a.xlsx")
        assert done.rows == count
        assert [row["message_no"] for row in read(done.path)] == list(range(count))
        assert len(openpyxl.load_workbook(done.path).sheetnames) == sheets


WEIGH = """
import resource, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from campaigns.reports.export import LogRow, write
from campaigns.terms import Outcome
form, out, few, many = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
at = datetime(2024, 7, 28, tzinfo=UTC)
def weigh(count):
    rows = (LogRow("dot-1", no, 84900000000 + no, "viettel", 1, no, "answer", Outcome.ACCEPTED, "esms", "0", f"r{no}",
                   at + timedelta(milliseconds=no)) for no in range(count))
    assert write(rows, form, out).rows == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB
print(weigh(few), weigh(many))
"""


@pytest.mark.parametrize(
    ("form", "few", "many"), [("csv", 5_000, 200_000), ("jsonl", 5_000, 200_000), ("xlsx", 2_000, 40_000)]
)
def test_memory_stays_flat(form: str, few: int, many: int, tmp_path: Path) -> None:
    """Many times the rows raise the process's peak by under 3 MiB: less than 16 bytes a row of CSV, so none is kept."""
    command = [sys.executable, "-c", WEIGH, form, str(tmp_path / "log"), str(few), str(many)]
    said = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2], timeout=60
    )
    low, high = map(int, said.stdout.split())
    assert high - low < 3 * 1024


def test_the_book_of_messages_has_one_row_a_message(tmp_path: Path) -> None:
    rows = [
        MessageRow("dot-1", no, 84_912_345_000 + no, "viettel", "03105", state, 1, "cd" * 32)
        for no, state in enumerate(State)
    ]
    found = read(message_log(rows, tmp_path / "so.csv").path)
    assert tuple(found[0]) == MESSAGE_HEADS
    assert {row["text_sha256"] for row in found} == {"cd" * 32}
    assert [row["state"] for row in found] == [state.name.lower() for state in State]
    assert next(row["state_vi"] for row in found if row["state"] == "uncertain") == "không xác định"


@pytest.mark.parametrize(
    ("row", "form", "says"),
    [
        (ROW, "pdf", "take one of csv, jsonl, xlsx"),
        (ROW._replace(at=AT.replace(tzinfo=None)), "csv", "has no zone"),
        (ROW._replace(provider_code="9" * 32_768), "xlsx", "longer than the 32,767 letters"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(row: LogRow, form: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(Problem) as caught:
        write([row], form, tmp_path / "a")
    assert says in str(caught.value)
    assert not list(tmp_path.iterdir())
