"""Which column of a department's list holds the numbers, which the area, and where the list begins."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.terms import Problem

Row = tuple[int, list[str]]
"""(line of the file, beginning with 1; its cells)."""

# Best first, without accents. A list often has a desk's telephone beside the mobile: the mobile wins.
_PHONE_WORDS = (
    re.compile(r".*\b(di dong|dtdd|sdtdd|mobile|msisdn|thue bao)\b.*"),
    re.compile(r"(so )?(dien thoai|dt)|sdt|(tele)?phone( (number|no))?|tel"),
    re.compile(r".*\b(dien thoai|sdt|so dt|phone)\b.*"),
)
_LONGEST_TITLE = 60  # characters; a longer cell is a sentence above the list
_UNIT_WORDS = ("don vi", "dia ban", "khu vuc", "huyen", "xa", "phuong", "unit", "area", "district", "commune")
# A mobile number in any spelling, an old or a fixed one; not an identity number (12 digits, or 9 that begin with 0).
_NUMBER = re.compile(r"(?:0|(?:00)?840?)?[35789]\d{8}|0?1[2689]\d{8}|0?2\d{9}|\d,?\d*e\d+", re.ASCII | re.IGNORECASE)
_SIGNS = re.compile(r"[\s.()+'\-]+")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand in a list; columns count from 0."""

    first: int  # index of the first row of data among the rows looked at
    header: tuple[str, ...]  # () where the list has none
    phone: int
    unit: int | None


def find_layout(file: str, head: list[Row], column: str = "") -> Layout:
    """Find the columns by the header, else the numbers by their looks; `column` names one by its title or letter.

    Raises Problem when no column, or more than one, can be meant.
    """
    for at, (_, cells) in enumerate(head):
        titles = [plain(cell) for cell in cells]
        found = [i for i, title in enumerate(titles) if title == plain(column)] if column else _phone_titles(titles)
        if found:
            phone = _only(file, found, cells)
            return Layout(at + 1, _tidied(cells), phone, _unit_column(titles, phone))
    return _layout_by_content(file, head, column)


def plain(title: str) -> str:
    """A column title in small letters without accents and signs: "Số Điện-thoại" becomes "so dien thoai"."""
    letters = unicodedata.normalize("NFD", title.lower()).replace("đ", "d")
    return " ".join(re.findall(r"[a-z0-9]+", "".join(c for c in letters if not unicodedata.combining(c))))


def peoples(header: Sequence[str]) -> list[int]:
    """Columns whose title names a people: never read, never stored (Law 91/2025 counts it as sensitive)."""
    return [i for i, title in enumerate(header) if re.search(r"\b(dan toc|toc nguoi|ethnic\w*)\b", plain(title))]


def letter(column: int) -> str:
    """The spreadsheet's name of column 0, 1, 2 ...: A, B, ... Z, AA, AB ..."""
    name = ""
    while column >= 0:
        column, rest = divmod(column, 26)
        name = chr(ord("A") + rest) + name
        column -= 1
    return name


def _phone_titles(titles: list[str]) -> list[int]:
    """The columns with the best title for a number."""
    for words in _PHONE_WORDS:
        found = [i for i, title in enumerate(titles) if len(title) <= _LONGEST_TITLE and words.fullmatch(title)]
        if found:
            return found
    return []


def _unit_column(titles: list[str], phone: int) -> int | None:
    for word in _UNIT_WORDS:
        for i, title in enumerate(titles):
            if i != phone and re.search(rf"\b{word}\b", title):
                return i
    return None


def _only(file: str, found: list[int], header: list[str]) -> int:
    if len(found) > 1:
        columns = ", ".join(f"{letter(i)} ({header[i].strip()})" if header else letter(i) for i in found)
        sentence = "{file}: columns {columns} may all hold the phone numbers. Say which one is meant."
        raise Problem(sentence, file=file, columns=columns)
    return found[0]


def _layout_by_content(file: str, head: list[Row], column: str) -> Layout:
    width = max(len(cells) for _, cells in head)
    found = [i for i in range(width) if letter(i) == column.upper()] if column else _columns_of_numbers(head, width)
    if not found:
        raise _no_such_column(file, head[0][1], column)
    phone = _only(file, found, [])
    header = head[0][1] if _is_title(head[0][1], phone) else []
    return Layout(bool(header), _tidied(header), phone, _unit_column([plain(cell) for cell in header], phone))


def _columns_of_numbers(head: list[Row], width: int) -> list[int]:
    """The columns in which at least half of the filled cells, but for a title, look like phone numbers."""
    found = []
    for i in range(width):
        looks = [_looks_like_number(cells[i]) for _, cells in head if i < len(cells) and cells[i].strip()]
        if any(looks) and 2 * sum(looks) >= len(looks) - (not looks[0]):
            found.append(i)
    return found


def _looks_like_number(cell: str) -> bool:
    return _NUMBER.fullmatch(_SIGNS.sub("", cell.removesuffix(".0"))) is not None


def _is_title(cells: list[str], column: int) -> bool:
    cell = cells[column] if column < len(cells) else ""
    return any(map(str.isalpha, cell)) and not _looks_like_number(cell)


def _tidied(header: list[str]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", " ".join(cell.split())) for cell in header)


def _no_such_column(file: str, first: list[str], column: str) -> Problem:
    seen = ", ".join(repr(cell.strip()[:30]) for cell in first[:10] if not _looks_like_number(cell))
    if column:
        sentence = "{file} has no column {column}. Its first row reads: {seen}. Give a title of the list or a letter."
        return Problem(sentence, file=file, column=repr(column), seen=seen)
    sentence = (
        "{file}: no column holds phone numbers. Its first row reads: {seen}. "
        'Name the column "Số điện thoại", or say which one is meant.'
    )
    return Problem(sentence, file=file, seen=seen)
