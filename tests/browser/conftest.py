"""Fixtures of the tests in a real browser: one demo a process, one Chromium a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.stage import Stage, open_chromium, staged
from tests.browser.visits import places


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("browser") / "data") as running:
        yield running


@pytest.fixture(scope="session")
def there(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    return places(stage, tmp_path_factory.mktemp("lists"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Closed with its module: playwright's loop would stand in the way of later tests that run one of their own."""
    with sync_playwright() as playwright:
        chromium = open_chromium(playwright)
        yield chromium
        chromium.close()
