"""The contract between us and a carrier: as small as it can be. Speed, retries and failover are not the adapter's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from campaigns.terms import Answer, Callback, Capability, Receipt

ReceiptSink = Callable[[Sequence[Callback | bytes]], Awaitable[None]]
"""Keeps events durably: when its awaitable ends, they survive kill -9 and power loss.

Bare bytes are the body of an event that came over the carrier's own connection: Callback(body, method="SMPP").
"""


class Gate(Protocol):
    """Stands between an adapter and its socket: pace, stop flags, hours and the wire journal are behind it."""

    async def take(self, want: int) -> range:
        """Wait until some of the window's next indexes may leave, at most `want`.

        The returned range is journalled as on the wire: its bytes must be written at once, without another await.
        An empty range means: send no more of this window.
        """
        ...


@dataclass(slots=True)
class Window:
    """The submissions of one committed intent: indexes lo..hi-1 of a batch."""

    id: int  # random, 63 bit
    lo: int
    hi: int
    numbers: Sequence[int]  # 84912345678 at position index - lo; 0 means: skip this index
    text: str  # NFC, the approved bytes
    sender: str
    segments: int  # of `text`, at least 1
    reference: Callable[[int], str]  # index -> our 32 hex digits, unguessable
    callback_url: Callable[[int], str]  # index -> public URL for this message's receipts, "" when there is none
    validity: int = 0  # seconds after which the carrier shall give up, where its interface takes one; 0: its own


@dataclass(frozen=True, slots=True)
class Doubt:
    """A submission that may have been taken, and whose id we never heard."""

    number: int
    text: str
    since: float  # unix time of its intent by our database: nothing older is meant


class Provider(ABC):
    """One account at one carrier; settings are the constructor's keyword arguments, and building connects nothing."""

    name: ClassVar[str]  # as in catalog.py
    capability: ClassVar[Capability]
    retry_after: float = 0.0  # seconds to be left alone, as the carrier last said; who obeys sets it to 0 again

    @abstractmethod
    async def open(self, sink: ReceiptSink) -> None:
        """Connect; `sink` takes receipts that arrive on this very connection. Raises providers.errors.*."""

    @abstractmethod
    async def close(self) -> None:
        """Say goodbye to the carrier within 2 s; safe to call twice."""

    @abstractmethod
    def send(self, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        """Send a window and yield answers as they arrive; returns when all taken indexes are answered.

        Each index taken from the gate gets exactly one Answer (none for skipped ones). A time-out, a cut connection
        after bytes left and an unreadable answer are Outcome.UNCERTAIN, never a failure. Raises Unreachable or
        Misconfigured after the answers of all taken indexes were yielded, when going on makes no sense.
        """

    def verify(self, callback: Callback) -> None:  # noqa: B027 - most carriers sign nothing
        """Refuse a forged callback (raises providers.errors.Forged); called before the event is stored."""

    @abstractmethod
    def receipts(self, callback: Callback) -> list[Receipt]:
        """Translate one stored event; pure. An unknown status is left out, an unreadable body raises Unreadable."""

    def receipts_of(self, events: Sequence[Callback | bytes]) -> list[list[Receipt] | None]:
        """`receipts` of many, None for each that cannot be read; bare bytes came over the carrier's own connection."""
        return [self._receipts_or_none(event) for event in events]

    def _receipts_or_none(self, event: Callback | bytes) -> list[Receipt] | None:
        try:
            return self.receipts(Callback(event, method="SMPP") if isinstance(event, bytes) else event)
        except Exception:  # noqa: BLE001 - bytes from outside: any parser may fail in any way
            return None

    async def look_up(self, provider_refs: Sequence[str]) -> list[Receipt]:
        """Ask the carrier what became of these; only where `capability.look_up` is not "none"."""
        raise NotImplementedError(self.name)

    async def find(self, doubt: Doubt) -> Receipt:
        """Ask for a submission by its number; only where `capability.finds`.

        UNCERTAIN when the carrier did not answer, knows none or more than one: absence from a list proves nothing.
        """
        raise NotImplementedError(self.name)
