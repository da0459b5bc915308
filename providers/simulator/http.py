"""What simulated HTTP carriers share: fates, the truth before the answer, callbacks with retries, memory of a restart.

Speaks HTTP with aiohttp's bare server; shares no code with the adapters.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

from providers.simulator.faults import Faults
from providers.simulator.truth import Taken, TruthFile, read_acknowledged, read_taken
from providers.simulator.unanswered import Unanswered

Ready = Callable[[int], None]
"""Told the chosen port once the carrier listens."""

TRIES = 1 + 5  # a callback and its repeats on a time-out or a non-2xx (eSMS callback page)
CALLBACK_TIMEOUT = 5.0  # seconds
CALLBACKS = 32  # at once
DELAY_SPREAD = (0.2, 1.6)  # a receipt comes between 0.2 and 0.2 + 1.6 times the mean delay
LATE = 1.0  # seconds that a late answer comes after the others
DELIVERED, UNDELIVERED = "delivered", "undelivered"

# Fates a single number can be given by name (setting `odd`), beside the carrier's own codes.
BEFORE: Final = frozenset({"~hang-before", "~reset-before", "~garbage", "~http302", "~http503", "~http429"})
AFTER: Final = frozenset({"~hang", "~reset", "~truncated", "~garbled", "~http500"})  # taken first: the double-send trap


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asked for, read from its request."""

    number: str  # 84912345678
    text: str
    ref: str = ""
    callback_url: str = ""
    sender: str = ""


