"""What a simulated SMSC reads in a submit_sm: fields, text and chained parts (SMPP 3.4, 4.4.1; 3GPP TS 23.040)."""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache
from typing import Final, NamedTuple

import gsm0338

_PAYLOAD: Final = b"\x04\x24"


class Submission(NamedTuple):
    """One submit_sm as a carrier understands it."""

    number: str
    sender: str
    receipt: bool
    reference: int  # of its chain
    part: int
    parts: int
    text: str  # NFC
    sha: str  # SHA-256 of `text`


def read_submit(body: bytes) -> Submission | None:
    """Take a submit_sm apart; None when it cannot be read."""
    try:
        return _read(body)
    except (ValueError, IndexError):
        return None


def _read(body: bytes) -> Submission:
    find = body.index
    sender_at = find(0) + 3
    sender_end = find(0, sender_at)
    number_at = sender_end + 3
    number_end = find(0, number_at)
    times_at = number_end + 4
    flags = find(0, find(0, times_at) + 1) + 1
    text_at = flags + 5
    user_data = _user_data(body, text_at, body[flags + 4])
    coding = body[flags + 2]
    reference, part, parts, coded = _unchained(user_data) if body[number_end + 1] & 0x40 else (0, 1, 1, user_data)
    text, sha = _text(coding, coded)
    number, sender = body[number_at:number_end].decode("ascii"), body[sender_at:sender_end].decode("ascii")
    return Submission(number, sender, bool(body[flags] & 1), reference, part, parts, text, sha)


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
        self._open: dict[tuple[str, str, int, int], dict[int, str]] = {}

    def whole(self, submission: Submission) -> str:
        """SHA-256 of the whole text, "" while parts are missing."""
        if submission.parts == 1:
            return submission.sha
        key = (submission.number, submission.sender, submission.reference, submission.parts)
        known = self._open.setdefault(key, {})
        known[submission.part] = submission.text
        if len(known) < submission.parts:
            return ""
        del self._open[key]
        return sha(unicodedata.normalize("NFC", "".join(known[part] for part in sorted(known))))
