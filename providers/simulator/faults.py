"""What a simulated carrier does wrong, and how often. Seeded: the same number meets the same fate in each run."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

_CUT: Final = struct.Struct(">11I")
SIDES: Final = 1 << 32
"""A fate is a number below this; it strikes below `share * SIDES`."""


class Fates(NamedTuple):
    """One throw for each thing that may happen to a number."""

    throttle: int
    refuse: int
    silent: int
    error_after: int
    receipt_delay: int
    undelivered: int
    no_receipt: int
    repeat_receipt: int
    contradict: int
    late: int
    repeat_answer: int


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
    contradict: float = 0.0  # "delivered", and later "undelivered" for the same message
    late: float = 0.0  # answers that come a second later than the others
    repeat_answer: float = 0.0  # answers given twice (SMPP: a second submit_sm_resp)
    rate: float = 0.0  # submissions a second taken before the rest is throttled; 0 = no limit

    def fates(self, number: bytes) -> tuple[int, ...]:
        """The throws of this number in the order of `Fates`: they depend on (seed, number) only."""
        return _CUT.unpack(hashlib.blake2b(b"%d|%b" % (self.seed, number), digest_size=_CUT.size).digest())

    def dice(self, number: str, what: str) -> float:
        """One of its throws, as a number in 0..1."""
        return float(getattr(Fates(*self.fates(number.encode())), what)) / SIDES

    def hits(self, number: str, what: str) -> bool:
        """Whether this number meets the fault named `what` (a field of this class)."""
        share: float = getattr(self, what)
        return share > 0 and self.dice(number, what) < share
