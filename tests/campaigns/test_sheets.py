"""Lists in every form departments save them in are read, and what is no list is refused with a reason."""

from __future__ import annotations

import codecs
import tracemalloc
import unicodedata
from pathlib import Path

import pytest

from campaigns.headings import letter, plain
from campaigns.sheets import Sheet, open_sheet
from campaigns.terms import Problem

HEADER = "STT,Họ và tên,Số điện thoại,Đơn vị"
ROWS = ["1,Lò Văn Pánh,0912345678,Huyện Tam Đường", "2,Nguyễn Thị Hương,0387654321,Huyện Mường Tè"]
ENTRIES = [(2, "0912345678", "Huyện Tam Đường"), (3, "0387654321", "Huyện Mường Tè")]
TEXT = "\r\n".join([HEADER, *ROWS, ""])


def _windows_1258(text: str) -> bytes:
    """As old Vietnamese Windows wrote it: a letter with its hat or horn, then the tone as a byte of its own."""
    written = []
    for sign in text:
        base, *marks = unicodedata.normalize("NFD", sign)
        hats = "".join(mark for mark in marks if mark in "\u0302\u0306\u031b")
        tones = "".join(mark for mark in marks if mark not in hats)
        written.append((unicodedata.normalize("NFC", base + hats) + tones).encode("cp1258"))
    return b"".join(written)


def _open(folder: Path, content: bytes | str, name: str = "list.csv", **options: str) -> Sheet:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_sheet(path, **options)


def _refusal(folder: Path, content: bytes | str, name: str = "list.csv", **options: str) -> str:
    with pytest.raises(Problem) as caught:
        list(_open(folder, content, name, **options))
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.replace(",", "\t").encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.replace(",", ";").encode(),
        TEXT.replace(",", "\t").encode(),
        TEXT.replace("\r\n", "\n").encode(),
        TEXT.replace("\r\n", "\r").encode(),
        TEXT.rstrip().encode(),
        unicodedata.normalize("NFD", TEXT).encode(),
        _windows_1258(TEXT),
        "\r\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in [HEADER, *ROWS]).encode(),
    ],
    ids=["utf-8", "bom", "utf-16-le", "utf-16-be", "semicolon", "tab", "lf", "cr", "no end", "nfd", "1258", "quoted"],
)
def test_each_way_to_save_a_csv_gives_the_same_rows(tmp_path: Path, content: bytes) -> None:
    """Encoding, delimiter, quotes and line ends change nothing in lines, numbers and areas."""
    with _open(tmp_path, content) as sheet:
        assert (sheet.phone_column, sheet.unit_column) == (2, 3)
        assert sheet.header == tuple(HEADER.split(","))
        assert list(sheet.entries()) == ENTRIES


@pytest.mark.parametrize(
    ("content", "column", "entries"),
    [
        ("SĐT\n0912345678\n", "", [(2, "0912345678", "")]),
        ("phone;district\n0912345678;A\n", "", [(2, "0912345678", "A")]),
        ("Tên,Điện thoại\nAn,0912345678\n", "", [(2, "0912345678", "")]),
        ("DANH SÁCH,,\n,,\nSTT,ĐIỆN  THOẠI,Xã\n1,0912345678,B\n", "", [(4, "0912345678", "B")]),
        ("Điện thoại cơ quan,Di động\n02133876543,0912345678\n", "", [(2, "0912345678", "")]),
        ("1,0912345678\n2,0387654321\n", "", [(1, "0912345678", ""), (2, "0387654321", "")]),
        ("Tên,Liên hệ\nAn,+84 912 345 678\nBa,không có\n", "", [(2, "+84 912 345 678", ""), (3, "không có", "")]),
        ("CCCD,Liên hệ\n045123456789,912345678\n", "", [(2, "912345678", "")]),
        ("a,b\nSĐT cha,SĐT mẹ\n0912345678,0387654321\n", "SĐT mẹ", [(3, "0387654321", "")]),
        ("a,b\n0912345678,0387654321\n", "B", [(2, "0387654321", "")]),
        ("0912345678\n\n0387654321\n", "", [(1, "0912345678", ""), (3, "0387654321", "")]),
        ('Tên,SĐT\n"An\nBình",0912345678\nBa\n', "", [(2, "0912345678", ""), (4, "", "")]),
    ],
    ids=["sdt", "phone", "no stt", "title lines", "mobile wins", "no header", "by looks", "not the id card",
         "by title", "by letter", "one column", "broken line"],
)  # fmt: skip
def test_the_number_column_is_found(tmp_path: Path, content: str, column: str, entries: list[object]) -> None:
    """By title, by looks or as told; each row keeps its line in the file."""
    with _open(tmp_path, content, column=column) as sheet:
        assert list(sheet.entries()) == entries


