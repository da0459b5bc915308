"""The one suite that every adapter passes, against its simulated carrier over real sockets.

A carrier joins by one file in `cases/`; see docs/add-a-carrier.md. Each check is an async function of a case and an
empty folder; `applicable` says which of them a case must pass.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import tomllib
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from campaigns.terms import Answer, Callback, Outcome, Receipt
from providers.base import Provider, Window
from providers.catalog import build, load
from providers.errors import Misconfigured, ProviderError, Unreachable
from providers.simulator.faults import Faults
from providers.simulator.run import KINDS
from providers.simulator.truth import Taken, read_taken
from tests.providers.gates import Gate

CALM = Faults(latency=0, receipt_delay=0.01, undelivered=0, repeat_receipt=0)
SENDER = "LAICHAU"
TEXTS = (
    "Cảnh giác thủ đoạn lừa đảo đưa người ra nước ngoài trái phép. Tổng đài 111.",
    "Canh giac lua dao. Tong dai 111.",
    'Dòng một\nDòng hai & "ngoặc" + % = ; \\ {x} </text> \t hết',
    " khoảng trắng ở hai đầu, và  giữa \n",
    "Ký tự ngoài BMP: 🛑, và dấu: ặ ẵ ở đ Đ ₫",
)
BROKEN_BEFORE = ("~hang-before", "~reset-before", "~garbage", "~http302", "~http503")
BROKEN_AFTER = ("~hang", "~reset", "~truncated", "~garbled", "~http500")


@dataclass(frozen=True)
class Case:
    """One carrier as its case file describes it."""

    kind: str
    adapter: dict[str, Any]  # keyword arguments; "{port}" is the simulator's
    hurried: dict[str, Any]  # those that make it give up soon
    simulator: dict[str, str]
    wrong: dict[str, str]  # simulator settings under which our credentials are wrong
    secrets: list[str]
    number: int = 84900000000  # the first of the invented numbers
    http: bool = True
    carrier: str = ""  # the simulated carrier's kind where it differs; "described" needs no code
    tells_undelivered: bool = True  # whether its receipts ever say no
    codes: list[dict[str, str]] = field(default_factory=list)


def load_case(path: Path) -> Case:
    """Read a case file."""
    return Case(**tomllib.loads(path.read_text()))


class Bench:
    """A simulated carrier, a callback route and the adapter between them."""

    provider: Provider
    url: str  # where the callback route listens

    def __init__(self, case: Case, truth: Path) -> None:
        self.case = case
        self.truth = truth
        self.callbacks: list[Callback | bytes] = []
        self._more = asyncio.Event()

    def window(self, count: int, text: str = TEXTS[0], *, lo: int = 0) -> Window:
        """A window of `count` invented numbers; each index has the same number and reference in every window."""
        return Window(
            id=7,
            lo=lo,
            hi=lo + count,
            numbers=[self.case.number + idx for idx in range(lo, lo + count)],
            text=text,
            sender=SENDER,
            segments=1,
            reference=lambda idx: f"{idx:032x}",
            callback_url=lambda idx: f"{self.url}/cb/{self.case.kind}/{idx:032x}",
        )

    async def keep(self, callbacks: Sequence[Callback | bytes]) -> None:
        """The receipt sink."""
        self.callbacks += callbacks
        self._more.set()

    async def route(self, request: web.BaseRequest) -> web.Response:
        """The callback route: verify, keep, answer; as the real one, without its MAC."""
        callback = Callback(
            body=await request.read(),
            method=request.method,
            url=f"{self.url}{request.path}",
            query=request.query_string,
            headers={name.lower(): value for name, value in request.headers.items()},
            reference=request.path.rsplit("/", 1)[1],
        )
        self.provider.verify(callback)
        await self.keep([callback])
        return web.Response()

    async def send(self, window: Window, gate: Gate | None = None) -> tuple[list[Answer], ProviderError | None]:
        """Open, send, and collect answers and the error at the end; proves that each taken index is answered once."""
        gate = gate or Gate(window)
        answers: list[Answer] = []
        error = None
        try:
            await self.provider.open(self.keep)
            async for group in self.provider.send(window, gate):
                assert group
                answers += group
        except ProviderError as raised:
            error = raised
        taken = [idx for part in gate.taken for idx in part if window.numbers[idx - window.lo]]
        assert sorted(answer.idx for answer in answers) == taken
        return sorted(answers), error

    async def receipts(self, count: int) -> list[Receipt]:
        """Wait for so many callbacks, then translate them all."""
        async with asyncio.timeout(10):
            while len(self.callbacks) < count:
                self._more.clear()
                await self._more.wait()
        return [receipt for told in self.provider.receipts_of(self.callbacks) for receipt in told or ()]

    def taken(self) -> list[Taken]:
        """What the carrier says it took."""
        return read_taken(self.truth)


@asynccontextmanager
async def carrier(kind: str, truth: Path, faults: Faults, settings: Mapping[str, str]) -> AsyncIterator[int]:
    """A running simulated carrier; yields its port."""
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(load(KINDS[kind])("127.0.0.1", 0, truth, faults, ready=port.set_result, **settings))
    await asyncio.wait({serving, port}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield port.result()
    finally:
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


@asynccontextmanager
async def bench(
    case: Case, folder: Path, faults: Faults = CALM, *, odd: str = "", wrong: bool = False, away: bool = False
) -> AsyncIterator[Bench]:
    """All three, started and ended; `away` points the adapter at a port where nobody listens."""
    settings = case.simulator | (case.wrong if wrong else {}) | ({"odd": odd} if odd else {})
    truth = folder / "truth.tsv"
    made = Bench(case, truth)
    runner = web.ServerRunner(web.Server(made.route), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = {key: value.replace("{callback}", made.url) for key, value in settings.items()}
    try:
        async with carrier(case.carrier or case.kind, truth, faults, settings) as port:
            # The short deadline only where something must run into it: on a busy machine a calm window outlasts it.
            hurried = case.hurried if odd or away or faults.silent else {}
            made.provider = build(case.kind, _placed(case.adapter | hurried, closed_port() if away else port))
            yield made
            await made.provider.close()
            await made.provider.close()  # safe to call twice
    finally:
        await runner.cleanup()


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        found: int = probe.getsockname()[1]
        return found


def _placed(settings: Mapping[str, Any], port: int) -> dict[str, Any]:
    return {
        key: port if value == "{port}" else value.replace("{port}", str(port)) if isinstance(value, str) else value
        for key, value in settings.items()
    }


# -- the checks ------------------------------------------------------------------------------------------------------


async def accepts(case: Case, folder: Path) -> None:
    """Each message is taken once, answered once, and found again by the carrier's id or ours."""
    async with bench(case, folder) as b:
        answers, error = await b.send(b.window(150, lo=1000))
        assert error is None
        assert {answer.outcome for answer in answers} == {Outcome.ACCEPTED}
        taken = b.taken()
        numbers = Counter(t.number for t in taken)
        assert numbers == Counter(str(case.number + idx) for idx in range(1000, 1150))
        ids = {t.number: t.message_id for t in taken}
        assert all(a.provider_ref == ids[str(case.number + a.idx)] for a in answers)
        if b.provider.capability.client_ref != "none":
            refs = {t.number: t.ref for t in taken}
            assert all(refs[str(case.number + a.idx)] == f"{a.idx:032x}" for a in answers)


