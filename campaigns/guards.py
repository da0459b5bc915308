"""What may stand in a text that goes to every phone: characters a reader can trust, its hotlines, no other way out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from campaigns.terms import Problem

# -- characters ------------------------------------------------------------------------------------------------------

# Scripts of Lai Châu's peoples (Thái, Lào, Lự, Mông); every other foreign letter is a lookalike or a slip.
_SCRIPTS = ("LATIN ", "TAI VIET ", "LAO ", "NEW TAI LUE ", "PAHAWH HMONG ", "NYIAKENG PUACHUE HMONG ")
# Latin letters of Vietnamese and its neighbours: ASCII, Latin-1, Extended-A, Ơ ơ Ư ư, Extended Additional.
_LATIN = (range(0x41, 0x180), range(0x1A0, 0x1A2), range(0x1AF, 0x1B1), range(0x1E00, 0x1F00))
_LATIN_LOOKALIKES = frozenset("ÐðÞþıĸ")  # eth for Đ, thorn for p, dotless i, kra for k
# Invisible, though Unicode does not call them format characters: joiners, Hangul fillers, Braille blank, selectors.
_BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_SELECTORS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_COMBINING = range(0x300, 0x370)  # after NFC, Vietnamese has none of these left

_INVISIBLE = "character {position} is {name} ({code}), which nobody can see; remove it"
_SPACE = "character {position} is {name} ({code}), not an ordinary space; type a space"
_PRIVATE = "character {position} is {name} ({code}), which means something else on each phone; remove it"
_LOOKALIKE = "character {position} is {name} ({code}), which only looks like what it seems; type the plain one"
_LOST = "character {position} is {name} ({code}), which stands where a character was lost; type that one"
_MARK = "character {position} is {name} ({code}), a mark that joins no Vietnamese letter; type the letter again"

# Unicode general category -> what is wrong with it.
_BY_CATEGORY = {
    "Cc": _INVISIBLE, "Cf": _INVISIBLE, "Zl": _INVISIBLE, "Zp": _INVISIBLE, "Zs": _SPACE,
    "Co": _PRIVATE, "Cn": _PRIVATE, "Cs": _PRIVATE,
}  # fmt: skip
_ALLOWED = frozenset(" \n…")  # a line break is GSM-7's own; the ellipsis is told from three dots by everybody


def bad_characters(text: str) -> Iterator[Problem]:
    """Each character that must not be sent, with its position (from 1) and Unicode name; `text` is NFC."""
    for position, char in enumerate(text, 1):
        template = _fault(char)
        if template:
            name = unicodedata.name(char, "a character without a name")
            yield Problem(template, position=position, name=name, code=f"U+{ord(char):04X}")


def _fault(char: str) -> str | None:
    if char in _ALLOWED or "!" <= char <= "~":
        return None
    if char in _BLANKS or _within(char, _SELECTORS):
        return _INVISIBLE
    if char == "\ufffd":
        return _LOST
    category = unicodedata.category(char)
    if category in _BY_CATEGORY:
        return _BY_CATEGORY[category]
    if ord(char) in _COMBINING:
        return _MARK
    return _LOOKALIKE if _looks_alike(char, category) else None


def _looks_alike(char: str, category: str) -> bool:
    """Foreign letters, other digits, and whatever compatibility folding (full width, bold, ²) would change."""
    if category[0] == "N" or unicodedata.normalize("NFKC", char) != char or char in _LATIN_LOOKALIKES:
        return True
    if category[0] != "L":
        return False
    name = unicodedata.name(char, "")
    return not name.startswith(_SCRIPTS) or (name.startswith("LATIN ") and not _within(char, _LATIN))


def _within(char: str, ranges: Sequence[range]) -> bool:
    return any(ord(char) in each for each in ranges)


# -- numbers ---------------------------------------------------------------------------------------------------------


class Number(NamedTuple):
    """Digits as they stand in a text; `position` counts from 1."""

    found: str
    position: int
    alone: bool  # no letter touches it


_LONG = 8  # digits: a subscriber's number, 1800..., 1900...
# Digits that are no telephone: dates, spans of years, sums of money. They are blanked before numbers are read.
_NOT_DIALLED = re.compile(
    r"(?<![\d./-])(?:"
    r"(?:0?[1-9]|[12]\d|3[01])([./-])(?:0?[1-9]|1[0-2])\1(?:19|20)\d\d"  # 30/7/2024
    r"|(?:0?[1-9]|[12]\d|3[01])/(?:0?[1-9]|1[0-2])"  # 30/7
    r"|(?:0?[1-9]|1[0-2])/(?:19|20)\d\d"  # 7/2024
    r"|24/7"
    r"|(?:19|20)\d\d ?[-–] ?(?:19|20)\d\d"  # 2021-2025
    r"|[1-9]\d{0,2}(?:[.,]\d{3})+(?= ?(?:đ|đồng|d|dong|VND|VNĐ)\b)"  # 10.000.000 đồng
    r")(?![\d/]|[.-]\d)"
)
_DIGITS = re.compile(r"\+?\(?\+?\d+\)?(?:[.\-–]\(?\d+\)?)*")
_GAP = re.compile(r"[ \n]{1,2}")
# Three digits that begin with 1 are short numbers (111, 113, 156), unless they belong to a document: BCĐ138, 120/QĐ.
_SHORT = re.compile(r"1\d\d")
_BEFORE_SHORT = re.compile(r"[A-ZĐ]-?$")
_AFTER_SHORT = re.compile(r"/[A-ZĐ]")
# Other numbers of 3 to 7 digits are dialled when the words before them say so: "soạn tin gửi 8785".
_SAID_TO_DIAL = re.compile(
    r"(?:gọi|goi|gửi|gui|hotline|zalo|sđt|sdt|đt|điện thoại|dien thoai|đầu số|dau so):? $", re.IGNORECASE
)
_DIALLED_LENGTHS = range(3, _LONG)


def faulty_numbers(text: str, hotlines: Sequence[str]) -> Iterator[Problem]:
    """Required hotlines that are missing, and telephone numbers that are none of them."""
    numbers = list(_numbers(text, hotlines))
    for hotline in hotlines:
        if not any(number.alone and _same(number.found, hotline) for number in numbers):
            yield Problem("the text lacks the hotline {hotline} as a number of its own; write it in", hotline=hotline)
    for number in numbers:
        if not any(_same(number.found, hotline) for hotline in hotlines) and _dialled(text, number):
            yield Problem(
                "character {position}: {number} looks like a telephone number, but the campaign's hotlines are"
                " {hotlines}; remove it or name it among them",
                position=number.position, number=number.found, hotlines=", ".join(hotlines) or "-",
            )  # fmt: skip


def _numbers(text: str, hotlines: Sequence[str]) -> Iterator[Number]:
    """The numbers of a text; groups of digits that make one long number together (0912 345 678) are one."""
    plain = _NOT_DIALLED.sub(lambda found: "\0" * len(found.group()), text)
    for group in _groups(plain):
        if len(group) > 1 and _length(group) >= _LONG and not _all_hotlines(group, hotlines):
            yield _number(plain, group[0].start(), group[-1].end())
        else:
            yield from (_number(plain, each.start(), each.end()) for each in group)


def _groups(text: str) -> Iterator[list[re.Match[str]]]:
    group: list[re.Match[str]] = []
    for found in _DIGITS.finditer(text):
        if group and not _GAP.fullmatch(text, group[-1].end(), found.start()):
            yield group
            group = []
        group.append(found)
    if group:
        yield group


def _number(text: str, start: int, end: int) -> Number:
    around = text[start - 1 : start] + text[end : end + 1]
    return Number(text[start:end], start + 1, not any(char.isalnum() or char == "_" for char in around))


def _length(group: list[re.Match[str]]) -> int:
    return sum(len(_only_digits(each.group())) for each in group)


def _all_hotlines(group: list[re.Match[str]], hotlines: Sequence[str]) -> bool:
    return all(any(_same(each.group(), hotline) for hotline in hotlines) for each in group)


def _same(found: str, hotline: str) -> bool:
    """Short numbers to the letter (1.11 is not 111); long ones however they are grouped."""
    digits = _only_digits(found)
    return found == hotline or (len(digits) >= _LONG and digits == _only_digits(hotline))


def _dialled(text: str, number: Number) -> bool:
    digits = _only_digits(number.found)
    if len(digits) >= _LONG or digits != number.found:
        return len(digits) >= _LONG
    before, after = text[: number.position - 1], text[number.position - 1 + len(digits) :]
    if _AFTER_SHORT.match(after):
        return False
    if _SHORT.fullmatch(digits):
        return not _BEFORE_SHORT.search(before)
    return len(digits) in _DIALLED_LENGTHS and bool(_SAID_TO_DIAL.search(before))


def _only_digits(text: str) -> str:
    return "".join(char for char in text if char.isdecimal())


# -- links -----------------------------------------------------------------------------------------------------------

# Endings that phones turn into links; any ending would flag "TP.HCM" and a full stop without its space.
_ENDINGS = (
    "vn|com|net|org|info|gov|edu|io|me|ly|gl|gd|app|xyz|top|link|site|online|club|vip|shop|live|tk|cc|co|asia|biz"
    "|mobi|dev|page|click|icu|work|ru|cn|uk|us|eu|to|goo|store|tech|win|pro|fun|space|website"
)
_LINK = re.compile(
    r"[a-z][a-z+.-]*://\S+|\bwww\.\S+|\S+@[\w-]+(?:\.[\w-]+)+|\b(?:tel|sms|mailto):\S+"
    rf"|\b[\w-]+(?:\.[\w-]+)*\.(?:{_ENDINGS})\b(?:/\S*)?",
    re.IGNORECASE,
)


def links(text: str) -> Iterator[Problem]:
    """Each link or mail address: a mandated text has none, and one added later is how people are robbed."""
    for found in _LINK.finditer(text):
        yield Problem(
            "character {position}: {link} is read as a link by phones; remove it",
            position=found.start() + 1, link=found.group(),
        )  # fmt: skip
