"""A message's life: the one transition table, its database guard, and the reference that we give to carriers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from campaigns.terms import Outcome, State

S = State

LEFT = (S.UNCERTAIN, S.ACCEPTED, S.UNDELIVERED, S.DELIVERED)
"""Evidence that a message left, or may have: each fact of the plan yields to it."""

TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    S.QUEUED: (S.REFUSED, S.SUPPRESSED, S.CANCELLED, S.EXPIRED, *LEFT),
    S.UNCERTAIN: (S.QUEUED, S.REFUSED, S.ACCEPTED, S.UNDELIVERED, S.DELIVERED, S.EXPIRED),
    S.REFUSED: (S.ACCEPTED, S.UNDELIVERED, S.DELIVERED),  # a contradiction: kept, counted, shown
    S.ACCEPTED: (S.UNDELIVERED, S.DELIVERED),
    S.UNDELIVERED: (S.DELIVERED,),
    S.DELIVERED: (),
    S.SUPPRESSED: LEFT,
    S.CANCELLED: LEFT,
    S.EXPIRED: LEFT,
}
"""Which state may follow which; only the fold writes states, and the database refuses the rest."""

SENT = frozenset({S.ACCEPTED, S.UNDELIVERED, S.DELIVERED})
"""States in which a carrier is known to have taken the message."""


def guard_sql() -> str:
    """The condition under which the database refuses an update of a message's state, generated from TRANSITIONS."""
    arms = " ".join(
        f"WHEN {was.value} THEN new.state IN ({', '.join(str(n.value) for n in nexts)})"
        for was, nexts in TRANSITIONS.items()
        if nexts
    )
    return f"old.state <> new.state AND NOT (CASE old.state {arms} ELSE false END)"


def next_state(state: State, outcome: Outcome, *, latest: bool, retry: bool) -> State:
    """What the fold makes of one piece of evidence; the readable twin of fold.sql, held against it by a test.

    `latest`: the evidence is of the message's latest attempt. `retry`: tries and deadline allow another attempt.
    """
    if outcome >= Outcome.ACCEPTED:
        return max(state, S(outcome)) if state <= S.DELIVERED else S(outcome)
    if not latest or state not in _MOVED_BY[outcome]:
        return state
    if outcome in (Outcome.NOT_SENT, Outcome.DEFERRED):
        return S.QUEUED if retry else S.EXPIRED
    return S.SUPPRESSED if outcome is Outcome.SKIPPED else S(outcome)


_MOVED_BY: Mapping[Outcome, tuple[State, ...]] = {
    Outcome.SKIPPED: (S.QUEUED,),
    Outcome.UNCERTAIN: (S.QUEUED, S.SUPPRESSED, S.CANCELLED, S.EXPIRED),
    Outcome.NOT_SENT: (S.QUEUED, S.UNCERTAIN),
    Outcome.DEFERRED: (S.QUEUED, S.UNCERTAIN),
    Outcome.REFUSED: (S.QUEUED, S.UNCERTAIN),
}
"""Which states weak evidence of the latest attempt moves."""

MAC_BYTES = 6


def reference(window: int, offset: int, key: bytes) -> str:
    """Our reference to a carrier: 32 hex digits of window id, offset in the window and a 48-bit MAC; never stored."""
    head = window.to_bytes(8, "big") + offset.to_bytes(2, "big")
    return (head + _mac(head, key)).hex()


def parse_reference(text: str, key: bytes) -> tuple[int, int] | None:
    """(window id, offset) of a reference that we made, else None."""
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    if len(raw) != 8 + 2 + MAC_BYTES or not hmac.compare_digest(raw[10:], _mac(raw[:10], key)):
        return None
    return int.from_bytes(raw[:8], "big"), int.from_bytes(raw[8:10], "big")


def _mac(head: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(head, key=key, digest_size=MAC_BYTES).digest()
