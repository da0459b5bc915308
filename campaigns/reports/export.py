"""The send log and the book of messages as files: streamed row by row, so memory stays flat at any length.

CSV begins with a byte order mark: without one Excel reads UTF-8 as Windows-1258 and breaks Vietnamese words and the
mask; awk and grep see it only before the first column's name. JSON Lines has none (RFC 8259, 8.1) and holds every raw
code unchanged.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, TextIO, get_args

import xlsxwriter

from campaigns.reports.files import whole_file
from campaigns.reports.words import OUTCOME_WORDS, STATE_WORDS, local
from campaigns.terms import Outcome, Problem, State

Format = Literal["csv", "jsonl", "xlsx"]
SHEET_ROWS = 1_048_575  # Excel's 1,048,576 less the row of heads
DIGEST_BYTES = 1 << 20
_FORMULA = frozenset("=+-@\t\r\n\0")  # OWASP ASVS 5.0, 1.2.10; and LF, which some spreadsheets skip
_FULL_NUMBER = re.compile(r"\d{9,15}")


class LogRow(NamedTuple):
    """One line of evidence: an answer, a receipt, a look-up or the closing of an attempt."""

    wave: str
    message_no: int
    number: int | str  # 84912345678, or already masked
    carrier: str
    attempt: int
    window: int  # its 16 hex digits begin our reference at the carrier
    kind: str  # answer | receipt | look-up | closed
    outcome: Outcome
    provider: str
    provider_code: str  # raw, as the carrier said it
    provider_ref: str
    at: datetime  # with zone
    text_sha256: str = ""  # 64 hex digits: of the approved text that this wave sends; "" before it starts


class MessageRow(NamedTuple):
    """One message and what became of it."""

    wave: str
    message_no: int
    number: int | str
    carrier: str
    unit: str
    state: State
    attempts: int
    text_sha256: str = ""  # as above


class Written(NamedTuple):
    """What an export left on the disk."""

    path: Path
    rows: int
    sha256: str


Cells = list[int | str]

LOG_HEADS = (
    "wave", "message_no", "number", "carrier", "attempt", "window", "kind", "outcome", "outcome_vi", "provider",
    "provider_code", "provider_ref", "at", "at_utc", "text_sha256",
)  # fmt: skip
MESSAGE_HEADS = ("wave", "message_no", "number", "carrier", "unit", "state", "state_vi", "attempts", "text_sha256")


def write(
    rows: Iterable[LogRow | Mapping[str, Any] | Sequence[Any]],
    form: Format,
    out: Path,
    *,
    full_numbers: bool = False,
) -> Written:
    """Write the send log; numbers are masked unless `full_numbers` (the caller records who looked, and why)."""
    cells = (_log_cells(_named(LogRow, row), full=full_numbers) for row in rows)
    return _write(LOG_HEADS, cells, form, out)


def message_log(
    rows: Iterable[MessageRow | Mapping[str, Any] | Sequence[Any]],
    out: Path,
    *,
    form: Format = "csv",
    full_numbers: bool = False,
) -> Written:
    """Write the book of messages (sổ bản tin): one row a message with its state."""
    cells = (_message_cells(_named(MessageRow, row), full=full_numbers) for row in rows)
    return _write(MESSAGE_HEADS, cells, form, out)


def masked(number: int | str) -> str:
    """84912345678 -> 84912•••678; what is masked already stays as it is."""
    digits = str(number)
    return f"{digits[:-6]}•••{digits[-3:]}" if _FULL_NUMBER.fullmatch(digits) else digits


def _named(kind: Any, row: Any) -> Any:
    if isinstance(row, kind):
        return row
    return kind(**row) if isinstance(row, Mapping) else kind._make(row)


def _log_cells(row: LogRow, *, full: bool) -> Cells:
    if row.at.utcoffset() is None:
        raise Problem("Wave {wave}, message {no}: the time has no zone.", wave=row.wave, no=row.message_no)
    outcome = Outcome(row.outcome)
    return [
        row.wave,
        row.message_no,
        _number(row.number, full=full),
        row.carrier,
        row.attempt,
        f"{row.window:016x}",
        row.kind,
        outcome.name.lower(),
        OUTCOME_WORDS[outcome],
        row.provider,
        row.provider_code,
        row.provider_ref,
        local(row.at).isoformat(timespec="milliseconds"),
        row.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        row.text_sha256,
    ]


def _message_cells(row: MessageRow, *, full: bool) -> Cells:
    state = State(row.state)
    shown = _number(row.number, full=full)
    words = (state.name.lower(), STATE_WORDS[state])
    return [row.wave, row.message_no, shown, row.carrier, row.unit, *words, row.attempts, row.text_sha256]


def _number(number: int | str, *, full: bool) -> str:
    return str(number).removeprefix("+") if full else masked(str(number).removeprefix("+"))


def _write(heads: Sequence[str], rows: Iterator[Cells], form: Format, out: Path) -> Written:
    if form not in _WRITERS:
        raise Problem(
            "There is no export format {form}; take one of {known}.", form=form, known=", ".join(get_args(Format))
        )
    with whole_file(out) as part:
        count = _WRITERS[form](heads, rows, part)
        digest = _sha256(part)
    return Written(out, count, digest)


def _write_csv(heads: Sequence[str], rows: Iterator[Cells], part: Path) -> int:
    with part.open("w", encoding="utf-8-sig", newline="", errors="backslashreplace") as file:
        pen = csv.writer(file)
        pen.writerow(heads)
        return _count(pen.writerow([_inert(cell) for cell in row]) for row in rows)


def _inert(cell: int | str) -> int | str:
    """A cell that no spreadsheet takes for a formula; JSON Lines keeps the raw text."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in _FORMULA else cell


