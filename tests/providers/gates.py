"""A gate for tests of adapters: real asyncio, no pace, and a record of what left."""

from __future__ import annotations

import asyncio

from providers.base import Window


class Gate:
    """Lets a window's indexes pass in order, at most `step` at a time, none from `stop` on."""

    def __init__(self, window: Window, *, step: int = 1_000_000, stop: int | None = None) -> None:
        self.taken: list[range] = []
        self.open = asyncio.Event()
        self.open.set()
        self._at = window.lo
        self._end = window.hi if stop is None else stop
        self._step = step

    async def take(self, want: int) -> range:
        """The next indexes; waits while `open` is cleared, and always lets others run, as a pace does."""
        await asyncio.sleep(0)
        await self.open.wait()
        first, self._at = self._at, min(self._at + want, self._at + self._step, self._end)
        if first < self._at:
            self.taken.append(range(first, self._at))
        return range(first, self._at)


def window(numbers: list[int], text: str, *, lo: int = 0, sender: str = "TINNHAN", identity: int = 7) -> Window:
    """A window of these numbers at the indexes from `lo` on."""
    return Window(
        id=identity,
        lo=lo,
        hi=lo + len(numbers),
        numbers=numbers,
        text=text,
        sender=sender,
        segments=1,
        reference=lambda idx: f"{idx:032x}",
        callback_url=lambda _: "",
    )