async def keeps_the_text(case: Case, folder: Path) -> None:
    """The carrier receives the approved text, byte by byte."""
    async with bench(case, folder) as b:
        for lo, text in enumerate(TEXTS):
            answers, error = await b.send(b.window(1, text, lo=lo))
            assert (answers[0].outcome, error) == (Outcome.ACCEPTED, None)
        whole = [t.whole_sha for t in b.taken() if t.part == t.parts]
        assert whole == [hashlib.sha256(text.encode()).hexdigest() for text in TEXTS]


async def throttled_then_taken(case: Case, folder: Path) -> None:
    """A carrier's "not now" is deferred, not taken, and the next try goes through."""
    async with bench(case, folder, Faults(latency=0, throttle=1)) as b:
        answers, error = await b.send(b.window(20))
        assert error is None
        assert {a.outcome for a in answers} == {Outcome.DEFERRED}
        assert b.taken() == []
        answers, error = await b.send(b.window(20))
        assert {a.outcome for a in answers} == {Outcome.ACCEPTED}


async def refused(case: Case, folder: Path) -> None:
    """A number that the carrier refuses is refused, and the account goes on."""
    async with bench(case, folder, Faults(latency=0, refuse=1)) as b:
        answers, error = await b.send(b.window(20))
        assert error is None
        assert {a.outcome for a in answers} == {Outcome.REFUSED}
        assert b.taken() == []


