"""What a failed HTTP call proves, and that nothing is ever asked twice."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from campaigns.terms import Answer, Callback, Capability, Outcome, Problem, Receipt
from providers.base import Window
from providers.errors import Misconfigured, Unreachable
from providers.http import GIVE_UP_AFTER, HttpProvider, Request, checked_url
from tests.providers.contract import closed_port
from tests.providers.gates import Gate, window

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Plain(HttpProvider):
    """The smallest adapter there can be."""

    name: ClassVar[str] = "plain"
    capability: ClassVar[Capability] = Capability("none", "none", "none", "84")
    method = "POST"

    def request(self, window: Window, idx: int) -> Request:
        return Request(self.method, f"{self.base_url}/{window.numbers[idx - window.lo]}")

    def outcome(self, idx: int, status: int, body: bytes) -> Answer:
        if body == b"no":
            raise Misconfigured("no", "key")
        if body != b"ok":
            raise ValueError(status)
        return Answer(idx, Outcome.ACCEPTED, "ok", "id")

    def receipts(self, callback: Callback) -> list[Receipt]:  # noqa: ARG002 - it has none
        return []


@asynccontextmanager
async def server(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A raw server on this machine; yields its address."""
    made = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    async with made:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{made.sockets[0].getsockname()[1]}"


async def sent(
    provider: HttpProvider, w: Window, gate: Gate | None = None
) -> tuple[list[Answer], BaseException | None]:
    """All answers of a window, and what it raised at the end."""
    answers: list[Answer] = []
    try:
        async for group in provider.send(w, gate or Gate(w)):
            answers += group
    except Exception as error:  # noqa: BLE001 - the error is what the test looks at
        return answers, error
    return answers, None


@asynccontextmanager
async def opened(provider: HttpProvider) -> AsyncIterator[HttpProvider]:
    """An open provider."""

    async def nowhere(_: object) -> None: ...

    await provider.open(nowhere)
    try:
        yield provider
    finally:
        await provider.close()


def numbers(count: int) -> list[int]:
    """Invented numbers."""
    return [84900000000 + at for at in range(count)]


def answering(*replies: bytes) -> tuple[Talk, list[bytes]]:
    """A server that gives these replies in turn on each connection, then hangs up; and the requests it saw."""
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(reply)
        if not replies[-1]:
            writer.close()

    return talk, seen


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_broken_reused_connection_is_uncertain_and_not_asked_again(method: str) -> None:
    """On a connection that answered before, a hang-up proves nothing, and the library's own repeat of a GET is off."""

    async def story() -> None:
        talk, seen = answering(OK, b"")
        async with server(talk) as url, opened(Plain(url, connections=1)) as provider:
            provider.method = method  # type: ignore[attr-defined]
            answers, error = await sent(provider, window(numbers(2), "x"))
        assert [(a.outcome.name, a.code) for a in answers] == [("ACCEPTED", "ok"), ("UNCERTAIN", "~reset")]
        assert error is None
        assert len(seen) == 2

    asyncio.run(story())


REPLIES = {
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "UNCERTAIN", "~http302", ""),
    "throttled": (b"HTTP/1.1 429 Slow\r\nContent-Length: 0\r\n\r\n", "DEFERRED", "~http429", ""),
    "bad gateway": (b"HTTP/1.1 502 Bad\r\nContent-Length: 0\r\n\r\n", "UNCERTAIN", "~http502", ""),
    "wrong path": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "UNCERTAIN", "~http404", "Misconfigured"),
    "unknown 4xx": (b"HTTP/1.1 422 No\r\nContent-Length: 0\r\n\r\n", "UNCERTAIN", "~http422", ""),
    "refuses us": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "DEFERRED", "no", "Misconfigured"),
    "not http": (b"220 smtp ready\r\n\r\n", "UNCERTAIN", "~garbage", ""),
    "truncated": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", "UNCERTAIN", "~timeout", ""),
    "endless": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n" + b"ok" * 40_000, "UNCERTAIN", "~garbage", ""),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        "UNCERTAIN",
        "~truncated",
        "",
    ),
}


