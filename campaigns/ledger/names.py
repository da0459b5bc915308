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
