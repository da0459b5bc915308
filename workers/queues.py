"""The doorbell: RQ queues that say "look at the ledger", and may lose every ring (reliability: section 5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

ALLOWED = frozenset({"workers.jobs.wake", "workers.jobs.keep_books"})
"""The only functions a job may name: RQ would import and call whatever Redis says."""

BOOKS = "books"
JOB_TIMEOUT = 120
"""Seconds; a job gives itself back after 30, so this can hit only a waiting thread."""


class AllowedJob(Job):
    """A job that may call nothing outside ALLOWED, and no callback at all."""

    @property
    def func(self) -> Callable[..., Any] | None:
        """The job's function, when it is on the list."""
        if self.instance or self.func_name not in ALLOWED:
            raise PermissionError(f"job {self.func_name!r} is not on the list")
        return super().func  # type: ignore[no-any-return]  # rq leaves this property untyped

    @property
    def success_callback(self) -> None:
        """None: we use no callbacks, and Redis may not make us call one."""
        return

    @property
    def failure_callback(self) -> None:
        """As above."""
        return

    @property
    def stopped_callback(self) -> None:
        """As above."""
        return


def queue(redis: Redis, name: str) -> Queue:
    """A queue whose jobs are JSON."""
    return Queue(name, connection=redis, job_class=AllowedJob, serializer=JSONSerializer)


def send_queue(account: str) -> str:
    """The queue of one provider account: one worker process listens to one queue."""
    return f"send.{account}"


def ring_account(redis: Redis, account: str) -> bool:
    """Wake the worker of an account, unless it has been rung already."""
    return _ring(queue(redis, send_queue(account)), "workers.jobs.wake", account)


def ring_books(redis: Redis) -> bool:
    """Wake the book-keeper."""
    return _ring(queue(redis, BOOKS), "workers.jobs.keep_books")


def _ring(bell: Queue, name: str, *args: str) -> bool:
    if bell.count:
        return False
    bell.enqueue(name, *args, job_timeout=JOB_TIMEOUT, result_ttl=0, failure_ttl=60, retry=None)
    return True
