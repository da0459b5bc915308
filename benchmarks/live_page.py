"""The live page of a large wave while receipts pour in: how old its figures are, what a page costs, bytes a minute.

    python benchmarks/live_page.py [--messages 400000] [--rate 10000] [--pages 20]

A wave that was sent, real receivers and books, and a second server process that serves the console alone, so that its
CPU is the pages'. One receipt a message at the given rate over 64 connections; `--pages` open live pages read their
streams. A page shows how many messages carriers have told of; the age of its figures is the time since the first
receipt that they lack was answered, at the moment the bytes arrive. Exit code 1 when a figure was older than 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import storm
from benchmarks.carrier import machine
from benchmarks.filled import sent_wave, site_of, windows_of
from campaigns.ledger import logins
from campaigns.message import reference
from config.settings import load
from dispatcher import assemble
from dispatcher.assemble import Site
from dispatcher.console.call import COOKIE
from workers.house import House

OLDEST = 2.0
"""Seconds: what a page may lag behind."""
DATA = re.compile(rb"data: (\{.*\})\n")
SHOWN = ("all.ok", "all.bad")
"""Delivered, and failed: in this wave only by receipts."""


class Pages(threading.Thread):
    """Open live pages in one thread: what arrived when."""

    def __init__(self, port: int, path: str, word: str, many: int) -> None:
        super().__init__(daemon=True)
        self.seen: list[tuple[float, int]] = []  # perf_counter, messages told of
        self.read = 0  # bytes
        self._over = threading.Event()
        self._poll, self._open = select.epoll(), {}
        for _ in range(many):
            page = socket.create_connection(("127.0.0.1", port))
            page.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nCookie: {COOKIE}={word}\r\n\r\n".encode())
            self._open[page.fileno()] = page
            self._poll.register(page, select.EPOLLIN)

    def run(self) -> None:
        """Read until `close`."""
        while not self._over.is_set():
            for number, _ in self._poll.poll(0.1):
                self._take(self._open[number].recv(1 << 16))

    def close(self) -> None:
        """End it."""
        self._over.set()
        self.join(5)
        for page in self._open.values():
            page.close()

    def _take(self, data: bytes) -> None:
        at = time.perf_counter()
        self.read += len(data)
        for found in DATA.findall(data):
            told = json.loads(found)["told"]
            self.seen.append((at, sum(int(re.sub(r"\D", "", told[name])) for name in SHOWN)))


def requests(house: House, wave: int, many: int) -> list[bytes]:
    """One receipt a message."""
    key = house.keyring.mac_key("reference")
    known = ((reference(w.id, i - w.lo, key), i) for w in windows_of(house, wave) for i in range(w.lo, w.hi))
    return [storm.request(ref, failed=storm.failed(i)) for _, (ref, i) in zip(range(many), known, strict=False)]


def run(wanted: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Fill, open the pages, pour; its figures."""
    settings = load({"DISPATCHER_LOG_LEVEL": "error"}, data=folder / "var", profile="drill")
    with site_of(settings) as (site, servers):
        house = assemble.house(site)
        wave = sent_wave(site, house, storm.ACCOUNT, wanted.messages)
        poured = requests(house, wave, int(wanted.messages * 0.95))
        with house.begin() as conn:
            word = logins.begin_session(conn, "binh", "127.0.0.1")
        house.engine.dispose()
        pids = {"receiver": _serve(site, folder / "callbacks"), "console": _serve(site, folder / "console"),
                "books": storm.fork(lambda: storm.keep_books(site))}  # fmt: skip
        try:
            pages = Pages(_port(folder / "console"), f"/console/waves/{wave}/live", word, wanted.pages)
            pages.start()
            before, began = storm.cpu(servers, pids), time.perf_counter()
            answered = storm.pour(_port(folder / "callbacks"), poured, wanted.rate, 64).at
            seconds = time.perf_counter() - began
            used = storm.cpu(servers, pids)
            time.sleep(OLDEST + 1)
            pages.close()
        finally:
            for pid in pids.values():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    return figures(pages.seen, sorted(answered)) | {
        "pages": wanted.pages, "messages": wanted.messages, "receipts_a_second": round(len(answered) / seconds),
        "kilobytes_a_minute_a_page": round(pages.read / wanted.pages / (seconds + OLDEST + 1) * 60 / 1000, 1),
        "cpu_percent_of_a_core": {name: round(100 * (used[name] - before[name]) / seconds, 1) for name in used},
    }  # fmt: skip


def _serve(site: Site, told: Path) -> int:
    return storm.fork(lambda: storm.receive(site, told))


def _port(told: Path) -> int:
    while not told.exists():
        time.sleep(0.01)
    return int(told.read_text())


def figures(seen: list[tuple[float, int]], answered: list[float]) -> dict[str, Any]:
    """Ages of what all pages showed while receipts came."""
    shown = [(at, n) for at, n in seen if answered[0] + OLDEST < at < answered[-1]]
    ages = sorted(max(0.0, at - answered[n]) for at, n in shown if n < len(answered)) or [0.0]
    return {
        "snapshots": len(seen), "age_p50_s": round(statistics.median(ages), 2),
        "age_p99_s": round(ages[int(len(ages) * 0.99)], 2), "age_max_s": round(ages[-1], 2),
        "answered": len(answered), "shown_at_the_end": max((n for _, n in seen), default=0),
    }  # fmt: skip


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=400_000)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--pages", type=int, default=20)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        found = run(wanted, Path(folder))
    print(json.dumps(found | {"machine": machine()}, indent=1))
    sys.exit(1 if found["age_max_s"] > OLDEST or found["shown_at_the_end"] != found["answered"] else 0)


if __name__ == "__main__":
    main()
