"""The jobs that RQ may call. Importing this module does nothing."""

from __future__ import annotations

from workers import books, sender
from workers.house import crash_point


def wake(account: str) -> None:
    """Work on any due batch of an account for a while, then give the worker back to RQ."""
    sender.current().wake(account)
    crash_point("C8")


def keep_books() -> None:
    """Load receipts, settle, fold and finish for a while."""
    books.keep()
