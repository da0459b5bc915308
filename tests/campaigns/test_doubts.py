"""Suspected slips beside the letter's lines, as an approver sees them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from campaigns.campaign import load
from campaigns.definition import Correction, MandatedText
from campaigns.doubts import AROUND, Excerpt, doubts
from config.carriers import load_accounts, load_carriers
from config.settings import Settings
from dispatcher import assemble


@pytest.fixture(scope="module")
def mandated() -> MandatedText:
    file = Settings().carriers_file
    return load(
        assemble.definitions() / "20-BCD-2024",
        carriers=[each.id for each in load_carriers(file)],
        providers_accounts=[each.name for each in load_accounts(file)],
    ).text


def test_the_letters_two_spellings_stand_side_by_side(mandated: MandatedText) -> None:
    """Letter 20/BCĐ orders “Tổng đại quốc gia 111” and writes “Tổng đài” in the paragraphs before it."""
    [doubt] = doubts(mandated)
    assert (doubt.found, doubt.suggested) == ("Tổng đại", "Tổng đài")
    assert doubt.reason == mandated.corrections[0].reason
    lines = mandated.letter.split("\n")
    for spelling, excerpts in ((doubt.found, doubt.ordered), (doubt.suggested, doubt.elsewhere)):
        assert excerpts
        for each in excerpts:
            assert each.words == spelling
            shown = f"{each.before.lstrip('…')}{each.words}{each.after.rstrip('…')}"
            assert shown in lines[each.line - 1]  # the letter's own words, and nothing else
            assert max(len(each.before), len(each.after)) <= AROUND + 1
    assert {each.line for each in doubt.ordered}.isdisjoint({each.line for each in doubt.elsewhere})


def test_a_slip_that_no_definition_names_is_found_all_the_same(mandated: MandatedText) -> None:
    """Without the proposed correction the comparison alone finds the pair; it has no reason of a person's."""
    [doubt] = doubts(replace(mandated, corrections=()))
    assert (doubt.found, doubt.suggested, doubt.reason) == ("Tổng đại", "Tổng đài", "")


def test_a_spelling_that_the_letter_never_writes_has_no_line(mandated: MandatedText) -> None:
    found = doubts(replace(mandated, corrections=(Correction("kịp thời", "kịp lúc", "ý kiến"),)))
    assert [(each.suggested, bool(each.elsewhere)) for each in found] == [("kịp lúc", False), ("Tổng đài", True)]


def test_words_are_whole_and_long_lines_are_cut_between_words() -> None:
    """“đại” inside “đạinghĩa” is another word; a line keeps the words around the place."""
    before, after = "trước " * 20, " sau" * 30
    letter = f"Tổng đạinghĩa\n{before}tổng đại{after}\nTổng đại"
    text = MandatedText("Tổng đại", letter, (Correction("Tổng đại", "Tổng đài", "r"),), (), None, "")  # type: ignore[arg-type]  # no class is needed here
    [doubt] = doubts(text)
    assert [each.line for each in doubt.ordered] == [2, 3]
    first = doubt.ordered[0]
    assert first.words == "tổng đại"
    assert first.before.startswith("…trước ")
    assert first.after.endswith(" sau…")
    assert doubt.ordered[1] == Excerpt(3, "", "Tổng đại", "")