async def error_after_acceptance(case: Case, folder: Path) -> None:
    """A carrier that takes a message and then says "error" leaves it uncertain: the double-send trap."""
    async with bench(case, folder, Faults(latency=0, error_after=1)) as b:
        answers, _ = await b.send(b.window(20))
        assert {a.outcome for a in answers} == {Outcome.UNCERTAIN}
        assert len(b.taken()) == 20


async def silence_after_acceptance(case: Case, folder: Path) -> None:
    """A carrier that takes a message and never answers leaves it uncertain."""
    async with bench(case, folder, Faults(latency=0, silent=1)) as b:
        answers, _ = await b.send(b.window(20))
        assert Outcome.UNCERTAIN in {a.outcome for a in answers} <= {Outcome.UNCERTAIN, Outcome.NOT_SENT}, "no time"
        assert b.taken()


async def nobody_there(case: Case, folder: Path) -> None:
    """A closed port proves that nothing was sent, and ends the window with Unreachable."""
    async with bench(case, folder, away=True) as b:
        answers, error = await b.send(b.window(200))
        assert isinstance(error, Unreachable)
        assert {a.outcome for a in answers} <= {Outcome.NOT_SENT}
        assert len(answers) < 200
        assert b.taken() == []


async def the_gate_ends_it(case: Case, folder: Path) -> None:
    """After an empty range nothing more leaves, and small grants are enough."""
    async with bench(case, folder) as b:
        window = b.window(50)
        answers, error = await b.send(window, Gate(window, step=3, stop=17))
        assert error is None
        assert [a.idx for a in answers] == list(range(17))
        assert len(b.taken()) == 17


async def skips(case: Case, folder: Path) -> None:
    """A number of 0 is not sent and not answered."""
    async with bench(case, folder) as b:
        window = b.window(6)
        window.numbers = [0 if at in (0, 3, 5) else number for at, number in enumerate(window.numbers)]
        answers, _ = await b.send(window)
        assert [a.idx for a in answers] == [1, 2, 4]
        assert len(b.taken()) == 3


async def wrong_credentials(case: Case, folder: Path) -> None:
    """Wrong credentials stop the account before anything is taken."""
    async with bench(case, folder, wrong=True) as b:
        answers, error = await b.send(b.window(200))
        assert isinstance(error, Misconfigured)
        assert len(answers) < 200
        assert Outcome.ACCEPTED not in {a.outcome for a in answers}
        assert b.taken() == []


async def tells_receipts(case: Case, folder: Path) -> None:
    """Each receipt says what the carrier decided, and is found again; read twice, it says the same."""
    bad = 0.4 if case.tells_undelivered else 0
    faults = Faults(latency=0, receipt_delay=0.01, undelivered=bad, repeat_receipt=1)
    async with bench(case, folder, faults) as b:
        answers, _ = await b.send(b.window(30))
        receipts = await b.receipts(60)
        assert receipts == await b.receipts(60)
        said: dict[str, set[Outcome]] = {}
        for receipt in receipts:
            said.setdefault(receipt.provider_ref, set()).add(receipt.outcome)
            assert not receipt.ref or answers[int(receipt.ref, 16)].provider_ref == receipt.provider_ref
        undelivered = {i for i in range(30) if faults.hits(str(case.number + i), "undelivered")}
        assert len(undelivered) < 30
        assert bool(undelivered) == case.tells_undelivered
        for idx, answer in enumerate(answers):
            expected = Outcome.UNDELIVERED if idx in undelivered else Outcome.DELIVERED
            assert said[answer.provider_ref] == {expected}


