"""A letter as the department receives it, read line by line: text, .docx, or PDF that holds its text."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

from campaigns import text
from campaigns.terms import Problem

MOST_BYTES: Final = 20_971_520  # 20 MiB: a scanned letter with its stamps
MOST_UNPACKED: Final = 104_857_600  # 100 MiB: a .docx of text is well below one
MOST_PAGES: Final = 200
MOST_LINES: Final = 20_000
_PDF, _ZIP = b"%PDF-", b"PK\x03\x04"
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_PICTURE_BEGINS, _PICTURE_ENDS = b"\xff\xda", b"\xff\xd9"  # of a JPEG: what is missing where a copy was cut short
_IHDR: Final = slice(12, 16)  # of a PNG: the kind of its first chunk, always the same
_SPACE: Final = "\t\n\r\f"


class Kind(Enum):
    """What a letter may come as, by its media type."""

    DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    PDF = "application/pdf"
    TEXT = "text/plain"
    PNG = "image/png"
    JPEG = "image/jpeg"


ENDINGS: Final[Mapping[Kind, tuple[str, ...]]] = {
    Kind.DOCX: (".docx",), Kind.PDF: (".pdf",), Kind.TEXT: (".txt", ".md"), Kind.PNG: (".png",),
    Kind.JPEG: (".jpg", ".jpeg"),
}  # fmt: skip
"""How the name of each kind ends; the first where it ended otherwise."""
PICTURES: Final = frozenset({Kind.PNG, Kind.JPEG})
"""Kept and shown; nothing is read from them."""


class NoText(Problem):
    """A file in whole order that holds no text."""


def kind_of(content: bytes, name: str) -> Kind:
    """What a file is by its first bytes, never by its name; raises Problem for what no letter is.

    Markup is text too, but a browser could be made to run it.
    """
    if content.startswith(_PNG) and content[_IHDR] == b"IHDR":
        return Kind.PNG
    if content.startswith(_JPEG) and content.rfind(_PICTURE_ENDS) > content.find(_PICTURE_BEGINS) > 0:
        return Kind.JPEG
    if content.startswith((_PDF, _ZIP)):  # of a packed file its reader says more
        return Kind.PDF if content.startswith(_PDF) else Kind.DOCX
    try:
        lines = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        lines = "\0"
    if lines.lstrip().startswith("<") or any(sign < " " and sign not in _SPACE for sign in lines):
        raise Problem("{file} is no letter's file: choose Word (.docx), PDF, text in UTF-8, or a scan as PNG or JPEG",
                      file=name)  # fmt: skip
    return Kind.TEXT


def take(content: bytes, name: str) -> tuple[Kind, str]:
    """The kind of a letter's file and its lines, "" where it is a scan; raises Problem as `of_bytes` and `kind_of`."""
    kind = kind_of(content, name)
    if kind in PICTURES:
        return kind, ""
    try:
        return kind, of_bytes(content, name)
    except NoText:
        if kind is Kind.TEXT:
            raise
        return kind, ""


def read(path: Path) -> str:
    """The letter's lines as NFC, ended by line feeds; raises Problem for what holds no text we can read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem("{file} cannot be read: {error}", file=path.name, error=error.strerror) from error
    return of_bytes(content, path.name)


def of_bytes(content: bytes, name: str) -> str:
    """The same of an upload; its kind is told by its first bytes, never by its name."""
    if len(content) > MOST_BYTES:
        raise Problem("{file} is larger than {most} MB: a letter is smaller", file=name, most=MOST_BYTES // 1_048_576)
    kind = next((each for each in _READERS if each and content.startswith(each)), b"")
    try:
        lines = _READERS[kind](content)
    except Problem as problem:
        raise Problem("{file}: {reason}", file=name, reason=problem) from None
    found = "\n".join(lines[:MOST_LINES])
    if not found.strip():
        raise NoText("{file} holds no text: it is a picture of a letter; type the paragraphs that count, and compare",
                     file=name)  # fmt: skip
    return text.normal(found)


def _plain(content: bytes) -> list[str]:
    try:
        return content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise Problem("is not UTF-8 (byte {place}); save it as UTF-8", place=error.start + 1) from error


def _docx(content: bytes) -> list[str]:
    _refuse_bombs(content)
    import docx  # noqa: PLC0415 - 0.2 s that a text file need not wait for
    from docx.table import Table  # noqa: PLC0415 - as above

    try:
        document = docx.Document(io.BytesIO(content))
        lines: list[str] = []
        for block in document.iter_inner_content():
            lines += _cells(block) if isinstance(block, Table) else block.text.splitlines() or [""]
    except Problem:
        raise
    except Exception as error:  # a foreign file: its reader may fail in any way
        raise Problem("cannot be read as .docx; save it again, or as text") from error
    return lines


def _cells(table: Any) -> Iterator[str]:
    """A table's cells, row by row; merged cells are told once."""
    seen = set()
    for row in table.rows:
        for cell in row.cells:
            if cell._tc not in seen:  # noqa: SLF001 - python-docx has no other name for a merged cell
                seen.add(cell._tc)  # noqa: SLF001 - as above
                yield from cell.text.splitlines()


def _refuse_bombs(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            size = sum(each.file_size for each in packed.infolist())
            names = set(packed.namelist())
    except zipfile.BadZipFile as error:
        raise Problem("cannot be read as .docx; save it again, or as text") from error
    if size > MOST_UNPACKED:
        raise Problem("unpacks to more than {most} MB: it is no letter", most=MOST_UNPACKED // 1_048_576)
    if "word/document.xml" not in names:
        raise Problem("is a packed file, but no .docx; save the letter as .docx, PDF or text")


def _pdf(content: bytes) -> list[str]:
    from pypdf import PdfReader  # noqa: PLC0415 - 0.3 s, as above

    try:
        pages = PdfReader(io.BytesIO(content)).pages
        lines = [line for page in pages[:MOST_PAGES] for line in (page.extract_text() or "").splitlines()]
        count = len(pages)
    except Exception as error:  # as above
        raise Problem("cannot be read as PDF: it is damaged or locked; save it again, or as text") from error
    if count > MOST_PAGES:
        raise Problem("has more than {most} pages: cut out the letter", most=MOST_PAGES)
    return lines


_READERS: Mapping[bytes, Callable[[bytes], list[str]]] = {_ZIP: _docx, _PDF: _pdf, b"": _plain}
