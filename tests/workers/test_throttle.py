"""The pace of one worker, with time handed in: never above its rate, never starving, slower when the carrier says."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.throttle import LEAST, MARGIN, PERIODS, Ease, Pace, Rate, own_period

WHOLE = st.integers(min_value=1, max_value=5_000).map(float)
BROKEN = st.floats(min_value=0.05, max_value=2_000, allow_nan=False)
SLOW = st.sampled_from([0.0, 0.001, 0.02, 0.06, 0.3])
STEPS = st.lists(st.tuples(st.floats(min_value=0, max_value=0.4), st.integers(1, 400)), min_size=1, max_size=120)


def used_within(sent: list[tuple[float, int]], seconds: float) -> int:
    """The most segments that any sliding span of so many seconds saw."""
    return max((sum(n for at, n in sent if start <= at < start + seconds) for start, _ in sent), default=0)


def sends(pace: Pace, steps: list[tuple[float, int]], segments: int) -> list[tuple[float, int]]:
    """What leaves when asked at these steps."""
    now, sent = 100.0, []
    for pause, want in steps:
        now += pause
        granted, wait = pace.grant(now, want, segments)
        assert 0 <= granted <= want
        assert granted > 0 or wait > 0
        if granted:
            sent.append((now, granted * segments))
    return sent


@given(rate=st.one_of(WHOLE, BROKEN), segments=st.integers(1, 10), steps=STEPS)
def test_no_sliding_period_is_above_the_rate(rate: float, segments: int, steps: list[tuple[float, int]]) -> None:
    """Whatever is asked: no second, and no period of the rate's own, sees more segments than it says."""
    period, most = own_period(rate, segments)
    sent = sends(Pace(rate), steps, segments)
    assert used_within(sent, period) <= most <= max(rate * period, segments) + 1e-6
    if period == 1.0:
        assert used_within(sent, 1.0) <= rate
    elif period <= PERIODS:
        assert used_within(sent, 1.0) <= rate * 1.17 + segments


@given(rate=st.one_of(WHOLE, BROKEN), segments=st.integers(1, 10), steps=STEPS, slow=st.lists(SLOW, min_size=1))
def test_what_was_slow_to_leave_counts_from_when_it_left(
    rate: float, segments: int, steps: list[tuple[float, int]], slow: list[float]
) -> None:
    """Granted at once, but journal and socket took up to a third of a second: no period of the writes is too full."""
    pace, now, left = Pace(rate), 100.0, list[tuple[float, int]]()
    period, most = own_period(rate, segments)
    for (pause, want), delay in zip(steps, itertools.cycle(slow), strict=False):
        now += pause
        granted, _ = pace.grant(now, want, segments)
        if granted:
            now += delay
            pace.left(now)
            left.append((now, granted * segments))
    assert used_within(left, period) <= most


def test_two_grants_before_their_writes_end_both_count_from_then() -> None:
    """Windows overlap: whoever tells first tells for both, and nothing is counted twice."""
    pace = Pace(100.0)
    assert pace.grant(0.0, 2, 1)[0] == pace.grant(0.01, 1, 1)[0] + 1 == 2
    pace.left(0.3)
    pace.left(0.4)
    assert sum(pace.grant(1.1 + n / 10, 4, 1)[0] for n in range(2)) == 8
    assert pace.using(1.29) == 100.0
    assert pace.room(1.31, 1000, 1)[0] > 0


@pytest.mark.parametrize("rate", [500.0, 250.0, 30.0, 15.0, 7.5, 3.75])
@pytest.mark.parametrize("late", [0.0005, 0.0008])
def test_a_calm_machine_uses_the_licence(rate: float, late: float) -> None:
    """A loop that wakes half a millisecond late, as epoll does: 99.85 % and more."""
    pace, now, used = Pace(rate), 0.0, 0
    while now < 120.0:
        granted, wait = pace.grant(now, 1000, 1)
        if granted:
            pace.left(now)
        used += granted
        now += wait + late if wait else 0.0
    assert used >= 0.9985 * rate * 120.0 - 1


def test_a_slow_rate_that_is_raised_does_not_wait_for_its_old_period() -> None:
    """3.75/s is judged over four seconds, 7.5/s over two: once it is 7.5 again, what is older than two is past."""
    pace, now, sent = Pace(3.75), 0.0, list[tuple[float, int]]()
    while now < 16.0:
        if now >= 8.0:
            pace.change(7.5, now)
        granted, wait = pace.grant(now, 10, 1)
        if granted:
            sent.append((now, granted))
        now += wait
    assert used_within(sent, 2.0) <= 15
    assert sum(n for at, n in sent if at >= 8.0) >= 56