REFUSED = {
    "empty": (b"", "list.csv is empty"),
    "only breaks": (b"\n\n\n", "list.csv has no rows"),
    "header only": (HEADER, "has a header, but no rows below it"),
    "pdf": (b"%PDF-1.7\n...", "is a PDF document, not a list"),
    "picture": (b"\x89PNG\r\n", "is a picture"),
    "html": ("<html><table>0912345678</table></html>", "is a web page"),
    "binary": (b"\x00\x01\x02" * 9, "is not a text file"),
    "old xls": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "protected by a password or an old .xls"),
    "no phone": ("Tên,Tuổi\nAn,30\nBa,40\n", "no column holds phone numbers. Its first row reads: 'Tên', 'Tuổi'"),
    "two phones": ("SĐT cha,SĐT mẹ\n0912345678,0387654321\n", "columns A (SĐT cha), B (SĐT mẹ) may all hold"),
    "two by looks": ("0912345678,0387654321\n", "columns A, B may all hold"),
    "too wide": ("SĐT" + "," * 64 + "\n0912345678\n", "has 65 columns, a list at most 64"),
    "tcvn3": ("Hä vµ tªn,S§T\nNguyÔn ThÞ H­¬ng,0912345678\n".encode("latin-1"), "line 1, is not UTF-8 text"),
    "latin": (TEXT.encode() + b"3,Andr\xe9,0912345679,X\r\n", "line 4, is not UTF-8 text"),
    "torn": (TEXT.encode() + "4,Huyệ".encode()[:-1], "line 4, is not UTF-8 text"),
    "torn utf-16": (codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le") + b"x", "is not UTF-8 text"),
    "open quote": (TEXT + '3,"An' + "x" * 140_000, "from line 4: cannot be read"),
    "one long line": (b"0912345678," * 200_000, "line 1, is longer than a megabyte"),
}


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_list_is_refused_with_its_reason(tmp_path: Path, content: bytes | str, said: str) -> None:
    """Each refusal names the file and what is wrong with it."""
    told = _refusal(tmp_path, content)
    assert said in told
    assert "list.csv" in told


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong title or letter is answered with the titles there are."""
    assert "has no column 'Zalo'. Its first row reads: 'STT', 'Họ và tên'" in _refusal(tmp_path, TEXT, column="Zalo")
    assert "has no column 'Z'" in _refusal(tmp_path, TEXT, column="Z")


def test_a_file_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """Folders and names that lead nowhere are told apart from bad lists."""
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(Problem, match="is not a file"):
            open_sheet(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A sparse file of 2 GB costs nothing: its size alone refuses it."""
    path = tmp_path / "huge.csv"
    with path.open("wb") as file:
        file.write(TEXT.encode() * 1_000)
        file.truncate(2_000_000_000)
    with pytest.raises(Problem, match="has 2000 MB, a list at most 1000 MB"):
        open_sheet(path, max_csv_bytes=1_000_000_000)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """A list of 240,000 rows needs no more memory than one of 80,000."""

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.csv"
        path.write_text("STT,SĐT\n" + "".join(f"{i},09{i:08d}\n" for i in range(rows)))
        tracemalloc.start()
        with open_sheet(path) as sheet:
            assert sum(1 for _ in sheet) == rows
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(240_000) < peak(80_000) * 1.1


def test_titles_and_letters() -> None:
    """Titles meet without accents, columns have a spreadsheet's names."""
    assert plain("  SỐ Điện-Thoại (ĐTDĐ) ") == "so dien thoai dtdd"
    assert [letter(i) for i in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]
