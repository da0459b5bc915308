"""How a text becomes SMS parts: encoding, units and the places where it is cut (3GPP TS 23.038 and 23.040)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

GSM7: Literal["GSM-7"] = "GSM-7"
UCS2: Literal["UCS-2"] = "UCS-2"

# 3GPP TS 23.038, 6.2.1: the default alphabet in code order, 16 a line. Code 0x1B is the escape, no character.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
# 3GPP TS 23.038, 6.2.1.1: reached through the escape, so each costs two septets.
_EXTENSION = frozenset("\f^{}\\[~]|€")

# Units in one part: alone, and joined. Joined parts carry a header of 6 octets (3GPP TS 23.040, 9.2.3.24.1).
_ALONE = {GSM7: 160, UCS2: 70}
_JOINED = {GSM7: 153, UCS2: 67}

_BEYOND_BMP = 0x10000  # UTF-16 needs two units from here on


class Measure(NamedTuple):
    """What a text costs on the wire."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int  # septets of GSM-7, UTF-16 units of UCS-2
    segments: int
    costly: tuple[str, ...]  # the characters that force UCS-2, each once, in order of appearance


def measure(text: str) -> Measure:
    """Encoding, units and parts of this text exactly as it stands; normalise it first."""
    encoding = _encoding(text)
    units = sum(map(_COST[encoding], text))
    costly = tuple(dict.fromkeys(char for char in text if char not in _BASIC and char not in _EXTENSION))
    return Measure(encoding, units, len(parts(text)), costly)


def parts(text: str) -> list[str]:
    """The text cut as phones receive it: never inside an escape or a surrogate pair; no part for no text."""
    encoding = _encoding(text)
    cost = _COST[encoding]
    if sum(map(cost, text)) <= _ALONE[encoding]:
        return [text] if text else []
    return _cut(text, cost, _JOINED[encoding])


def why_costly(char: str, *, ucs2: bool) -> str:
    """Why a character costs: "ucs-2" (not in GSM-7), "surrogates" (two units of UCS-2), "escape" (two septets), ""."""
    if char not in _BASIC and char not in _EXTENSION:
        return "surrogates" if _utf16_units(char) > 1 else "ucs-2"
    return "escape" if char in _EXTENSION and not ucs2 else ""


def _cut(text: str, cost: Callable[[str], int], room: int) -> list[str]:
    found = []
    start = used = 0
    for place, char in enumerate(text):
        used += cost(char)
        if used > room:
            found.append(text[start:place])
            start, used = place, cost(char)
    return [*found, text[start:]]


def _encoding(text: str) -> Literal["GSM-7", "UCS-2"]:
    return GSM7 if all(char in _BASIC or char in _EXTENSION for char in text) else UCS2


def _septets(char: str) -> int:
    return 2 if char in _EXTENSION else 1


def _utf16_units(char: str) -> int:
    return 2 if ord(char) >= _BEYOND_BMP else 1


_COST: dict[str, Callable[[str], int]] = {GSM7: _septets, UCS2: _utf16_units}
