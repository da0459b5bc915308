"""How the text of a list is written down: proved before the first row is read, so that no row comes out half wrong."""

from __future__ import annotations

import codecs
import unicodedata
from pathlib import Path

from campaigns.terms import Problem

WINDOWS_1258 = "cp1258"
_AT_ONCE = 1 << 20  # bytes checked at once; also the longest line a list may have
_SAMPLE = 16_384  # bytes round the first letter that is no UTF-8: enough to tell Vietnamese from noise
_TONES = "\u0300\u0309\u0303\u0301\u0323"  # huyền, hỏi, ngã, sắc, nặng
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzđ") | {
    unicodedata.normalize("NFC", vowel + tone) for vowel in "aăâeêioôơuưy" for tone in ("", *_TONES)
}


def is_utf_16(start: bytes) -> bool:
    """Whether a file begins with the byte order mark of UTF-16."""
    return start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))


def text_encoding(path: Path) -> str:
    """UTF-8 or UTF-16 proved to the last byte, or Windows-1258 where that is sure.

    Raises Problem for other encodings and for lines longer than a megabyte, which no list has.
    """
    line = 1
    with path.open("rb") as file:
        encoding = "utf-16" if is_utf_16(file.peek(2)) else "utf-8-sig"
        decoder = codecs.getincrementaldecoder(encoding)()
        while piece := file.read(_AT_ONCE):
            try:
                _check(path.name, line, piece, decoder)
            except UnicodeDecodeError as error:
                if encoding == "utf-8-sig" and _is_surely_1258(error.object, error.start):
                    return WINDOWS_1258
                raise unknown_encoding(path.name, line + error.object.count(b"\n", 0, error.start)) from error
            line += piece.count(b"\n")
    return encoding


def _check(file: str, line: int, piece: bytes, decoder: codecs.IncrementalDecoder) -> None:
    last = len(piece) < _AT_ONCE
    if not last and b"\n" not in piece and b"\r" not in piece:
        sentence = "{file}, line {line}, is longer than a megabyte. Save the list as CSV UTF-8, one row a person."
        raise Problem(sentence, file=file, line=line)
    decoder.decode(piece, final=last)


def unknown_encoding(file: str, line: int) -> Problem:
    """The refusal of a text that is written in some other way."""
    sentence = (
        "{file}, line {line}, is not UTF-8 text (perhaps TCVN3 or VNI). In the spreadsheet choose Save As, "
        "CSV UTF-8, or save the list as .xlsx."
    )
    return Problem(sentence, file=file, line=line)


def _is_surely_1258(text: bytes, at: int) -> bool:
    """Whether statistics and spelling agree on Windows-1258: one letter read wrongly is a wrong name."""
    from charset_normalizer import from_bytes  # noqa: PLC0415 - 60 ms to import, needed by old files only

    sample = text[max(0, at - _SAMPLE // 2) : at + _SAMPLE // 2]
    best = from_bytes(sample).best()
    if best is None or best.encoding != WINDOWS_1258:
        return False
    letters = unicodedata.normalize("NFC", sample.decode(WINDOWS_1258)).lower()
    return all(c in _LETTERS for c in letters if not c.isascii() and (c.isalpha() or unicodedata.combining(c)))
