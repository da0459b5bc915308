"""The end that a drill is sure to have, and what it says then."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from campaigns.ledger.unrest import Unrest
from dispatcher.words import Words

GRACE = 60.0
"""Seconds after the limit for counting and comparing; then whatever hangs is left."""
AGAIN = 5.0
"""Seconds until an alarm rings once more: one that rang inside a finalizer was not heard."""


class Overrun(BaseException):
    """The limit is over and the drill hangs; no handler of failures may take it for one of its own."""


@contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise Overrun in the main thread after so many seconds, wherever it is; children do not inherit it."""

    def ring(*_: object) -> None:
        raise Overrun

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(0.001, seconds), AGAIN)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sentence(words: Words, limit: float, left: Unrest | None) -> str:
    """What was open when the limit was reached."""
    if left is None:
        return words.say(
            "the limit of {limit} s is over; what is still open is not known: the database does not answer",
            limit=round(limit),
        )
    return words.say(
        "the limit of {limit} s is over; still open: {windows} windows, {retries} batches with due messages,"
        " {chunks} unfolded chunks",
        limit=round(limit), windows=left.open_windows, retries=left.due_batches, chunks=left.unfolded_chunks,
    )  # fmt: skip


def figures(words: Words, limit: float, left: Unrest | None) -> dict[str, Any]:
    """The same for the line of JSON."""
    return {"overrun": sentence(words, limit, left), "open": left._asdict() if left else None}