async def keeps_secrets(case: Case, folder: Path) -> None:
    """No repr and no error, whole traceback included, shows a credential (the log is read by the test itself)."""
    shown: list[str] = []
    for at, (wrong, away) in enumerate(((True, False), (False, True), (False, False))):
        faults = Faults(latency=0, error_after=0.5)
        async with bench(case, folder / str(at), faults, wrong=wrong, away=away) as b:
            answers, error = await b.send(b.window(20))
            shown += [repr(b.provider), str(b.provider), repr(answers)]
            if error is not None:
                shown += [repr(error), *traceback.format_exception(error)]
    assert not [secret for secret in case.secrets for text in shown if secret in text]


# -- for carriers whose simulator takes `odd` (all HTTP ones) --------------------------------------------------------


async def documented_codes(case: Case, folder: Path) -> None:
    """Each documented code means what the case file says, and the code is kept as it came."""
    assert case.codes
    for at, row in enumerate(case.codes):
        async with bench(case, folder / str(at), odd=f"{case.number}={row['code']}") as b:
            answers, error = await b.send(b.window(1))
            assert answers[0][1:3] == (Outcome[row["outcome"]], row["code"])
            assert (type(error).__name__ if error else "") == row.get("raises", ""), row


async def broken_answers(case: Case, folder: Path) -> None:
    """Hung, cut, garbled and failed answers are uncertain, whether the carrier took the message or not."""
    fates = BROKEN_BEFORE + BROKEN_AFTER
    odd = ",".join(f"{case.number + at}={fate}" for at, fate in enumerate(fates))
    async with bench(case, folder, odd=odd) as b:
        answers, error = await b.send(b.window(len(fates)))
        assert error is None
        found = {fates[a.idx]: (a.outcome.name, a.code) for a in answers}
        codes = {
            "~hang-before": "~timeout", "~reset-before": "~reset", "~http302": "~http302", "~http503": "~http503",
            "~hang": "~timeout", "~reset": "~reset", "~garbled": "~garbage", "~http500": "~http500",
        }  # fmt: skip
        assert found == {fate: ("UNCERTAIN", codes.get(fate, fate)) for fate in fates}
        assert {t.number for t in b.taken()} == {
            str(case.number + at) for at, fate in enumerate(fates) if fate in BROKEN_AFTER
        }


async def looks_up(case: Case, folder: Path) -> None:
    """A look-up tells what became of a message whose receipt never came; an id nobody knows is left out."""
    faults = Faults(latency=0, receipt_delay=0, undelivered=0.4, no_receipt=1)
    async with bench(case, folder, faults) as b:
        if b.provider.capability.look_up == "none":
            return
        answers, _ = await b.send(b.window(30))
        refs = [a.provider_ref for a in answers]
        found = {r.provider_ref: r.outcome for r in await b.provider.look_up([*refs, refs[0][:-4] + "0000"])}
        undelivered = {i for i in range(30) if faults.hits(str(case.number + i), "undelivered")}
        assert found == {
            ref: Outcome.UNDELIVERED if i in undelivered else Outcome.DELIVERED for i, ref in enumerate(refs)
        }
        assert b.callbacks == []


Check = Callable[[Case, Path], Coroutine[Any, Any, None]]
EVERYBODY: tuple[Check, ...] = (
    accepts,
    keeps_the_text,
    throttled_then_taken,
    refused,
    error_after_acceptance,
    silence_after_acceptance,
    nobody_there,
    the_gate_ends_it,
    skips,
    wrong_credentials,
    tells_receipts,
    keeps_secrets,
)
HTTP: tuple[Check, ...] = (documented_codes, broken_answers, looks_up)


def applicable(case: Case) -> tuple[Check, ...]:
    """The checks this case must pass."""
    return EVERYBODY + HTTP if case.http else EVERYBODY
