"""XLSX files are read like CSV ones, and no workbook harms the process that opens it (reliability: T10)."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import date
from pathlib import Path

import pytest
import xlsxwriter
from openpyxl import Workbook

from campaigns import workbook
from campaigns.sheets import open_sheet
from campaigns.terms import Problem

TITLES = ["STT", "Họ và tên", "Số điện thoại", "Đơn vị"]


def _book(*sheets: tuple[str, list[list[object]]]) -> Workbook:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets:
        made = book.create_sheet(name)
        for row in rows:
            made.append(row)
    return book


def _refusal(path: Path, **options: str) -> str:
    with pytest.raises(Problem) as caught, open_sheet(path, **options) as sheet:
        list(sheet)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_cells_come_as_a_person_would_type_them(tmp_path: Path) -> None:
    """Numbers, floats, dates and gaps keep their meaning, rows keep their line, even after empty lines."""
    book = _book(("DS", [["DANH SÁCH"], [], TITLES, [1, "Lò, A", 912345678, "Huyện Tam Đường"], []]))
    made = book["DS"]
    made.append([2.0, 'nói "ạ"\nhai dòng', 3.87654321e8, date(2024, 5, 1)])
    made.append([3, None, "+84 912 345 678", True])
    book.save(tmp_path / "a.xlsx")
    with open_sheet(tmp_path / "a.xlsx") as sheet:
        assert (sheet.header, sheet.phone_column, sheet.unit_column) == (tuple(TITLES), 2, 3)
        assert list(sheet) == [
            (4, ["1", "Lò, A", "912345678", "Huyện Tam Đường"]),
            (6, ["2", 'nói "ạ"\nhai dòng', "387654321", "2024-05-01"]),
            (7, ["3", "", "+84 912 345 678", "True"]),
        ]


def test_the_only_visible_sheet_with_rows_is_read_or_the_one_named(tmp_path: Path) -> None:
    """Hidden and empty sheets are passed over; of several with rows none is chosen: it must be named."""
    lists = [[["SĐT"], [f"091234567{i}"]] for i in range(4)]
    book = _book(("hidden", lists[0]), ("empty", []), ("first", lists[1]), ("second", lists[2]))
    book["hidden"].sheet_state = "hidden"
    book.active = book["first"]
    book.save(path := tmp_path / "a.xlsx")
    assert "rows in several sheets: first, second" in _refusal(path)
    for name, number in (("first", "0912345671"), ("second", "0912345672")):
        with open_sheet(path, sheet=name) as sheet:
            assert list(sheet.entries()) == [(2, number, "")]
    assert "has no sheet 'third'; it has: empty, first, second" in _refusal(path, sheet="third")
    book["second"].sheet_state = "hidden"
    book.save(path)
    with open_sheet(path) as sheet:
        assert list(sheet.entries()) == [(2, "0912345671", "")]


def test_an_empty_workbook_has_no_rows(tmp_path: Path) -> None:
    """A workbook without any cell is told from one with a wrong column."""
    _book(("DS", [])).save(path := tmp_path / "a.xlsx")
    assert "has no rows" in _refusal(path)


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("word/document.xml", "is a Word document"),
        ("xl/workbook.bin", "is a binary workbook"),
        ("content.xml", "is an OpenDocument file"),
        ("photo.jpg", "is a zip archive"),
    ],
)
def test_other_archives_are_named_for_what_they_are(tmp_path: Path, member: str, said: str) -> None:
    """A .docx renamed to .xlsx is called a Word document."""
    with zipfile.ZipFile(path := tmp_path / "list.xlsx", "w") as archive:
        archive.writestr(member, "x")
    assert said in _refusal(path)


def _real(path: Path) -> bytes:
    _book(("DS", [TITLES, [1, "An", "0912345678", "X"]])).save(path)
    return path.read_bytes()


@pytest.mark.parametrize("left", [4, 300, -30])
def test_a_torn_workbook_is_refused(tmp_path: Path, left: int) -> None:
    """A half-copied file is a sentence, not a traceback."""
    path = tmp_path / "list.xlsx"
    path.write_bytes(_real(path)[:left])
    assert "cannot be read as a workbook" in _refusal(path)


def test_a_workbook_with_broken_xml_is_refused(tmp_path: Path) -> None:
    """The archive is sound, its content is not: the reading process says nothing and the file is refused."""
    with zipfile.ZipFile(path := tmp_path / "list.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook><sheets>")
    assert "cannot be read as a workbook" in _refusal(path)


def _with(path: Path, name: str, content: bytes, times: int = 1) -> Path:
    _real(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        for i in range(times):
            archive.writestr(f"{name}{i}", content)
    return path


def test_bombs_are_seen_in_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many parts, too high a ratio and too much in all are refused before a byte is unpacked."""
    said = "unpacks to more than a list of people needs"
    assert said in _refusal(_with(tmp_path / "many.xlsx", "xl/x", b"x", 100))
    assert said in _refusal(_with(tmp_path / "ratio.xlsx", "xl/x", bytes(20_000_000)))
    monkeypatch.setattr(workbook, "MAX_UNPACKED", 5_000)
    assert said in _refusal(_with(tmp_path / "sum.xlsx", "xl/x", b"x"))
    monkeypatch.setattr(workbook, "MAX_BYTES", 1_000)
    assert "a workbook may have 0" in _refusal(_with(tmp_path / "size.xlsx", "xl/x", b"x"))


