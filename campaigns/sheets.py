"""Lists of people as departments send them, CSV or XLSX, as a stream of rows with their line in the file."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from campaigns.encodings import WINDOWS_1258, is_utf_16, text_encoding, unknown_encoding
from campaigns.headings import Row, find_layout
from campaigns.terms import Problem
from campaigns.workbook import open_workbook
from campaigns.workbook_rows import MAX_COLUMNS

MAX_CSV_BYTES = 1_000_000_000  # 20 M rows; the national list would come as a carrier order, not as a file
_HEAD_ROWS = 50  # looked at to find the columns; lists begin with up to ten lines of titles
_HEAD_BYTES = 65_536  # looked at to tell the kind of file

Entry = tuple[int, str, str]
"""(line of the file, the cell with the number, the area or "")."""

_UNTEXT = (
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "a Word document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"7z\xbc\xaf", "an archive"),
    (b"Rar!", "an archive"),
    (b"\x1f\x8b", "an archive"),
)
_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class _Closable(Protocol):
    def close(self) -> None: ...


@dataclass(slots=True)
class Sheet:
    """An open list; iterate once for (line, cells) below the header. Rows without any content are no rows."""

    file: str
    header: tuple[str, ...]
    phone_column: int  # from 0
    unit_column: int | None
    _rows: Iterator[Row]
    _source: _Closable = field(repr=False)

    def __iter__(self) -> Iterator[Row]:
        """All rows of data. Raises Problem when the file breaks on the way."""
        return self._rows

    def entries(self) -> Iterator[Entry]:
        """Number and area of each row, what `audience.examine` takes."""
        phone, unit = self.phone_column, self.unit_column
        for line, cells in self._rows:
            number = cells[phone] if phone < len(cells) else ""
            yield line, number, _area(cells[unit]) if unit is not None and unit < len(cells) else ""

    def close(self) -> None:
        """Let go of the file; safe to call twice."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_sheet(path: Path, *, column: str = "", sheet: str = "", max_csv_bytes: int = MAX_CSV_BYTES) -> Sheet:
    """Open a list and find its columns; `column` (title or letter) and `sheet` overrule the guess. Raises Problem."""
    start = _start_of(path)
    source: _Closable
    if start.startswith(b"PK\x03\x04"):
        source = book = open_workbook(path, sheet)
        rows = iter(book)
    else:
        _refuse_other_kinds(path, start)
        source, rows = _open_csv(path, max_csv_bytes)
    try:
        return _with_columns(path, rows, source, column)
    except BaseException:
        source.close()
        raise


def _with_columns(path: Path, rows: Iterator[Row], source: _Closable, column: str) -> Sheet:
    head = list(islice(rows, _HEAD_ROWS))
    if not head:
        raise Problem("{file} has no rows. Check that the right file was saved.", file=path.name)
    widest = max(len(cells) for _, cells in head)
    if widest > MAX_COLUMNS:
        sentence = "{file} has {found} columns, a list at most {limit}. Keep the columns of the list only."
        raise Problem(sentence, file=path.name, found=widest, limit=MAX_COLUMNS)
    layout = find_layout(path.name, head, column)
    if layout.first == len(head):
        raise Problem("{file} has a header, but no rows below it. Check that the right file was saved.", file=path.name)
    data = chain(head[layout.first :], rows)
    return Sheet(path.name, layout.header, layout.phone, layout.unit, data, source)


def _area(cell: str) -> str:
    return unicodedata.normalize("NFC", cell.strip())


def _start_of(path: Path) -> bytes:
    if not path.is_file():
        raise Problem("{file} is not a file. Check the name.", file=path)
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError as error:
        raise Problem("{file} cannot be read ({error}).", file=path, error=error) from error


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    if not start:
        raise Problem("{file} is empty. Check that the right file was saved.", file=path.name)
    if start.startswith(_OLD_OFFICE):
        sentence = "{file} is protected by a password or an old .xls. Save it as .xlsx without a password."
        raise Problem(sentence, file=path.name)
    for magic, kind in _UNTEXT:
        if start.startswith(magic):
            raise _not_a_list(path, kind)
    if start.lstrip()[:9].lower().startswith((b"<html", b"<!doctype", b"<table", b"<?xml")):
        raise _not_a_list(path, "a web page")
    if b"\0" in start and not is_utf_16(start):
        raise _not_a_list(path, "not a text file")


def _not_a_list(path: Path, kind: str) -> Problem:
    return Problem("{file} is {kind}, not a list. Save the list as .xlsx or as CSV UTF-8.", file=path.name, kind=kind)


def _open_csv(path: Path, max_bytes: int) -> tuple[_Closable, Iterator[Row]]:
    size = path.stat().st_size
    if size > max_bytes:
        sentence = "{file} has {size} MB, a list at most {limit} MB. Split it into several files."
        raise Problem(sentence, file=path.name, size=size // 1_000_000, limit=max_bytes // 1_000_000)
    encoding = text_encoding(path)
    file = path.open(encoding=encoding, newline="")
    first_lines = list(islice(file, _HEAD_ROWS))
    lines: Iterator[str] = chain(first_lines, file)
    if encoding == WINDOWS_1258:  # its tones come as separate marks
        lines = (unicodedata.normalize("NFC", line) for line in lines)
    return file, _csv_rows(path.name, lines, _delimiter(first_lines))


def _csv_rows(name: str, lines: Iterator[str], delimiter: str) -> Iterator[Row]:
    reader = csv.reader(lines, delimiter=delimiter)
    line = 1  # a quoted cell may hold line breaks: a row is named by its first line
    try:
        for cells in reader:
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        sentence = (
            "{file}, from line {line}: cannot be read ({error}). Most often a quotation mark opens and never closes."
        )
        raise Problem(sentence, file=name, line=line, error=error) from error
    except UnicodeError as error:
        raise unknown_encoding(name, line) from error


def _delimiter(lines: list[str]) -> str:
    """The sign that splits the most rows into the same number of cells, more than one."""

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=delimiter) if cells]
        wide = [width for width in widths if width > 1]
        common = max(set(wide), key=wide.count, default=0)
        return wide.count(common), common

    try:
        return max(",;\t", key=evenness)
    except csv.Error:
        return ","
