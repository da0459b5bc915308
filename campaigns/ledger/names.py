"""Names of the tables that each wave has to itself: made from integers only."""

from __future__ import annotations

import secrets


def message_table(wave: int) -> str:
    """The wave's messages."""
    return f"message_{int(wave)}"


def log_table(wave: int) -> str:
    """The wave's log of answers, receipts and look-ups."""
    return f"log_{int(wave)}"


def new_id() -> int:
    """A random 63-bit id: what leaves the database is never a sequence (ledger: section 6)."""
    return secrets.randbits(63) or 1


BLOCK = 1000
"""Numbers in one sealed block; batches are whole blocks, so that a block holds one carrier."""


def block_context(wave: int, block: int) -> bytes:
    """The associated data of a sealed block: a block moved to another place does not open."""
    return f"wave|{wave}|{block}".encode()


COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_END = b"\xff\xff"
"""Round the rows of a binary COPY that we pack ourselves: a third of the time of handing over each row."""
