"""An SMSC by script for tests: it says exactly what a test wants it to say, over a real socket."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from campaigns.terms import Answer, Callback
from providers import smpp_pdu as wire
from providers.errors import ProviderError
from providers.smpp import Smpp
from tests.providers.gates import Gate, window

Script = Callable[[int, int, bytes], bytes | None]
SECRET = "hush-it"


def said(command: int, sequence: int, status: int = 0, body: bytes = b"") -> bytes:
    return struct.pack(">4I", 16 + len(body), command, status, sequence) + body


class Peer:
    """An SMSC by script: what it is sent goes through `script(command, sequence, body)`, None hangs up."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.submits = 0
        self.unanswered = 0
        self.seen: list[int] = []
        self.statuses: list[int] = []
        self.heard = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        try:
            while True:
                length, command, status, sequence = struct.unpack(">4I", await reader.readexactly(16))
                body = await reader.readexactly(length - 16)
                self.seen.append(command)
                self.statuses.append(status)
                self.heard.set()
                reply = self._reply(command, sequence, body)
                if reply is None:
                    break
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    def _reply(self, command: int, sequence: int, body: bytes) -> bytes | None:
        if command == wire.BIND_TRANSCEIVER:
            return said(wire.BIND_TRANSCEIVER_RESP, sequence, 0, b"peer\0")
        if command == wire.SUBMIT_SM:
            self.submits += 1
        return self.script(command, sequence, body)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                self.heard.clear()
                await self.heard.wait()


@asynccontextmanager
async def bound(script: Script, **settings: object) -> AsyncIterator[tuple[Smpp, Peer, list[Callback | bytes]]]:
    """An adapter bound to a scripted peer, and what its sink kept."""
    peer, kept = Peer(script), []

    async def sink(events: Sequence[Callback | bytes]) -> None:
        kept.extend(events)

    server = await asyncio.start_server(peer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    given: dict[str, object] = {"system_id": "demo", "password": SECRET, "response_timeout": 0.2, **settings}
    provider = Smpp(host="127.0.0.1", port=port, **given)  # type: ignore[arg-type]
    try:
        await provider.open(sink)
        yield provider, peer, kept
    finally:
        await provider.close()
        server.close()


async def collect(
    provider: Smpp, count: int = 10, text: str = "xin chào", **gate: int
) -> tuple[list[Answer], ProviderError | None]:
    """All answers of one window, and how its sending ended."""
    work = window([84900000000 + n for n in range(count)], text, lo=100)
    answers: list[Answer] = []
    try:
        async for batch in provider.send(work, Gate(work, **gate)):
            answers += batch
    except ProviderError as error:
        return answers, error
    return answers, None


def agree(command: int, sequence: int, body: bytes) -> bytes | None:
    """Take everything."""
    if command == wire.UNBIND:
        return None
    return said(command | wire.ANSWER, sequence, 0, b"%d\0" % sequence if command == wire.SUBMIT_SM else b"")


def status(value: int) -> Script:
    """Answer every submission with this status."""
    return lambda command, sequence, body: (
        said(wire.SUBMIT_SM_RESP, sequence, value) if command == wire.SUBMIT_SM else agree(command, sequence, body)
    )
