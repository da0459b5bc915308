"""Source files as syntax trees."""

from __future__ import annotations

import ast
import gc
from functools import cache
from pathlib import Path


@cache
def parsed(path: Path) -> ast.Module:
    """The file's tree; nobody may change it, as others read it too."""
    return parse(path.read_text(encoding="utf-8"))


def parse(source: str) -> ast.Module:
    """CPython 3.11: a finalizer that logs while a tree is built breaks it ("recursion depth mismatch"): none runs."""
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()
