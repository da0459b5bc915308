"""What a carrier's errors lead to: a stop, a rest with a probe, another account, another try; on the real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import psycopg
import pytest

from campaigns.ledger import fold, stops
from campaigns.ledger.names import new_id
from campaigns.ledger.waves import Wave
from campaigns.terms import Answer, Capability, Outcome, State
from dispatcher.assemble import Site
from providers.base import Gate, Window
from providers.errors import Misconfigured, ProviderError
from tests.cluster import Planned, Started, start
from tests.workers.scripted import Scripted, answers, counts, finished, let_work, well
from tests.workers.stage import ACCOUNT, fold_all
from workers.books import Books
from workers.house import House

OTHER = "sim-esms"


def refused(code: str, detail: str) -> Callable[[Scripted, Window, Gate], AsyncIterator[list[Answer]]]:
    async def script(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        taken = await gate.take(1)
        here.leave(window, taken)
        yield answers(taken, Outcome.DEFERRED, code)
        raise Misconfigured(code, detail)

    return script


def stopped(house: House) -> list[tuple[str, str, bool, bool]]:
    with house.begin() as conn:
        return [(each.scope, each.code, each.carrier is not None, each.wave is not None) for each in stops.stops(conn)]


def acts_of(house: House, act: str) -> int:
    with house.begin() as conn:
        row = conn.execute("SELECT count(*) FROM audit WHERE act = %s", (act,)).fetchone()
    return int(row[0]) if row else -1


def networks(house: House, wave: Wave) -> int:
    with house.begin() as conn:
        row = conn.execute("SELECT count(DISTINCT carrier) FROM batch WHERE wave = %s", (wave.id,)).fetchone()
    return int(row[0]) if row else 0


@pytest.mark.parametrize(
    ("detail", "scope", "tries"),
    [("sender: not registered here", "sender", "networks"), ("text: not the template", "text", "networks"),
     ("account: no balance", "account", "one")],
)  # fmt: skip
def test_a_refusal_of_us_stops_what_it_refuses(
    house: House, started: Started, detail: str, scope: str, tries: str
) -> None:
    """Once for each network's sender or text, once for an account: never message by message. A person opens again."""
    wave = started(n=60, account=ACCOUNT)
    expected = networks(house, wave) if tries == "networks" else 1
    opens = acts_of(house, "route.stop")
    provider = Scripted(refused("177", detail))
    try:
        asyncio.run(let_work(house, provider, lambda: len(stopped(house)) == expected))
        assert {each[0] for each in stopped(house)} == {scope}
        assert len(provider.wire) == expected
        assert acts_of(house, "route.stop") - opens == expected
        assert counts(house, wave)[State.QUEUED] == 60
        with house.begin() as conn:
            assert stops.lift(conn, ACCOUNT, "an", "the carrier has registered the name")
            conn.execute("DELETE FROM share")
        healed = Scripted(well)
        asyncio.run(let_work(house, healed, finished(house, wave)))
        assert sorted(healed.wire) == sorted(set(healed.wire))
        assert len(healed.wire) == 60  # none of the refused ones was taken
    finally:
        with house.begin() as conn:
            conn.execute("UPDATE account SET enabled = true WHERE name = %s", (ACCOUNT,))


