"""Receipts find their messages, against the real database: by reference, by id, by number; never by guessing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import pytest

from campaigns.terms import Callback, Outcome, Receipt, State
from tests.cluster import Started
from tests.workers.post import Post, Sent, ours
from tests.workers.stage import ACCOUNT, fold_all
from workers import settle
from workers.spool import Spool

OTHER = "sim-esms"
DELIVERED, UNDELIVERED, UNCERTAIN, ACCEPTED = (
    Outcome.DELIVERED,
    Outcome.UNDELIVERED,
    Outcome.UNCERTAIN,
    Outcome.ACCEPTED,
)


def test_by_our_reference(post: Post, sent: Sent) -> None:
    """A carrier that echoes our reference needs no answer in the log; a forged one finds nothing."""
    wave, window, _, numbers = sent
    post.receive(Receipt(DELIVERED, "ok", ref=ours(post, window, 2)))
    assert post.state(wave, numbers[2]) is State.DELIVERED
    forged = ours(post, window, 3)[:-1] + ("0" if ours(post, window, 3)[-1] != "0" else "1")
    beyond = ours(post, window, 600)
    post.receive(
        Receipt(DELIVERED, "ok", ref=forged), Receipt(DELIVERED, "ok", ref=beyond), Receipt(DELIVERED, "", "x")
    )
    assert post.verdicts()[-2:] == ["matched", "unknown"]
    assert post.receipt_lines(wave) == 1


def test_by_the_carriers_id(post: Post, sent: Sent) -> None:
    """The id of the answer finds the message."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, "id-1-a")
    post.receive(Receipt(UNDELIVERED, "EXPIRED", provider_ref="id-1-a"))
    assert post.state(wave, numbers[0]) is State.UNDELIVERED
    assert post.verdicts()[-1] == "matched"


def test_by_the_number_of_an_uncertain_message(post: Post, sent: Sent) -> None:
    """Where the answer was never read, the number finds the one uncertain message, never one that waits."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo + 1, UNCERTAIN)
    post.receive(Receipt(DELIVERED, "ok", provider_ref="never-seen", number=numbers[1]))
    assert post.state(wave, numbers[1]) is State.DELIVERED
    post.receive(Receipt(DELIVERED, "ok", provider_ref="never-seen-2", number=numbers[2]))
    assert post.state(wave, numbers[2]) is State.QUEUED
    assert post.verdicts()[-2:] == ["matched", "unknown"]


@pytest.mark.parametrize("first", [UNDELIVERED, DELIVERED])
def test_what_contradicts_a_receipt_that_its_number_placed_is_the_same_messages(
    post: Post, sent: Sent, first: Outcome
) -> None:
    """No answer named the id, and the message is in doubt no more: in either order the strongest truth stands."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo + 1, UNCERTAIN)
    assert post.look(Receipt(first, "ok", provider_ref="only-looked-at", number=numbers[1])) == 1
    assert not post.learned("only-looked-at"), "a page that shows a receipt writes nothing"
    for outcome in (first, UNDELIVERED if first is DELIVERED else DELIVERED, first):
        post.receive(Receipt(outcome, "ok", provider_ref=f"from-its-receipt-{first}", number=numbers[1]))
    assert post.state(wave, numbers[1]) is State.DELIVERED
    assert post.verdicts()[-3:] == ["matched"] * 3
    post.receive(Receipt(DELIVERED, "ok", provider_ref=f"from-its-receipt-{first}", number=numbers[2]))
    assert post.verdicts()[-1] == "unknown", "the id is that of another number"


def test_an_id_of_two_messages_is_applied_to_none(post: Post, sent: Sent) -> None:
    """A carrier that gave one id twice: its receipt waits, and no uncertain third is taken instead."""
    wave, window, lo, numbers = sent
    for at in (0, 1):
        post.answer(wave, window, lo + at, ACCEPTED, "id-2-a")
    post.answer(wave, window, lo + 2, UNCERTAIN)
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-2-a", number=numbers[2]))
    assert [post.state(wave, n) for n in numbers[:3]] == [State.ACCEPTED, State.ACCEPTED, State.UNCERTAIN]
    assert post.verdicts()[-1] == "unknown"


def test_an_older_waves_id_goes_before_a_newer_waves_number(post: Post, started: Started) -> None:
    """The same people in two waves: a late receipt of the first never settles the doubt of the second."""
    first = started(n=20, account=ACCOUNT, seed=6_001)
    window, lo, numbers = post.window()
    post.answer(first.id, window, lo, ACCEPTED, "id-3-a")
    with post.house.begin() as conn:  # the second wave's windows come next
        conn.execute("UPDATE batch SET not_before = 'infinity' WHERE wave = %s", (first.id,))
    second = started(n=20, account=ACCOUNT, seed=6_001, no=2)
    assert second.id != first.id
    again, at, same = post.window()
    assert same[0] == numbers[0]
    post.answer(second.id, again, at, UNCERTAIN)
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-3-a", number=numbers[0]))
    assert post.state(first.id, numbers[0]) is State.DELIVERED
    assert post.state(second.id, numbers[0]) is State.UNCERTAIN


