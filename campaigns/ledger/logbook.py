"""The log of answers, receipts and look-ups: append-only, written by COPY, one chunk a transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg

from campaigns.ledger.names import log_table

Line = tuple[int, int, str, int, str, str]
"""window, index, kind (answer|receipt|look-up|closed), outcome, provider code, provider reference."""

Told = tuple[int, Sequence[str]]
"""A window, and plain answers to it as their lines stand in the journal and in the log: "index outcome ref code"."""

_UNSAFE = str.maketrans({"\\": "/", " ": "\\ ", "\t": "\\ ", "\n": "\\ ", "\r": "\\ ", "\0": "\\ "})
CODE_MAX = 120
CRASH = "~crash"
"""The code of what a dead worker left: in doubt where it may have left, given back where it did not (also in sql/)."""
DIGITS = ("0", "1", "2", "3", "4", "5", "6", "7")


def tail(idx: int, outcome: int, code: str, ref: str) -> str:
    """The line of a plain answer from its index on; "" when a word of it is not plain."""
    if (ref.isalnum() or not ref) and code.isalnum() and (ref + code).isascii() and len(ref) + len(code) <= CODE_MAX:
        return f"{idx} {DIGITS[outcome]} {ref} {code}"
    return ""


def text_rows(chunk: int, lines: Iterable[Line], told: Iterable[Told] = (), kind: str = "answer") -> bytes:
    """COPY text of a chunk, `told` of one kind.

    Carriers' codes lose what would break a line, and what is longer than 120 characters.
    """
    rows = [
        f"{chunk} {window} {of} {idx} {outcome:d} {_clean(ref)} {_clean(code)}\n"
        for window, idx, of, outcome, code, ref in lines
    ]
    for window, tails in told:
        head = f"{chunk} {window} {kind} "
        rows += (head, f"\n{head}".join(tails), "\n")
    return "".join(rows).encode()


def _clean(text: str) -> str:
    if text.isascii() and text.isalnum():
        return text[:CODE_MAX]
    return text[:CODE_MAX].translate(_UNSAFE).encode("utf-8", "replace").decode()


def _copy(wave: int) -> str:
    columns = 'chunk, "window", kind, idx, outcome, provider_ref, provider_code'
    return f"COPY {log_table(wave)} ({columns}) FROM STDIN (DELIMITER ' ')"


NEW_CHUNK = "INSERT INTO chunk (wave, receipts) VALUES (%s, %s) RETURNING id"
CLOSE = "UPDATE send_window SET closed = now() WHERE id = ANY(%s) AND closed IS NULL"


async def append_async(
    conn: psycopg.AsyncConnection[Any], wave: int, lines: Sequence[Line], told: Sequence[Told], closed: Sequence[int]
) -> None:
    """Write lines and close windows, in one transaction of its own."""
    async with conn.transaction():
        if lines or told:
            cur = await conn.execute(NEW_CHUNK, (wave, False))
            row = await cur.fetchone()
            async with conn.cursor() as copier, copier.copy(_copy(wave)) as copy:
                await copy.write(text_rows(row[0] if row else 0, lines, told))
        if closed:
            await conn.execute(CLOSE, (list(closed),))


def append_receipts(conn: psycopg.Connection, wave: int, told: Sequence[Told]) -> None:
    """Write plain receipts as one chunk, in the caller's transaction."""
    row = conn.execute(NEW_CHUNK, (wave, True)).fetchone()
    with conn.cursor().copy(_copy(wave)) as copy:
        copy.write(text_rows(row[0] if row else 0, (), told, "receipt"))


def append(conn: psycopg.Connection, wave: int, lines: Sequence[Line], closed: Sequence[int] = ()) -> None:
    """Write lines and close windows, in the caller's transaction."""
    if lines:
        row = conn.execute(NEW_CHUNK, (wave, lines[0][2] == "receipt")).fetchone()
        with conn.cursor().copy(_copy(wave)) as copy:
            copy.write(text_rows(row[0] if row else 0, lines))
    if closed:
        conn.execute(CLOSE, (list(closed),))
