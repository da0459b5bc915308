"""A message whose turn ends its worker: narrowed down to it alone, and parked; everybody else goes out."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any, NamedTuple

import psycopg
import pytest

from campaigns.ledger import logbook, poison, windows
from campaigns.ledger.waves import Wave
from campaigns.ledger.windows import Batch, Intent
from campaigns.terms import Outcome, State
from tests.cluster import Started
from tests.hand import fold_all, messages, one, open_window
from workers.house import House

ACCOUNT = "sim-smpp"
N = 60
BOUND = 3 * math.log2(N)
RANGES = "SELECT seq, lo, hi FROM batch WHERE wave = %s ORDER BY hi - lo DESC, seq"
DUE = (
    "SELECT kind::text, seq, cursor, hi, class FROM batch WHERE wave = %s AND cursor < hi"
    " ORDER BY not_before, seq LIMIT 1"
)
# -- the worker dies between its claim and the end of T1: no window tells ----------------------------------------------


async def live_and_die(house: House, wave: Wave, deadly: set[int], want: int) -> tuple[int, list[int]]:
    """Claim and take until nothing is due; a window with a deadly message never commits. Crashes, and the parked."""
    crashes, parked = 0, []
    async with await windows.connect(house.database) as conn:
        cur = await conn.execute("SELECT incarnation FROM installation")
        row = await cur.fetchone()
        how: dict[str, Any] = {"journal": "by hand", "incarnation": row[0] if row else 0}
        while batch := await windows.claim(conn, ACCOUNT, 60):
            assert batch.wave == wave.id
            if batch.park:
                taken = await poison.set_aside(conn, batch, **how)
                assert isinstance(taken, Intent)
                parked.append(taken.lo)
            if await _windows_of(conn, batch, deadly, want, how):
                await windows.release(conn, batch)
                continue
            crashes += 1
            await conn.execute("UPDATE batch SET lease_token = NULL, lease_until = NULL WHERE wave = %s", (wave.id,))
    return crashes, parked


async def _windows_of(
    conn: psycopg.AsyncConnection[Any], batch: Batch, deadly: set[int], want: int, how: dict[str, Any]
) -> bool:
    while batch.cursor < batch.hi:
        suspected = batch.suspect - batch.cursor
        size = min(want, max(1, suspected // 2) if suspected > 0 else want)
        if deadly & set(range(batch.cursor, min(batch.cursor + size, batch.hi))):
            return False
        taken = await windows.intend(conn, batch, size, **how)
        assert isinstance(taken, Intent)
        batch.cursor = taken.hi
    return True


@pytest.mark.parametrize("at", [{0}, {1}, {N // 2}, {N - 1}, {7, 8}, {3, 50}], ids=str)
@pytest.mark.parametrize("want", [1000, 16, 1])
def test_a_window_that_never_commits(house: House, started: Started, at: set[int], want: int) -> None:
    """F43: the deadly ones alone are parked, at most 3 log2 N crashes each; ranges of first batches stay as planned."""
    wave = started(n=N, account=ACCOUNT, units=())
    with house.begin() as conn:
        ranges = conn.execute(RANGES, (wave.id,)).fetchall()
        nos = [no for _, lo, hi in ranges for no in range(lo, hi)]
    deadly = {nos[i] for i in at}
    crashes, parked = asyncio.run(live_and_die(house, wave, deadly, want))
    assert set(parked) == deadly
    assert crashes <= BOUND * len(at)
    with house.begin() as conn:
        after = conn.execute(RANGES, (wave.id,)).fetchall()
        covered = conn.execute("SELECT sum(hi - lo) FROM send_window WHERE wave = %s", (wave.id,)).fetchone()
    assert after == ranges
    assert covered == (N,)


class Claims(NamedTuple):
    """Claims before this one without a window, the suspected end, and what this claim makes of them."""

    stalls: int
    suspect: int | None
    left: tuple[int, int]
    found: tuple[int, int, bool]


CLAIMS = [
    Claims(0, None, (0, 64), (1, 0, False)),  # the first
    Claims(2, None, (0, 64), (3, 0, False)),  # two ended without a window: still the whole
    Claims(3, None, (0, 64), (1, 64, False)),  # three: [0, 64) is suspected, [0, 32) is tried
    Claims(1, 64, (0, 64), (1, 32, False)),  # tried in vain: it is in [0, 32)
    Claims(0, 64, (32, 64), (1, 64, False)),  # it went: it is in [32, 64)
    Claims(1, 3, (0, 64), (1, 1, False)),
    Claims(1, 1, (0, 64), (2, 1, False)),  # one alone: five times
    Claims(4, 1, (0, 64), (5, 1, False)),
    Claims(5, 1, (0, 64), (6, 1, True)),
    Claims(0, 32, (32, 64), (1, 32, False)),  # past it: nothing is suspected any more
    Claims(3, None, (63, 64), (1, 64, False)),  # the last one of a batch is alone from the start
]


@pytest.mark.parametrize("case", CLAIMS)
def test_what_a_claim_makes_of_those_before(owner: psycopg.Connection, running: Wave, case: Claims) -> None:
    """Each row: stalls, suspected end, cursor and end -> the same after this claim, and whether the one is parked."""
    found = one(
        owner,
        "SELECT s.* FROM batch b, suspicion((b.wave, b.kind, b.seq, b.account, b.carrier, 64, 0, %s, %s, 1, NULL, NULL,"
        " b.not_before, %s, '', %s)::batch, 1000) s WHERE b.wave = %s LIMIT 1",
        case.left[1], case.left[0], case.stalls, case.suspect, running.id,
    )  # fmt: skip
    assert found == case.found


def test_an_orderly_end_is_no_stall(house: House, started: Started) -> None:
    """A worker that lets go of its lease lives: however often it got no window, nobody is suspected."""
    wave = started(n=N, account=ACCOUNT)

    async def work() -> list[tuple[int, bool]]:
        seen = []
        async with await windows.connect(house.database) as conn:
            for _ in range(8):
                batch = await windows.claim(conn, ACCOUNT, 60)
                assert batch
                seen.append((batch.suspect - batch.cursor, batch.park))
                await windows.release(conn, batch)
        return seen

    assert set(asyncio.run(work())) == {(0, False)}
    assert wave.n == N


# -- it dies after T1 and before the bytes leave: the journal gives the window back ------------------------------------


def play_out(
    conn: psycopg.Connection, wave: int, deadly: set[int], want: int, code: str = "~crash", limit: float = 10 * BOUND
) -> tuple[int, list[int]]:
    """Take, send and crash until nothing is left to take; crashes, and the messages that were parked."""
    crashes, parked = 0, []
    while row := conn.execute(DUE, (wave,)).fetchone():
        kind, seq, lo, hi, why = row
        hi = min(hi, lo + (1 if why == "parked" else want))
        window = open_window(conn, wave, kind=kind, seq=seq, want=hi - lo)
        items = conn.execute("SELECT idx, message_no FROM retry_item WHERE wave = %s AND batch = %s", (wave, seq))
        nos = dict(items.fetchall()) if kind == "retry" else {idx: idx for idx in range(lo, hi)}
        if why == "parked":
            lines = [(window, lo, "closed", Outcome.NOT_SENT, "~parked", "")]
            parked.append(nos[lo])
        elif deadly & {nos[idx] for idx in range(lo, hi)}:
            lines = [(window, idx, "closed", Outcome.NOT_SENT, code, "") for idx in range(lo, hi)]
            crashes += 1
        else:
            lines = [(window, idx, "answer", Outcome.ACCEPTED, "ok", "") for idx in range(lo, hi)]
        logbook.append(conn, wave, lines, [window])
        fold_all(conn, wave)
        if crashes > limit:
            break
    return crashes, parked


@pytest.mark.parametrize("at", [0, 1, 29, N - 1])
@pytest.mark.parametrize("want", [1000, 16])
def test_a_window_that_comes_back(owner: psycopg.Connection, running: Wave, at: int, want: int) -> None:
    """F43: halves from the third crash on, one message parked as expired, the others out, 3 log2 N crashes at most."""
    largest = one(owner, "SELECT lo, hi FROM batch WHERE wave = %s ORDER BY hi - lo DESC LIMIT 1", running.id)
    deadly = largest[0] + at % (largest[1] - largest[0])
    crashes, parked = play_out(owner, running.id, {deadly}, want)
    assert parked == [deadly]
    assert crashes <= BOUND
    found = messages(owner, running.id)
    assert found.pop(deadly)[0] is State.EXPIRED
    assert {state for state, _, _ in found.values()} == {State.ACCEPTED}
    assert {tries for _, _, tries in found.values()} == {0}


def test_an_adapter_that_fails_and_lives_parks_nobody(owner: psycopg.Connection, running: Wave) -> None:
    """A fault of ours at one number: the others go out, that one waits alone until its hours end."""
    deadly = one(owner, "SELECT min(no) FROM " + f"message_{running.id}")[0]
    crashes, parked = play_out(owner, running.id, {deadly}, 1000, "~~broken", 4 * BOUND)
    assert parked == []
    assert crashes > 4 * BOUND
    found = messages(owner, running.id)
    assert found.pop(deadly)[0] is State.QUEUED
    assert {state for state, _, _ in found.values()} == {State.ACCEPTED}


@pytest.mark.parametrize("seed", range(5))
def test_workers_killed_at_random_park_nobody(owner: psycopg.Connection, running: Wave, seed: int) -> None:
    """Three windows in ten are given back by a crash, whoever is in them: every message goes out in the end."""
    dice = random.Random(seed)  # noqa: S311 - a test's dice
    table = f"message_{running.id}"
    for _ in range(200):
        left = one(owner, f"SELECT count(*) FROM {table} WHERE state = 0")[0]
        if not left:
            break
        nos = {row[0] for row in owner.execute(f"SELECT no FROM {table} WHERE state = 0").fetchall()}
        _one_window(owner, running.id, crash=dice.random() < 0.3)
        assert nos
    assert {state for state, _, _ in messages(owner, running.id).values()} == {State.ACCEPTED}


def _one_window(conn: psycopg.Connection, wave: int, *, crash: bool) -> None:
    kind, seq, lo, hi, why = one(conn, DUE, wave)
    assert why != "parked"
    hi = min(hi, lo + 10)
    window = open_window(conn, wave, kind=kind, seq=seq, want=hi - lo)
    kind_of, outcome, code = ("closed", Outcome.NOT_SENT, "~crash") if crash else ("answer", Outcome.ACCEPTED, "ok")
    logbook.append(conn, wave, [(window, idx, kind_of, outcome, code, "") for idx in range(lo, hi)], [window])
    fold_all(conn, wave)
