"""docs/faults.md is true: its tests exist, each row says where it is shown, and no test that names a row is missing."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.trees import parsed

ROOT = Path(__file__).parents[1]
ROW = re.compile(r"^\| F(\d+) \| .* \| .* \| (.*) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
NAMED = re.compile(r"\bF(\d+)(?:-F(\d+))?\b")
EXCUSES = ("later: ", "not shown yet", "`make drill`", "`benchmarks/")


def rows() -> dict[int, str]:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    return {int(number): shown for number, shown in ROW.findall(text)}


@cache
def named_in(path: Path) -> dict[str, str]:
    """Test function -> its docstring."""
    return {
        node.name: ast.get_docstring(node) or ""
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_each_fault_has_its_row_and_each_row_its_tests() -> None:
    """From 1 to 53, none twice; a row names a test or says why it does not."""
    assert list(rows()) == list(range(1, 54))
    assert [n for n, shown in rows().items() if not TEST.search(shown) and not any(e in shown for e in EXCUSES)] == []


def test_each_test_of_the_table_exists() -> None:
    """By file and name."""
    named = {found for shown in rows().values() for found in TEST.findall(shown)}
    assert sorted(f"{file}::{name}" for file, name in named if name not in named_in(ROOT / file)) == []


def test_a_test_that_names_a_fault_stands_in_the_table() -> None:
    """`F1-F8, F21: what it proves` begins its docstring."""
    missing = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        file = str(path.relative_to(ROOT))
        for name, words in named_in(path).items():
            head = words.split(":")[0] if re.match(r"F\d+\b", words) else ""
            wanted = [n for a, b in NAMED.findall(head) for n in range(int(a), int(b or a) + 1)]
            missing += [f"F{n}: {file}::{name}" for n in wanted if (file, name) not in TEST.findall(rows().get(n, ""))]
    assert missing == []
