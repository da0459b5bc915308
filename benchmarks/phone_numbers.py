"""Reading phone numbers: our table beside phonenumbers.parse, the same spellings, one run. Prints a ratio."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import phonenumbers

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.numbers import NumberTable
from config import data


def rate(read: Callable[[str], object], cells: Sequence[str]) -> float:
    """Cells a second."""
    began = time.perf_counter()
    for cell in cells:
        read(cell)
    return len(cells) / (time.perf_counter() - began)


def parse(cell: str) -> bool:
    """What a program does without a table of its own."""
    return phonenumbers.is_valid_number(phonenumbers.parse(cell, "VN"))


def main() -> None:
    """Half clean numbers, half with spaces, as lists have them."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    dice = random.Random(1)  # noqa: S311 - a repeatable sample
    clean = [f"0{dice.choice(('97', '91', '90', '86'))}{dice.randrange(10**7):07}" for _ in range(n)]
    cells = [c if i % 2 else f"{c[:4]} {c[4:7]} {c[7:]}" for i, c in enumerate(clean)]
    table = NumberTable.load(data.PREFIXES, data.PREFIX_CONVERSION)
    ours, theirs = rate(table.read, cells), rate(parse, cells[: n // 20])
    print(f"our table {ours:,.0f}/s · phonenumbers {theirs:,.0f}/s · ratio {ours / theirs:.1f}")


main()
