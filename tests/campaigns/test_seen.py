"""Numbers met before, a bit each: the same answer as a set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from campaigns.seen import BLOCK, Seen

NUMBERS = st.integers(84_900_000_000, 84_900_000_040) | st.integers(84_911_999_990, 84_912_000_010)


@given(st.lists(st.lists(NUMBERS, max_size=30), max_size=5))
def test_fresh_numbers_are_those_that_a_set_lacks(chunks: list[list[int]]) -> None:
    seen, known = Seen(), set[int]()
    for chunk in chunks:
        expected = []
        for at, number in enumerate(chunk):
            if number not in known:
                expected.append(at)
                known.add(number)
        assert list(seen.fresh(chunk)) == expected


def test_memory_is_that_of_the_prefixes() -> None:
    """A million neighbours take one map of 125 kB."""
    seen = Seen()
    assert sum(1 for _ in seen.fresh(range(84_912_000_000, 84_913_000_000))) == BLOCK
    assert [len(bits) for bits in seen._maps.values()] == [BLOCK // 8]
