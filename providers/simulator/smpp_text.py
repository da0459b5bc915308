"""What a simulated SMSC reads in a submit_sm: fields, text and chained parts (SMPP 3.4, 4.4.1; 3GPP TS 23.040)."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import gsm0338

_PAYLOAD: Final = b"\x04\x24"


class Letter(NamedTuple):
    """One submit_sm as a carrier understands it, but for whom it is: many have the same."""

    sender: str
    receipt: bool
    reference: int  # of its chain
    part: int
    parts: int
    text: str  # NFC
    sha: str  # SHA-256 of `text`


class Reader:
    """Reads one submit_sm after another; what stood round the number of the last one most often comes again."""

    def __init__(self) -> None:
        self._head, self._tail, self._letter = b"?", b"?", Letter("", False, 0, 1, 1, "", "")  # noqa: FBT003 - a field

    def read(self, body: bytes) -> tuple[bytes, Letter] | None:
        """The number and the rest; None when it cannot be read."""
        if body.startswith(self._head) and body.endswith(self._tail):
            number = body[len(self._head) : -len(self._tail)]
            if number.isdigit():
                return number, self._letter
        try:
            number_at = body.index(0, body.index(0) + 3) + 3
            number_end = body.index(0, number_at)
            head, tail = body[:number_at], body[number_end:]
            letter = _letter(head, tail)
        except (ValueError, IndexError):
            return None
        number = body[number_at:number_end]
        if not number.isascii():
            return None
        self._head, self._tail, self._letter = head, tail, letter
        return number, letter


@lru_cache(maxsize=4096)
def _letter(head: bytes, tail: bytes) -> Letter:
    """What stands before the number and from its NUL on: a wave's messages differ in nothing but the number."""
    sender = head[head.index(0) + 3 : -3]
    flags = tail.index(0, tail.index(0, 4) + 1) + 1
    user_data = _user_data(tail, flags + 5, tail[flags + 4])
    reference, part, parts, coded = _unchained(user_data) if tail[1] & 0x40 else (0, 1, 1, user_data)
    text, digest = _text(tail[flags + 2], coded)
    return Letter(sender.decode("ascii"), bool(tail[flags] & 1), reference, part, parts, text, digest)


def _user_data(body: bytes, at: int, length: int) -> bytes:
    if at + length > len(body):
        raise ValueError(length)
    short, at = body[at : at + length], at + length
    while at < len(body):
        size = int.from_bytes(body[at + 2 : at + 4], "big")
        if at + 4 + size > len(body):
            raise ValueError(size)
        if body[at : at + 2] == _PAYLOAD:
            return body[at + 4 : at + 4 + size]
        at += 4 + size
    return short


def _unchained(data: bytes) -> tuple[int, int, int, bytes]:
    """(reference, part, parts, text) of a text under a user data header with a concatenation element."""
    end, at = 1 + data[0], 1
    while at + 1 < end:
        kind, size = data[at], data[at + 1]
        if kind == 0 and size == 3:  # noqa: PLR2004 - 9.2.3.24.1: an 8-bit reference
            return data[at + 2], data[at + 4], data[at + 3], data[end:]
        if kind == 8 and size == 4:  # noqa: PLR2004 - 9.2.3.24.8: a 16-bit reference
            return int.from_bytes(data[at + 2 : at + 4], "big"), data[at + 5], data[at + 4], data[end:]
        at += 2 + size
    return 0, 1, 1, data[end:]


@lru_cache(maxsize=1024)
def _text(coding: int, coded: bytes) -> tuple[str, str]:
    raw = coded.decode("utf-16-be") if coding == 8 else gsm0338.Codec().decode(coded)[0]  # noqa: PLR2004 - 5.2.19
    text = unicodedata.normalize("NFC", raw)
    return text, sha(text)


def sha(text: str) -> str:
    """SHA-256 of a text as UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


class Chains:
    """Puts parts together until a text is whole."""

    def __init__(self) -> None:
        self._open: dict[tuple[bytes, str, int, int], dict[int, str]] = {}

    def whole(self, number: bytes, letter: Letter) -> str:
        """SHA-256 of the whole text, "" while parts are missing."""
        if letter.parts == 1:
            return letter.sha
        key = (number, letter.sender, letter.reference, letter.parts)
        known = self._open.setdefault(key, {})
        known[letter.part] = letter.text
        if len(known) < letter.parts:
            return ""
        del self._open[key]
        return sha(unicodedata.normalize("NFC", "".join(known[part] for part in sorted(known))))
