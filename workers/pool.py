"""Worker processes: what `dispatcher work NAME` becomes (ledger: section 10)."""

from __future__ import annotations

import ctypes
import logging
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from rq import SimpleWorker
from rq.serializers import JSONSerializer

from workers import books, sender, sweeper
from workers.house import House, enter
from workers.queues import BOOKS, AllowedJob, queue, send_queue

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1


class Worker(SimpleWorker):
    """RQ's worker without a fork: the carrier's connection and the database's live across jobs."""

    job_class = AllowedJob
    on_stop: Callable[[], None] | None = None

    def request_stop(self, signum: Any, frame: FrameType | None) -> None:
        """SIGTERM and SIGINT set the drain flag at once, then RQ ends after the job."""
        if self.on_stop is not None:
            self.on_stop()
        super().request_stop(signum, frame)  # type: ignore[no-untyped-call]  # rq leaves this untyped


def run(house: House, name: str) -> None:
    """Be the worker of this name until told to stop: an account's, `books` or `sweeper`."""
    enter(house)
    if name == "sweeper":
        _run_sweeper(house)
    elif name == BOOKS:
        _listen(house, BOOKS, books.stop)
    else:
        _run_sender(house, name)


def _run_sender(house: House, account: str) -> None:
    thread = sender.begin(house, account)
    try:
        _listen(house, send_queue(account), thread.drain)
    finally:
        thread.stop()


def _listen(house: House, name: str, on_stop: Callable[[], None]) -> None:
    worker = Worker(
        [queue(house.redis, name)], connection=house.redis, serializer=JSONSerializer, job_class=AllowedJob,
        worker_ttl=30, job_monitoring_interval=5, maintenance_interval=30, log_job_description=False,
    )  # fmt: skip
    worker.on_stop = on_stop
    worker.work(logging_level="WARNING", with_scheduler=False)


def _run_sweeper(house: House) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sweeper.run(house, stop)


def die_with_parent() -> None:
    """Linux ends this process when its parent's thread ends, kill -9 included."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
