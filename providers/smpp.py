"""SMPP 3.4 as a transceiver: many messages a write, answers as they come, receipts on the same connection.

No Vietnamese carrier publishes its SMPP terms; the tables are those of "SMPP v3.4 Issue 1.2", and what a status proves
is argued in docs/decisions/006-smpp.md.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import ClassVar, Final

import gsm0338

from campaigns import segments
from campaigns.terms import Answer, Callback, Capability, Outcome, Problem, Receipt
from providers import smpp_pdu as wire
from providers import smpp_receipts
from providers.base import Gate, Provider, ReceiptSink, Window
from providers.errors import Forged, Misconfigured, Unreachable
from providers.smpp_flight import Flight, Verdict
from providers.smpp_link import LOST, Link, Manner

# command_status of a submit_sm_resp or generic_nack -> what it proves (SMPP 3.4, section 5.1.3 and table 5-2).
_TAKEN = {0x00: Outcome.ACCEPTED}
_NOT_NOW = dict.fromkeys((0x14, 0x58, 0x64), Outcome.DEFERRED)  # queue full, throttled, temporary application error
_NO = dict.fromkeys(
    (
        0x01,  # message length
        0x0B,  # destination address
        0x45,  # submit failed
        0x61,  # schedule
        0x62,  # validity
        0x65,  # permanent application error
        0x66,  # application refuses
    ),
    Outcome.REFUSED,
)
# We are at fault, not the message: it stays due, and the account is stopped until a person acts.
_OUR_FAULT = dict.fromkeys(
    (
        *(0x02, 0x03),  # a PDU they cannot read
        *(0x04, 0x05),  # not bound, or bound twice
        *(0x06, 0x07),  # priority, registered_delivery
        *(0x0A, 0x48, 0x49),  # the sender and its kind
        *(0x0D, 0x0E, 0x0F, 0x53),  # bind, password, system_id, system_type
        *(0x15, 0x43, 0x50, 0x51),  # service_type, esm_class, kind of destination
        *(0xC0, 0xC1, 0xC2, 0xC3, 0xC4),  # optional parameters: message_payload is not understood
    ),
    Outcome.DEFERRED,
)
# Everything else, 0x08 RSYSERR, 0xFE and 0xFF among it, proves nothing: the SMSC may fail after it took the message.
_PROOF: Final = {**_TAKEN, **_NOT_NOW, **_NO, **_OUR_FAULT}

_SENDER_CODES: Final = frozenset({"0x0A", "0x48", "0x49"})
_SENDER: Final = "sender: this name, or its kind of number, is not ours at this carrier"

# A bind refused with these may succeed later (0x05: our former connection is still known); others call a person.
_BIND_LATER: Final = frozenset({0x05, 0x08, 0x14, 0x58, 0x64, 0xFF})

_LATIN_SENDER: Final = re.compile(r"[\x20-\x7e]{1,20}")  # section 5.2.8: 21 octets with its NUL
_MOST_PARTS: Final = 255  # one octet in the user data header
_GOODBYE: Final = 1.0  # seconds for the unbind, and again for receipts on their way to the store: 2 s in all


@cache
def verdict(status: int) -> Verdict:
    """What a status means for the message it answers."""
    return Verdict(_PROOF.get(status, Outcome.UNCERTAIN), f"0x{status:02X}", status in _OUR_FAULT)


class Smpp(Provider):
    """One SMPP account, one transceiver bind; lost connections are made anew by the next `open` or `send`."""

    name: ClassVar[str] = "smpp"
    capability: ClassVar[Capability] = Capability(
        client_ref="none", receipts="push", look_up="none", number_form="84",
        throttle_codes=frozenset({"0x14", "0x58"}),
    )  # fmt: skip

    def __init__(
        self,
        *,
        host: str,
        port: int,
        system_id: str,
        password: str,
        system_type: str = "",
        source_ton: int = 5,  # alphanumeric: a brandname
        source_npi: int = 0,
        dest_ton: int = 1,  # international: 84...
        dest_npi: int = 1,  # E.164
        window: int = 500,  # PDUs unanswered at most; at least rate x response time
        long_text: str = "payload",  # or "udh"
        response_timeout: float = 15.0,  # seconds; then a message is uncertain
        enquire_every: float = 30.0,  # seconds of silence
        connect_timeout: float = 3.0,  # seconds
        tls: bool = False,
    ) -> None:
        _check(system_id=system_id, password=password, system_type=system_type, long_text=long_text, window=window)
        self._address = (host, port)
        self._kinds = (source_ton, source_npi, dest_ton, dest_npi)
        self._udh = long_text == "udh"
        self._connect_timeout = connect_timeout
        self._tls = tls
        self._manner = Manner(system_id, password, system_type, window, response_timeout, enquire_every, verdict)
        self._sink: ReceiptSink | None = None
        self._link: Link | None = None
        self._opening = asyncio.Lock()

    # -- the connection ------------------------------------------------------------------------------------------

    async def open(self, sink: ReceiptSink) -> None:
        """Connect and bind; a living connection stays."""
        self._sink = sink
        await self._bound()

    async def close(self) -> None:
        """Unbind within 2 s."""
        link, self._link, self._sink = self._link, None, None
        if link is not None:
            await link.close(_GOODBYE)

    @property
    def strays(self) -> int:
        """Answers on this connection that nobody waited for: late, repeated or with a foreign sequence."""
        return self._link.strays if self._link else 0

    async def _bound(self) -> Link:
        async with self._opening:
            if self._sink is None:
                raise Unreachable("~closed", "open() comes first")
            if self._link is None or self._link.down.is_set():
                self._link = None
                self._link = await self._bind(self._sink)
            return self._link

    async def _bind(self, sink: ReceiptSink) -> Link:
        link = await self._connected(sink)
        try:
            status = await asyncio.wait_for(link.bound, self._manner.response_timeout)
        except TimeoutError:
            await link.close(0)
            raise Unreachable("~timeout", "no answer to the bind") from None
        if status == LOST:
            raise Unreachable("~link", "closed during the bind")
        if status:
            await link.close(0)
            error = Unreachable if status in _BIND_LATER else Misconfigured
            raise error(f"0x{status:02X}", f"bind of {self._manner.system_id} refused")
        return link

    async def _connected(self, sink: ReceiptSink) -> Link:
        context = ssl.create_default_context() if self._tls else None
        making = asyncio.get_running_loop().create_connection(
            lambda: Link(self._manner, sink), *self._address, ssl=context
        )
        try:
            return (await asyncio.wait_for(making, self._connect_timeout))[1]
        except (OSError, TimeoutError) as error:
            raise Unreachable("~connect", f"{self._address[0]}:{self._address[1]} {type(error).__name__}") from error

    # -- sending -------------------------------------------------------------------------------------------------

    async def send(self, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        """Send a window; several may overlap on one connection."""
        flight = Flight(self._templates(window))
        link = await self._bound()
        feeder = asyncio.create_task(_feed(link, flight, window, gate))
        feeder.add_done_callback(lambda _: flight.news.set())
        try:
            while flight.waiting or not feeder.done():
                await flight.news.wait()
                if answers := flight.take():
                    yield answers
            if answers := flight.take():
                yield answers
            feeder.result()
        finally:
            feeder.cancel()
        if flight.stop:
            raise Misconfigured(flight.stop.code, _SENDER if flight.stop.code in _SENDER_CODES else "account: settings")
        if link.down.is_set():
            raise Unreachable("~link", "connection lost")

    def _templates(self, window: Window) -> tuple[wire.Template, ...]:
        """The window's text as PDUs without numbers; raises Misconfigured before anything is taken."""
        if not _LATIN_SENDER.fullmatch(window.sender):
            raise Misconfigured("~sender", "sender: an SMPP sender has 1 to 20 plain Latin characters")
        who = wire.Addresses(window.sender, *self._kinds)
        parts = segments.parts(window.text)
        if not 0 < len(parts) <= min(_MOST_PARTS, self._manner.window):
            raise Misconfigured("~text", f"text: {len(parts)} parts do not fit into the window")
        if self._udh and len(parts) > 1:
            return wire.chained(who, *coded(parts), validity=window.validity)
        coding, whole = coded([window.text])
        return (wire.plain(who, coding, whole[0], window.validity),)

    # -- receipts ------------------------------------------------------------------------------------------------

    def verify(self, callback: Callback) -> None:
        """Take only what came over the bind itself: a deliver_sm is never posted by HTTP."""
        if callback.method != "SMPP":
            raise Forged("~path", "SMPP receipts come over the bind")

    def receipts(self, callback: Callback) -> list[Receipt]:
        """Translate one deliver_sm; a message from a phone gives nothing."""
        return smpp_receipts.read(callback.body)

    def receipts_of(self, events: Sequence[Callback | bytes]) -> list[list[Receipt] | None]:
        """As `receipts`, the usual form by one pattern."""
        usual, told = smpp_receipts.usual, super().receipts_of
        return [
            [found] if (found := usual(event if type(event) is bytes else event.body)) else told([event])[0]  # type: ignore[union-attr]
            for event in events
        ]


