"""Every page of the console as Debian's Chromium lays it out: for all eyes and thumbs, in both themes."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Response

from tests.browser import looks
from tests.browser.stage import Stage
from tests.browser.visits import NO_PAGES, VISITS, Visit, every, pages_of_the_console, pictured, visited

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WIDTHS = (360, 390, 768, 1280, 1920, 640)
HEAVIEST = 60_000
"""Bytes of a page with its style and its script, before any compression."""
visits = pytest.mark.parametrize("visit", every(), ids=lambda visit: visit.name)


def test_every_address_of_the_console_is_visited() -> None:
    """Held against the table of routes: a page that nobody visits here, or one that is gone, fails."""
    assert set(VISITS) - {""} == pages_of_the_console()
    assert pages_of_the_console().isdisjoint(NO_PAGES)


@visits
def test_for_all_eyes(browser: Browser, stage: Stage, there: dict[str, object], visit: Visit) -> None:
    """Axe finds nothing, in light and dark."""
    with visited(browser, stage, visit, there) as page:
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            told = Axe().run(page)
            assert told.violations_count == 0, told.generate_report()


@visits
def test_nothing_spills_and_thumbs_hit(browser: Browser, stage: Stage, there: dict[str, object], visit: Visit) -> None:
    """At five widths, and zoomed to 200 % on a desk (half its width to the page); what is pressed is 44 px high."""
    with visited(browser, stage, visit, there) as page:
        faults = {}
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            faults[f"{width}"] = looks.spills(page) + looks.small_targets(page)
        assert {where: each for where, each in faults.items() if each} == {}


@visits
def test_own_files_only_and_light(browser: Browser, stage: Stage, there: dict[str, object], visit: Visit) -> None:
    """No word of the policy in the browser's console, nothing inline, less than 60 kB with style and script."""
    with visited(browser, stage, visit, there) as page:
        with looks.heard(page) as said:
            weight = _weight(page)
        assert said == []
        assert looks.inline_code(page) == []
        assert weight < HEAVIEST


def _weight(page: Page) -> int:
    """Load the page once more and count all that comes, but for a stream that never ends."""
    came: list[Response] = []
    page.on("response", lambda each: came.append(each) if not each.url.endswith("/live") else None)
    page.reload(wait_until="load")
    pictured(page)
    return sum(len(each.body()) for each in came)


@pytest.mark.parametrize("state", ["planned", "running", "paused", "finished"])
def test_what_became_of_the_messages_adds_up_on_the_page(
    browser: Browser, stage: Stage, there: dict[str, object], state: str
) -> None:
    """The seven figures as written, added by hand, are the total as written; while it moves too."""
    visit = next(each for each in every() if each.name == f"wave-{state}")
    with visited(browser, stage, visit, there) as page:
        for _ in range(3):
            parts, total = looks.buckets(page)
            assert parts == total > 0
            page.wait_for_timeout(700)
