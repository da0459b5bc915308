"""The log of answers, receipts and look-ups: append-only, written by COPY, one chunk a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from campaigns.ledger.names import log_table

Line = tuple[int, int, str, int, str, str]
"""window, index, kind (answer|receipt|look-up|closed), outcome, provider code, provider reference."""

_UNSAFE = str.maketrans({"\\": "/", "\t": " ", "\n": " ", "\r": " ", "\0": " "})
CODE_MAX = 120


def text_rows(chunk: int, lines: Iterable[Line]) -> bytes:
    """COPY text of a chunk; carriers' codes lose what would break a line, and what is longer than 120 characters."""
    return "".join(
        f"{chunk}\t{window}\t{idx}\t{kind}\t{outcome:d}\t{_clean(code)}\t{_clean(ref)}\n"
        for window, idx, kind, outcome, code, ref in lines
    ).encode()


def _clean(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text[:CODE_MAX]
    return text.translate(_UNSAFE)[:CODE_MAX].encode("utf-8", "replace").decode()


def _copy(wave: int) -> str:
    return f'COPY {log_table(wave)} (chunk, "window", idx, kind, outcome, provider_code, provider_ref) FROM STDIN'


NEW_CHUNK = "INSERT INTO chunk (wave) VALUES (%s) RETURNING id"
CLOSE = "UPDATE send_window SET closed = now() WHERE id = ANY(%s) AND closed IS NULL"


async def append_async(
    conn: psycopg.AsyncConnection[Any], wave: int, lines: Sequence[Line], closed: Sequence[int] = ()
) -> None:
    """Write lines and close windows, in one transaction of its own."""
    async with conn.transaction():
        if lines:
            cur = await conn.execute(NEW_CHUNK, (wave,))
            row = await cur.fetchone()
            async with conn.cursor() as copier, copier.copy(_copy(wave)) as copy:
                await copy.write(text_rows(row[0] if row else 0, lines))
        if closed:
            await conn.execute(CLOSE, (list(closed),))


def append(conn: psycopg.Connection, wave: int, lines: Sequence[Line], closed: Sequence[int] = ()) -> None:
    """Write lines and close windows, in the caller's transaction."""
    if lines:
        row = conn.execute(NEW_CHUNK, (wave,)).fetchone()
        with conn.cursor().copy(_copy(wave)) as copy:
            copy.write(text_rows(row[0] if row else 0, lines))
    if closed:
        conn.execute(CLOSE, (list(closed),))
