"""Carriers that take one request a message over HTTP: bounded concurrency, and what each failure proves.

An adapter writes two pure functions, `request` and `outcome`; with a look-up by the carrier's id, also `question` and
`told`; with one by number, also `search` and `found`.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from campaigns.terms import Answer, Outcome, Problem, Receipt
from providers.base import Doubt, Gate, Provider, ReceiptSink, Window
from providers.errors import Misconfigured, ProviderError, Unreachable

# What a failed call proves (reliability: section 3); the first line that fits decides. "not sent" only where the
# connection never stood: after that, a reset before or after the carrier's work looks the same from here. A request
# on a re-used connection that the carrier had just closed is therefore uncertain too.
PROOF: Final[tuple[tuple[type[BaseException], Outcome, str], ...]] = (
    (aiohttp.ClientConnectorDNSError, Outcome.NOT_SENT, "~dns"),
    (aiohttp.ClientSSLError, Outcome.NOT_SENT, "~tls"),
    (aiohttp.ClientConnectorError, Outcome.NOT_SENT, "~connect"),
    (aiohttp.ConnectionTimeoutError, Outcome.NOT_SENT, "~connect"),
    (TimeoutError, Outcome.UNCERTAIN, "~timeout"),
    (aiohttp.ClientPayloadError, Outcome.UNCERTAIN, "~truncated"),
    (aiohttp.ClientResponseError, Outcome.UNCERTAIN, "~garbage"),
    (aiohttp.ClientError, Outcome.UNCERTAIN, "~reset"),
    (OSError, Outcome.UNCERTAIN, "~reset"),
)
FAILURES: Final = (aiohttp.ClientError, OSError)  # TimeoutError is an OSError

DEADLINE = 15.0  # seconds for one whole request; aiohttp's read time-out is per read and a slow answer outlives it
CONNECT = 3.0  # seconds until the connection stands, TLS included
KEEP_ALIVE = 4.0  # seconds an idle connection is kept: under the 5 s after which many servers close theirs
BODY_CAP = 65_536  # bytes of an answer that are read; a longer one is cut and then unreadable
GIVE_UP_AFTER = 16  # requests in a row that found no connection: the carrier is away, stop taking
DAY = 86_400.0
LOOK_UPS = 8  # look-ups at once, so that they do not crowd out sending

THROTTLED = 429
TOO_MUCH = frozenset({THROTTLED, 503})  # may say when to come again (RFC 9110, section 10.2.3)
SERVER_ERROR = 500
REDIRECT = range(300, 400)
WRONG_DOOR = frozenset({401, 403, 404, 405, 407})  # answered by a gate or a wrong path when the body is not the API's
LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request; prints without its secrets."""

    method: str
    url: str = field(repr=False)  # some carriers want their key in the query
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


def checked_url(value: str, key: str = "base_url") -> str:
    """The carrier's address without a closing slash; raises Problem unless it is https or on this machine."""
    parts = urlsplit(value)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
    if safe and parts.hostname and not (parts.username or parts.query or parts.fragment):
        return value.rstrip("/")
    raise Problem(
        "{key} must be an address like https://host/path without user, password or query "
        "(http only for 127.0.0.1 or localhost): correct {key} in carriers.toml",
        key=key,
    )