def test_a_share_that_is_handed_over_is_never_used_twice() -> None:
    """Two workers, one licence, a hundred changes of who holds how much: no sliding second sees more than all of it."""
    dice = random.Random(20)  # noqa: S311 - the same story in each run
    licence, now = 500.0, 0.0
    ours, row = [Rate.of(licence), Rate.of(licence)], [licence, 0.0]
    ours[1].hold(0.0, licence, {}, now)
    sent: list[tuple[float, int]] = []
    wanted = 0.5
    while now < 60.0:
        now += dice.choice([0.001, 0.002, 0.004, 0.03])
        if dice.random() < 0.02:
            wanted = dice.choice([0.0, 0.5, 1.0])
        who = dice.randrange(2)
        if dice.random() < 0.2:  # a renewal, as hold_share does it
            target = licence * (wanted if who else 1 - wanted)
            using = ours[who].using(now)
            granted = min(target, max(row[who], licence - row[1 - who], 0.0))
            row[who] = max(granted, min(using, row[who]))
            ours[who].hold(granted, licence, {}, now)
        n, _ = ours[who].grant(now, 1000, 1)
        if n:
            now += dice.choice([0.0, 0.0, 0.02])  # a slow write
            ours[who].left(now)
            sent.append((now, n))
    assert used_within(sent, 1.0) <= licence
    assert sum(n for _, n in sent) > 0.6 * licence * 60.0


@pytest.mark.parametrize(
    ("rate", "segments", "period", "most"),
    [(7.5, 1, 2, 15), (30, 1, 1, 30), (30, 4, 2, 60), (3.75, 1, 4, 15), (0.5, 1, 2, 1), (0.1, 7, 70, 7), (2, 7, 7, 14)],
)
def test_a_licence_has_its_own_period(rate: float, segments: int, period: float, most: int) -> None:
    """The shortest in which whole messages use it up."""
    assert own_period(rate, segments) == (pytest.approx(period), most)


@given(rate=st.floats(min_value=0.02, max_value=0.1), segments=st.integers(1, 10))
def test_a_slow_licence_is_kept_over_its_own_period(rate: float, segments: int) -> None:
    """Far below one message a second: two messages are never nearer than the licence allows."""
    pace, now = Pace(rate), 0.0
    sent: list[float] = []
    while len(sent) < 5:
        granted, wait = pace.grant(now, 3, segments)
        if granted:
            sent.append(now)
        else:
            now += wait
    assert all(b - a >= own_period(rate, segments)[0] * 0.5 for a, b in itertools.pairwise(sent))
    assert (sent[-1] - sent[0]) * rate >= 4 * segments * 0.8


@given(rate=st.one_of(WHOLE, BROKEN), segments=st.integers(1, 10))
def test_who_waits_as_told_is_never_starved(rate: float, segments: int) -> None:
    """After waiting as long as it was told, a worker gets something, at the latest at its third question."""
    pace, now = Pace(rate), 5.0
    refusals = 0
    for _ in range(60):
        granted, wait = pace.grant(now, 1000, segments)
        refusals = 0 if granted else refusals + 1
        assert refusals <= 3
        assert wait <= own_period(rate, segments)[0] + MARGIN + 0.01
        now += wait


@pytest.mark.parametrize(
    ("rate", "segments"),
    [(1, 1), (7.5, 1), (3.75, 1), (15, 1), (30, 1), (30, 7), (250, 1), (500, 1), (500, 3), (10 / 13, 1), (5 / 13, 2),
     (0.1, 1), (5, 7), (20_000, 7)],
)  # fmt: skip
@pytest.mark.parametrize("late", [0.0, 0.002])
def test_a_licence_is_used(rate: float, segments: int, late: float) -> None:
    """Asked without end, by a loop that wakes a little late: 99.5 % of what whole messages fit into the licence."""
    pace, now, used = Pace(rate), 0.0, 0
    period, most = own_period(rate, segments)
    seconds = max(30.0, 20 * period)
    while now < seconds:
        granted, wait = pace.grant(now, 1000, segments)
        used += granted * segments
        now += wait + late if wait else 0.0
    assert used >= 0.995 * most / period * seconds - segments


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
    """One write is a twenty-fifth of a second's licence at most, after any silence."""
    pace = Pace(1000.0)
    assert pace.grant(0.0, 1000, 1)[0] == 40
    assert pace.grant(60.0, 1000, 1)[0] == 40
    assert Pace(1000.0).grant(0.0, 1000, 7)[0] == 2