@pytest.mark.parametrize("name", REPLIES)
def test_what_each_answer_proves(name: str) -> None:
    """One outcome for each kind of answer; the answer is asked for once."""
    reply, outcome, code, raised = REPLIES[name]

    async def story() -> None:
        talk, seen = answering(reply)
        async with server(talk) as url, opened(Plain(url, deadline=0.3)) as provider:
            answers, error = await sent(provider, window(numbers(1), "x"))
        assert (answers[0].outcome.name, answers[0].code) == (outcome, code)
        assert (type(error).__name__ if error else "") == raised
        assert len(seen) == 1

    asyncio.run(story())


def test_a_dripping_answer_ends_at_the_deadline() -> None:
    """A byte now and then does not prolong the one deadline of a request."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for byte in OK * 100:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)

    async def story() -> None:
        async with server(drip) as url, opened(Plain(url, deadline=0.2)) as provider:
            answers, _ = await sent(provider, window(numbers(1), "x"))
        assert (answers[0].outcome, answers[0].code) == (Outcome.UNCERTAIN, "~timeout")

    asyncio.run(story())


def self_signed(folder: Path) -> ssl.SSLContext:
    """A certificate that no authority knows."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "pem").write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pem")
    return context


def test_an_unknown_certificate_gets_nothing(tmp_path: Path) -> None:
    """Certificates are verified; without one nothing is sent."""

    async def story() -> None:
        talk, seen = answering(OK)
        async with server(talk, self_signed(tmp_path)) as url, opened(Plain(url)) as provider:
            answers, _ = await sent(provider, window(numbers(1), "x"))
        assert (answers[0].outcome, answers[0].code) == (Outcome.NOT_SENT, "~tls")
        assert seen == []

    asyncio.run(story())


def test_no_proxy_and_no_cookie(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment cannot divert our requests, and a carrier cannot mark us."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")

    async def story() -> None:
        # by name: the library keeps no cookies of bare addresses anyway
        talk, seen = answering(OK.replace(b"\r\nC", b"\r\nSet-Cookie: a=b\r\nC"), OK)
        async with server(talk) as url, opened(Plain(url.replace("127.0.0.1", "localhost"), connections=1)) as provider:
            answers, _ = await sent(provider, window(numbers(2), "x"))
        assert {a.outcome for a in answers} == {Outcome.ACCEPTED}
        assert b"cookie" not in seen[1].lower()

    asyncio.run(story())


def test_an_absent_carrier_is_felt_for_with_one_request_at_a_time() -> None:
    """After many misses the window ends; the next one risks a single request, and goes on when it is answered."""

    async def story() -> None:
        talk, seen = answering(*[OK] * 50)
        async with opened(Plain(f"http://127.0.0.1:{closed_port()}", connections=32)) as provider:
            answers, error = await sent(provider, window(numbers(100), "x"))
            assert isinstance(error, Unreachable)
            assert GIVE_UP_AFTER <= len(answers) <= 64
            answers, error = await sent(provider, window(numbers(100), "x"))
            assert isinstance(error, Unreachable)
            assert len(answers) == 1
            async with server(talk) as url:
                provider.base_url = url
                answers, error = await sent(provider, window(numbers(40), "x"))
                assert (len(answers), error, len(seen)) == (40, None, 40)

    asyncio.run(story())


def test_never_more_at_once_than_connections() -> None:
    """Concurrency is bounded by `connections`, whatever the gate would allow."""
    at_once: list[int] = []
    busy = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy
        while await reader.readuntil(b"\r\n\r\n"):
            busy += 1
            at_once.append(busy)
            await asyncio.sleep(0.01)
            busy -= 1
            writer.write(OK)

    async def story() -> None:
        async with server(talk) as url, opened(Plain(url, connections=5)) as provider:
            answers, _ = await sent(provider, window(numbers(30), "x"))
        assert len(answers) == 30
        assert max(at_once) == 5

    asyncio.run(story())


class Failing(Gate):
    """A gate whose journal breaks at its second use."""

    async def take(self, want: int) -> range:
        if self.taken:
            raise OSError("journal")
        return await super().take(want)


