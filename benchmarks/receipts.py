"""Receipts a second, each durable before its 200: our route beside a plain FastAPI route that stores one by one.

    python benchmarks/receipts.py [--seconds 5] [--connections 64]

Server and caller are two processes on this machine; the caller waits for each answer before its next receipt.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, HTTPException, Request, Response

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.filled import cpu_of
from campaigns.message import parse_reference, reference
from campaigns.sealing import Keyring
from config.settings import load
from dispatcher import app
from dispatcher.assemble import Site
from workers.spool import opened, read, ready

QUERY = "SMSID=3f0c5a5e-7d7a-4a3e-8f7e-0c1de2f3a4b5&SendStatus=5&SendSuccess=1&SendFailed=0&TotalPrice=850"
WARM = 1.0
"""Seconds before it counts."""
NO_DATABASE = "postgresql://nobody@127.0.0.1:9/none"  # receipts need none


def ours(data: Path, tell: Callable[[int], None]) -> None:
    """The application as it is served."""
    rehearsal = True
    settings = load({"DISPATCHER_LOG_LEVEL": "error"}, data=data, profile="drill")
    app.serve(Site(settings, "", NO_DATABASE, "redis://127.0.0.1:9", rehearsal), host="127.0.0.1", port=0, ready=tell)


def plain(data: Path, tell: Callable[[int], None]) -> None:
    """What one writes first: a FastAPI route that checks, seals, appends and syncs each receipt by itself."""
    api, keyring = FastAPI(), Keyring.create(data / "keys")
    mac, file = keyring.mac_key("reference"), (data / "receipts.log").open("ab", buffering=0)

    def take(account: str, ref: str, SMSID: str, SendStatus: str, request: Request) -> Response:  # noqa: N803 - eSMS's names
        if parse_reference(ref, mac) is None:
            raise HTTPException(404)
        event = {"url": str(request.url), "headers": dict(request.headers), "id": SMSID, "status": SendStatus}
        file.write(keyring.seal(json.dumps(event).encode(), account.encode()))
        os.fdatasync(file.fileno())
        return Response()

    api.get("/cb/{account}/{ref}")(take)
    listening = app.socket.create_server(("127.0.0.1", 0))
    tell(listening.getsockname()[1])
    uvicorn.Server(uvicorn.Config(api, log_config=None, access_log=False)).run(sockets=[listening])


class Caller(asyncio.Protocol):
    """One connection: a receipt, its answer, the next receipt."""

    def __init__(self, requests: Any, times: list[float], refused: list[bytes]) -> None:
        self._requests, self._times, self._refused = requests, times, refused
        self._line: Any = None
        self._at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The first receipt."""
        self._line = transport
        self._next()

    def _next(self) -> None:
        self._at = time.perf_counter()
        self._line.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        """An answer's head; a body that comes apart from it is not counted again."""
        if not data.startswith(b"HTTP/1.1 "):
            return
        self._times.append(time.perf_counter() - self._at)
        if not data.startswith(b"HTTP/1.1 200"):
            self._refused.append(data[:80])
        self._next()


async def pour(port: int, refs: list[str], connections: int, seconds: float) -> tuple[list[float], list[bytes]]:
    """Seconds of each answer, and answers other than 200."""
    loop, times, refused = asyncio.get_running_loop(), [], []
    requests = (f"GET /cb/sim-esms/{refs[n % len(refs)]}?{QUERY} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n in count())
    lines = [await loop.create_connection(lambda: Caller(requests, times, refused), "127.0.0.1", port)
             for _ in range(connections)]  # fmt: skip
    await asyncio.sleep(WARM)
    times.clear()
    await asyncio.sleep(seconds)
    taken = list(times)
    for transport, _ in lines:
        transport.abort()
    return taken, refused


def measure(name: str, server: Callable[[Path, Callable[[int], None]], None], wanted: argparse.Namespace) -> float:
    """Run one server and print its line; receipts a second."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "var"
        key = Keyring.create(data / "keys").mac_key("reference")
        refs = [reference(1, offset, key) for offset in range(10_000)]
        ports: Any = multiprocessing.Queue()
        process = multiprocessing.Process(target=server, args=(data, ports.put), daemon=True)
        process.start()
        port = ports.get(timeout=20)
        before = cpu_of(process.pid or 0)
        times, refused = asyncio.run(pour(port, refs, wanted.connections, wanted.seconds))
        cpu = (cpu_of(process.pid or 0) - before) / (len(times) * (1 + WARM / wanted.seconds))
        process.kill()
        process.join()
        rate, ordered = len(times) / wanted.seconds, sorted(times)
        sys.stdout.write(
            f"{name:8} {rate:8,.0f} receipts/s   median {statistics.median(ordered) * 1000:6.1f} ms   "
            f"CPU {cpu * 1e6:5.0f} us   p99 {ordered[int(len(ordered) * 0.99)] * 1000:6.1f} ms   refused {len(refused)}"
            f"   on the disk {_kept(data):,}\n"
        )
        return rate


def _kept(data: Path) -> int:
    """Events in the spool that open; 0 for the plain route, which has none."""
    keyring = Keyring.create(data / "keys")
    groups = [group for path in ready(data / "spool") for group in read(path)]
    return sum(len(opened(keyring.open(group.raw, b"sim-esms"))) for group in groups)


def main() -> None:
    """Both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=64)
    wanted = parser.parse_args()
    ratio = measure("ours", ours, wanted) / measure("plain", plain, wanted)
    sys.stdout.write(f"ratio {ratio:.1f}\n")


if __name__ == "__main__":
    main()
