"""A line to a simulated carrier that misbehaves: between worker and carrier, a process of its own.

It knows no protocol. What it does at a time stands as one word in a control file, looked at twenty times a second, so a
drill can switch it while connections live; each connection throws its own seeded dice. Bytes are spoiled only on the
way back: what a carrier reads is what was sent, or less, as TCP promises.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import Final

from providers.simulator.run import until_stopped

LOOK: Final = 0.05  # seconds between two looks at the control file
LATE: Final = (0.02, 0.25)  # seconds that a piece of bytes is held by `delay`
DROP: Final = 0.02  # seconds between two drops of `trickle`
DROP_BYTES: Final = (1, 40)
PIECE: Final = 65_536
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER: the kernel sends RST instead of FIN


class Mode(Enum):
    """What a line does; each word may stand in the control file."""

    CLEAR = "clear"  # all goes through
    DELAY = "delay"  # every piece comes late, in order
    RESET = "reset"  # cut by RST at the next bytes, or at some later ones
    HALF_CLOSE = "half-close"  # the carrier's side ends, ours still goes through
    GARBAGE = "garbage"  # an answer becomes random bytes
    TRUNCATE = "truncate"  # half of a piece goes through, then the end
    BLACK_HOLE = "black-hole"  # nothing comes through, nobody is told
    TRICKLE = "trickle"  # a few bytes at a time
    REFUSE = "refuse"  # nobody listens
    MIXED = "mixed"  # each connection one of the others, by its dice


SPOILING: Final = (Mode.DELAY, Mode.RESET, Mode.HALF_CLOSE, Mode.GARBAGE, Mode.TRUNCATE, Mode.BLACK_HOLE, Mode.TRICKLE)


class Cut(Exception):
    """This connection ends now."""


class Chaos:
    """The proxy: listens, connects onwards for each caller, and spoils what passes."""

    def __init__(self, target: tuple[str, int], control: Path, seed: int) -> None:
        self.mode = Mode.CLEAR
        self.done: Counter[str] = Counter()  # connections, and how many of them each mode spoiled
        self._target, self._control, self._seed = target, control, seed
        self._lines: set[Line] = set()
        self._server: asyncio.Server | None = None

    async def run(self, host: str, port: int, ready: Callable[[int], None]) -> None:
        """Serve until cancelled."""
        self._server = await asyncio.start_server(self._call, host, port)
        port = self._server.sockets[0].getsockname()[1]
        ready(port)
        while True:
            await asyncio.sleep(LOOK)
            mode = self._wanted()
            if mode is not self.mode:
                await self._switch(mode, host, port)

    def _wanted(self) -> Mode:
        with suppress(FileNotFoundError, ValueError):
            return Mode(self._control.read_text(encoding="ascii").strip())
        return self.mode

    async def _switch(self, mode: Mode, host: str, port: int) -> None:
        for line in list(self._lines):
            line.turn(mode)
        if mode is Mode.REFUSE and self._server is not None:
            self._server.close()
            self._server = None
        elif mode is not Mode.REFUSE and self._server is None:
            self._server = await asyncio.start_server(self._call, host, port)
        self.mode = mode

    def note(self, what: str) -> None:
        """Count, where others can read it."""
        self.done[what] += 1
        draft = self._control.with_suffix(".chaos-draft")
        draft.write_text(json.dumps(self.done), encoding="ascii")
        draft.replace(self._control.with_suffix(".chaos"))

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.note("connections")
        dice = random.Random(f"{self._seed}|{self.done['connections']}")  # noqa: S311 - a repeatable drill
        line = Line(self, dice, reader, writer)
        self._lines.add(line)
        line.turn(self.mode)
        try:
            await line.live(self._target)
        finally:
            self._lines.discard(line)


class Line:
    """One connection and its other half."""

    def __init__(
        self, chaos: Chaos, dice: random.Random, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._chaos, self._dice = chaos, dice
        self._near = (reader, writer)
        self._mode = Mode.CLEAR
        self._pieces = 0  # that still pass before the mode strikes
        self._holed = False  # bytes were swallowed: the stream cannot be made whole again
        self._deaf = False  # our side was told that the carrier ended
        self._writers = [writer]

    def turn(self, mode: Mode) -> None:
        """From now on so. A stream that lost bytes cannot go on: it is reset."""
        self._mode = self._dice.choice(SPOILING) if mode is Mode.MIXED else mode
        self._pieces = self._dice.randrange(3)
        if self._holed or mode is Mode.REFUSE:
            self._reset()

    async def live(self, target: tuple[str, int]) -> None:
        """Pump both ways until either side, or the mode, ends it."""
        reader, writer = self._near
        try:
            far_reader, far_writer = await asyncio.open_connection(*target)
        except OSError:
            self._reset()
            return
        self._writers.append(far_writer)
        up = asyncio.create_task(self._pump(reader, far_writer, answers=False))
        down = asyncio.create_task(self._pump(far_reader, writer, answers=True))
        try:
            await asyncio.gather(up, down)
        except (Cut, OSError):
            pass
        finally:
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            for each in self._writers:
                each.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        while piece := await reader.read(PIECE):
            await self._pass(piece, writer, answers=answers)
        with suppress(OSError):
            writer.write_eof()

    async def _pass(self, piece: bytes, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        mode = self._mode
        if self._deaf and answers:
            return
        if mode in _GENTLE:
            await self._slowly(mode, piece, writer)
            return
        if self._pieces > 0 and mode is not Mode.BLACK_HOLE:
            self._pieces -= 1
            writer.write(piece)
        elif mode is Mode.BLACK_HOLE:
            if not self._holed:
                self._chaos.note(mode.value)
            self._holed = True
        elif answers or mode in (Mode.RESET, Mode.TRUNCATE):
            self._chaos.note(mode.value)
            self._spoil(mode, piece, writer)
        else:
            writer.write(piece)

    async def _slowly(self, mode: Mode, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if mode is Mode.DELAY:
            await asyncio.sleep(self._dice.uniform(*LATE))
        while mode is Mode.TRICKLE and self._mode is Mode.TRICKLE and piece:
            n = self._dice.randint(*DROP_BYTES)
            writer.write(piece[:n])
            piece = piece[n:]
            await asyncio.sleep(DROP)
        writer.write(piece)
        await writer.drain()

    def _spoil(self, mode: Mode, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if mode is Mode.RESET:
            self._reset()
            raise Cut
        if mode is Mode.TRUNCATE:
            writer.write(piece[: len(piece) // 2])
            raise Cut
        if mode is Mode.GARBAGE:
            writer.write(self._dice.randbytes(len(piece)))
            self._pieces = 1 << 30  # once a connection and switch: its reader must find out
        else:
            writer.write(piece)
            writer.write_eof()
            self._deaf = True

    def _reset(self) -> None:
        for writer in self._writers:
            sock: socket.socket | None = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()


_GENTLE: Final = frozenset({Mode.CLEAR, Mode.DELAY, Mode.TRICKLE, Mode.REFUSE})


def run(target: tuple[str, int], control: Path, seed: int, *, port: int, ready: Callable[[int], None]) -> None:
    """Be the line to one carrier until SIGTERM."""
    with suppress(asyncio.CancelledError):
        asyncio.run(until_stopped(Chaos(target, control, seed).run("127.0.0.1", port, ready)))


def switch(control: Path, mode: Mode) -> None:
    """Tell a running proxy what to do from now on."""
    draft = control.with_suffix(".draft")
    draft.write_text(mode.value, encoding="ascii")
    draft.replace(control)


def spoilt(control: Path) -> Counter[str]:
    """What a proxy has done so far."""
    with suppress(FileNotFoundError, ValueError):
        return Counter(json.loads(control.with_suffix(".chaos").read_text(encoding="ascii")))
    return Counter()
