"""XLSX files as a stream of rows: judged from outside first, then read by a process with limits (reliability: T10)."""

from __future__ import annotations

import csv
import json
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from campaigns import workbook_rows
from campaigns.terms import Problem
from campaigns.workbook_rows import MAX_COLUMNS, MAX_ROWS

MAX_BYTES = 20_000_000  # of the file; a list of 400,000 people has about 15 MB
MAX_UNPACKED = 200_000_000  # bytes, all members together
MAX_RATIO = 100  # unpacked to packed; honest sheets have 5 to 20
MAX_MEMBERS = 100
_PIECE = 1 << 20  # bytes unpacked at once
_LOCAL_HEADER = 30  # bytes before name and extra field (PKWARE APPNOTE, section 4.3.7)


@dataclass(slots=True)
class Workbook:
    """An open sheet: iterate for (line, cells), then close."""

    sheet: str
    sheets: list[str]
    _child: subprocess.Popen[str]
    _path: Path

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with something in them, in order. Raises Problem when the reader fails on the way."""
        for line, *cells in csv.reader(_out(self._child)):
            yield int(line), cells
        if self._child.wait() != 0:
            raise _unreadable(self._path)

    def close(self) -> None:
        """Stop reading; safe to call twice."""
        self._child.kill()
        self._child.wait()
        _out(self._child).close()


def open_workbook(path: Path, sheet: str = "") -> Workbook:
    """Judge and open an .xlsx file. Raises Problem for anything else, for bombs and for empty books."""
    judge(path)
    child = _start(path, sheet)
    first = _out(child).readline()
    book = Workbook("", [], child, path)
    try:
        about = json.loads(first) if first else {}
        _check_size(path, sheet, about)
    except (Problem, ValueError):
        book.close()
        raise
    book.sheet, book.sheets = about["name"], about["sheets"]
    return book


def judge(path: Path) -> None:
    """Refuse files that are no workbook or would unpack to too much. Raises Problem."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        sentence = "{file} has {size} MB, a workbook may have {limit}. Save the list as CSV UTF-8 instead."
        raise Problem(sentence, file=path.name, size=size // 1_000_000, limit=MAX_BYTES // 1_000_000)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise _unreadable(path) from error
    _judge_kind(path, {member.filename for member in members})
    _judge_members(path, members)


def _judge_kind(path: Path, names: set[str]) -> None:
    if "xl/workbook.xml" in names:
        return
    kind = "a zip archive"
    if "word/document.xml" in names:
        kind = "a Word document"
    elif "xl/workbook.bin" in names:
        kind = "a binary workbook (.xlsb)"
    elif "content.xml" in names:
        kind = "an OpenDocument file"
    raise Problem("{file} is {kind}, not a list. Save the list as .xlsx or as CSV UTF-8.", file=path.name, kind=kind)


def _judge_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    bomb = len(members) > MAX_MEMBERS or unpacked > MAX_UNPACKED or unpacked > MAX_RATIO * max(packed, 1)
    with path.open("rb") as file:
        if bomb or not all(_is_honest(file, member) for member in members):
            sentence = (
                "{file} unpacks to more than a list of people needs ({unpacked} MB in {members} parts). "
                "Copy the list alone into a new workbook, or save it as CSV UTF-8."
            )
            raise Problem(sentence, file=path.name, unpacked=unpacked // 1_000_000, members=len(members))


def _is_honest(file: IO[bytes], member: zipfile.ZipInfo) -> bool:
    """Whether a member unpacks to no more than the directory says: readers unpack to the end of the stream."""
    file.seek(member.header_offset + _LOCAL_HEADER - 4)
    lengths = file.read(4)
    if len(lengths) < 4 or member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # noqa: PLR2004 - two lengths of two bytes
        return False
    file.seek(sum(struct.unpack("<HH", lengths)), os.SEEK_CUR)
    if member.compress_type == zipfile.ZIP_STORED:
        return member.file_size == member.compress_size
    return _unpacks_within(file, member)


def _unpacks_within(file: IO[bytes], member: zipfile.ZipInfo) -> bool:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    left, unpacked, pending = member.compress_size, 0, b""
    try:
        while not inflate.eof and (pending or left):
            if not pending:
                pending = file.read(min(left, _PIECE))
                left = left - len(pending) if pending else 0
            unpacked += len(inflate.decompress(pending, _PIECE))
            pending = inflate.unconsumed_tail
            if unpacked > member.file_size:
                return False
    except zlib.error:
        return False
    return True


def _start(path: Path, sheet: str) -> subprocess.Popen[str]:
    # -P: the folder of the program holds a numbers.py, which must not stand for the standard library's
    program = [sys.executable, "-P", str(Path(workbook_rows.__file__)), str(path.absolute()), sheet]
    return subprocess.Popen(  # noqa: S603 - our own program; the path is one argument, no shell
        program, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    )


def _out(child: subprocess.Popen[str]) -> IO[str]:
    if child.stdout is None:
        raise RuntimeError("the child was started without a pipe")
    return child.stdout


def _check_size(path: Path, sheet: str, about: dict[str, Any]) -> None:
    if not about:
        raise _unreadable(path)
    if sheet and sheet not in about["sheets"]:
        sentence = "{file} has no sheet {sheet}; it has: {sheets}."
        raise Problem(sentence, file=path.name, sheet=repr(sheet), sheets=", ".join(about["sheets"]))
    if not sheet and about["others"]:  # rows of a sheet that nobody chose must not vanish without a word
        sentence = "{file} has rows in several sheets: {sheets}. Name the one to read, or keep only one in the file."
        raise Problem(sentence, file=path.name, sheets=", ".join([about["name"], *about["others"]]))
    if about["rows"] > MAX_ROWS or about["columns"] > MAX_COLUMNS:
        sentence = (
            "{file}, sheet {sheet}, reaches to row {rows} and column {columns}; a list has at most {max_rows} rows and "
            "{max_columns} columns. Delete what stands outside the list."
        )
        size = {"rows": about["rows"], "columns": about["columns"], "max_rows": MAX_ROWS, "max_columns": MAX_COLUMNS}
        raise Problem(sentence, file=path.name, sheet=repr(about["name"]), **size)
    if not about["rows"]:
        raise Problem("{file} has no rows. Check that the right file was saved.", file=path.name)


def _unreadable(path: Path) -> Problem:
    sentence = (
        "{file} cannot be read as a workbook: it is damaged, or cells far outside the list ask for too much memory. "
        "Copy the list alone into a new workbook, or save it as CSV UTF-8."
    )
    return Problem(sentence, file=path.name)
