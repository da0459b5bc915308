"""The pace of one account, with time handed in: never above the licence, never starving."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.throttle import WINDOW, Pace

LICENCES = st.one_of(
    st.integers(min_value=1, max_value=5_000).map(float),
    st.floats(min_value=0.05, max_value=2_000, allow_nan=False),
)
STEPS = st.lists(st.tuples(st.floats(min_value=0, max_value=0.4), st.integers(1, 400)), min_size=1, max_size=120)


def used_within(sent: list[tuple[float, int]], seconds: float) -> int:
    """The most segments that any sliding span of so many seconds saw."""
    return max((sum(n for at, n in sent if start <= at < start + seconds) for start, _ in sent), default=0)


@given(licence=LICENCES, segments=st.integers(1, 10), steps=STEPS)
def test_no_sliding_second_is_above_the_licence(licence: float, segments: int, steps: list[tuple[float, int]]) -> None:
    """Whatever is asked: no second sees more segments than the licence, but one message is never split."""
    pace, now, sent = Pace(licence), 100.0, []
    for pause, want in steps:
        now += pause
        granted, wait = pace.grant(now, want, segments)
        assert 0 <= granted <= want
        assert granted > 0 or wait > 0
        if granted:
            sent.append((now, granted * segments))
    assert used_within(sent, 1.0) <= max(licence, segments)


@given(licence=st.floats(min_value=0.02, max_value=0.999), segments=st.integers(1, 10))
def test_a_slow_licence_is_kept_over_its_own_period(licence: float, segments: int) -> None:
    """Below one message a second: two messages are never nearer than the licence allows."""
    pace, now = Pace(licence), 0.0
    sent: list[float] = []
    while len(sent) < 5:
        granted, wait = pace.grant(now, 3, segments)
        if granted:
            sent.append(now)
        else:
            now += wait
    assert min(b - a for a, b in pairwise(sent)) >= segments / licence - 1e-6


@given(licence=LICENCES, segments=st.integers(1, 10))
def test_who_waits_as_told_is_never_starved(licence: float, segments: int) -> None:
    """After waiting as long as it was told, a worker gets something, at the latest at its second question."""
    pace, now = Pace(licence), 5.0
    refusals = 0
    for _ in range(60):
        granted, wait = pace.grant(now, 1000, segments)
        refusals = 0 if granted else refusals + 1
        assert refusals <= 2
        assert wait <= max(WINDOW, segments / licence) + 0.002
        now += wait


@pytest.mark.parametrize(
    ("licence", "segments"),
    [
        (1, 1),
        (30, 1),
        (30, 7),
        (500, 1),
        (500, 3),
        (10 / 13, 1),
        (30 / 31, 1),
        (5 / 13, 2),
        (0.1, 1),
        (5, 7),
        (20_000, 7),
    ],
)
def test_a_licence_is_used(licence: float, segments: int) -> None:
    """Asked without end, the pace uses what whole messages fit into the licence, less the 10 ms for the way."""
    pace, now, messages, seconds = Pace(licence), 0.0, 0, max(30.0, 20 * segments / licence)
    while now < seconds:
        granted, wait = pace.grant(now, 1000, segments)
        messages += granted
        now += max(wait, 0.0005)
    whole = max(1, int(licence) // segments) / max(1.0, segments / licence)
    assert messages >= 0.95 * whole * seconds / WINDOW - 1


def test_messages_of_two_texts_share_one_licence() -> None:
    """A long and a short text in turn: together they stay inside the licence."""
    pace, now, sent = Pace(40.0), 0.0, []
    for turn in range(400):
        segments = 7 if turn % 2 else 1
        granted, wait = pace.grant(now, 3, segments)
        sent.append((now, granted * segments))
        now += wait or 0.01
    assert used_within(sent, 1.0) <= 40


def test_a_load_is_spread_over_the_second() -> None:
    """One grant is at most a tenth of a second's licence."""
    assert Pace(1000.0).grant(0.0, 1000, 1)[0] == 100
    assert Pace(1000.0).grant(0.0, 1000, 7)[0] == 14
