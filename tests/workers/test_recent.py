"""A receipt's place by its sender's memory: as the ledger would have found it, or left to the ledger."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.ledger.logbook import CODE_MAX
from campaigns.ledger.windows import Intent
from campaigns.terms import Callback, Outcome, Receipt, State
from tests.workers.post import Post, Sent, rows
from tests.workers.stage import ACCOUNT, fold_all
from workers import spool
from workers.recent import BITS, Recent
from workers.spool import Places, Spool

DELIVERED, UNDELIVERED = Outcome.DELIVERED, Outcome.UNDELIVERED
NUMBERS = [84_900_000_000 + n for n in range(4)]


def window(ident: int = 77, lo: int = 10, numbers: Sequence[int] = NUMBERS) -> Intent:
    return Intent(ident, lo, lo + len(numbers), array("Q", numbers))


def remembering(intent: Intent, ids: Sequence[str], most: int = 100) -> Recent:
    recent = Recent(most)
    span = recent.span(intent)
    recent.remember(span, {ref: span.first + intent.lo + at for at, ref in enumerate(ids)})
    return recent


def receipt(ref: str, number: int, code: str = "DELIVRD/000", outcome: Outcome = DELIVERED) -> list[Receipt]:
    return [Receipt(outcome, code, provider_ref=ref, number=number)]


def test_a_receipt_finds_its_place_once() -> None:
    recent = remembering(window(), ["a", "b", "c"])
    told = [receipt("b", NUMBERS[1]), receipt("a", NUMBERS[0], "UNDELIV/001", UNDELIVERED), receipt("b", NUMBERS[1])]
    assert recent.places(told) == [Places(77, [0, 1], ["11 7 b DELIVRD/000", "10 6 a UNDELIV/001"])]
    assert recent.places([receipt("b", NUMBERS[1])]) == []
    assert len(recent) == 1


@pytest.mark.parametrize(
    "said",
    [
        None,  # unreadable
        [],  # a message from a phone
        receipt("nobody's", NUMBERS[0]),
        receipt("a", NUMBERS[1]),  # another message's number: ids start again somewhere
        receipt("a", 0),  # names no number
        receipt("a", NUMBERS[0], "two words"),
        receipt("a", NUMBERS[0], "back\\slash"),
        receipt("a", NUMBERS[0], "line\nend"),
        receipt("a", NUMBERS[0], "x" * (CODE_MAX + 1)),
        [Receipt(DELIVERED, "ok", ref="ours", provider_ref="a", number=NUMBERS[0])],
        receipt("a", NUMBERS[0]) * 2,
    ],
)
def test_what_is_less_plain_is_left_to_the_ledger(said: list[Receipt] | None) -> None:
    assert remembering(window(), ["a"]).places([said]) == []


def test_an_id_of_two_answers_is_nobodys() -> None:
    """Of two windows, in either generation."""
    for most in (100, 2):
        recent = remembering(window(), ["a", "b"], most)
        other = recent.span(window(78))
        recent.remember(other, {"a": other.first + 10})
        found = recent.places([receipt("a", NUMBERS[0]), receipt("b", NUMBERS[1])])
        assert [each.tails for each in found] == [["11 7 b DELIVRD/000"]]


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    recent, last = Recent(10), ""
    for n in range(200):
        span = recent.span(window(n + 1))
        recent.remember(span, {f"{n}-{at}": span.first + 10 + at for at in range(3)})
        last = f"{n}-0"
    assert len(recent) <= 24
    assert len(recent._spans) <= 9
    assert recent.places([receipt("0-0", NUMBERS[0])]) == []
    assert recent.places([receipt(last, NUMBERS[0])])[0].window == 200
    with pytest.raises(ValueError, match="span"):
        recent.span(window(1, 0, [1] * ((1 << BITS) + 1)))


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(NUMBERS)), max_size=30))
def test_a_place_is_always_the_one_answer_with_this_id_and_number(told: list[tuple[str, int]]) -> None:
    """Whatever comes: what is placed is what a look into the log would have found."""
    ids = ["a", "b", "c", "d"]
    for place in remembering(window(), ids).places([receipt(*each) for each in told]):
        for at, tail in zip(place.events, place.tails, strict=True):
            ref, number = told[at]
            assert tail.split(" ")[:1] == [str(10 + ids.index(ref))]
            assert NUMBERS[ids.index(ref)] == number


# -- through the spool into the log ------------------------------------------------------------------------------------


def keep(post: Post, events: Sequence[Callback | bytes], places: Sequence[Places], account: str = ACCOUNT) -> None:
    async def work() -> None:
        made = Spool(post.house.folder("spool"), account, post.house.keyring.seal, age=3600)
        await asyncio.gather(made.store([told()]), made.store(events, places))
        await made.close()

    asyncio.run(work())


def told(*receipts: Receipt) -> Callback:
    return Callback(msgspec.json.encode(list(receipts)))


def test_placed_receipts_go_into_the_log_unread(post: Post, sent: Sent) -> None:
    """Positions hold although callers' events were joined into one group; the answer comes after its receipt."""
    wave, window_id, lo, numbers = sent
    keep(post, [told(), Callback(b"!type"), told()], [Places(window_id, [1], [f"{lo + 1} 7 id-{window_id} ok/0"])])
    post.load()
    assert post.state(wave, numbers[1]) is State.DELIVERED
    assert post.receipt_lines(wave) == 1
    assert sorted(rows(post)) == [("ignored", 3, 3), ("matched", 1, 1)]
    post.answer(wave, window_id, lo + 1, Outcome.ACCEPTED, f"id-{window_id}")
    fold_all(post.house)
    assert post.state(wave, numbers[1]) is State.DELIVERED


