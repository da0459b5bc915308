"""What is uncertain is asked about: found by number, or sent again under the same reference, never as a new message."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns.ledger.waves import Wave
from campaigns.terms import Answer, Capability, Outcome, Receipt, State
from dispatcher.assemble import Site
from providers.base import Doubt, Gate, Provider, Window
from providers.catalog import build
from providers.errors import Unreachable
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken
from tests.cluster import Started
from tests.providers.contract import carrier
from tests.workers.scripted import Patient, Scripted, counts, let_work
from tests.workers.stage import ACCOUNT, fold_all
from workers import restart
from workers.house import House
from workers.sender import Sending
from workers.uncertain import Questions

LOOK_UPS = (0.1, 0.4, 0.8)
SPOILT = Faults(latency=0, silent=0.2, error_after=0.3, receipt_delay=0.01)
KINDS: dict[str, dict[str, str]] = {
    "esms": {"api_key": "rehearsal", "secret_key": "rehearsal"},
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "rehearsal"},
}


@pytest.fixture
def wave(house: House, started: Started, owner: psycopg.Connection) -> Iterator[Wave]:
    """Forty messages to the account of these tests, with short waits; afterwards nobody asks about them any more."""
    house.settings = house.settings.model_copy(update={"settle": LOOK_UPS[0], "look_ups": LOOK_UPS})
    restart.begin_sending(house)
    made = started(n=40, account=ACCOUNT)
    yield made
    owner.execute("UPDATE send_window SET account = 'sim-twilio' WHERE wave = %s", (made.id,))


@pytest.fixture
def owner(site: Site) -> Any:
    with psycopg.connect(site.owner, autocommit=True) as conn:
        yield conn


def questions_of(house: House, wave: Wave) -> list[tuple[int, str, float]]:
    """Each question's outcome, code, and seconds after the line that left its message uncertain."""
    with house.begin() as conn:
        return conn.execute(
            f"SELECT l.outcome, l.provider_code, extract(epoch FROM l.at - u.at)::float8 FROM log_{wave.id} l"
            f' JOIN log_{wave.id} u ON u."window" = l."window" AND u.idx = l.idx AND u.outcome = 1 AND u.kind <> l.kind'
            " WHERE l.kind = 'look-up' ORDER BY l.at"
        ).fetchall()


@pytest.mark.parametrize("kind", KINDS)
def test_taken_but_not_answered(house: House, wave: Wave, tmp_path: Path, kind: str) -> None:
    """F26, F28: half are taken and answered by an error or never; a question settles each, nobody is sent twice."""
    truth = tmp_path / "truth.log"

    async def work() -> None:
        async with carrier(kind, truth, SPOILT, KINDS[kind]) as port:
            url = f"http://127.0.0.1:{port}"
            provider = build(kind, {**KINDS[kind], "base_url": url, "deadline": 0.3})
            await let_work(house, provider, lambda: counts(house, wave).keys() <= TOLD, patient=True)

    asyncio.run(work())
    taken = Counter(line.number for line in read_taken(truth))
    assert (len(taken), max(taken.values())) == (40, 1)
    assert {outcome for outcome, _, _ in questions_of(house, wave)} & TOLD


TOLD = {State.ACCEPTED, State.UNDELIVERED, State.DELIVERED}


@pytest.mark.parametrize("fate", ["~hang", "~reset", "~truncated", "~garbled", "~http500", "~garbage", "~hang-before"])
def test_garbage_is_settled_by_the_same_reference(house: House, wave: Wave, tmp_path: Path, fate: str) -> None:
    """F30: an unreadable answer, cut or no JSON, is uncertain; sent again it is known, or taken for the first time."""
    truth = tmp_path / "truth.log"
    with house.begin() as conn:
        from campaigns.ledger import reading  # noqa: PLC0415 - one use

        number = next(iter(reading.messages(conn, wave.id, house.keys(wave.campaign)))).number
    once = fate in ("~garbage", "~hang-before")  # never taken: the fate is the number's for ever, so it stays uncertain
    wanted = 39 if once else 40

    async def work() -> None:
        async with carrier("esms", truth, Faults(latency=0), KINDS["esms"] | {"odd": f"{number}={fate}"}) as port:
            provider = build("esms", {**KINDS["esms"], "base_url": f"http://127.0.0.1:{port}", "deadline": 0.3})
            await let_work(
                house,
                provider,
                lambda: (
                    counts(house, wave).get(State.ACCEPTED) == wanted
                    and len(questions_of(house, wave)) >= (len(LOOK_UPS) if once else 1)
                ),
                patient=True,
            )

    asyncio.run(work())
    taken = Counter(line.number for line in read_taken(truth))
    assert (len(taken), max(taken.values())) == (wanted, 1)
    assert counts(house, wave).get(State.UNCERTAIN, 0) == 40 - wanted


