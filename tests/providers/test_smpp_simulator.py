"""The adapter against the simulated SMSC, and the simulated SMSC against somebody else's client."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import smpp34

from campaigns.terms import Answer, Callback, Outcome, Receipt
from providers.errors import Misconfigured, ProviderError, Unreachable
from providers.simulator.faults import Faults
from providers.simulator.smpp import serve
from providers.simulator.truth import read_acknowledged, read_taken
from providers.smpp import Smpp
from tests.providers.gates import Gate, window

LONG = "Toàn dân tích cực tham gia phòng, chống mua bán người. " * 4
QUICK = Faults(latency=0.0, receipt_delay=0.02, undelivered=0.0, repeat_receipt=0.0)


def faults(**changed: float) -> Faults:
    return Faults(**{"latency": 0.0, "receipt_delay": 0.02, "undelivered": 0.0, "repeat_receipt": 0.0, **changed})


@asynccontextmanager
async def smsc(truth: Path, kept: Faults = QUICK, port: int = 0) -> AsyncIterator[int]:
    """The simulated SMSC while the block runs."""
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve("127.0.0.1", port, truth, kept, system_id="demo", password="hush-it", ready=started.set_result)
    )
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield started.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Store:
    """Keeps receipts, or refuses to."""

    def __init__(self) -> None:
        self.events: list[Callback | bytes] = []
        self.broken = False
        self.called = asyncio.Event()

    async def __call__(self, events: Sequence[Callback | bytes]) -> None:
        self.called.set()
        if self.broken:
            raise OSError("disk full")
        self.events += events

    async def until(self, count: int) -> list[Receipt]:
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self.called.clear()
                await self.called.wait()
        provider = adapter(0)
        return [receipt for told in provider.receipts_of(self.events) for receipt in told or ()]


def adapter(port: int, **changed: object) -> Smpp:
    settings: dict[str, object] = {"system_id": "demo", "password": "hush-it", "response_timeout": 0.2, **changed}
    return Smpp(host="127.0.0.1", port=port, **settings)  # type: ignore[arg-type]


def numbers(count: int) -> list[int]:
    return [84900000000 + n for n in range(count)]


async def sent(provider: Smpp, count: int, text: str = LONG) -> dict[int, Answer]:
    work = window(numbers(count), text)
    answers = [answer async for batch in provider.send(work, Gate(work)) for answer in batch]
    assert len({answer.idx for answer in answers}) == len(answers)
    return {answer.idx: answer for answer in answers}


@pytest.mark.parametrize(
    ("text", "settings", "parts"),
    [
        ("Toan dan tich cuc [QC] 5€", {}, 1),
        ("Toàn dân tích cực", {}, 1),
        (LONG, {}, 1),
        (LONG, {"long_text": "udh"}, 4),
        ("Toan dan tich cuc tham gia phong, chong mua ban nguoi {@}" * 8, {"long_text": "udh"}, 4),
        ("😀 chống mua bán người" * 9, {"long_text": "udh", "window": 5}, 3),
    ],
)
def test_the_truth_holds_the_very_text(tmp_path: Path, text: str, settings: dict[str, object], parts: int) -> None:
    """Every number got the text exactly once, whole, in either alphabet and either form of long texts."""

    async def run() -> None:
        truth, store = tmp_path / "truth", Store()
        async with smsc(truth) as port:
            provider = adapter(port, **settings)
            await provider.open(store)
            answers = await sent(provider, 700, text)
            receipts = await store.until(700)
            await provider.close()
        assert {answer.outcome for answer in answers.values()} == {Outcome.ACCEPTED}
        taken = read_taken(truth)
        assert sorted(int(line.number) for line in taken if line.part == 1) == numbers(700)
        assert {line.parts for line in taken} == {parts}
        whole = [line.whole_sha for line in taken if line.whole_sha != "-"]
        assert whole == [hashlib.sha256(text.encode()).hexdigest()] * 700
        by_ref = {answer.provider_ref: numbers(700)[idx] for idx, answer in answers.items()}
        assert {receipt.provider_ref: receipt.number for receipt in receipts} == by_ref
        assert {(receipt.outcome, receipt.code) for receipt in receipts} == {(Outcome.DELIVERED, "DELIVRD/000")}

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "outcome", "code", "taken"),
    [
        ("throttle", Outcome.DEFERRED, "0x58", 0),
        ("refuse", Outcome.REFUSED, "0x0B", 0),
        ("silent", Outcome.UNCERTAIN, "~timeout", 1),
        ("error_after", Outcome.UNCERTAIN, "0x08", 1),
    ],
)
@pytest.mark.parametrize("long_text", ["payload", "udh"])
def test_each_fault_gives_its_outcome(
    tmp_path: Path, fault: str, outcome: Outcome, code: str, taken: int, long_text: str
) -> None:
    """What the carrier does wrong is told as it is, and "uncertain" is said exactly where it took the message."""

    async def run() -> None:
        truth, kept = tmp_path / "truth", faults(**{fault: 0.3})
        async with smsc(truth, kept) as port:
            provider = adapter(port, long_text=long_text)
            await provider.open(Store())
            answers = await sent(provider, 50)
            again = await sent(provider, 50)
            await provider.close()
        hit = {idx for idx, number in enumerate(numbers(50)) if kept.hits(str(number), fault)}
        assert hit
        assert {idx for idx, answer in answers.items() if answer.outcome != Outcome.ACCEPTED} == hit
        assert {answers[idx][1:3] for idx in hit} == {(outcome, code)}
        first = [int(line.number) for line in read_taken(truth) if line.part == 1]
        tries = 1 if fault == "throttle" else 2 * taken
        assert all(first.count(84900000000 + idx) == tries for idx in hit)
        assert fault != "throttle" or {answer.outcome for answer in again.values()} == {Outcome.ACCEPTED}

    asyncio.run(run())


def test_a_rate_limit_throttles_what_is_too_much(tmp_path: Path) -> None:
    """Beyond the carrier's rate messages are put off, never lost and never taken."""

    async def run() -> None:
        async with smsc(tmp_path / "truth", faults(rate=100)) as port:
            provider = adapter(port)
            await provider.open(Store())
            answers = await sent(provider, 300)
            await provider.close()
        outcomes = [answer.outcome for answer in answers.values()]
        assert set(outcomes) == {Outcome.ACCEPTED, Outcome.DEFERRED}
        assert outcomes.count(Outcome.ACCEPTED) == len(read_taken(tmp_path / "truth"))

    asyncio.run(run())


