"""Receipts in any order, any number of times, and a loader that dies: the same final states."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.terms import Outcome, Receipt, State
from dispatcher import assemble
from dispatcher.assemble import Site
from tests.workers.post import Post, Sent, keep, rows, told
from tests.workers.stage import exit_code, fork
from workers.settle import Settler

ACCEPTED, UNDELIVERED, DELIVERED = Outcome.ACCEPTED, Outcome.UNDELIVERED, Outcome.DELIVERED
SAID = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([ACCEPTED, UNDELIVERED, DELIVERED])), max_size=12)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=SAID, again=st.randoms(use_true_random=False), early=st.integers(0, 12))
def test_any_order_and_any_repeats_end_alike(post: Post, sent: Sent, said, again, early: int) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - Hypothesis' own types
    """F44, F45: some before their answers, shuffled, repeated, contradicting: the strongest word stands."""
    wave, window, lo, numbers = sent
    post.turn += 1
    events = [told(Receipt(outcome, "c", provider_ref=f"o-{window}-{post.turn}-{at}")) for at, outcome in said]
    events += again.sample(events, len(events) // 2)
    again.shuffle(events)
    keep(post, events[:early] or [told()])
    post.load()
    for at in range(4):
        post.answer(wave, window, lo + at, ACCEPTED, f"o-{window}-{post.turn}-{at}")
    keep(post, events[early:] or [told()])
    post.load()
    post.settler.rematch()
    post.load()
    for at, outcome in said:
        post.strongest[at] = max(post.strongest.get(at, ACCEPTED), outcome)
    for at in range(4):
        assert post.state(wave, numbers[at]) == State(post.strongest.get(at, ACCEPTED))


def test_a_loader_killed_after_its_commit_loses_nothing(post: Post, sent: Sent, site: Site) -> None:
    """F46: kill -9 at C13, applied and not marked: loaded once more, counted as a repeat, the state is the same."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, f"k-{window}")
    path = keep(post, [told(Receipt(DELIVERED, "ok", provider_ref=f"k-{window}"))])

    def load() -> None:
        os.environ["CRASH_AT"] = "C13:1"
        house = assemble.house(site)
        house.build, house.times = post.house.build, post.house.times
        Settler(house).load()

    assert exit_code(fork(load)) == -signal.SIGKILL
    assert path.exists()
    post.load()
    assert not path.exists()
    assert rows(post) == [("matched", 1, 1)] * 2
    assert post.state(wave, numbers[0]) is State.DELIVERED
