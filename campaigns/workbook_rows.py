"""A program of its own: prints the rows of an .xlsx file as CSV, inside hard limits of memory and time.

The reader allocates all cells of the rectangle between the first and the last one: a file of five kilobytes can ask
for 550 GB, and the process that asks is aborted, not raised in (reliability: T10). So that process is this one.
First line: JSON with the sheet's name, the others' names and its size; then line number and cells of each row.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import resource
import sys
from typing import Any

MEMORY_BYTES = 1 << 30  # address space; 400,000 rows of four columns took 160 MB
CPU_SECONDS = 60  # 400,000 rows took 3
MAX_ROWS = 1_048_576  # of the format itself
MAX_COLUMNS = 64  # a department's list has four to twenty


def main(path: str, wanted: str) -> None:
    """Print one sheet: the wanted one, else the first visible one that has rows; the others with rows are named."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineWorkbook  # noqa: PLC0415 - inside the limits

    book = CalamineWorkbook.from_path(path)
    names = [meta.name for meta in book.sheets_metadata if str(meta.visible).endswith("Visible") or meta.name == wanted]
    sheet = _choose(book, names, wanted)
    rows, columns = (place + 1 for place in sheet.end) if sheet else (0, 0)
    others = [name for name in names if sheet and name != sheet.name and _choose(book, [name], "")]
    about = {
        "sheets": names, "name": sheet.name if sheet else "", "rows": rows, "columns": columns, "others": others,
    }  # fmt: skip
    sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a real text stream here
    sys.stdout.write(json.dumps(about) + "\n")
    if sheet and rows <= MAX_ROWS and columns <= MAX_COLUMNS:
        _print_rows(sheet)


def _choose(book: Any, names: list[str], wanted: str) -> Any:
    for name in names:
        if wanted in ("", name):
            sheet = book.get_sheet_by_name(name)
            if sheet.end is not None:
                return sheet
    return None


def _print_rows(sheet: Any) -> None:
    write = csv.writer(sys.stdout).writerow
    for line, cells in enumerate(sheet.iter_rows(), 1):
        if any(cell != "" for cell in cells):
            write([line, *map(_text, cells)])


def _text(cell: Any) -> str:
    """A cell as a person would type it; whole floats lose their ".0"."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    return str(cell)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