def test_receipts_come_again_until_they_are_kept(tmp_path: Path) -> None:
    """A receipt that our store refused is asked for again; kept ones are remembered as acknowledged."""

    async def run() -> None:
        truth, store = tmp_path / "truth", Store()
        store.broken = True
        async with smsc(truth) as port:
            provider = adapter(port)
            await provider.open(store)
            await sent(provider, 40)
            await asyncio.wait_for(store.called.wait(), 5)
            store.broken = False
            await store.until(40)
            await provider.close()
        assert read_acknowledged(truth) == {line.message_id for line in read_taken(truth)}

    asyncio.run(run())


def test_receipts_on_a_cut_connection_come_over_the_next(tmp_path: Path) -> None:
    """A receipt that was on its way when the connection broke is not lost: nobody had acknowledged it."""

    async def run() -> None:
        called = asyncio.Event()

        async def stuck(_: Sequence[Callback | bytes]) -> None:
            called.set()
            await asyncio.sleep(60)

        async with smsc(tmp_path / "truth") as port:
            provider, store = adapter(port), Store()
            await provider.open(stuck)
            answers = await sent(provider, 30)
            await asyncio.wait_for(called.wait(), 5)
            await provider.close()
            await provider.open(store)
            receipts = await store.until(30)
            await provider.close()
        assert {receipt.provider_ref for receipt in receipts} == {answer.provider_ref for answer in answers.values()}

    asyncio.run(run())


def test_a_restarted_smsc_owes_what_it_owed(tmp_path: Path) -> None:
    """After its fall the SMSC goes on with new ids and sends the receipts nobody acknowledged."""

    async def run() -> None:
        truth, store = tmp_path / "truth", Store()
        async with smsc(truth, faults(receipt_delay=60)) as port:
            provider = adapter(port)
            await provider.open(store)
            before = await sent(provider, 30)
        with pytest.raises(Unreachable):
            await sent(provider, 30)
        async with smsc(truth, port=port):
            await provider.open(store)
            after = await sent(provider, 30)
            await store.until(60)
            await provider.close()
        ids = {answer.provider_ref for answers in (before, after) for answer in answers.values()}
        assert len(ids) == 60
        assert read_acknowledged(truth) == ids

    asyncio.run(run())


@pytest.mark.parametrize(
    ("settings", "error", "code"),
    [
        ({"password": "wrong-one"}, Misconfigured, "0x0E"),
        ({"system_id": "nobody"}, Misconfigured, "0x0F"),
        ({"port": 1}, Unreachable, "~connect"),
    ],
)
def test_a_refused_bind_says_what_to_do(
    tmp_path: Path, settings: dict[str, object], error: type[ProviderError], code: str
) -> None:
    """Wrong credentials call a person, a closed port is tried later, and no error shows a password."""

    async def run() -> None:
        async with smsc(tmp_path / "truth") as port:
            provider = adapter(**{"port": port, **settings})  # type: ignore[arg-type]
            with pytest.raises(error) as caught:
                await provider.open(Store())
            assert caught.value.code == code
            assert "wrong-one" not in f"{caught.value!r} {provider!r} {vars(provider)!r}"
            await provider.close()

    asyncio.run(run())


def test_another_client_finds_a_real_smsc(tmp_path: Path) -> None:
    """An independent client binds, submits, gets ids and receipts: the simulator speaks SMPP, not our dialect of it."""

    async def run() -> None:
        truth = tmp_path / "truth"
        async with smsc(truth) as port:
            client = smpp34.Client("127.0.0.1", port, "demo", "hush-it", bind_type="TRX")
            bound = await asyncio.ensure_future(client.connect())
            submits = [
                bound.submit_sm(str(number), "chống".encode("utf-16-be"), data_coding=8, registered_delivery=1)
                for number in numbers(20)
            ]
            answers = await asyncio.gather(*(asyncio.ensure_future(submit) for submit in submits))
            receipts = [await asyncio.wait_for(asyncio.ensure_future(bound.next()), 5) for _ in range(20)]
            await asyncio.ensure_future(bound.unbind())
            await asyncio.ensure_future(client.stop())
        taken = {line.message_id: line.number for line in read_taken(truth)}
        assert {answer.message_id for answer in answers} == set(taken)
        assert sorted(event.source_addr for event in receipts) == sorted(taken.values())
        assert all(b"stat:DELIVRD" in event.short_message for event in receipts)
        assert {line.whole_sha for line in read_taken(truth)} == {hashlib.sha256("chống".encode()).hexdigest()}

    asyncio.run(run())