def test_a_lying_directory_is_caught(tmp_path: Path) -> None:
    """A part that says it is small and unpacks to 30 MB is refused: readers unpack to the end of the stream."""
    path = _with(tmp_path / "list.xlsx", "xl/x", bytes(30_000_000))
    honest, lie = struct.pack("<I", 30_000_000), struct.pack("<I", 900)
    path.write_bytes(path.read_bytes().replace(honest, lie))
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("xl/x0").file_size == 900
    assert "unpacks to more" in _refusal(path)


def test_a_part_packed_in_another_way_is_refused(tmp_path: Path) -> None:
    """Only what spreadsheets write themselves is unpacked."""
    _real(path := tmp_path / "list.xlsx")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("xl/x", b"x" * 100)
    assert "unpacks to more" in _refusal(path)


def test_a_cell_at_the_end_of_the_sheet_costs_nothing(tmp_path: Path) -> None:
    """Five kilobytes that ask for 550 GB of cells kill the reading process only, and the file is refused."""
    book = _book(("DS", [TITLES, [1, "An", "0912345678", "X"]]))
    book["DS"]["XFD1048576"] = "x"
    book.save(path := tmp_path / "list.xlsx")
    assert path.stat().st_size < 10_000
    assert "cells far outside the list" in _refusal(path)


def test_a_list_too_wide_is_refused_by_sheet_and_column(tmp_path: Path) -> None:
    """A stray cell far to the right is named by where it stands."""
    book = _book(("DS", [TITLES, [1, "An", "0912345678", "X"]]))
    book["DS"]["CA1"] = "x"
    book.save(path := tmp_path / "list.xlsx")
    assert "sheet 'DS', reaches to row 2 and column 79" in _refusal(path)


def test_entities_are_not_expanded(tmp_path: Path) -> None:
    """A billion laughs inside the shared strings makes the workbook unreadable, nothing more."""
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 9))
    head = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><sst count="1" uniqueCount="1">'
    with xlsxwriter.Workbook(source := tmp_path / "source.xlsx") as book:
        book.add_worksheet().write_string(0, 0, "SĐT")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path := tmp_path / "list.xlsx", "w") as new:
        for name in old.namelist():
            bomb = f"{head}<si><t>before &l8; after</t></si></sst>"
            new.writestr(name, bomb if name == "xl/sharedStrings.xml" else old.read(name))
    assert "cannot be read as a workbook" in _refusal(path, column="A")


def test_closing_early_ends_the_reading_process(tmp_path: Path) -> None:
    """Who stops after ten rows leaves no process behind."""
    book = _book(("DS", [["SĐT"], *([f"09{i:08d}"] for i in range(20_000))]))
    book.save(path := tmp_path / "list.xlsx")
    with open_sheet(path) as sheet:
        assert next(iter(sheet)) == (2, ["0900000000"])
        child = sheet._source._child  # type: ignore[attr-defined]
    assert child.returncode is not None
    sheet.close()


def test_an_archive_with_nothing_in_it(tmp_path: Path) -> None:
    """An empty archive is no list either."""
    (path := tmp_path / "list.xlsx").write_bytes(_nothing())
    assert _refusal(path)


def _nothing() -> bytes:
    with zipfile.ZipFile(made := io.BytesIO(), "w"):
        pass
    return made.getvalue()
