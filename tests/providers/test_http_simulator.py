"""The simulated HTTP carriers keep their word: de-duplication, repeats, memory, and a clean end."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from aiohttp import ClientSession, web

from campaigns.terms import Problem
from providers.simulator.esms import EsmsCarrier
from providers.simulator.faults import Faults
from providers.simulator.run import run
from providers.simulator.truth import read_acknowledged, read_taken
from tests.providers.contract import CALM, carrier

KEYS = {"api_key": "k", "secret_key": "s"}
SEND = "/MainService.svc/json/SendMultipleMessage_V4_post_json/"
WANTED = {"ApiKey": "k", "SecretKey": "s", "Phone": "84900000001", "Content": "chào", "Brandname": "LAICHAU",
          "SmsType": "2", "IsUnicode": "1", "RequestId": "r1", "CallbackUrl": ""}  # fmt: skip


async def ask(port: int, **changes: str) -> str:
    """CodeResult of one submission."""
    async with (
        ClientSession() as http,
        http.post(f"http://127.0.0.1:{port}{SEND}", data=json.dumps(WANTED | changes)) as response,
    ):
        return str(json.loads(await response.read())["CodeResult"]) if response.ok else str(response.status)


@asynccontextmanager
async def listener(*statuses: int) -> AsyncIterator[tuple[str, list[str]]]:
    """A callback route that answers these in turn, then 200; and the queries it was called with."""
    calls: list[str] = []

    async def route(request: web.BaseRequest) -> web.Response:
        calls.append(request.query_string)
        return web.Response(status=statuses[len(calls) - 1] if len(calls) <= len(statuses) else 200)

    runner = web.ServerRunner(web.Server(route), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/cb/esms/x", calls
    finally:
        await runner.cleanup()


async def until(path: Path, count: int) -> None:
    """Wait until so many messages are acknowledged."""
    async with asyncio.timeout(10):
        while len(read_acknowledged(path)) < count:  # noqa: ASYNC110 - the fact lies in another process's file
            await asyncio.sleep(0.01)


REPEATS = [
    ({}, "124"),  # the same RequestId within 24 h
    ({"Phone": "0900000001", "RequestId": "r2"}, "99"),  # the same text to the same phone within 5 min
    ({"Phone": "84900000002", "RequestId": "r3"}, "100"),
    ({"Content": "khác", "RequestId": "r4"}, "100"),
    ({"RequestId": "r5", "SecretKey": "x"}, "101"),
    ({"RequestId": "r5", "Brandname": "LA"}, "104"),
    ({"RequestId": "r5", "IsUnicode": "0"}, "118"),
    ({"RequestId": "r5", "Phone": "123"}, "108"),
]


def test_esms_refuses_repeats_also_after_a_restart(tmp_path: Path) -> None:
    """RequestIds and texts are remembered across a restart; only new messages enter the truth."""

    async def story() -> None:
        truth = tmp_path / "truth.tsv"
        async with carrier("esms", truth, CALM, KEYS) as port:
            assert await ask(port) == "100"
        async with carrier("esms", truth, CALM, KEYS | {"brandnames": "LAICHAU,KHAC"}) as port:
            assert [await ask(port, **changes) for changes, _ in REPEATS] == [code for _, code in REPEATS]
        assert [t.ref for t in read_taken(truth)] == ["r1", "r3", "r4"]

    asyncio.run(story())


def test_a_rate_is_refused_and_recovers(tmp_path: Path) -> None:
    """Above its rate the carrier says 429, takes nothing, and takes again later."""

    async def story() -> None:
        async with carrier("esms", tmp_path / "t", Faults(latency=0, rate=3), KEYS) as port:
            codes = [await ask(port, RequestId=f"r{at}", Phone=f"8490000001{at}") for at in range(5)]
        assert codes == ["100", "100", "100", "429", "429"]
        assert len(read_taken(tmp_path / "t")) == 3

    asyncio.run(story())


def test_a_callback_is_tried_again_until_it_is_heard(tmp_path: Path) -> None:
    """A callback that meets 503 comes again; only the heard one is acknowledged."""

    async def story() -> None:
        async with listener(503, 500) as (url, calls), carrier("esms", tmp_path / "t", CALM, KEYS) as port:
            await ask(port, CallbackUrl=url)
            await until(tmp_path / "t", 1)
        assert len(calls) == 3
        assert "SendSuccess=1" in calls[0]
        assert calls[0] == calls[2]

    asyncio.run(story())


def test_a_restart_tells_what_was_not_heard(tmp_path: Path) -> None:
    """After a restart only the unacknowledged callbacks come again, to the URLs they were promised to."""

    async def story() -> None:
        async with listener() as (url, calls):
            async with carrier("esms", tmp_path / "t", CALM, KEYS) as port:
                await ask(port, CallbackUrl=url)
                await until(tmp_path / "t", 1)
            async with carrier("esms", tmp_path / "t", Faults(latency=0, receipt_delay=60), KEYS) as port:
                await ask(port, CallbackUrl=url, RequestId="r2", Phone="84900000002")
            assert len(calls) == 1
            async with carrier("esms", tmp_path / "t", CALM, KEYS):
                await until(tmp_path / "t", 2)
            assert ["RequestId=r1" in calls[0], "RequestId=r2" in calls[1], len(calls)] == [True, True, 2]

    asyncio.run(story())


def child(told: Any, folder: str) -> None:
    """The simulated carrier's process."""
    run("esms", truth=Path(folder) / "t", faults=CALM, settings=KEYS, ready=told.put)


def test_the_process_ends_cleanly_on_sigterm(tmp_path: Path) -> None:
    """`run` announces its port, serves, and ends with 0 when told to."""
    spawn = multiprocessing.get_context("spawn")
    told = spawn.Queue()
    process = spawn.Process(target=child, args=(told, str(tmp_path)))
    process.start()
    try:
        port = told.get(timeout=20)
        assert asyncio.run(ask(port)) == "100"
    except Empty:
        pytest.fail("the carrier never listened")
    finally:
        os.kill(process.pid or 0, signal.SIGTERM)
        process.join(10)
    assert process.exitcode == 0


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("pigeon", {}, "esms"),
        ("esms", {"api_key": "k"}, "secret_key"),
        ("esms", KEYS | {"apikey": "k"}, "apikey"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, kind: str, settings: dict[str, str], said: str) -> None:
    """An unknown kind or key, or a missing one, is told by name before anything starts."""
    with pytest.raises(Problem, match=said):
        run(kind, truth=tmp_path / "t", faults=CALM, settings=settings)


def test_a_truth_line_cut_by_a_crash_was_never_answered(tmp_path: Path) -> None:
    """A half-written last line is left out on reload, and the carrier still starts."""
    (tmp_path / "t").write_text("1.0\tid1\t84900000001\t1\t1\ta\ta\tr1\n2.0\tid2\t8490")
    (tmp_path / "t.callbacks").write_text("id1\t\nid2")

    async def story() -> list[str]:
        made = EsmsCarrier(tmp_path / "t", CALM, "", ("k", "s"), "", 300)
        await made.close()
        return list(made.records)

    assert asyncio.run(story()) == ["id1"]