# -- a carrier by script ---------------------------------------------------------------------------------------------


class Remembers(Scripted):
    """Never answers the first time a reference comes, answers as told from then on."""

    capability = Capability(
        "dedupe", "none", "none", "84", dedupe_horizon=timedelta(hours=1), duplicate_codes=frozenset({"dup"})
    )

    def __init__(self, said: Answer | Exception, first: str = "~timeout") -> None:
        super().__init__(_script)
        self.said, self.first = said, first
        self.references: Counter[str] = Counter()


async def _script(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    assert isinstance(here, Remembers)
    while taken := await gate.take(5):
        here.leave(window, taken)
        here.references.update(window.reference(idx) for idx in taken)
        if here.references[window.reference(taken.start)] == 1:
            yield [Answer(idx, Outcome.UNCERTAIN, here.first, "") for idx in taken]
        elif isinstance(here.said, Exception):
            raise here.said
        else:
            yield [here.said._replace(idx=idx) for idx in taken]


class Tells(Scripted):
    """Never answers a submission; asked by number it says what it was told to."""

    capability = Capability("none", "none", "none", "84", finds=True)

    def __init__(self, said: Receipt) -> None:
        super().__init__(_silent)
        self.said = said
        self.asked: Counter[int] = Counter()

    async def find(self, doubt: Doubt) -> Receipt:
        self.asked[doubt.number] += 1
        ref = f"{self.said.provider_ref}{doubt.number}" if self.said.provider_ref else ""
        return self.said._replace(provider_ref=ref)


async def _silent(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    while taken := await gate.take(5):
        here.leave(window, taken)
        yield [Answer(idx, Outcome.UNCERTAIN, "~timeout", "") for idx in taken]


RESUBMITTED = [
    (Answer(0, Outcome.ACCEPTED, "100", "id"), State.ACCEPTED),
    (Answer(0, Outcome.UNCERTAIN, "dup", ""), State.ACCEPTED),
    (Answer(0, Outcome.REFUSED, "99", ""), State.UNCERTAIN),  # also what "same text within minutes" is answered
    (Answer(0, Outcome.DEFERRED, "~http429", ""), State.UNCERTAIN),
    (Answer(0, Outcome.NOT_SENT, "~connect", ""), State.UNCERTAIN),
    (Answer(0, Outcome.UNCERTAIN, "~timeout", ""), State.UNCERTAIN),
    (ValueError("a fault of the adapter"), State.UNCERTAIN),
    (Unreachable("~link"), State.UNCERTAIN),
]


@pytest.mark.parametrize(("said", "state"), RESUBMITTED, ids=lambda v: str(getattr(v, "code", None) or v))
def test_what_a_second_submission_proves(house: House, wave: Wave, said: Answer | Exception, state: State) -> None:
    """F32: taken now or known from before is accepted; whatever else it says, the first time stays in doubt."""
    provider = Remembers(said)
    asked = 40 if state is State.ACCEPTED else 1

    def over() -> bool:
        return counts(house, wave).get(state, 0) == 40 and len(questions_of(house, wave)) >= asked

    asyncio.run(let_work(house, provider, over, patient=True))
    assert counts(house, wave) == {state: 40}
    assert len(provider.references) == 40  # no message ever got a second reference
    assert set(Counter(provider.wire)) == set(provider.wire)
    if state is State.ACCEPTED:
        assert set(provider.references.values()) == {2}


LOOKED_UP = [
    (Receipt(Outcome.ACCEPTED, "sent", provider_ref="SM"), State.ACCEPTED),
    (Receipt(Outcome.DELIVERED, "delivered", provider_ref="SM"), State.DELIVERED),
    (Receipt(Outcome.UNDELIVERED, "failed", provider_ref="SM"), State.UNDELIVERED),
    (Receipt(Outcome.UNCERTAIN, "~not-found"), State.UNCERTAIN),
    (Receipt(Outcome.REFUSED, "no"), State.UNCERTAIN),
]


@pytest.mark.parametrize(("said", "state"), LOOKED_UP, ids=lambda v: str(getattr(v, "code", "")))
def test_what_a_look_up_proves(house: House, wave: Wave, said: Receipt, state: State) -> None:
    """Found is what the carrier says; not found after the last question stays uncertain, and is never sent again."""
    provider = Tells(said)
    each = 1 if said.provider_ref else len(LOOK_UPS)
    asyncio.run(let_work(house, provider, lambda: len(questions_of(house, wave)) == 40 * each
                         and counts(house, wave) == {state: 40}, patient=True))  # fmt: skip
    assert set(provider.asked.values()) == {each}
    assert max(Counter(provider.wire).values()) == 1
    assert {code for _, code, _ in questions_of(house, wave)} == {said.code}


def test_an_id_that_another_message_has_settles_nothing(house: House, wave: Wave) -> None:
    """A carrier that names one id for all numbers: the first keeps it, nobody else becomes accepted by it."""
    provider = Tells(Receipt(Outcome.ACCEPTED, "sent"))
    provider.find = lambda _doubt: _same()  # type: ignore[method-assign]
    asyncio.run(let_work(house, provider, lambda: len(questions_of(house, wave)) >= 80, patient=True))
    fold_all(house)
    assert counts(house, wave) == {State.ACCEPTED: 1, State.UNCERTAIN: 39}


async def _same() -> Receipt:
    return Receipt(Outcome.ACCEPTED, "sent", provider_ref="SM1")


def test_a_restart_between_questions_keeps_the_schedule(house: House, wave: Wave) -> None:
    """Each question comes at its time after the uncertain line, whoever asks it; after the last there is none."""
    asked = Counter[int]()
    for so_far in (40, 80, 120):
        _free_share(house)
        provider = Tells(Receipt(Outcome.UNCERTAIN, "~not-found"))
        asyncio.run(
            let_work(house, provider, lambda so_far=so_far: len(questions_of(house, wave)) >= so_far, patient=True)
        )  # type: ignore[misc]
        asked += provider.asked
    assert set(asked.values()) == {3}
    late = sorted(seconds for _, _, seconds in questions_of(house, wave))
    for n, after in enumerate(LOOK_UPS):
        assert min(late[40 * n : 40 * n + 40]) >= after

    async def once_more() -> int:
        async with asking(house, provider) as questions:
            return await questions.round()

    assert asyncio.run(once_more()) == 0


# -- when nothing may be sent again ----------------------------------------------------------------------------------


def _free_share(house: House) -> None:
    """The worker before is gone; its share is not waited for."""
    with house.begin() as conn:
        conn.execute("DELETE FROM share")


@asynccontextmanager
async def asking(house: House, provider: Provider) -> AsyncIterator[Questions]:
    """A worker that only asks."""
    sending = Sending(house, house.accounts[ACCOUNT], provider)
    sending.health.breaker = Patient()
    sending._end = lambda _why: None  # type: ignore[method-assign]  # this process is the test's own
    await sending.start()
    try:
        _free_share(house)
        await sending.watch._poll(await sending._database())
        assert sending.watch.holder
        yield Questions(sending)
    finally:
        sending.draining = True
        await sending.stop()


def due_now(house: House, owner: psycopg.Connection, wave: Wave, provider: Provider) -> None:
    """Everybody is uncertain and due; nobody was asked."""
    house.settings = house.settings.model_copy(update={"settle": 30, "look_ups": (30.0, 60.0)})
    asyncio.run(let_work(house, provider, lambda: counts(house, wave) == {State.UNCERTAIN: 40}, patient=True))
    owner.execute(f"UPDATE log_{wave.id} SET at = at - interval '31 s' WHERE outcome = 1")


WAVE, WINDOW = "UPDATE wave SET {} WHERE id = %s", "UPDATE send_window SET {} WHERE wave = %s"
FORBIDDEN = {
    "paused": WAVE.format("state = 'paused'"),
    "cancelled": WAVE.format("state = 'cancelled'"),
    "closed": WAVE.format("opens_at = now() - interval '2 d', closes_at = now() - interval '1 s'"),
    "night": WAVE.format("day_opens = '23:59:59', day_closes = '00:00'"),
    "F33: 0.8 of the horizon": WINDOW.format("at = at - interval '2866 s'"),
    "another account's": WINDOW.format("account = 'sim-esms'"),
    "excluded since": "INSERT INTO wave_skip SELECT %s, no FROM message_{wave}",
    "locked": "UPDATE installation SET locked_reason = 'tested' WHERE %s > 0",
    "switched off": "UPDATE account SET enabled = false WHERE %s > 0 AND name = 'sim-smpp'",
    "in trial": "INSERT INTO account_trial (account, by, reason) SELECT 'sim-smpp', 'an', 'x' WHERE %s > 0",
    "restored": "UPDATE installation SET incarnation = incarnation + 1 WHERE %s > 0",
}


@pytest.mark.parametrize("why", FORBIDDEN)
def test_no_reference_is_sent_again_where_nothing_may_be_sent(
    house: House, owner: psycopg.Connection, wave: Wave, why: str
) -> None:
    """F33 and stops: paused, cancelled, closed, excluded, too old for the carrier's memory: the doubt stays a doubt."""
    provider = Remembers(Answer(0, Outcome.ACCEPTED, "100", "id"))
    due_now(house, owner, wave, provider)
    try:
        asyncio.run(_round_after(house, owner, wave, provider, FORBIDDEN[why]))
    finally:
        owner.execute("UPDATE account SET enabled = true WHERE name = 'sim-smpp'")
    assert set(provider.references.values()) == {1}
    assert questions_of(house, wave) == []


async def _round_after(house: House, owner: psycopg.Connection, wave: Wave, provider: Provider, act: str) -> int:
    async with asking(house, provider) as questions:
        owner.execute(act.format(wave=wave.id), (wave.id,))
        return await questions.round()


def test_it_is_sent_again_where_it_may_be(house: House, owner: psycopg.Connection, wave: Wave) -> None:
    """The same stage as above without a stop, one second inside the horizon's 0.8, the wave finished: all are asked."""
    provider = Remembers(Answer(0, Outcome.UNCERTAIN, "dup", ""))
    due_now(house, owner, wave, provider)
    act = "UPDATE send_window SET at = at - interval '2800 s' WHERE wave = %s"
    assert asyncio.run(_round_after(house, owner, wave, provider, act)) == 40
    fold_all(house)
    assert counts(house, wave) == {State.ACCEPTED: 40}
    assert set(provider.references.values()) == {2}


def test_a_look_up_is_allowed_when_nothing_may_be_sent(house: House, owner: psycopg.Connection, wave: Wave) -> None:
    """Paused and under the kill switch a carrier may still be asked what it took."""
    provider = Tells(Receipt(Outcome.DELIVERED, "delivered", provider_ref="SM"))
    due_now(house, owner, wave, provider)
    house.settings.kill_switch_file.touch()
    try:
        assert asyncio.run(_round_after(house, owner, wave, provider, FORBIDDEN["paused"])) == 40
    finally:
        house.settings.kill_switch_file.unlink()


def test_a_duplicate_on_the_first_submission_is_no_acceptance(
    house: House, owner: psycopg.Connection, wave: Wave
) -> None:
    """F32: a carrier that knows a reference before we ever sent it proves nothing, now or when asked again."""
    provider = Remembers(Answer(0, Outcome.UNCERTAIN, "dup", ""), first="dup")
    due_now(house, owner, wave, provider)
    assert asyncio.run(_round_after(house, owner, wave, provider, "SELECT %s")) == 0
    assert counts(house, wave) == {State.UNCERTAIN: 40}


def test_a_pause_in_the_last_moment_stops_it(house: House, owner: psycopg.Connection, wave: Wave) -> None:
    """Paused between the look at the ledger and the socket: nothing passes the gate, and no question is counted."""
    provider = Remembers(Answer(0, Outcome.ACCEPTED, "100", "id"))
    due_now(house, owner, wave, provider)

    async def work() -> int:
        async with asking(house, provider) as questions:
            watch = questions._sending.watch
            watch.halted = lambda *_: "stopped"  # type: ignore[method-assign]
            return await questions.round()

    assert asyncio.run(work()) == 0
    assert set(provider.references.values()) == {1}
    assert questions_of(house, wave) == []
