"""What a simulated carrier does wrong, and how often. Seeded: the same number meets the same fate in each run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares are 0..1 of messages, times are seconds."""

    seed: int = 1
    latency: float = 0.02  # between a request and its answer
    throttle: float = 0.0  # first tries answered "not now"; a later try of the same number is taken
    refuse: float = 0.0  # refused for good (number not in service)
    silent: float = 0.0  # taken, but never answered
    error_after: float = 0.0  # taken, then answered with an error (5xx, SYSERR)
    receipt_delay: float = 0.5  # mean; each receipt comes between 0.2 and 1.8 times this
    undelivered: float = 0.03  # receipts that say no
    no_receipt: float = 0.0  # taken, receipt never comes
    repeat_receipt: float = 0.01  # receipts sent twice
    rate: float = 0.0  # submissions a second taken before the rest is throttled; 0 = no limit

    def dice(self, number: str, what: str) -> float:
        """A number in 0..1 that depends only on (seed, number, what)."""
        digest = hashlib.blake2b(f"{self.seed}|{number}|{what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64

    def hits(self, number: str, what: str) -> bool:
        """Whether this number meets the fault named `what` (a field of this class)."""
        share: float = getattr(self, what)
        return share > 0 and self.dice(number, what) < share