def test_a_gate_that_fails_ends_the_window_after_the_answers() -> None:
    """What was taken is answered before the gate's error is raised."""

    async def story() -> None:
        talk, _ = answering(OK)
        w = window(numbers(9), "x")
        async with server(talk) as url, opened(Plain(url)) as provider:
            answers, error = await sent(provider, w, Failing(w, step=4))
        assert sorted(a.idx for a in answers) == [0, 1, 2, 3]
        assert str(error) == "journal"

    asyncio.run(story())


def test_answers_flow_while_the_gate_is_shut() -> None:
    """A pause does not hold back what was answered before it."""

    async def story() -> None:
        talk, _ = answering(OK)
        w = window(numbers(6), "x")
        gate = Gate(w, step=3)
        async with server(talk) as url, opened(Plain(url)) as provider, aclosing(provider.send(w, gate)) as groups:  # type: ignore[type-var]
            got: list[Answer] = []
            async for group in groups:
                gate.open.clear()
                got += group
                if len(got) == 3 + (len(gate.taken) - 1) * 3:
                    gate.open.set()
            assert sorted(a.idx for a in got) == list(range(6))

    asyncio.run(story())


class Shutting(Gate):
    """A gate that lets go only after the carrier's first answer was read."""

    async def take(self, want: int) -> range:
        if self.taken:
            await asyncio.sleep(0.1)
        return await super().take(want)


def test_what_was_taken_after_the_stop_is_not_sent() -> None:
    """Indexes granted while the account was being stopped are answered "not sent" and never leave."""

    async def story() -> None:
        talk, seen = answering(REPLIES["refuses us"][0])
        w = window(numbers(5), "x")
        async with server(talk) as url, opened(Plain(url)) as provider:
            answers, error = await sent(provider, w, Shutting(w, step=1))
        assert [(a.idx, a.outcome.name, a.code) for a in answers] == [
            (0, "DEFERRED", "no"),
            (1, "NOT_SENT", "~stopped"),
        ]
        assert isinstance(error, Misconfigured)
        assert len(seen) == 1

    asyncio.run(story())


class Faulty(Plain):
    """An adapter with a bug."""

    def request(self, window: Window, idx: int) -> Request:  # noqa: ARG002 - it fails at once
        raise ZeroDivisionError


def test_a_bug_in_an_adapter_hangs_nothing() -> None:
    """A fault of our own leaves its index uncertain, stops the window and is raised."""

    async def story() -> None:
        async with opened(Faulty("http://127.0.0.1:1", connections=2)) as provider:
            answers, error = await sent(provider, window(numbers(9), "x"))
        assert isinstance(error, ZeroDivisionError)
        assert {(a.outcome.name, a.code) for a in answers} <= {("UNCERTAIN", "~fault"), ("NOT_SENT", "~stopped")}

    asyncio.run(story())


@pytest.mark.parametrize(
    "url", ["https://rest.example.vn", "https://a.vn:8998/x/", "http://127.0.0.1:9", "http://localhost"]
)
def test_good_addresses(url: str) -> None:
    """HTTPS anywhere, HTTP on this machine; a closing slash goes."""
    assert checked_url(url) == url.rstrip("/")


BAD = ["http://rest.example.vn", "ftp://a.vn", "a.vn", "", "https://", "https://u:geheim@a.vn", "https://a.vn/?k=geheim",
       "http://127.0.0.1.example.vn", "http://localhost@a.vn"]  # fmt: skip


@pytest.mark.parametrize("url", BAD)
def test_bad_addresses_are_named_by_key_only(url: str) -> None:
    """The error names the key, and does not repeat an address that may hold a password."""
    with pytest.raises(Problem, match="base_url") as problem:
        Plain(url)
    assert "geheim" not in str(problem.value)


def test_a_request_prints_without_its_secrets() -> None:
    """Neither address, headers nor body show in a repr."""
    shown = repr(Request("GET", "https://a.vn/?key=geheim", {"Authorization": "geheim"}, b"geheim"))
    assert "geheim" not in shown