def test_ids_that_start_again_are_told_apart_by_the_number(post: Post, started: Started) -> None:
    """Two waves' messages got the same id: the number in the receipt says which one; without a number neither."""
    numbers = {}
    for seed in (6_002, 6_003):
        wave = started(n=20, account=ACCOUNT, seed=seed)
        window, lo, there = post.window()
        post.answer(wave.id, window, lo, ACCEPTED, "id-12-a")
        numbers[wave.id] = there[0]
        with post.house.begin() as conn:
            conn.execute("UPDATE batch SET not_before = 'infinity' WHERE wave = %s", (wave.id,))
    first, second = numbers
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-12-a"))
    assert [post.state(wave, number) for wave, number in numbers.items()] == [State.ACCEPTED] * 2
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-12-a", number=numbers[second]))
    assert post.state(second, numbers[second]) is State.DELIVERED
    assert post.state(first, numbers[first]) is State.ACCEPTED


def test_a_receipt_before_its_answer(post: Post, sent: Sent) -> None:
    """Kept as unknown, and matched when the answer is in the log; once."""
    wave, window, lo, numbers = sent
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-4-a"))
    assert post.verdicts()[-1] == "unknown"
    assert post.settler.rematch() == 0
    post.answer(wave, window, lo + 3, ACCEPTED, "id-4-a")
    assert post.settler.rematch() == 1
    fold_all(post.house)
    assert post.state(wave, numbers[3]) is State.DELIVERED
    assert post.verdicts()[-1] == "late-matched"
    assert post.settler.rematch() == 0
    assert post.receipt_lines(wave) == 1


def test_an_event_known_in_part_adds_no_line_while_it_waits(post: Post, sent: Sent) -> None:
    """One of its two receipts is unknown: the known one counts at once, and looking again adds nothing."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, "id-5-a")
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-5-a"), Receipt(DELIVERED, "ok", provider_ref="id-5-b"))
    assert post.state(wave, numbers[0]) is State.DELIVERED
    for _ in range(3):
        post.settler.rematch()
    assert post.receipt_lines(wave) == 1
    post.answer(wave, window, lo + 1, ACCEPTED, "id-5-b")
    assert post.settler.rematch() == 1
    fold_all(post.house)
    assert post.state(wave, numbers[1]) is State.DELIVERED


def test_many_unknown_ones_do_not_starve_a_later_one(post: Post, sent: Sent, monkeypatch: pytest.MonkeyPatch) -> None:
    """More events that never match than one look takes: those behind them have their turn."""
    monkeypatch.setattr(settle, "REMATCH", 3)
    wave, window, lo, numbers = sent
    for n in range(7):
        post.receive(Receipt(DELIVERED, "ok", provider_ref=f"stranger-{n}"))
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-6-a"))
    post.answer(wave, window, lo, ACCEPTED, "id-6-a")
    assert sum(post.settler.rematch() for _ in range(4)) == 1
    fold_all(post.house)
    assert post.state(wave, numbers[0]) is State.DELIVERED


def test_repeats_are_harmless_and_counted(post: Post, sent: Sent) -> None:
    """The same receipt three times: one state, each one stored, two of three told as repeats."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, "id-7-a")
    for _ in range(3):
        post.receive(Receipt(DELIVERED, "ok", provider_ref="id-7-a"))
    assert post.state(wave, numbers[0]) is State.DELIVERED
    with post.house.begin() as conn:
        row = conn.execute("SELECT receipts, repeats FROM wave_tally WHERE wave = %s", (wave,)).fetchone()
    assert row == (3, 2)