class HttpProvider(Provider):
    """Sends a window as one request a message; the adapter says what a request is and what an answer means."""

    def __init__(self, base_url: str, *, connections: int = 64, deadline: float = DEADLINE) -> None:
        if connections < 1 or deadline <= 0:
            raise Problem("connections and deadline must be above 0: correct them in carriers.toml")
        self.base_url = checked_url(base_url)
        self.connections = connections
        self.deadline = deadline
        self.misses = 0  # requests in a row that found no connection
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {urlsplit(self.base_url).netloc}>"

    @abstractmethod
    def request(self, window: Window, idx: int) -> Request:
        """The request that submits this index; pure."""

    @abstractmethod
    def outcome(self, idx: int, status: int, body: bytes) -> Answer:
        """What the answer means; pure. 429, 3xx and 5xx never come here.

        Raises Misconfigured when the carrier refuses us, not the message (index deferred, account stopped), and
        ValueError, LookupError or TypeError when the answer makes no sense (the index is uncertain).
        """

    def question(self, provider_ref: str) -> Request:
        """The request that asks what became of one message; only where the carrier has a look-up."""
        raise NotImplementedError(self.name)

    def told(self, provider_ref: str, status: int, body: bytes) -> Receipt | None:
        """What the answer to `question` means; None when the carrier does not know (yet)."""
        raise NotImplementedError(self.name)

    def search(self, doubt: Doubt) -> Request:
        """The request that asks what was taken for a number; only where `capability.finds`."""
        raise NotImplementedError(self.name)

    def found(self, doubt: Doubt, status: int, body: bytes) -> Receipt:
        """What the answer to `search` means; raises ValueError, LookupError or TypeError when it makes no sense."""
        raise NotImplementedError(self.name)

    async def open(self, sink: ReceiptSink) -> None:  # noqa: ARG002 - receipts come by the callback route
        """Make the session; the first request connects."""
        await self.close()
        timeout = aiohttp.ClientTimeout(total=None, connect=min(CONNECT, self.deadline / 2))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE),  # `connections` bounds the tasks
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            trust_env=False,
        )
        # aiohttp asks a GET a second time when a re-used connection breaks: for a carrier that sends by GET, two SMS.
        self._session._retry_connection = False  # noqa: SLF001 - no public switch; test_http.py notices a rename

    async def close(self) -> None:
        """Close all connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        """Send a window; raises Unreachable or Misconfigured after the last answer."""
        flight = _Flight(self, window, gate)
        async with aclosing(flight.groups()) as groups:
            async for answers in groups:
                yield answers
        if flight.error is not None:
            raise flight.error

    async def look_up(self, provider_refs: Sequence[str]) -> list[Receipt]:
        """Ask about each of these; one whose question fails is left out."""
        slots = asyncio.Semaphore(LOOK_UPS)

        async def one(provider_ref: str) -> Receipt | None:
            async with slots:
                return await self._look_up_one(provider_ref)

        found = await asyncio.gather(*(one(ref) for ref in provider_refs))
        return [receipt for receipt in found if receipt is not None]

    async def _look_up_one(self, provider_ref: str) -> Receipt | None:
        try:
            status, body = await self._call(self.question(provider_ref))
            return self.told(provider_ref, status, body)
        except (*FAILURES, ValueError, LookupError, TypeError):
            return None

    async def find(self, doubt: Doubt) -> Receipt:
        """Ask by number; how many at once is the caller's to bound."""
        try:
            status, body = await self._call(self.search(doubt))
            return self.found(doubt, status, body)
        except FAILURES as error:
            return Receipt(Outcome.UNCERTAIN, proof(error)[1])
        except (ValueError, LookupError, TypeError):
            return Receipt(Outcome.UNCERTAIN, "~garbage")

    async def _call(self, request: Request) -> tuple[int, bytes]:
        """One exchange under one deadline: (status, body)."""
        if self._session is None:
            raise RuntimeError(f"{self!r} is not open")
        async with (
            asyncio.timeout(self.deadline),
            self._session.request(
                request.method, request.url, headers=request.headers, data=request.body or None, allow_redirects=False
            ) as response,
        ):
            if response.status in TOO_MUCH:
                self.retry_after = max(self.retry_after, seconds_told(response.headers.get("Retry-After", "")))
            return response.status, await _capped(response.content)


def seconds_told(text: str) -> float:
    """Seconds of a Retry-After header, written as such or as a date; 0 for anything else."""
    if text.isascii() and text.strip().isdigit():
        return min(float(text), DAY)
    with contextlib.suppress(ValueError, TypeError):
        return min(max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()), DAY)
    return 0.0


