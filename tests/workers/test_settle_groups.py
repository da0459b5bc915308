"""Groups of receipts: one row each in the inbox, held for a moment, matched by other spellings of an id."""

from __future__ import annotations

import time
from dataclasses import replace

import msgspec
import pytest

from campaigns.terms import Callback, Outcome, Receipt, State
from tests.cluster import Started
from tests.workers.post import SEEDS, Post, Sent, keep, rows, told
from tests.workers.stage import ACCOUNT, fold_all
from workers import spool

DELIVERED, ACCEPTED = Outcome.DELIVERED, Outcome.ACCEPTED


def test_a_group_is_one_row_unless_its_events_differ(post: Post, sent: Sent) -> None:
    """Known ones stay together as they came; unknown, empty and unreadable ones leave it, and the sums are right."""
    wave, window, lo, numbers = sent
    for at in range(4):
        post.answer(wave, window, lo + at, ACCEPTED, f"id-13-{window}-{at}")
    known = [told(Receipt(DELIVERED, "ok", provider_ref=f"id-13-{window}-{at}")) for at in range(4)]
    keep(post, known[:3])
    post.load()
    assert rows(post) == [("matched", 3, 3)]
    keep(
        post,
        [known[3], told(Receipt(DELIVERED, "", "x")), told(), Callback(b"!type"), known[3], told(Receipt(7, "", "y"))],
    )
    post.load()
    assert sorted(rows(post)[1:]) == [
        ("ignored", 1, 1), ("matched", 2, 2), ("unknown", 1, 1), ("unknown", 1, 1), ("unreadable", 1, 1),
    ]  # fmt: skip
    assert {post.state(wave, number) for number in numbers[:4]} == {State.DELIVERED}


def test_an_event_of_former_days_is_matched_like_any(post: Post, sent: Sent) -> None:
    """A segment and an unknown row written before groups: read, and matched when the answer is there."""
    wave, window, lo, numbers = sent
    ref = f"id-14-{window}"
    raw = post.house.keyring.seal(
        msgspec.msgpack.encode(told(Receipt(DELIVERED, "ok", provider_ref=ref))), ACCOUNT.encode()
    )
    path = post.house.folder("spool") / f"{ACCOUNT}~1-aa.seg"
    path.write_bytes(spool.HEAD.pack(len(raw), time.time()) + raw)
    post.load()
    assert rows(post) == [("unknown", 1, 1)]
    post.answer(wave, window, lo, ACCEPTED, ref)
    assert post.settler.rematch() == 1
    fold_all(post.house)
    assert post.state(wave, numbers[0]) is State.DELIVERED


def test_a_receipt_a_moment_before_its_answer_is_never_unknown(post: Post, sent: Sent) -> None:
    """F45: its group is held, with the segment it lies in; when the answer is there, all of it is stored as matched."""
    wave, window, lo, numbers = sent
    post.house.times = replace(post.house.times, hold=60.0)
    post.answer(wave, window, lo, ACCEPTED, f"id-15-{window}-0")
    path = keep(post, [told(Receipt(DELIVERED, "ok", provider_ref=f"id-15-{window}-{at}")) for at in (0, 1)])
    post.load()
    assert [post.state(wave, n) for n in numbers[:2]] == [State.DELIVERED, State.QUEUED]
    assert path.exists()
    post.answer(wave, window, lo + 1, ACCEPTED, f"id-15-{window}-1")
    post.load_again()
    assert post.state(wave, numbers[1]) is State.DELIVERED
    assert rows(post) == [("matched", 2, 2)]
    assert not path.exists()
    assert post.receipt_lines(wave) == 2


def test_what_is_held_is_stored_before_the_end(post: Post, sent: Sent) -> None:
    """A process that stops stores what it holds as unknown, so that the next one need not load it twice."""
    post.house.times = replace(post.house.times, hold=60.0)
    path = keep(post, [told(Receipt(DELIVERED, "ok", provider_ref="nobody's"))])
    post.load()
    assert (rows(post), path.exists()) == ([], True)
    post.settler.load(wait=False)
    assert (rows(post), path.exists()) == ([("unknown", 1, 1)], False)


SPELLINGS = [  # as the answer gave it, as the receipt names it, found with the number named, found without
    ("0000{n}", "{n}", True, True),  # noughts in front
    ("{n}", "0000{n}", True, True),
    ("{n:x}", "{n}", True, False),  # decimal in the receipt, hex in the answer
    ("{n:X}", "{n}", True, False),
    ("{n:08x}", "{n}", True, False),
    ("{n}", "{n:x}", True, False),
    ("{n:010d}", "{n:X}", True, False),
    ("{n:x}", "{n:X}", True, False),
    ("{n}", "{n}", True, True),
    ("{n}", "{n}0", False, False),
    ("m{n}", "{n}", False, False),
]


@pytest.mark.parametrize("numbered", [True, False])
def test_another_spelling_of_an_id(post: Post, started: Started, numbered: bool) -> None:  # noqa: FBT001 - a case
    """F-H3: noughts in front are nothing; another base counts only where the number says the same."""
    wave = started(n=40, account=ACCOUNT, seed=next(SEEDS)).id
    numbers: list[int] = []
    while len(numbers) < len(SPELLINGS):  # a carrier's batch may be small
        window, lo, more = post.window(len(SPELLINGS) - len(numbers))
        for at, number in enumerate(more):
            answered, said, *_ = SPELLINGS[len(numbers)]
            n = 268_435_456 + (window + 7_919 * at) % 1_000_000_000 | 0xA  # a letter, or both cases are one id
            post.answer(wave, window, lo + at, ACCEPTED, answered.format(n=n))
            there = Receipt(DELIVERED, "ok", provider_ref=said.format(n=n), number=number if numbered else 0)
            keep(post, [told(there)])
            numbers.append(number)
    post.load()
    found = [post.state(wave, number) is State.DELIVERED for number in numbers]
    assert found == [(with_it if numbered else without) for *_, with_it, without in SPELLINGS]


def test_the_id_as_it_came_goes_before_its_other_spellings(post: Post, sent: Sent) -> None:
    """Two messages whose ids are spellings of each other: the exact one is meant; of two spellings none is."""
    wave, window, lo, numbers = sent
    n = 10_000_000 + window % 10_000_000
    for at, ref in enumerate((f"{n}", f"00{n}", f"0000000000{n}")):
        post.answer(wave, window, lo + at, ACCEPTED, ref)
    post.receive(Receipt(DELIVERED, "ok", provider_ref=f"00{n}"))
    assert [post.state(wave, each) for each in numbers[:3]] == [State.ACCEPTED, State.DELIVERED, State.ACCEPTED]
    other = 20_000_000 + window % 10_000_000
    for at, ref in enumerate((f"{other}", f"00{other}")):
        post.answer(wave, window, lo + 3 + at, ACCEPTED, ref)
    post.receive(Receipt(DELIVERED, "ok", provider_ref=f"0{other}"))
    assert [post.state(wave, each) for each in numbers[3:5]] == [State.ACCEPTED, State.ACCEPTED]
    assert post.verdicts()[-1] == "unknown"
