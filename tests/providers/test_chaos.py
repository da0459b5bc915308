"""The line that misbehaves: each mode does what it says, to living connections and to new ones (F25 F29 F30 F35)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from providers.simulator.chaos import LOOK, Chaos, Mode, spoilt, switch

ASKED, TOLD = b"a question of forty bytes, give or take!", b"an answer of forty bytes, give or take it"


@dataclass
class Bench:
    """A carrier that answers each piece with TOLD, and the line to it."""

    chaos: Chaos
    port: int
    control: Path
    heard: list[bytes]

    async def set(self, mode: Mode) -> None:
        switch(self.control, mode)
        async with asyncio.timeout(10):
            while self.chaos.mode is not mode:  # noqa: ASYNC110 - the proxy looks by itself and tells nobody
                await asyncio.sleep(LOOK / 5)

    async def call(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, times: int = 6) -> bytes:
        """Ask on one new connection; what came back until it ended, or after so many questions."""
        reader, writer = await self.call()
        try:
            return await ask_on(reader, writer, times)
        finally:
            writer.close()


async def ask_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, times: int = 6) -> bytes:
    told = b""
    for _ in range(times):
        writer.write(ASKED)
        piece = await asyncio.wait_for(reader.read(4096), 1.0)
        told += piece
        if not piece:
            break
    return told


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    heard: list[bytes] = []

    async def carrier(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(4096):
                heard.append(piece)
                writer.write(TOLD)
        writer.close()

    server = await asyncio.start_server(carrier, "127.0.0.1", 0)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    chaos = Chaos(server.sockets[0].getsockname()[:2], folder / "line", seed=7)
    running = asyncio.create_task(chaos.run("127.0.0.1", 0, port.set_result))
    try:
        yield Bench(chaos, await port, folder / "line", heard)
    finally:
        running.cancel()
        server.close()


async def clear(b: Bench) -> None:
    assert await b.ask() == TOLD * 6


async def late_but_whole(b: Bench) -> None:
    assert await b.ask(2) == TOLD * 2


async def by_drops(b: Bench) -> None:
    reader, writer = await b.call()
    writer.write(ASKED)
    pieces = [await reader.read(4096)]
    while len(b"".join(pieces)) < len(TOLD):
        pieces.append(await reader.read(4096))
    assert b"".join(pieces) == TOLD
    assert len(pieces) > 1
    writer.close()


async def reset(b: Bench) -> None:
    with pytest.raises(ConnectionResetError):
        await b.ask()
    assert spoilt(b.control)["reset"] == 1


async def ended_by_the_carrier_only(b: Bench) -> None:
    told = await b.ask()
    assert told.startswith(TOLD)
    assert len(told) < 6 * len(TOLD)


async def other_bytes(b: Bench) -> None:
    told = await b.ask(4)
    assert len(told) == 4 * len(TOLD)
    assert told.count(TOLD) == 3
    assert all(piece == ASKED for piece in b.heard)  # what the carrier reads is never altered


async def cut_short(b: Bench) -> None:
    told = b""
    with suppress(ConnectionResetError):
        told = await b.ask()
    assert len(told) < 6 * len(TOLD)
    assert b"".join(b.heard) in {(ASKED * 6)[:n] for n in range(6 * len(ASKED))}


async def silence_then_a_reset(b: Bench) -> None:
    reader, writer = await b.call()
    writer.write(ASKED)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.3)
    assert b.heard == []
    await b.set(Mode.CLEAR)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 5)
    writer.close()


async def nobody_listens_for_a_while(b: Bench) -> None:
    with pytest.raises(ConnectionRefusedError):
        await b.call()
    await b.set(Mode.CLEAR)
    assert await b.ask(1) == TOLD


MODES: dict[Mode, Callable[[Bench], Awaitable[None]]] = {
    Mode.CLEAR: clear,
    Mode.DELAY: late_but_whole,
    Mode.TRICKLE: by_drops,
    Mode.RESET: reset,
    Mode.HALF_CLOSE: ended_by_the_carrier_only,
    Mode.GARBAGE: other_bytes,
    Mode.TRUNCATE: cut_short,
    Mode.BLACK_HOLE: silence_then_a_reset,
    Mode.REFUSE: nobody_listens_for_a_while,
}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.value)
def test_each_mode_does_what_it_says(tmp_path: Path, mode: Mode) -> None:
    """F25 refused, F29 drop by drop, F30 garbage and half answers, F35 a reset in the middle."""

    async def story() -> None:
        async with bench(tmp_path) as b:
            await b.set(mode)
            await MODES[mode](b)

    asyncio.run(story())


def test_a_living_connection_meets_the_new_mode(tmp_path: Path) -> None:
    """An SMPP bind lives for hours: a switch must reach it, and a later switch back leaves the whole ones whole."""

    async def story() -> None:
        async with bench(tmp_path) as b:
            reader, writer = await b.call()
            writer.write(ASKED)
            assert await reader.readexactly(len(TOLD)) == TOLD
            await b.set(Mode.DELAY)
            await b.set(Mode.CLEAR)
            writer.write(ASKED)
            assert await reader.readexactly(len(TOLD)) == TOLD
            await b.set(Mode.RESET)
            with pytest.raises(ConnectionResetError):
                await ask_on(reader, writer)

    asyncio.run(story())


def test_mixed_connections_differ_and_repeat_with_their_seed(tmp_path: Path) -> None:
    """The same seed spoils the same connections in the same way."""

    async def story(folder: Path) -> dict[str, int]:
        async with bench(folder) as b:
            await b.set(Mode.MIXED)
            for _ in range(12):
                with suppress(OSError, TimeoutError):
                    await b.ask(4)
            return dict(spoilt(b.control))

    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    first, second = (asyncio.run(story(folder)) for folder in folders)
    assert first == second
    assert len(first) > 3