@dataclass(slots=True)
class Record:
    """One message the carrier took."""

    message_id: str
    number: str
    ref: str
    callback_url: str
    outcome: str = ""  # "" while under way
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One callback request."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class HttpCarrier(ABC):
    """A carrier with a memory; a kind says how requests are read and what answers and callbacks look like."""

    def __init__(self, truth: Path, faults: Faults, odd: str) -> None:
        self.faults = faults
        self.records: dict[str, Record] = {}
        self._odd = read_odd(odd)
        self._truth = TruthFile(truth)
        self._unanswered = Unanswered(truth)
        self._urls = os.open(truth.with_suffix(".callbacks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._tried: set[str] = set()
        self._taken_back: set[str] = set()  # messages whose "delivered" is contradicted from now on
        self._recent: deque[float] = deque()
        self._due: list[tuple[float, str]] = []
        self._rung = asyncio.Event()
        self._slots = asyncio.Semaphore(CALLBACKS)
        self._calls: set[asyncio.Task[None]] = set()
        self._reload(truth)

    @abstractmethod
    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request of any path."""

    @abstractmethod
    def accepted(self, record: Record) -> web.Response:
        """The answer to a message that was taken."""

    @abstractmethod
    def coded(self, code: str) -> web.Response:
        """The answer with one of the carrier's own error codes; "" is its "number not in service"."""

    @abstractmethod
    def call(self, record: Record) -> Call:
        """The callback that tells this record's outcome."""

    def remember(self, taken: Taken) -> None:  # noqa: B027 - Twilio has no such memory
        """Put one line of the truth back into a kind's own memory after a restart."""

    def new_id(self) -> str:
        """A message id no other run has used."""
        return secrets.token_hex(16)

    async def submit(self, request: web.BaseRequest, wanted: Submission) -> web.StreamResponse:
        """Meet the fate of this number; what is taken stands in the truth before any answer leaves."""
        self._unanswered.read()
        try:
            answer = await self._decide(request, wanted)
        except asyncio.CancelledError:  # the client hung up
            self._unanswered.cut()
            raise
        self._unanswered.answered()
        return answer

    async def _decide(self, request: web.BaseRequest, wanted: Submission) -> web.StreamResponse:
        odd = self._odd.get(wanted.number, "")
        if odd in BEFORE:
            return await _spoil(request, odd)
        if odd and odd not in AFTER:
            return self.coded(odd)
        if self._not_now(wanted.number):
            return throttled()
        if self.faults.hits(wanted.number, "refuse"):
            return self.coded("")
        record = self.take(wanted)
        if delay := self.faults.latency + LATE * self.faults.hits(wanted.number, "late"):
            await asyncio.sleep(delay)
        spoilt = odd or self._spoilt_after(wanted.number)
        return await _spoil(request, spoilt) if spoilt else self.accepted(record)

    def take(self, wanted: Submission) -> Record:
        """Write the truth and plan the receipt."""
        record = Record(self.new_id(), wanted.number, wanted.ref, wanted.callback_url)
        sha = text_sha(wanted.text)
        taken = Taken(time.time(), record.message_id, wanted.number, 1, 1, sha, sha, wanted.ref)
        # The URL goes first: a line of the truth without its URL would never be told after a restart.
        os.write(self._urls, f"{record.message_id}\t{wanted.callback_url}\n".encode())
        self._truth.take([taken])
        self.remember(taken)
        self._plan(record)
        return record

    async def tell(self) -> None:
        """Call back for ever, each record when it is due."""
        timeout = ClientTimeout(total=CALLBACK_TIMEOUT)
        connector = TCPConnector(limit=CALLBACKS)
        async with ClientSession(connector=connector, timeout=timeout, cookie_jar=DummyCookieJar()) as http:
            while True:
                record = self.records[await self._next_due()]
                await self._slots.acquire()
                call = asyncio.create_task(self._call_back(http, record))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)

    async def close(self) -> None:
        """Stop callbacks under way and close the files."""
        for call in self._calls:
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        self._truth.close()
        os.close(self._urls)

    def _not_now(self, number: str) -> bool:
        """Over the rate, or the first try of a number that is throttled once."""
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if self.faults.rate and len(self._recent) >= self.faults.rate:
            return True
        self._recent.append(now)
        first = number not in self._tried
        self._tried.add(number)
        return first and self.faults.hits(number, "throttle")

    def _spoilt_after(self, number: str) -> str:
        if self.faults.hits(number, "silent"):
            return "~hang"
        return "~http500" if self.faults.hits(number, "error_after") else ""

    def _plan(self, record: Record) -> None:
        self.records[record.message_id] = record
        low, spread = DELAY_SPREAD
        share = low + spread * self.faults.dice(record.number, "receipt_delay")
        self._ring(record, self.faults.receipt_delay * share)

    def _ring(self, record: Record, after: float) -> None:
        heapq.heappush(self._due, (time.monotonic() + after, record.message_id))
        self._rung.set()

    async def _next_due(self) -> str:
        while not self._due or self._due[0][0] > time.monotonic():
            wait = self._due[0][0] - time.monotonic() if self._due else None
            self._rung.clear()
            try:
                await asyncio.wait_for(self._rung.wait(), wait)
            except TimeoutError:
                break
        return heapq.heappop(self._due)[1]

    async def _call_back(self, http: ClientSession, record: Record) -> None:
        try:
            record.outcome = self._outcome(record)
            if not record.callback_url or self.faults.hits(record.number, "no_receipt"):
                return
            record.tries += 1
            if await _heard(http, self.call(record)):
                self._heard(record)
            elif record.tries < TRIES:
                self._ring(record, max(0.05, self.faults.receipt_delay) * 2.0**record.tries)
        finally:
            self._slots.release()

    def _heard(self, record: Record) -> None:
        """Our side took it; some receipts are told a second time all the same."""
        self._truth.acknowledged([(record.message_id, record.outcome)])
        contradicts = record.outcome == DELIVERED and self.faults.hits(record.number, "contradict")
        if contradicts and record.message_id not in self._taken_back:
            self._taken_back.add(record.message_id)
            record.tries = 0
            self._ring(record, self.faults.receipt_delay)
        elif self.faults.hits(record.number, "repeat_receipt") and record.tries < TRIES:
            record.tries = TRIES
            self._ring(record, self.faults.receipt_delay)

    def _outcome(self, record: Record) -> str:
        """What the phone's network says; with the fault `contradict`, first yes and then no."""
        if record.message_id in self._taken_back or self.faults.hits(record.number, "undelivered"):
            return UNDELIVERED
        return DELIVERED

    def _reload(self, truth: Path) -> None:
        """Take up the truth of an earlier run: unacknowledged receipts are told again."""
        told = read_acknowledged(truth)
        urls = dict(line.split("\t", 1) for line in truth.with_suffix(".callbacks").read_text().split("\n")[:-1])
        for taken in read_taken(truth):
            self.remember(taken)
            ref = "" if taken.ref == "-" else taken.ref
            record = Record(taken.message_id, taken.number, ref, urls.get(taken.message_id, ""))
            if taken.message_id in told:
                record.outcome = UNDELIVERED if self.faults.hits(record.number, "undelivered") else DELIVERED
                self.records[taken.message_id] = record
            else:
                self._plan(record)


def text_sha(text: str) -> str:
    """The text's fingerprint as the truth file keeps it: sha256 of its UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def read_odd(setting: str) -> dict[str, str]:
    """`84900000001=101,84900000002=~hang` as a table of single numbers' fates."""
    return dict(pair.split("=", 1) for pair in setting.split(",") if pair)


def throttled() -> web.Response:
    """429 with the advice that real carriers give."""
    return web.Response(status=429, headers={"Retry-After": "1"})


async def _heard(http: ClientSession, call: Call) -> bool:
    try:
        async with http.request(
            call.method, call.url, headers=call.headers, data=call.body or None, allow_redirects=False
        ) as response:
            return response.ok
    except (ClientError, TimeoutError, OSError):
        return False


async def _spoil(request: web.BaseRequest, fate: str) -> web.StreamResponse:
    """Answer badly: by status, by broken bytes, by a cut, or not at all."""
    if fate.startswith("~http"):
        return web.Response(status=int(fate[5:]), headers={"Location": "/elsewhere"} if "302" in fate else {})
    if fate in ("~garbage", "~garbled"):
        return web.Response(text="<html>not what you asked for</html>")
    if fate == "~truncated" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    if fate.startswith("~hang"):
        await asyncio.Event().wait()  # until the client goes away or the carrier stops
    elif request.transport is not None:
        request.transport.close() if fate == "~truncated" else request.transport.abort()
    return web.Response(status=500)


async def serve_carrier(carrier: HttpCarrier, host: str, port: int, ready: Ready | None) -> None:
    """Listen and call back until cancelled."""
    # A client that hangs up ends its handler, so that hung requests do not pile up.
    runner = web.ServerRunner(
        web.Server(carrier.handle, access_log=None, handler_cancellation=True), shutdown_timeout=0.1
    )
    await runner.setup()
    telling = asyncio.create_task(carrier.tell())
    try:
        site = web.TCPSite(runner, host, port, backlog=1024)
        await site.start()
        if ready is not None:
            ready(runner.addresses[0][1])
        await telling
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await runner.cleanup()
        await carrier.close()
