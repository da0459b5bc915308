"""A proposal as a definition that cannot be loaded yet: each value is a comment until a person uncomments it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from campaigns.proposals import Found, Proposal

_HEAD = """\
# Proposed from {name}. Nothing here counts: compare each value with the line that it was read from, then take the "#? "
# away before the one that is right, and write what is missing. `dispatcher campaign check` tells what is still open.
"""
_KEYS = (("number", "number"), ("date", "date"), ("place", "place"), ("issuer", "issuer"), ("subject", "subject"),
         ("basis", "basis"), ("report_before", "deadlines"))  # fmt: skip
_DAYS = ("date", "report_before", "observance_day")
_SHOWN = 160  # characters of a source line
_OPEN = ("title", "section", "addressee", "report_to")


def as_toml(found: Proposal, name: str) -> str:
    """The whole file; a value with several candidates has one line for each."""
    return "\n".join([_HEAD.format(name=name), *_mandate(found), "", *_text(found), ""])


def _mandate(found: Proposal) -> Iterator[str]:
    yield 'zone = "Asia/Ho_Chi_Minh"'
    yield from (f"#! {key} = write it" for key in _OPEN[:1])
    yield from ("", "[mandate]")
    for key, listed in _KEYS:
        yield from _lines(key, getattr(found, listed))
    yield from (f"#! {key} = write it" for key in _OPEN[1:])
    for each in found.periods:
        first, _, last = each.value.partition("/")
        yield from (f"#? peak_from = {first}  {_place(each)}", f"#? peak_to = {last}  {_place(each)}")
    yield from _lines("observance_day", found.days)


def _text(found: Proposal) -> Iterator[str]:
    yield from ("[text]", 'letter = "letter.txt"')
    for no, each in enumerate(found.text, 1):
        yield f'#? file = "text-{no}.txt"  {_place(each)}'
    for each in found.hotlines:
        yield f"#? hotlines = [{json.dumps(each.value)}]  {_place(each)}"
    yield '#! class = "public_information", when it is that'
    yield "#! legal_basis = write it"
    for slip in found.slips:
        lines = ", ".join(map(str, slip.source_lines))
        yield f"# Suspected slip: the text writes {slip.found}, line {lines} otherwise."
        yield "#? [[text.corrections]]"
        yield f"#? found = {_quoted(slip.found)}"
        yield f"#? suggested = {_quoted(slip.suggested)}"
        yield "#! reason = write it"
    yield "#! [[senders]], [[waves]] and [[routes]]: see a shipped definition"


def _lines(key: str, candidates: tuple[Found, ...]) -> Iterator[str]:
    if not candidates:
        yield f"#! {key} = not found in the letter; write it"
    for each in candidates:
        value = each.value if key in _DAYS else _quoted(each.value)
        yield f"#? {key} = {value}  {_place(each)}"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _place(each: Found) -> str:
    at = max(each.source.find(each.value[:20]), 0)
    start = max(0, at - 60)
    return f"# line {each.line}: {each.source[start : start + _SHOWN]}"
