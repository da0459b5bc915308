"""One bound SMPP connection: its window of unanswered PDUs, its clocks and the receipts that arrive on it."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, cast

from campaigns.terms import Outcome
from providers import smpp_pdu as wire
from providers.base import ReceiptSink
from providers.errors import Unreachable
from providers.smpp_flight import Flight, Run, Verdict, Waiting

PIECE: Final = 200  # PDUs dealt with at a time: a full window is answered in one read
HELD: Final = 20_000  # PDUs read and not dealt with, and receipts not yet kept; above it we stop reading the socket
LOST: Final = -1  # instead of a bind's status: the connection ended first
WRITE_BUFFER: Final = 256 * 1024  # bytes the kernel did not take yet; above it we write no more


@dataclass(frozen=True, slots=True)
class Manner:
    """How a link behaves; times in seconds."""

    system_id: str
    password: str = field(repr=False)
    system_type: str
    window: int  # PDUs unanswered at most
    response_timeout: float
    enquire_every: float
    verdict: Callable[[int], Verdict]


class Link(asyncio.Protocol):
    """A transceiver bind. Built by `connect`, dead after the first loss; a new one is made to go on."""

    def __init__(self, manner: Manner, sink: ReceiptSink) -> None:
        self.manner = manner
        self.sink = sink
        self.strays = 0  # answers to nothing we wait for: late, repeated or foreign
        self.down = asyncio.Event()
        self.bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()  # the bind's status
        self._loop = asyncio.get_running_loop()
        self._sequence = 0
        self._rest = b""
        self._unread: deque[wire.Pdu] = deque()  # split, not dealt with yet
        self._waiting = Waiting()
        self._reserved = 0
        self._room = asyncio.Event()
        self._writable = True
        self._heard = self._read_since = self._loop.time()
        self._asked = 0.0  # when an enquire_link left that nothing followed yet; 0 when none
        self._receipts: deque[tuple[int, bytes]] = deque()
        self._arrived = asyncio.Event()
        self._reading = True

    # -- the connection ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clocks and ask to be bound."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._keeper = self._loop.create_task(self._keep_receipts())
        self._tick()
        body = wire.bind_body(self.manner.system_id, self.manner.password, self.manner.system_type)
        self._request(wire.BIND_TRANSCEIVER, body)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why it broke changes nothing for us
        """Every unanswered message may have been taken."""
        self._deal(list(self._unread))  # it came before the end
        self._unread.clear()
        self.down.set()
        self._clock.cancel()
        if not self.bound.done():
            self.bound.set_result(LOST)
        self._settle(math.inf, Verdict(Outcome.UNCERTAIN, "~link"))
        self._room.set()
        self._arrived.set()

    def pause_writing(self) -> None:
        """The kernel takes no more bytes."""
        self._writable = False

    def resume_writing(self) -> None:
        """The kernel takes bytes again."""
        self._writable = True
        self._room.set()

    async def close(self, patience: float) -> None:
        """Unbind and wait at most this many seconds for the carrier to agree."""
        if not self.down.is_set():
            self._request(wire.UNBIND)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.down.wait(), patience)
            self._transport.abort()
        await asyncio.wait({self._keeper}, timeout=patience)
        self._keeper.cancel()

    # -- what we send --------------------------------------------------------------------------------------------

    def _request(self, command: int, body: bytes = b"") -> None:
        self._transport.write(wire.pdu(command, self._sequences(1), body))

    def _sequences(self, count: int) -> int:
        """The first of so many consecutive sequence numbers; after the last one they begin at 1 again."""
        if self._sequence + count > wire.LAST_SEQUENCE:
            self._sequence = 0
        first = self._sequence + 1
        self._sequence += count
        return first

    async def reserve(self, want: int, parts: int) -> int:
        """Wait for room in the window; how many messages of so many parts may be written (`release` them then)."""
        while not self.down.is_set():
            free = (self.manner.window - self._waiting.count - self._reserved) // parts
            if free > 0 and self._writable:
                granted = min(free, want)
                self._reserved += granted * parts
                return granted
            self._room.clear()
            await self._room.wait()
        raise Unreachable("~link", "connection lost")

    def release(self, granted: int, parts: int) -> None:
        """Give reserved room back: it was used or will not be."""
        self._reserved -= granted * parts
        self._room.set()

    def submit(self, flight: Flight, idxs: Sequence[int], numbers: Sequence[int], salt: int) -> None:
        """Write these messages at once; `salt` tells texts to one phone apart that share an index (UDH reference)."""
        templates = flight.templates
        first = self._sequences(len(idxs) * len(templates))
        if len(templates) == 1:
            data = wire.copies(templates[0], first, numbers)
        else:
            data = wire.block(templates, first, numbers, (bytes(((salt + idx) & 0xFF,)) for idx in idxs))
        self._waiting.add(Run(flight, first, idxs, self._loop.time()))
        self._transport.write(data)

    # -- what we hear --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Deal with every complete PDU; bytes that are no SMPP cut the link."""
        self._heard, self._asked = self._loop.time(), 0.0
        self._rest += data
        idle = not self._unread
        try:
            while pdus := self._next():
                self._unread.extend(pdus)
        except wire.BadPdu:
            self._transport.abort()
        if idle:
            self._deal_some()

    def _deal_some(self) -> None:
        """Deal with a piece of what came, then let others run: what it makes room for leaves before the next piece."""
        piece = [self._unread.popleft() for _ in range(min(PIECE, len(self._unread)))]
        if piece:
            self._deal(piece)
        if self._unread:
            self._loop.call_soon(self._deal_some)

    def _next(self) -> list[wire.Pdu]:
        pdus, used = wire.split(self._rest)
        self._rest = self._rest[used:]
        return pdus

    def _deal(self, pdus: list[wire.Pdu]) -> None:
        touched: set[Flight] = set()
        for command, status, sequence, body in pdus:
            if command == wire.SUBMIT_SM_RESP:
                self._answered(sequence, status, wire.message_id(body), touched)
            elif command == wire.DELIVER_SM:
                self._receipts.append((sequence, body))
            elif command == wire.GENERIC_NACK:
                self._answered(sequence, status or wire.RINVCMDID, "", touched)
            else:
                self._other(command, status, sequence)
        self._tell(touched)

    def _tell(self, touched: set[Flight]) -> None:
        for flight in touched:  # first: what was heard is written down before anything more leaves (I5)
            flight.news.set()
        self._room.set()
        if self._receipts:
            self._arrived.set()
        self._read_on()

    def _answered(self, sequence: int, status: int, ref: str, touched: set[Flight]) -> None:
        verdict = self.manner.verdict(status)
        flight = self._waiting.answer(sequence, verdict, ref)
        if flight is None:
            self.strays += 1
            return
        if verdict.stop:
            flight.stop = verdict
        touched.add(flight)

    def _other(self, command: int, status: int, sequence: int) -> None:
        if command == wire.BIND_TRANSCEIVER_RESP and not self.bound.done():
            self.bound.set_result(status)
        elif command == wire.ENQUIRE_LINK:
            self._transport.write(wire.pdu(wire.ENQUIRE_LINK_RESP, sequence))
        elif command == wire.UNBIND:
            self._transport.write(wire.pdu(wire.UNBIND_RESP, sequence))
            self._transport.close()
        elif command == wire.UNBIND_RESP:
            self._transport.close()
        elif not command & wire.ANSWER:
            self._transport.write(wire.pdu(wire.GENERIC_NACK, sequence, status=wire.RINVCMDID))

    # -- the clocks ----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Look after silence and time-outs; neither runs while we ourselves do not read."""
        manner, now = self.manner, self._loop.time()
        if self._reading and not self._transport.is_closing():
            self._probe(now)
            if not self._asked and not self._unread:
                self._expire(now - manner.response_timeout)
        self._clock = self._loop.call_later(min(manner.response_timeout, manner.enquire_every, 4) / 4, self._tick)

    def _probe(self, now: float) -> None:
        """Ask after a silent carrier, then cut the link.

        With answers outstanding this ends before the first of them times out: a dead link costs one window of
        uncertain messages, for time-outs would make room for another one.
        """
        patience = self.manner.response_timeout / 2
        quiet = now - max(self._heard, self._read_since)
        if self._asked and now - self._asked > patience:
            self._transport.abort()
        elif not self._asked and quiet > (patience if self._waiting.count else self.manner.enquire_every):
            self._asked = now
            self._request(wire.ENQUIRE_LINK)

    def _expire(self, before: float) -> None:
        if self._read_since < before:
            self._settle(before, Verdict(Outcome.UNCERTAIN, "~timeout"))

    def _settle(self, before: float, verdict: Verdict) -> None:
        for sequence in self._waiting.older(before):
            if flight := self._waiting.answer(sequence, verdict, ""):
                flight.news.set()
        self._room.set()

    # -- receipts ------------------------------------------------------------------------------------------------

    async def _keep_receipts(self) -> None:
        """Hand receipts over as they come; only what is kept is acknowledged."""
        while not self.down.is_set():
            await self._arrived.wait()
            self._arrived.clear()
            held = list(self._receipts)
            if not held or self.down.is_set():
                continue
            status = await self._kept([body for _, body in held])
            for _ in held:
                self._receipts.popleft()
            self._read_on()
            if not self._transport.is_closing():
                sequences = [sequence for sequence, _ in held]
                self._transport.write(wire.answers(wire.DELIVER_SM_RESP, status, sequences, b"\0"))

    async def _kept(self, bodies: list[bytes]) -> int:
        try:
            await self.sink(bodies)
        except Exception:  # noqa: BLE001 - whatever kept them from being kept, the carrier must bring them again
            return wire.RMSGQFUL
        return wire.ROK

    def _read_on(self) -> None:
        """Read while there is room for what comes: a carrier that is faster than we are is held back by its socket."""
        wanted = len(self._unread) + len(self._receipts) < HELD
        if wanted == self._reading or self._transport.is_closing():
            return
        self._reading = wanted
        if wanted:
            self._read_since = self._loop.time()
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
