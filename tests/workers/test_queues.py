"""The doorbell against the real Redis: what a job may name, what is stored, and that one ring is enough."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Callback, Queue
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import TimerDeathPenalty

from campaigns.terms import Problem
from tests.workers.stage import exit_code, fork
from workers import queues
from workers.house import House, enter
from workers.pool import Worker
from workers.queues import AllowedJob


class HereWorker(Worker):
    """Our worker inside a test's process: its time-outs need no signal."""

    death_penalty_class = TimerDeathPenalty


def _plant(redis: Redis, name: str, *args: Any, **more: Any) -> Job:
    """A job put there by somebody who can write to Redis: RQ's own Job knows no list."""
    free = Queue("books", connection=redis, serializer=JSONSerializer)
    return free.enqueue(name, *args, result_ttl=60, failure_ttl=60, **more)


def _burst(redis: Redis, most: int | None = None) -> None:
    worker = HereWorker([queues.queue(redis, "books")], connection=redis, serializer=JSONSerializer)
    worker.work(burst=True, max_jobs=most, logging_level="CRITICAL")


def _touch_by_system(target: Path) -> tuple[str, tuple[str, ...]]:
    return "os.system", (f"touch {target}",)


def _touch_by_pathlib(target: Path) -> tuple[str, tuple[str, ...]]:
    return "shutil.copy", ("/etc/hostname", str(target))


def _touch_by_ours(target: Path) -> tuple[str, tuple[str, ...]]:
    return "workers.house.enter", (str(target),)


@pytest.mark.parametrize("planted", [_touch_by_system, _touch_by_pathlib, _touch_by_ours])
def test_a_job_with_another_function_is_refused(
    house: House, tmp_path: Path, planted: Callable[[Path], tuple[str, tuple[str, ...]]]
) -> None:
    """A planted job is not run, ends as failed, and the worker goes on living."""
    target = tmp_path / "touched"
    name, args = planted(target)
    job = _plant(house.redis, name, *args)
    pid = fork(lambda: _burst(house.redis))
    assert exit_code(pid) == 0
    assert not target.exists()
    assert Job.fetch(job.id, house.redis, serializer=JSONSerializer).is_failed


PLANTED = """
import pathlib
def touch(*_):
    pathlib.Path(__file__).with_name("touched").touch()
"""


@pytest.mark.parametrize(("name", "args", "ends"), [("keep_books", (), "finished"), ("wake", ("sim-smpp",), "failed")])
def test_callbacks_are_never_run(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, args: tuple[str, ...], ends: str
) -> None:
    """A listed job with planted callbacks, one that succeeds and one that fails: none of its callbacks is called."""
    (tmp_path / "planted_calls.py").write_text(PLANTED, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    calls = {kind: Callback("planted_calls.touch", timeout=5) for kind in ("on_success", "on_failure", "on_stopped")}
    job = _plant(house.redis, f"workers.jobs.{name}", *args, **calls)
    seen = AllowedJob.fetch(job.id, house.redis, serializer=JSONSerializer)
    assert (seen.success_callback, seen.failure_callback, seen.stopped_callback) == (None, None, None)

    def work() -> None:
        enter(replace(house, times=replace(house.times, job=0.0)))
        _burst(house.redis, most=1)

    assert exit_code(fork(work)) == 0
    assert Job.fetch(job.id, house.redis, serializer=JSONSerializer).get_status() == ends
    assert not (tmp_path / "touched").exists()


def test_a_method_of_an_object_is_refused(house: House) -> None:
    """A job that names an instance's method is refused even when its name is on the list."""
    job = AllowedJob.create("workers.jobs.wake", connection=house.redis, serializer=JSONSerializer)
    job._instance = "x"
    with pytest.raises(PermissionError):
        _ = job.func


def test_what_is_stored_is_json(house: House) -> None:
    """A job in Redis is JSON with the account's name, and nothing else of ours."""
    assert queues.ring_account(house.redis, "sim-smpp")
    (job_id,) = queues.queue(house.redis, "send.sim-smpp").job_ids
    raw: Any = house.redis.hgetall(f"rq:job:{job_id}")
    import zlib  # noqa: PLC0415 - RQ packs the data

    assert json.loads(zlib.decompress(raw[b"data"])) == ["workers.jobs.wake", None, ["sim-smpp"], {}]


def test_one_ring_is_enough(house: House) -> None:
    """A bell that was rung and not yet heard is not rung again, each account for itself."""
    assert [queues.ring_account(house.redis, "sim-smpp") for _ in range(3)] == [True, False, False]
    assert queues.ring_account(house.redis, "sim-esms")
    assert [queues.ring_books(house.redis) for _ in range(2)] == [True, False]
    house.redis.flushdb()
    assert queues.ring_account(house.redis, "sim-smpp")


def test_every_function_on_the_list_exists() -> None:
    """The list names functions of workers.jobs, all of them."""
    from workers import jobs  # noqa: PLC0415 - importing it must do nothing

    named = {name.removeprefix("workers.jobs.") for name in queues.ALLOWED}
    assert all(callable(getattr(jobs, name)) for name in named)
    with pytest.raises((RuntimeError, Problem)):
        jobs.wake("sim-smpp")