async def _capped(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > BODY_CAP:
            break
    return bytes(body[:BODY_CAP])


def proof(error: BaseException) -> tuple[Outcome, str]:
    """What this failure of a call proves, and our code for it."""
    return next((outcome, code) for kind, outcome, code in PROOF if isinstance(error, kind))


class _Flight:
    """One window on its way: requests in the air, answers not yet handed on, and why it stopped."""

    def __init__(self, provider: HttpProvider, window: Window, gate: Gate) -> None:
        self.error: BaseException | None = None
        self._provider = provider
        self._window = window
        self._gate = gate
        self._answers: list[Answer] = []
        self._flying: dict[asyncio.Task[Answer], int] = {}
        self._news = asyncio.Event()  # an answer came, or no more will be taken
        self._room = asyncio.Event()  # a request landed

    async def groups(self) -> AsyncGenerator[list[Answer], None]:
        """Whatever was answered since the last time, until every taken index is answered."""
        taking = asyncio.create_task(self._take())
        taking.add_done_callback(self._taken)
        try:
            while not taking.done() or self._flying or self._answers:
                await self._news.wait()
                self._news.clear()
                answers, self._answers = self._answers, []
                if answers:
                    yield answers
        finally:
            taking.cancel()
            for task in self._flying:
                task.cancel()

    async def _take(self) -> None:
        """Take as many indexes as there is room for, and start each at once."""
        while self.error is None:
            room = self._limit() - len(self._flying)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            taken = await self._gate.take(room)
            for idx in taken:
                self._start(idx)
            if not taken or taken.stop >= self._window.hi:
                return

    def _limit(self) -> int:
        """Connections at once; a single one feels its way while the carrier seems to be away."""
        return 1 if self._provider.misses >= GIVE_UP_AFTER else self._provider.connections

    def _start(self, idx: int) -> None:
        if not self._window.numbers[idx - self._window.lo]:
            return
        if self.error is not None:  # it came up while the gate was asked: taken, but surely not sent
            self._keep(Answer(idx, Outcome.NOT_SENT, "~stopped", ""))
            return
        task = asyncio.create_task(self._ask(idx))
        self._flying[task] = idx
        task.add_done_callback(self._landed)

    async def _ask(self, idx: int) -> Answer:
        try:
            request = self._provider.request(self._window, idx)
        except ProviderError as error:
            self._stop(error)
            return Answer(idx, Outcome.NOT_SENT, error.code, "")
        try:
            status, body = await self._provider._call(request)  # noqa: SLF001 - the other half of the same class
        except FAILURES as error:
            return Answer(idx, *proof(error), "")
        return self._judge(idx, status, body)

    def _judge(self, idx: int, status: int, body: bytes) -> Answer:
        if status == THROTTLED:
            return Answer(idx, Outcome.DEFERRED, "~http429", "")
        if status >= SERVER_ERROR or status in REDIRECT:
            return Answer(idx, Outcome.UNCERTAIN, f"~http{status}", "")
        try:
            return self._provider.outcome(idx, status, body)
        except Misconfigured as error:  # it arrived and was not taken: due again once a person has acted
            self._stop(error)
            return Answer(idx, Outcome.DEFERRED, error.code, "")
        except (ValueError, LookupError, TypeError):
            return self._unread(idx, status)

    def _unread(self, idx: int, status: int) -> Answer:
        """An answer that is not the carrier's language proves nothing; a shut door also stops the account."""
        if status in WRONG_DOOR:
            self._stop(Misconfigured(f"~http{status}", "check base_url and the allowed addresses"))
        code = "~garbage" if status < REDIRECT.start else f"~http{status}"
        return Answer(idx, Outcome.UNCERTAIN, code, "")

    def _landed(self, task: asyncio.Task[Answer]) -> None:
        idx = self._flying.pop(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:  # a fault of the adapter itself: nobody knows what left
            self._stop(error)
        answer = task.result() if error is None else Answer(idx, Outcome.UNCERTAIN, "~fault", "")
        self._count(answer)
        self._keep(answer)

    def _count(self, answer: Answer) -> None:
        away = answer.outcome is Outcome.NOT_SENT and answer.code.startswith("~")
        self._provider.misses = self._provider.misses + 1 if away else 0
        if self._provider.misses >= GIVE_UP_AFTER:
            self._stop(Unreachable(answer.code, f"{GIVE_UP_AFTER} requests in a row found no connection"))

    def _keep(self, answer: Answer) -> None:
        self._answers.append(answer)
        self._news.set()
        self._room.set()

    def _stop(self, error: BaseException) -> None:
        self.error = self.error or error
        self._room.set()

    def _taken(self, taking: asyncio.Task[None]) -> None:
        if not taking.cancelled() and (error := taking.exception()) is not None:
            self._stop(error)  # the gate failed: no more of this window
        self._news.set()