def test_a_group_of_placed_ones_is_stored_as_it_came(post: Post, sent: Sent) -> None:
    wave, window_id, lo, _ = sent

    async def work() -> None:
        made = Spool(post.house.folder("spool"), ACCOUNT, post.house.keyring.seal, age=3600)
        tails = [f"{lo + at} 7 id-{window_id}-{at} ok" for at in range(3)]
        await made.store([told()] * 3, [Places(window_id, [0, 1, 2], tails)])
        await made.close()

    asyncio.run(work())
    post.load()
    assert rows(post) == [("matched", 3, 3)]
    assert post.receipt_lines(wave) == 3


@pytest.mark.parametrize("window_id", [1, None])
def test_a_place_this_database_does_not_know_proves_nothing(post: Post, sent: Sent, window_id: int | None) -> None:
    """An older copy, or a window of another account: read and matched like any receipt."""
    wave, real, lo, numbers = sent
    post.answer(wave, real, lo, Outcome.ACCEPTED, f"id-20-{real}")
    known = told(Receipt(DELIVERED, "ok", provider_ref=f"id-20-{real}"))
    if window_id is None:
        keep(post, [known], [Places(real, [0], [f"{lo + 1} 7 x ok"])], account="sim-esms")
        post.load()
        assert post.state(wave, numbers[0]) is State.ACCEPTED
    else:
        keep(post, [known], [Places(window_id, [0], [f"{lo + 1} 7 x ok"])])
        post.load()
        assert post.state(wave, numbers[0]) is State.DELIVERED
    assert post.state(wave, numbers[1]) is State.QUEUED


def test_a_segment_of_groups_without_places_is_read(post: Post, sent: Sent) -> None:
    """As it was written before places."""
    wave, window_id, lo, numbers = sent
    post.answer(wave, window_id, lo, Outcome.ACCEPTED, f"id-21-{window_id}")
    raw = post.house.keyring.seal(
        spool.packed([told(Receipt(DELIVERED, "ok", provider_ref=f"id-21-{window_id}"))]), ACCOUNT.encode()
    )
    path = post.house.folder("spool") / f"{ACCOUNT}~1-ab.seg"
    path.write_bytes(spool.OLDER + spool.HEAD.pack(len(raw), 1_700_000_000.0) + raw)
    (group,) = spool.read(path)
    assert (group.raw, group.places) == (raw, b"")
    path.write_bytes(spool.OLDER + spool.HEAD.pack(len(raw), group.at + 90_000_000) + raw)
    post.load()
    assert post.state(wave, numbers[0]) is State.DELIVERED
