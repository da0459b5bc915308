"""The text itself: its one normal form, its guards, its form without accents, and what looks misspelt in it."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from campaigns import guards
from campaigns.terms import Problem, Problems


def normal(text: str) -> str:
    """NFC, the one form that is hashed, approved and sent; nothing else is changed."""
    return unicodedata.normalize("NFC", text)


def sha256(text: str) -> str:
    """SHA-256 of the UTF-8 bytes of the normal form, 64 hex digits."""
    return hashlib.sha256(normal(text).encode()).hexdigest()


def check(text: str, hotlines: Sequence[str]) -> None:
    """Refuse a text that must not go out; raises Problems with every fault, positions counted from 1 in NFC."""
    found = faults(text, hotlines)
    if found:
        raise Problems(found)


def faults(text: str, hotlines: Sequence[str]) -> list[Problem]:
    """What `check` would refuse; the hotlines must also stand when the accents are gone."""
    text = normal(text)
    if not text.strip():
        return [Problem("the text is empty; write it in")]
    found = [*guards.bad_characters(text), *guards.faulty_numbers(text, hotlines), *guards.links(text)]
    plain = unaccent(text)
    return found or [
        Problem("without accents: {reason}", reason=problem)
        for problem in (*guards.faulty_numbers(plain, hotlines), *guards.links(plain))
    ]


# -- without accents -------------------------------------------------------------------------------------------------

# What does not decompose, or would force UCS-2 on a text that is otherwise plain. Spaces: category Zs, below.
_FOLD = str.maketrans(
    {"đ": "d", "Đ": "D", "₫": "d", "…": "...", "•": "-", "·": "-", "′": "'", "″": '"', "×": "x"}
    | dict.fromkeys("‘’‚‛ʼ`´", "'")
    | dict.fromkeys("“”„‟«»", '"')
    | dict.fromkeys("‐‑‒–—―−", "-")
    | {chr(code): " " for code in (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)}
)
_MARKS = dict.fromkeys(range(0x300, 0x370))  # the combining marks of Latin letters


def unaccent(text: str) -> str:
    """The text without Vietnamese accents, all GSM-7 when the text is Vietnamese; never applied by itself.

    Letters of other scripts stay as they are: nothing becomes "?".
    """
    bare = unicodedata.normalize("NFD", text.translate(_FOLD)).translate(_MARKS)
    return normal(bare)


# -- misspelt --------------------------------------------------------------------------------------------------------


class Slip(NamedTuple):
    """Two words that the letter writes with other accents elsewhere."""

    found: str
    suggested: str
    position: int  # of `found` in the text, from 1
    source_lines: tuple[int, ...]  # of the letter, where it writes `suggested`


class _Pair(NamedTuple):
    words: str
    start: int


_WORD = re.compile(r"[^\W\d_]+")


def slips(text: str, letter: str) -> list[Slip]:
    """Word pairs of a text that its letter never writes so, but writes with other accents elsewhere.

    One word says little ("đại" and "đài" are both words); a pair of neighbours is rarely right both ways.
    """
    text, letter = normal(text), normal(letter)
    elsewhere = list(_pairs(_without(letter, text)))
    known = Counter(pair.words.lower() for pair in elsewhere)
    found = []
    for pair in _pairs(text):
        better = None if known[pair.words.lower()] else _better(pair.words, known)
        if better:
            starts = [each.start for each in elsewhere if each.words.lower() == better]
            lines = sorted({letter.count("\n", 0, start) + 1 for start in starts})
            found.append(Slip(pair.words, _cased(better, pair.words), pair.start + 1, tuple(lines)))
    return found


def _pairs(text: str) -> Iterator[_Pair]:
    """Neighbouring words with nothing but space between them, joined by one space."""
    words = list(_WORD.finditer(text))
    for one, two in pairwise(words):
        if text[one.end() : two.start()].isspace():
            yield _Pair(f"{one.group()} {two.group()}", one.start())


def _without(letter: str, text: str) -> str:
    """The letter with the mandated text blanked, line for line; the corrected text is the same quotation."""
    quoted = re.compile(r"\s+".join(map(re.escape, _bare(text).split())))
    found = quoted.search(_bare(letter)) if text else None
    if not found:
        return letter
    blank = re.sub(r"\S", ".", found.group())
    return letter[: found.start()] + blank + letter[found.end() :]


def _bare(text: str) -> str:
    """Without accents, character for character, so that places stay what they were."""
    return "".join(unaccent(char)[:1] or char for char in text)


def _better(words: str, known: Counter[str]) -> str | None:
    bare = unaccent(words).lower()
    alike = [other for other in known if unaccent(other) == bare]
    return max(alike, key=lambda other: known[other], default=None)


def _cased(words: str, like: str) -> str:
    """Capitals where the other has them; untouched where a letter's two cases differ in length (Turkish İ)."""
    if len(words) != len(like):
        return words
    return "".join(char.upper() if model.isupper() else char for char, model in zip(words, like, strict=True))
