"""What is asked of a page that a browser has laid out (looks.js, in words); each question gives the faults, named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

LEAST_TARGET = 44
"""Height in pixels of whatever is pressed (design: a thumb in the rain); links in running text are excepted."""
ASKED = Path(__file__).with_suffix(".js").read_text(encoding="utf-8").strip()


def _ask(page: Page, question: str, *given: object) -> Any:
    return page.evaluate(f"(given) => ({ASKED}).{question}(...given)", list(given))


def spills(page: Page) -> list[str]:
    """Elements beyond the page or beyond the padding of what holds them."""
    return list(_ask(page, "spills"))


def small_targets(page: Page) -> list[str]:
    """What is pressed and is less high than a thumb needs."""
    return list(_ask(page, "small", LEAST_TARGET))


def inline_code(page: Page) -> list[str]:
    """Style and script in the page itself, which our own policy forbids."""
    return list(_ask(page, "inline"))


def buckets(page: Page) -> tuple[int, int]:
    """Sum of a wave's buckets as written on its page, and the total written there."""
    parts, total = _ask(page, "buckets")
    return int(parts), int(total)


@contextmanager
def heard(page: Page) -> Iterator[list[str]]:
    """What the console of the browser says meanwhile, errors only, without the answers that are no 200."""
    said: list[str] = []
    page.on("console", lambda each: said.append(each.text) if each.type == "error" else None)
    page.on("pageerror", lambda each: said.append(str(each)))
    yield said
    said[:] = [each for each in said if "responded with a status of" not in each]