def test_a_half_dead_carrier_costs_little_and_heals_by_itself(house: House, started: Started) -> None:
    """It takes everything and answers nothing: the breaker opens, single probes go, a good one closes it."""
    wave = started(n=400, account=ACCOUNT, seed=5)
    alive = False

    async def silent(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        while taken := await gate.take(5):
            here.leave(window, taken)
            await asyncio.sleep(0.02)
            yield answers(taken) if alive else answers(taken, Outcome.UNCERTAIN, "~timeout")

    provider = Scripted(silent)
    before = acts_of(house, "breaker.open")

    def three_times() -> bool:
        nonlocal alive
        alive = alive or acts_of(house, "breaker.open") >= before + 3
        return finished(house, wave)()

    asyncio.run(let_work(house, provider, three_times))
    assert alive
    assert len(provider.wire) == len(set(provider.wire)) == 400
    assert counts(house, wave).get(State.UNCERTAIN, 0) <= 60  # what was on the wire when it opened, and the probes
    assert acts_of(house, "breaker.close") >= 1


def routed(planned: Planned, house: House) -> Wave:
    """A running wave whose approved route has a second account for each network."""
    draft = planned.draft(planned.audience(n=60, seed=9), account=ACCOUNT)
    draft = replace(draft, routes=dict.fromkeys(draft.accounts, (ACCOUNT, OTHER)))
    from campaigns.ledger import plans  # noqa: PLC0415 - beside its one use

    with house.begin() as conn:
        wave = plans.plan(conn, draft, "an", house.keys(draft.campaign))
    return start(house, wave)


def accounts_of(house: House, wave: Wave) -> dict[str, int]:
    with house.begin() as conn:
        rows = conn.execute(
            "SELECT account, sum(hi - cursor)::int FROM batch WHERE wave = %s AND cursor < hi GROUP BY 1", (wave.id,)
        ).fetchall()
    return {row[0]: row[1] for row in rows}


def down(house: House, seconds: float) -> None:
    """A worker of the account says that its carrier is down for so long."""
    with house.begin() as conn:
        conn.execute(
            "INSERT INTO share (account, holder, rate, until, says) VALUES (%s, %s, 0, now() + interval '1 h',"
            " jsonb_build_object('down', %s::float8))",
            (ACCOUNT, new_id(), seconds),
        )


def test_what_waits_goes_on_along_its_route(house: House, planned: Planned) -> None:
    """Not while the carrier is down for a moment; then everything that was never sent, once; never back and forth."""
    wave = routed(planned, house)
    assert wave.plan["routes"]["viettel"] == [ACCOUNT, OTHER]
    with house.begin() as conn:
        assert stops.fail_over(conn, 10) == []
    down(house, 5)
    with house.begin() as conn:
        assert stops.fail_over(conn, 10) == []
        conn.execute("DELETE FROM share")
    down(house, 11)
    with house.begin() as conn:
        moved = stops.fail_over(conn, 10)
        assert sum(each.messages for each in moved) == 60
        assert stops.fail_over(conn, 10) == []
    assert accounts_of(house, wave) == {OTHER: 60}
    assert acts_of(house, "failover") > 0


def test_what_is_on_the_wire_or_in_doubt_does_not_move(house: House, planned: Planned) -> None:
    """A leased batch stays; what a window took and nobody answered stays with the account that sent it."""
    wave = routed(planned, house)

    async def silent(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        while taken := await gate.take(3):
            here.leave(window, taken)
            yield answers(taken, Outcome.UNCERTAIN, "~timeout")

    provider = Scripted(silent)
    asyncio.run(let_work(house, provider, lambda: len(provider.wire) > 0, licence=40.0))
    fold_all(house)
    doubtful = counts(house, wave).get(State.UNCERTAIN, 0)
    assert doubtful > 0
    with house.begin() as conn:
        conn.execute("DELETE FROM share")
        conn.execute(
            "UPDATE batch SET lease_until = now() + interval '1 h', lease_token = 1 WHERE wave = %s AND kind = 'first'"
            " AND seq = (SELECT max(seq) FROM batch WHERE wave = %s AND kind = 'first' AND cursor < hi)",
            (wave.id, wave.id),
        )
    down(house, 11)
    with house.begin() as conn:
        moved = sum(each.messages for each in stops.fail_over(conn, 10))
    left = accounts_of(house, wave)
    assert left[OTHER] == moved
    assert left.get(ACCOUNT, 0) > 0  # the leased one
    assert sum(left.values()) == 60 - doubtful


def test_a_stopped_account_hands_over_and_a_route_of_one_waits(
    house: House, planned: Planned, started: Started
) -> None:
    """Switched off by a refusal: the routed wave goes on elsewhere, the other one waits for a person."""
    wave, alone = routed(planned, house), started(n=20, account=ACCOUNT, seed=11)
    try:
        with house.begin() as conn:
            conn.execute("UPDATE account SET enabled = false WHERE name = %s", (ACCOUNT,))
            stops.fail_over(conn, 10)
        assert accounts_of(house, wave) == {OTHER: 60}
        assert accounts_of(house, alone) == {ACCOUNT: 20}
    finally:
        with house.begin() as conn:
            conn.execute("UPDATE account SET enabled = true WHERE name = %s", (ACCOUNT,))


def test_too_fast_uses_up_no_message(house: House, started: Started) -> None:
    """Twenty times "too fast" where five tries are the cap: nobody expires; any other "not now" has its cap."""
    wave = started(n=10, account=ACCOUNT, seed=13)
    said: dict[int, int] = {}

    class Throttling(Scripted):
        capability = Capability("none", "none", "none", "84", throttle_codes=frozenset({"0x58"}))

    async def script(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        while taken := await gate.take(1):
            number = window.numbers[taken.start - window.lo]
            said[number] = said.get(number, 0) + 1
            fast = said[number] <= 8
            yield answers(taken, Outcome.DEFERRED if fast else Outcome.ACCEPTED, "0x58" if fast else "ok")

    books = Books(house)
    assert "0x58" in books._policy.throttled_codes
    policy = replace(books._policy, throttled_first=0.01, slot=0.01)
    provider = Throttling(script)

    def quick() -> bool:
        with house.begin() as conn:
            conn.execute(  # a T1 under way in this very thread holds its batch
                "UPDATE batch b SET not_before = now() FROM (SELECT seq FROM batch WHERE wave = %s AND kind = 'retry'"
                " FOR UPDATE SKIP LOCKED) x WHERE b.wave = %s AND b.kind = 'retry' AND b.seq = x.seq",
                (wave.id, wave.id),
            )
            for waiting in fold.unfolded(conn):
                fold.fold(conn, waiting.wave, policy)
        return finished(house, wave)()

    asyncio.run(let_work(house, provider, quick, licence=2e5))
    assert counts(house, wave) == {State.ACCEPTED: 10}


def test_the_next_attempt_is_told(house: House, started: Started) -> None:
    """When, how many, why and on which account: for the status."""
    wave = started(n=12, account=ACCOUNT, seed=15)

    async def later(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
        while taken := await gate.take(4):
            here.leave(window, taken)
            yield answers(taken, Outcome.DEFERRED, "busy")

    def waits() -> bool:
        with house.begin() as conn:
            return sum(each.messages for each in stops.due(conn, wave.id) if each.reason == "deferred") == 12

    asyncio.run(let_work(house, Scripted(later), waits))


@pytest.mark.parametrize(
    ("error", "scope"),
    [(Misconfigured("177", "sender: unknown"), "sender"), (Misconfigured("146", "text: template"), "text"),
     (Misconfigured("103", "account: balance"), "account"), (Misconfigured("x", "anything else"), "account")],
)  # fmt: skip
def test_each_refusal_names_what_must_stop(error: Misconfigured, scope: str) -> None:
    assert error.scope == scope
    assert isinstance(error, ProviderError)


def test_the_program_moves_a_batch_only_along_an_approved_route(house: House, planned: Planned, site: Site) -> None:
    """Its role may not write a batch's account; the function that may reads the plan."""
    routed(planned, house)
    with psycopg.connect(site.app) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("UPDATE batch SET account = %s", (OTHER,))