async def _feed(link: Link, flight: Flight, window: Window, gate: Gate) -> None:
    """Take from the gate what the link has room for, until the gate, the window or the link ends."""
    parts, at = len(flight.templates), window.lo
    while at < window.hi:
        granted = await link.reserve(window.hi - at, parts)
        try:
            taken = range(0) if flight.stop else await gate.take(granted)
            _write(link, flight, window, taken)
        finally:
            link.release(granted, parts)
        if not taken:
            return
        at = taken.stop


def _write(link: Link, flight: Flight, window: Window, taken: range) -> None:
    """Write these indexes at once: the gate has journalled them as being on the wire."""
    numbers = window.numbers[taken.start - window.lo : taken.stop - window.lo]
    idxs: Sequence[int] = taken
    if 0 in numbers:
        idxs = [idx for idx, number in zip(taken, numbers, strict=True) if number]
        numbers = [number for number in numbers if number]
    if link.down.is_set() or flight.stop:
        flight.unsent(idxs, "~link")
    elif idxs:
        link.submit(flight, idxs, numbers, window.id)


def coded(texts: Sequence[str]) -> tuple[int, list[bytes]]:
    """data_coding and bytes of the parts of one text: unpacked GSM 03.38 where every letter fits, else UTF-16BE."""
    if segments.measure("".join(texts)).encoding == segments.GSM7:
        codec = gsm0338.Codec()
        return wire.GSM7, [codec.encode(text)[0] for text in texts]
    return wire.UCS2, [text.encode("utf-16-be") for text in texts]


def _check(*, system_id: str, password: str, system_type: str, long_text: str, window: int) -> None:
    """Refuse settings no SMSC can take; the password is never quoted."""
    texts = {"system_id": (system_id, 15), "password": (password, 64), "system_type": (system_type, 12)}
    for key, (text, longest) in texts.items():
        if not text.isascii() or not text.isprintable() or len(text) > longest:
            raise Problem(
                "smpp: {key} must be at most {longest} plain Latin characters; correct it in the account's settings",
                key=key,
                longest=longest,
            )
    if long_text not in {"payload", "udh"}:
        raise Problem('smpp: long_text is "{given}"; write "payload" or "udh"', given=long_text)
    if window < 1:
        raise Problem("smpp: window is {given}; write how many PDUs may stay unanswered, at least 1", given=window)