def test_a_segment_loaded_twice_counts_once(post: Post, sent: Sent) -> None:
    """A loader that dies between commit and delete: the same events again change no state and no sum."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, "id-8-a")
    folder = post.house.folder("spool")

    async def keep() -> None:
        made = Spool(folder, ACCOUNT, post.house.keyring.seal, age=0.0)
        await made.store([Callback(msgspec.json.encode([Receipt(DELIVERED, "ok", provider_ref="id-8-a")]))])
        await made.close()

    asyncio.run(keep())
    (path,) = folder.glob("*~*")
    data = path.read_bytes()
    post.load()
    path.write_bytes(data)
    post.load()
    assert post.state(wave, numbers[0]) is State.DELIVERED
    with post.house.begin() as conn:
        row = conn.execute("SELECT sum(n)::int FROM wave_count WHERE wave = %s AND state = 7", (wave,)).fetchone()
    assert row == (1,)


@pytest.mark.parametrize("how", ["ref", "provider_ref", "number"])
def test_another_accounts_words_never_match(post: Post, sent: Sent, how: str) -> None:
    """What one account brings cannot speak of what another one sent, by no key."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, "id-9-a")
    post.answer(wave, window, lo + 1, UNCERTAIN)
    said = {
        "ref": Receipt(DELIVERED, "ok", ref=ours(post, window, 0)),
        "provider_ref": Receipt(DELIVERED, "ok", provider_ref="id-9-a"),
        "number": Receipt(DELIVERED, "ok", number=numbers[1]),
    }[how]
    post.receive(said, account=OTHER)
    assert [post.state(wave, n) for n in numbers[:2]] == [State.ACCEPTED, State.UNCERTAIN]
    assert post.verdicts()[-1] == "unknown"
    assert post.receipt_lines(wave) == 0


POISON: list[tuple[str, Callable[[], bytes]]] = [
    ("no JSON", lambda: b"\xff\x00"),
    ("empty", lambda: b""),
    ("a type error in the adapter", lambda: b"!type"),
    ("an index error in the adapter", lambda: b"!index"),
    ("a recursion error in the adapter", lambda: b"!recursion"),
    ("a zero byte in the id", lambda: msgspec.json.encode([Receipt(DELIVERED, "ok", provider_ref="a\0b")])),
    ("a zero byte in the reference", lambda: msgspec.json.encode([Receipt(DELIVERED, "ok", ref="a\0b")])),
    ("a zero byte in the code", lambda: msgspec.json.encode([Receipt(DELIVERED, "\0", provider_ref="id-10-a")])),
    ("lines in the code", lambda: msgspec.json.encode([Receipt(DELIVERED, "a\tb\nc", provider_ref="id-10-a")])),
    ("half a character", lambda: b'[[7, "ok", "", "\\ud800", 0]]'),
    ("a huge number", lambda: msgspec.json.encode([Receipt(DELIVERED, "ok", number=2**63 - 1)])),
    ("a negative number", lambda: msgspec.json.encode([Receipt(DELIVERED, "ok", number=-5)])),
    ("a very long id", lambda: msgspec.json.encode([Receipt(DELIVERED, "ok", provider_ref="x" * 60_000)])),
    ("SQL", lambda: msgspec.json.encode([Receipt(DELIVERED, "'); DROP TABLE inbox; --", provider_ref="%s")])),
]


@pytest.mark.parametrize("body", [body for _, body in POISON], ids=[name for name, _ in POISON])
def test_a_poisonous_event_is_kept_and_stops_nobody(post: Post, sent: Sent, body: Callable[[], bytes]) -> None:
    """Whatever stands in it: it is in the inbox, and the good one beside it is applied."""
    wave, window, lo, numbers = sent
    ref = f"id-{window}"
    post.answer(wave, window, lo, ACCEPTED, ref)
    before = len(post.verdicts())
    post.receive(raw=body())
    post.receive(Receipt(DELIVERED, "ok", provider_ref=ref))
    post.settler.rematch()
    assert len(post.verdicts()) == before + 2
    assert post.verdicts()[-1] == "matched"
    assert post.state(wave, numbers[0]) is State.DELIVERED


def test_a_damaged_segment_stops_nobody(post: Post, sent: Sent) -> None:
    """Garbage instead of frames, wrong seals, a time of no calendar: later segments are loaded."""
    wave, window, lo, numbers = sent
    post.answer(wave, window, lo, ACCEPTED, "id-11-a")
    damage: Sequence[bytes] = [
        b"\xff" * 500,
        b"\0" * 500,
        b"\0\0\0\x10" + b"\x7f\xf8" + b"\0" * 6 + b"q" * 16,  # time: not a number
        b"\0\0\0\x10" + b"\x7f\xe0" + b"\0" * 6 + b"q" * 16,  # time: 10**307
    ]
    for n, data in enumerate(damage):
        (post.house.folder("spool") / f"{ACCOUNT}~{n}-x.seg").write_bytes(data)
    (post.house.folder("spool") / "no-such-account~5-x.seg").write_bytes(b"\0\0\0\x01" + b"\0" * 8 + b"q")
    post.receive(Receipt(DELIVERED, "ok", provider_ref="id-11-a"))
    assert post.state(wave, numbers[0]) is State.DELIVERED
    assert list(post.house.folder("spool").glob("*~*")) == []
