"""I15: no number of the drill's own audience in any place that is not meant to hold it, in any usual spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import redis

from workers.house import House

OURS = ("log", "journals", "spool", "valkey", "postgres")
"""Folders looked at; not the invented list, the carriers' own files and the report that an export scope asked for."""
PIECE = 8 << 20
LONGEST = 24
SPELLED = re.compile(rb"(?<![0-9])(?:\+?84|0)(?:[ .\-]?[0-9]){9}(?![0-9])")
"""Not inside a longer row of digits: among thousands of random ids one does hold somebody's nine digits."""


def found(house: House, data: Path, numbers: Iterable[int]) -> str:
    """Where a number stands openly; "" when nowhere."""
    wanted = frozenset(numbers)
    with suppress(redis.RedisError):
        if any(_in(blob, wanted) for blob in _redis(house)):
            return "a number in Redis"
    for folder in OURS:
        for path in sorted((data / folder).rglob("*")):
            if path.is_file() and any(_in(piece, wanted) for piece in _pieces(path)):
                return f"a number in {path.relative_to(data)}"
    return ""


def _pieces(path: Path) -> Iterator[bytes]:
    """A file in overlapping pieces; one that goes away meanwhile ends."""
    with suppress(OSError), path.open("rb") as file:
        before = b""
        while piece := file.read(PIECE):
            yield before + piece
            before = piece[-LONGEST:]


def _in(blob: bytes, wanted: frozenset[int]) -> bool:
    return any(_number(match[0]) in wanted for match in SPELLED.finditer(blob))


def _number(spelled: bytes) -> int:
    digits = re.sub(rb"[^0-9]", b"", spelled)
    return int(b"84" + digits[1:] if digits.startswith(b"0") else digits)


def _redis(house: House) -> Iterator[bytes]:
    for key in house.redis.scan_iter():
        yield bytes(key)
        with suppress(redis.RedisError):
            yield bytes(house.redis.dump(key) or b"")
