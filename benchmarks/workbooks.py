"""50,000 people in a workbook, ours beside openpyxl in one run; three bombs: seconds and memory to refuse them."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import openpyxl
import xlsxwriter

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.sheets import open_sheet
from campaigns.terms import Problem


def write(path: Path, rows: int, stray: str = "") -> Path:
    """A list as departments send them; `stray` puts a cell somewhere else."""
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("DS")
        sheet.write_row(0, 0, ["STT", "Họ và tên", "Số điện thoại", "Đơn vị"])
        for row in range(1, rows + 1):
            sheet.write_row(row, 0, [row, "Lò Thị Mai", f"09{row:08d}", "Xã Bình Lư"])
        if stray:
            sheet.write_string(stray, "x")
    return path


def ours(path: Path) -> float:
    """Rows a second, checks and the reading process included."""
    began = time.perf_counter()
    with open_sheet(path) as sheet:
        n = sum(1 for _ in sheet.entries())
    return n / (time.perf_counter() - began)


def theirs(path: Path) -> float:
    """The same by openpyxl's read-only mode, its fastest."""
    began = time.perf_counter()
    book = openpyxl.load_workbook(path, read_only=True)
    n = sum(1 for _ in book["DS"].iter_rows(values_only=True))
    return n / (time.perf_counter() - began)


def bombs(folder: Path) -> dict[str, Path]:
    """Zeros that unpack to 210 MB, a directory that lies about 30 MB, a cell in the last row and column."""
    zeros, lying = write(folder / "zeros.xlsx", 2), write(folder / "lying.xlsx", 2)
    with zipfile.ZipFile(zeros, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/x", bytes(210_000_000))
    with zipfile.ZipFile(lying, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/x", bytes(30_000_000))
    lying.write_bytes(lying.read_bytes().replace(struct.pack("<I", 30_000_000), struct.pack("<I", 900)))
    return {"zeros": zeros, "lying directory": lying, "far cell": write(folder / "far.xlsx", 2, "XFD1048576")}


def refuse(path: Path) -> None:
    """In a process of its own: what opening it costs."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        with open_sheet(path) as sheet:
            list(sheet)
        said = "TAKEN"
    except Problem as problem:
        said = str(problem)
    mine, child = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"{time.perf_counter() - began:.2f} s, {mine / 1024:.0f} MiB ({before / 1024:.0f} before),"
          f" reading process {child / 1024:.0f} MiB: {said}")  # fmt: skip


def main() -> None:
    """Print figures."""
    if len(sys.argv) > 1:
        refuse(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write(folder / "list.xlsx", 50_000)
        first, slow, again = ours(path), theirs(path), ours(path)
        fast = (first + again) / 2
        print(f"50,000 rows, {path.stat().st_size / 1e6:.1f} MB: ours {first:,.0f} and {again:,.0f} rows/s"
              f" · openpyxl {slow:,.0f} · ratio {fast / slow:.1f}")  # fmt: skip
        for kind, bomb in bombs(folder).items():
            command = [sys.executable, __file__, str(bomb)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - this very program
            print(f"{kind}, {bomb.stat().st_size:,} bytes: {done.stdout.strip()}")


main()
