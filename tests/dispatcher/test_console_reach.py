"""Pages for everybody: what a screen reader, a keyboard and a phone need, read from the pages themselves."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from campaigns.drafting import STEPS
from dispatcher.assemble import Site
from dispatcher.console import pages
from tests.cluster import CAMPAIGN, Planned, started_site
from tests.console import Browser, signed_in
from tests.serving import Served
from workers.house import House

PATHS = (
    "/console", "/console/me", "/console/campaigns", "/console/campaigns/{campaign}",
    "/console/drafts", "/console/drafts/{draft}/versions",
    *(f"/console/drafts/{{draft}}/steps/{step}" for step in STEPS), "/console/campaigns/{campaign}/lists",
    "/console/campaigns/{campaign}/plan?wave=1&list={audience}",
    "/console/lists/{audience}", "/console/approvals", "/console/waves/{wave}", "/console/waves/{wave}/approve",
    "/console/waves/{wave}/cancel", "/console/waves/{wave}/correct", "/console/waves/{wave}/resend",
    "/console/orders", "/console/messages", "/console/audit", "/console/people", "/console/stop",
    "/console/deputies",
    "/console/carriers", "/console/carriers/sim-smpp", "/console/carriers/sim-esms", "/console/accounts",
    "/console/accounts/sim-smpp", "/console/settings", "/console/settings/hotlines", "/console/settings/prices",
    "/console/settings/hours", "/console/settings/routes?list={audience}", "/console/settings/senders",
    "/console/settings/limits", "/console/none",
)  # fmt: skip
VOID = {"input", "meta", "link", "br", "hr", "img"}
PAIRS = (("ink", "bg"), ("ink", "surface"), ("ink2", "bg"), ("ink2", "surface"), ("link", "bg"), ("link", "surface"),
         ("on-primary", "primary"), ("ink", "bubble"), ("ok", "ok-bg"), ("warn", "warn-bg"), ("bad", "bad-bg"),
         ("unk", "unk-bg"), ("run", "run-bg"), ("off", "off-bg"), ("link", "warn-bg"), ("ink", "warn-bg"))  # fmt: skip


class Page(HTMLParser):
    """What is asked of a page, gathered in one pass."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.fields: list[dict[str, str | None]] = []
        self.labelled: set[str] = set()
        self.heads: list[int] = []
        self.described: list[str] = []
        self.silent: list[str] = []  # buttons, links and summaries without a word
        self._open: list[tuple[str, str, bool]] = []
        self._inside_label = 0
        self.language = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.described += (given.get("aria-describedby") or "").split()
        if tag == "html":
            self.language = given.get("lang") or ""
        if tag == "label":
            self._inside_label += 1
            self.labelled.add(given.get("for") or "")
        if tag in {"input", "select", "textarea"} and given.get("type") not in {"hidden", "submit"}:
            self.fields.append(given | {"inside": "yes" if self._inside_label else None})
        if re.fullmatch(r"h[1-6]", tag):
            self.heads.append(int(tag[1]))
        if tag not in VOID:
            self._open.append((tag, "", bool(given.get("aria-label"))))

    def handle_data(self, data: str) -> None:
        self._open = [(tag, text + data.strip(), named) for tag, text, named in self._open]

    def handle_endtag(self, tag: str) -> None:
        if tag == "label":
            self._inside_label -= 1
        for at in range(len(self._open) - 1, -1, -1):
            if self._open[at][0] == tag:
                _, text, named = self._open.pop(at)
                if tag in {"button", "a", "summary", "th", "label"} and not text and not named:
                    self.silent.append(tag)
                break


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of its own: pages are weighed with the people and waves of this file alone."""
    with started_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture
def everybody(served: Served, house: House) -> Browser:
    """All roles at once: every part of every page."""
    return signed_in(served, house, f"r-{secrets.token_hex(4)}", "officer", "approver", "auditor", "operator")


def test_every_field_has_a_label_every_control_a_word_and_headings_do_not_jump(
    everybody: Browser, planned: Planned
) -> None:
    wave = planned(n=40, seed=61)
    everybody.get("/console/drafts")
    draft = everybody.post("/console/drafts", campaign=CAMPAIGN).headers["location"].split("/")[3]
    for path in PATHS:
        said = everybody.get(path.format(campaign=CAMPAIGN, wave=wave.id, audience=wave.audience, draft=draft))
        assert said.status == (404 if path.endswith("none") else 200), path
        page = Page(said.body.decode())
        assert page.language == "vi", path
        assert [each for each in page.fields if not each["inside"] and each.get("id") not in page.labelled] == [], path
        assert page.silent == [], path
        assert page.heads[:1] == [1], path
        assert page.heads.count(1) == 1, path
        assert all(b - a <= 1 for a, b in zip(page.heads, page.heads[1:], strict=False)), path
        assert len(page.ids) == len(set(page.ids)), path
        assert set(page.described) <= set(page.ids), path
        assert len(said.body) < 60_000, path


def test_the_checks_find_planted_faults() -> None:
    page = Page(
        '<h1>a</h1><h3>b</h3><input id="x"><label for="y">y</label><button> </button><a href="/"><svg></svg></a>'
    )
    assert page.heads == [1, 3]
    assert [each["id"] for each in page.fields if each["id"] not in page.labelled] == ["x"]
    assert page.silent == ["button", "a"]


def luminance(colour: str) -> float:
    digits = colour * 2 if len(colour) == 3 else colour
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_text_stands_out_from_its_ground_in_both_themes() -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1 for every pair of tokens that pages use."""
    css = (Path(pages.__file__).parent / "static" / "app.css").read_text(encoding="utf-8")
    blocks = [css.partition(":root{")[2].partition("}")[0], css.partition("[data-theme=dark]{")[2].partition("}")[0]]
    for block in blocks:
        tokens = dict(re.findall(r"--([\w-]+):#([0-9A-Fa-f]{3,6})\b", block))
        for text, ground in PAIRS:
            light, dark = sorted((luminance(tokens[text]), luminance(tokens[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_an_english_page_says_so(everybody: Browser) -> None:
    everybody.cookies["lang"] = "en"
    assert Page(everybody.get("/console/audit").body.decode()).language == "en"


def test_a_command_in_a_sentence_is_code_and_nothing_else_is() -> None:
    """What stands between backticks; whatever else is in the sentence stays text."""
    assert pages.coded("first: `dispatcher person add`.") == "first: <code>dispatcher person add</code>."
    assert pages.coded("<b> & `<i>`") == "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"
