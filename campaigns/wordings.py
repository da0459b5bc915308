"""Rules of a text's variants: each sound by itself, and a rule of carriers and areas that says who gets which."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

from campaigns import text
from campaigns.definition import Campaign, variants
from campaigns.terms import Problem

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")  # ISO 639
_TAKEN = frozenset({"verbatim", "corrected"})


MANDATED = "vi"
"""The language of a mandated text."""


def language(campaign: Campaign, carrier: str, unit: int) -> str:
    """The language tag of a row: that of the text which the rule sends to its carrier and area.

    It follows from the area at each planning and is stored with nobody: a language a person would be a people's name.
    """
    rule = next((each for each in campaign.text.use if (not each.carriers or carrier in each.carriers)
                 and (not each.units or unit in each.units)), None)  # fmt: skip
    names = {each.name: each.language for each in campaign.text.variants}
    return names.get(rule.variant, MANDATED) if rule else MANDATED


def chosen(campaign: Campaign, variant: str, language: str) -> str:
    """The variant that a wave sends, named itself or by its language; "" is the mandated text. Raises Problem."""
    if not language or variant:
        _refuse_other(campaign, variant, language)
        return variant
    if language == MANDATED:
        return ""
    used = {each.variant for each in campaign.text.use}
    found = [each.name for each in campaign.text.variants if each.language == language and each.name in used]
    if not found:
        known = sorted({MANDATED, *(each.language for each in campaign.text.variants if each.name in used)})
        raise Problem("no rule of {name} sends a text in {language}; its rules send {known}", name=campaign.name,
                      language=language, known=", ".join(known))  # fmt: skip
    if len(found) > 1:
        raise Problem("{name} has several texts in {language}: name one of them, {texts}", name=campaign.name,
                      language=language, texts=", ".join(found))  # fmt: skip
    return found[0]


def _refuse_other(campaign: Campaign, variant: str, language: str) -> None:
    known = {each.name: each.language for each in campaign.text.variants}
    if language and variant in known and known[variant] != language:
        raise Problem("the text {variant} is in {known}, not in {language}", variant=variant, known=known[variant],
                      language=language)  # fmt: skip


def check(campaign: Campaign, carriers: Collection[str]) -> Iterator[Problem]:
    """All that is wrong with variants and their use; empty values were refused by the reader."""
    names = Counter(each.name for each in campaign.text.variants)
    for place, variant in enumerate(campaign.text.variants, 1):
        key = f"text.variants[{place}]"
        if variant.name and (not _NAME.fullmatch(variant.name) or variant.name in _TAKEN or names[variant.name] > 1):
            reason = Problem("is {name}; write a name of its own, of small letters, digits and -", name=variant.name)
            yield _at(campaign, f"{key}.name", reason)
        if variant.language and not _LANGUAGE.fullmatch(variant.language):
            reason = Problem("is {language}; write its code of two or three small letters: vi, hmn, tdd",
                             language=variant.language)  # fmt: skip
            yield _at(campaign, f"{key}.language", reason)
        for fault in text.faults(variant.text, campaign.text.hotlines) if variant.text else ():
            yield _at(campaign, f"{key}.text", fault)
        if variant.text in {each.text for each in variants(campaign).values()}:
            yield _at(campaign, f"{key}.text", Problem("is the mandated text itself; take the variant out"))
        yield from _unaccented(campaign, key, variant.text)
    yield from _use(campaign, names, carriers)


def _unaccented(campaign: Campaign, key: str, words: str) -> Iterator[Problem]:
    """Plain letters of the text's own length are meant to be its form without accents: then they are, every one."""
    plain = {text.unaccent(each.text) for each in variants(campaign).values()}
    like = {len(each) for each in plain}
    if words and words.isascii() and len(words) in like and words not in plain:
        yield _at(campaign, f"{key}.text", Problem("is nearly the text without accents, but not quite; copy it from"
                                                   " `dispatcher text FILE`"))  # fmt: skip


def _use(campaign: Campaign, names: Collection[str], carriers: Collection[str]) -> Iterator[Problem]:
    for place, use in enumerate(campaign.text.use, 1):
        key = f"text.use[{place}]"
        if use.variant and use.variant not in names:
            reason = Problem("is {name}; known are {known}", name=use.variant, known=", ".join(names) or "-")
            yield _at(campaign, f"{key}.variant", reason)
        for carrier in use.carriers:
            if carrier not in carriers:
                known = ", ".join(sorted(carriers))
                reason = Problem("is {carrier}; known are {known}", carrier=carrier, known=known)
                yield _at(campaign, f"{key}.carriers", reason)
        if not use.carriers and not use.units:
            reason = Problem("names no carrier and no area: the mandated text would be sent to nobody")
            yield _at(campaign, key, reason)


def _at(campaign: Campaign, key: str, reason: Problem) -> Problem:
    return Problem("{file}: {key}: {reason}", file=f"{campaign.name}/campaign.toml", key=key, reason=reason)