@given(rates=st.lists(st.sampled_from([60.0, 30.0, 15.0, 100.0, 0.0]), min_size=1, max_size=8), steps=STEPS)
def test_a_changed_rate_holds_from_the_moment_the_last_second_shows_it(
    rates: list[float], steps: list[tuple[float, int]]
) -> None:
    """What `using` says is what no sliding second exceeds: others may be given the rest at that very instant."""
    pace, now, sent = Pace(60.0), 100.0, list[tuple[float, int]]()
    for n, (pause, want) in enumerate(steps):
        now += pause
        if n % 5 == 4:
            pace.change(rates[n % len(rates)], now)
        using = pace.using(now)
        assert sum(k for at, k in sent if at > now - 1.0) <= max(using, 0)
        granted, _ = pace.grant(now, want, 1)
        sent.append((now, granted))


def test_a_few_not_now_are_about_those_messages() -> None:
    """One in twenty slows by one in twenty, and a wait is theirs; from one in ten on it is the carrier."""
    ease = Ease()
    for second in range(60):
        ease.heard(100, float(second))
        assert not ease.throttled(float(second), 5.0, 5)
    assert ease.part(60.0) >= 0.9
    ease.heard(100, 60.5)
    assert ease.throttled(61.5, 5.0, 60)
    assert ease.part(62.0) == 0.0


def test_half_at_once_and_back_by_itself() -> None:
    """Many answers of one moment halve once; the rate climbs back after a while of silence, and stops at the whole."""
    ease = Ease()
    assert ease.part(10.0) == 1.0
    assert ease.throttled(10.0)
    assert not any(ease.throttled(10.0 + n / 100) for n in range(50))
    assert ease.part(10.6) == 0.5
    assert ease.throttled(11.1)
    assert ease.part(12.0) == 0.25
    assert 0.25 < ease.part(16.0) < 1.0
    assert ease.part(60.0) == 1.0
    for n in range(100):
        ease.throttled(100.0 + 1.5 * n)
    assert ease.part(250.0) == LEAST


def test_left_alone_as_long_as_it_says() -> None:
    """Nothing leaves before the time the carrier named, though never longer than we obey."""
    rate = Rate.of(100.0)
    rate.throttled(10.0, 30.0)
    assert rate.grant(39.9, 5, 1)[0] == 0
    assert rate.grant(40.1, 5, 1)[0] > 0
    rate.throttled(50.0, 1e9)
    assert rate.grant(649.0, 5, 1)[0] == 0
    assert rate.grant(651.0, 5, 1)[0] > 0


def test_half_the_rate_after_the_wait_that_it_named() -> None:
    """Being left alone is no second cut: the rate comes back at half, whatever else is heard of that same moment."""
    ease = Ease()
    assert ease.throttled(10.0, 5.0)
    assert not ease.throttled(10.3, 5.0)
    assert ease.part(14.0) == 0.0
    assert ease.part(15.4) == pytest.approx(0.5, abs=0.03)
    assert ease.throttled(16.0, 5.0)
    assert ease.part(21.1) == pytest.approx(0.27, abs=0.04)


def test_a_senders_own_limit_stands_inside_the_accounts() -> None:
    """One brandname at 10/s of an account of 100/s, of which this worker holds half; another sender is untouched."""
    rate = Rate.of(100.0)
    rate.hold(50.0, 100.0, {"CHAM": 10.0}, 0.0)
    sent: dict[str, list[tuple[float, int]]] = {"CHAM": [], "NHANH": []}
    for n in range(3_000):
        sender = ("CHAM", "NHANH")[n % 2]
        granted, _ = rate.grant(n / 1000, 5, 1, sender)
        sent[sender].append((n / 1000, granted))
    assert used_within(sent["CHAM"], 1.0) <= 5
    assert sum(n for _, n in sent["CHAM"]) >= 14
    assert used_within(sent["CHAM"] + sent["NHANH"], 1.0) <= 50
    assert sum(n for _, n in sent["NHANH"]) >= 120