def _write_jsonl(heads: Sequence[str], rows: Iterator[Cells], part: Path) -> int:
    with part.open("w", encoding="utf-8", errors="backslashreplace") as file:
        return _count(_json_line(file, heads, row) for row in rows)


def _json_line(file: TextIO, heads: Sequence[str], row: Cells) -> int:
    return file.write(json.dumps(dict(zip(heads, row, strict=True)), ensure_ascii=False) + "\n")


def _write_xlsx(heads: Sequence[str], rows: Iterator[Cells], part: Path) -> int:
    """Text is written as text cells, which are never formulas; a full sheet is followed by another."""
    options = {"constant_memory": True, "tmpdir": str(part.parent)}  # rows wait beside the file, not in a shared /tmp
    count, sheets = 0, 0
    with xlsxwriter.Workbook(part, options) as book:
        book.use_zip64()
        while taken := _fill_sheet(book, heads, islice(rows, SHEET_ROWS), sheets):
            count, sheets = count + taken, sheets + 1
            if taken < SHEET_ROWS:
                break
    return count


def _fill_sheet(book: Any, heads: Sequence[str], rows: Iterator[Cells], sheets: int) -> int:
    first = next(rows, None)
    if first is None and sheets:
        return 0
    page = book.add_worksheet(f"{sheets + 1}")
    _sheet_row(page, 0, heads)
    if first is None:
        return 0
    _sheet_row(page, 1, first)
    return 1 + _count(_sheet_row(page, at, row) for at, row in enumerate(rows, 2))


def _sheet_row(page: Any, at: int, row: Sequence[int | str]) -> bool:
    for column, cell in enumerate(row):
        if (page.write_string if isinstance(cell, str) else page.write_number)(at, column, cell):
            raise Problem(
                "Row {row}: a text is longer than the 32,767 letters that Excel holds; export as csv or jsonl.", row=at
            )
    return True


def _count(done: Iterable[object]) -> int:
    return sum(1 for _ in done)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(DIGEST_BYTES):
            digest.update(block)
    return digest.hexdigest()


_WRITERS: Mapping[Format, Callable[[Sequence[str], Iterator[Cells], Path], int]] = {
    "csv": _write_csv,
    "jsonl": _write_jsonl,
    "xlsx": _write_xlsx,
}
