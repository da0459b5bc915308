"""Runs one simulated carrier as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

from campaigns.terms import Problem
from providers.catalog import check_settings, load
from providers.simulator.faults import Faults
from providers.simulator.http import Ready

KINDS: Final[dict[str, str]] = {
    "smpp": "providers.simulator.smpp:serve",
    "esms": "providers.simulator.esms:serve",
    "described": "providers.simulator.described:serve",
    "twilio": "providers.simulator.twilio:serve",
    "province": "providers.simulator.province:serve",  # no carrier: the accounts of the province
}


def run(
    kind: str,
    *,
    truth: Path,
    faults: Faults,
    settings: Mapping[str, str],
    host: str = "127.0.0.1",
    port: int = 0,
    ready: Ready | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is told the port. Raises Problem for an unknown kind or key."""
    if kind not in KINDS:
        raise Problem('no simulated carrier "{kind}": use one of {kinds}', kind=kind, kinds=", ".join(sorted(KINDS)))
    serve = load(KINDS[kind])
    check_settings(serve, settings, f"simulator {kind}")
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(until_stopped(serve(host, port, truth, faults, ready=ready, **settings)))


async def until_stopped(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until SIGTERM or SIGINT."""
    task = asyncio.ensure_future(serving)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task
