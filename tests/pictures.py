"""Pictures for tests, drawn when they are needed: a letter as a scanner gives it."""

from __future__ import annotations

import zlib
from struct import pack

WIDTH, HEIGHT = 600, 848  # pixels: A4 at 72 dpi


def scan() -> bytes:
    """A PNG of one sheet: lines of words in black on white."""
    blank = bytes([255]) * (WIDTH // 8)
    words = blank[:8] + b"\x0f\x00\x07\x00\x30" * 12 + blank[:7]
    rows = [words if 60 < y < HEIGHT - 200 and y % 22 < 7 else blank for y in range(HEIGHT)]
    head = pack(">IIBBBBB", WIDTH, HEIGHT, 1, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
