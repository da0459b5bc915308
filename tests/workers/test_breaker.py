"""The breaker, with time handed in."""

from __future__ import annotations

import pytest

from workers.breaker import FIRST, LEAST, Breaker, State


def test_a_few_failures_among_many_answers_mean_nothing() -> None:
    breaker = Breaker()
    for n in range(100):
        assert not breaker.told(9, 1, "~timeout", n / 10)
    assert breaker.state(10.0) is State.CLOSED


@pytest.mark.parametrize("good", [0, LEAST])
def test_half_dead_opens_it_and_one_good_answer_closes_it(good: int) -> None:
    """Open for a while; then one message may go; a bad answer opens it for longer, a good one closes it."""
    breaker = Breaker()
    breaker.told(good, 0, "", 0.0)
    assert breaker.told(0, LEAST, "~timeout", 1.0)
    assert breaker.state(1.1) is State.OPEN
    half = breaker.next_try
    assert FIRST * 0.8 <= half - 1.0 <= FIRST * 1.2
    assert breaker.state(half) is State.HALF_OPEN
    assert breaker.told(0, 1, "~timeout", half)
    assert breaker.next_try - half >= 2 * FIRST * 0.8
    assert breaker.since == 1.0
    assert not breaker.told(1, 0, "", breaker.next_try)
    assert breaker.state(breaker.next_try) is State.CLOSED
    assert not breaker.told(0, LEAST - 1, "~timeout", breaker.next_try + 1)


def test_late_answers_of_the_time_before_do_not_close_it() -> None:
    breaker = Breaker()
    assert breaker.fell("~link", 5.0)
    assert not breaker.fell("~link", 5.1)  # the other windows of the same fall
    breaker.told(50, 0, "", 5.2)
    assert breaker.state(5.2) is State.OPEN


def test_it_waits_no_longer_than_it_may() -> None:
    breaker, now = Breaker(most=4.0), 0.0
    for _ in range(40):
        breaker.fell("~connect", now)
        assert breaker.next_try - now <= 4.0 * 1.2
        now = breaker.next_try
