"""A program of its own: prints the cells of a carrier's filled form as JSON, inside hard limits of memory and time."""

from __future__ import annotations

import datetime as dt
import json
import resource
import sys
from typing import Any

SHEET, HIDDEN = "Báo cáo", "_ma"
MEMORY_BYTES = 1 << 29
CPU_SECONDS = 20
MOST_ROWS, MOST_COLUMNS = 2_100, 40


def main(path: str) -> None:
    """Print {"hidden": [...], "merged": [...], "rows": [[...], ...]}, or {"problem": "..."}."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineWorkbook  # noqa: PLC0415 - inside the limits

    book = CalamineWorkbook.from_path(path)
    hidden = _rows(book, HIDDEN)
    rows = _rows(book, SHEET)
    if rows is None:
        answer: dict[str, Any] = {"problem": "sheet"}
    else:
        merged = book.get_sheet_by_name(SHEET).merged_cell_ranges or []
        named = [f"{_name(*first)}:{_name(*last)}" for first, last in merged]
        answer = {"hidden": [str(row[0]) for row in hidden or []], "merged": named, "rows": rows}
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # a real text stream here
    json.dump(answer, sys.stdout, ensure_ascii=False)


def _rows(book: Any, name: str) -> list[list[Any]] | None:
    if name not in book.sheet_names:
        return None
    sheet = book.get_sheet_by_name(name)
    if sheet.end is None:
        return []
    if sheet.end[0] >= MOST_ROWS or sheet.end[1] >= MOST_COLUMNS:
        return None
    return [[_cell(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]


def _cell(cell: Any) -> Any:
    if isinstance(cell, dt.datetime | dt.date):
        return {"day": cell.date().isoformat() if isinstance(cell, dt.datetime) else cell.isoformat()}
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell if isinstance(cell, str | int | float | bool) else str(cell)


def _name(row: int, column: int) -> str:
    return f"{chr(ord('A') + column) if column < 26 else '?'}{row + 1}"  # noqa: PLR2004 - letters of the alphabet


if __name__ == "__main__":
    main(sys.argv[1])
