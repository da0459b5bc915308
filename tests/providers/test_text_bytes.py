"""The approved text through every adapter's encoder and back: identical bytes; and one recorded table of verdicts."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from campaigns import segments, text
from campaigns.campaign import read_text
from providers import catalog
from tests.providers.round_trip import back, smpp_parts

ROOT = Path(segments.__file__).parents[1]
MANDATED = read_text(ROOT / "campaigns" / "definitions" / "20-BCD-2024" / "text.txt")
TEXTS = {
    "verbatim": MANDATED,
    "corrected": MANDATED.replace("Tổng đại", "Tổng đài"),
    "unaccented": text.unaccent(MANDATED),
    "from NFD": text.normal(unicodedata.normalize("NFD", MANDATED)),
    "quoted": f"“{MANDATED}”",
    "extension": "Goi 111 {mien phi} ~ 0€ [24/7]",
    "astral": f"{MANDATED[:66]}𠀋{MANDATED[66:]}",  # the pair would straddle the first cut
}
INPUTS = {
    "as ordered": MANDATED,
    "NFD": unicodedata.normalize("NFD", MANDATED),
    "NBSP (U+00A0) before 111": MANDATED.replace(" 111", "\u00a0111"),
    "zero-width space (U+200B) inside 111": MANDATED.replace("111", "1\u200b11"),
    "curly quotes around it": f"“{MANDATED}”",
    "curly quotes, form without accents": text.unaccent(f"“{MANDATED}”"),
    "Cyrillic а, о, е for Latin letters": MANDATED.translate(str.maketrans("aoe", "аое")),
}
"""What an author's program may have made of the ordered text."""


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", catalog.CLASSES)
def test_every_adapter_gives_the_very_bytes_back(name: str, content: str) -> None:
    """What the other end reads is the approved text, byte for byte; an adapter without its own way back fails here."""
    assert back(name, content).encode() == content.encode()


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_smpp_parts_stand_by_themselves(content: str) -> None:
    """No part begins or ends inside a character: each decodes alone to what the preview shows."""
    assert smpp_parts(content) == segments.parts(content)


def verdict(content: str) -> str:
    """One sentence for an input: what becomes of it, with the first reason where it is refused."""
    normal = text.normal(content)
    if found := text.faults(normal, ["111"]):
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return f"refused: {found[0]}{more}"
    if content == normal:
        return "allowed"
    same = " of the ordered text" if text.sha256(normal) == text.sha256(MANDATED) else ""
    return f"normalised: bytes and SHA-256{same}"


def table() -> str:
    """The table of docs/text.md, made from what the code does."""
    names = ", ".join(catalog.CLASSES)
    rows = [f"| Input | Verdict | As given | As sent | {names}: back |", "|---|---|---|---|---|"]
    for name, given in INPUTS.items():
        sent = text.normal(given)
        size, found = segments.measure(sent), verdict(given)
        kept = all(back(adapter, sent).encode() == sent.encode() for adapter in catalog.CLASSES)
        after = (
            "never sent"
            if found.startswith("refused")
            else f"{size.encoding}, {size.units} units, {size.segments} parts"
        )
        rows.append(f"| {name} | {found} | {segments.measure(given).units} units | {after} |"
                    f" {'identical bytes' if kept else 'OTHER BYTES'} |")  # fmt: skip
    return "\n".join(rows)


def test_the_verdicts_are_those_of_the_page() -> None:
    """NFD, NBSP, zero-width, curly quotes, lookalikes: docs/text.md says of each what the code does, word for word."""
    page = (ROOT / "docs" / "text.md").read_text(encoding="utf-8")
    assert table() in page, f"docs/text.md, section Guards, must hold this table:\n\n{table()}\n"


def test_what_is_refused_is_not_mangled_either() -> None:
    """Even a text that must not be sent comes back as it was: nothing is replaced on the way, so nothing can hide."""
    for given in INPUTS.values():
        for name in catalog.CLASSES:
            assert back(name, given).encode() == given.encode()
