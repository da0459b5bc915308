"""A storm of receipts on a wave that was sent: how fast each is answered, and whether one is lost when PostgreSQL dies.

    python benchmarks/storm.py [--rate 10000] [--seconds 60] [--kill-postgres]

A real receiver process, real books and an embedded PostgreSQL in a temporary folder; the answers of the wave are in its
log before the first receipt. 64 connections, paced; 20 % of the receipts are repeats, all are shuffled, 5 % name no
message of ours. With --kill-postgres it gets SIGKILL in the middle and is started again after 3 s. At the end each
number's final state is compared with what was answered 200. Exit code 1 when a receipt is lost or a state is another.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import select
import signal
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.filled import cpu_of, sent_wave, site_of, windows_of
from campaigns.ledger.names import new_id
from campaigns.message import reference
from campaigns.terms import State
from config.servers import Servers
from config.settings import load
from dispatcher import app, assemble
from dispatcher.assemble import Site
from workers import pool
from workers.books import IDLE, Books
from workers.house import House

ACCOUNT = "sim-esms"
REPEATS, UNKNOWN = 0.20, 0.05
DOWN = 3.0
"""Seconds that PostgreSQL stays away."""
QUERY = "SMSID=3f0c5a5e-7d7a-4a3e-8f7e-0c1de2f3a4b5&SendStatus=5&SendSuccess={0}&SendFailed={1}&TotalPrice=850"
UNDELIVERED_EVERY = 7


@dataclass(slots=True)
class Heard:
    """What the caller heard."""

    times: list[float] = field(default_factory=list)
    at: list[float] = field(default_factory=list)  # perf_counter of each answer
    taken: list[int] = field(default_factory=list)  # positions of receipts answered 200
    refused: int = 0
    last: float = 0.0


class Line:
    """One connection: one receipt on its way at most."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setblocking(False)  # noqa: FBT003 - the socket module's own signature
        self.at = 0.0
        self.position = -1


def pour(port: int, requests: Sequence[bytes], rate: float, connections: int) -> Heard:
    """Send each request when it is due, or as soon as a connection is free."""
    heard, lines = Heard(), {}
    poll = select.epoll()
    for _ in range(connections):
        line = Line(port)
        lines[line.socket.fileno()] = line
        poll.register(line.socket, select.EPOLLIN)
    free = list(lines.values())
    began, sent, clock = time.perf_counter(), 0, time.perf_counter
    while len(heard.times) < len(requests):
        due = min(len(requests), int((clock() - began) * rate))
        while sent < due and free:
            line = free.pop()
            line.position, line.at = sent, clock()
            line.socket.send(requests[sent])
            sent += 1
        for number, _ in poll.poll(0.001):
            line = lines[number]
            said = line.socket.recv(4096)
            heard.at.append(clock())
            heard.times.append(heard.at[-1] - line.at)
            if said.startswith(b"HTTP/1.1 200"):
                heard.taken.append(line.position)
            else:
                heard.refused += 1
            free.append(line)
    heard.last = time.monotonic()
    for line in lines.values():
        line.socket.close()
    return heard


def fork(work: Callable[[], None]) -> int:
    """A process that does this and dies with us."""
    pid = os.fork()
    if pid:
        return pid
    try:
        pool.die_with_parent()
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        work()
    finally:
        os._exit(1)


def keep_books(site: Site) -> None:
    """The book-keeper's rounds, without the doorbell."""
    logging.disable(logging.WARNING)  # "the database is away", twenty times a second
    books = Books(assemble.house(site))
    while True:
        if not books.step():
            time.sleep(IDLE)


def receive(site: Site, told: Path) -> None:
    """The receiver as it is served."""

    def ready(port: int) -> None:
        told.with_suffix(".new").write_text(str(port))
        told.with_suffix(".new").rename(told)

    app.serve(site, host="127.0.0.1", port=0, ready=ready)


class Watch(threading.Thread):
    """Looks ten times a second how old the oldest unfolded chunk is."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.ages: list[tuple[float, float]] = []
        self._url, self._stop_it = url, threading.Event()

    def run(self) -> None:
        """Until `stop`; away databases are waited for."""
        while not self._stop_it.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(self._url, autocommit=True) as conn:
                while not self._stop_it.wait(0.1):
                    self.ages.append((time.monotonic(), oldest(conn)))
            self._stop_it.wait(0.1)

    def stop(self) -> None:
        """End it."""
        self._stop_it.set()
        self.join(5)


def oldest(conn: psycopg.Connection) -> float:
    """Seconds since the oldest chunk that is not folded was written."""
    row = conn.execute(
        "SELECT coalesce(extract(epoch FROM clock_timestamp() - min(at)), 0)::float8 FROM chunk WHERE NOT folded"
    ).fetchone()
    return float(row[0]) if row else 0.0


@dataclass(slots=True)
class Storm:
    """What is sent: (message index or -1, request) in the order of sending."""

    requests: list[bytes]
    indexes: list[int]


def make(house: House, wave: int, wanted: argparse.Namespace) -> Storm:
    """Receipts of the wave's messages, repeats and strangers among them."""
    key, total = house.keyring.mac_key("reference"), int(wanted.rate * wanted.seconds)
    strangers, repeats = int(total * UNKNOWN), int(total * REPEATS)
    dice = random.Random(wanted.seed)  # noqa: S311 - a storm, not a secret
    known = [(reference(w.id, i - w.lo, key), i) for w in windows_of(house, wave) for i in range(w.lo, w.hi)]
    known = known[: total - strangers - repeats]
    known += dice.choices(known, k=repeats)
    known += [(reference(new_id(), 0, key), -1) for _ in range(strangers)]
    dice.shuffle(known)
    return Storm([request(ref, failed=failed(i)) for ref, i in known], [i for _, i in known])


def failed(index: int) -> bool:
    """Whether the receipts of this message say "undelivered"."""
    return index % UNDELIVERED_EVERY == 0


def request(ref: str, *, failed: bool) -> bytes:
    """The call of one receipt."""
    query = QUERY.format(int(not failed), int(failed))
    return f"GET /cb/{ACCOUNT}/{ref}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def killer(servers: Servers, after: float, pids: dict[str, int], figures: dict[str, Any]) -> threading.Thread:
    """Kills PostgreSQL in a while, and starts it again; notes what each process had used until then."""

    def work() -> None:
        time.sleep(after)
        figures["cpu"] = cpu(servers, pids)
        figures["killed_at"] = time.monotonic()
        os.kill(servers.pids["postgres"], signal.SIGKILL)
        time.sleep(DOWN)
        servers.revive()
        figures["up_again_s"] = round(time.monotonic() - figures["killed_at"], 1)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def cpu(servers: Servers, pids: dict[str, int]) -> dict[str, float]:
    """Seconds of processor time so far."""
    return {name: cpu_of(pid) for name, pid in (pids | {"postgres": servers.pids["postgres"]}).items()}


def run(wanted: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The whole storm; its figures."""
    settings = load({"DISPATCHER_LOG_LEVEL": "error"}, data=folder / "var", profile="drill")
    with site_of(settings) as (site, servers):
        house = assemble.house(site)
        n = max(20_000, int(wanted.rate * wanted.seconds * (1 - UNKNOWN - REPEATS)) + 2_000)
        wave = sent_wave(site, house, ACCOUNT, n)
        storm = make(house, wave, wanted)
        house.engine.dispose()
        pids = {"receiver": fork(lambda: receive(site, folder / "port")), "books": fork(lambda: keep_books(site))}
        try:
            return weather(wanted, folder, site, servers, house, wave, storm, pids)
        finally:
            for pid in pids.values():
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def weather(
    wanted: argparse.Namespace, folder: Path, site: Site, servers: Servers, house: House, wave: int, storm: Storm,
    pids: dict[str, int],
) -> dict[str, Any]:  # fmt: skip
    """Pour, wait until all is folded, compare."""
    while not (folder / "port").exists():
        time.sleep(0.01)
    port = int((folder / "port").read_text())
    figures: dict[str, Any] = {}
    watch, before, began = Watch(site.owner), cpu(servers, pids), time.monotonic()
    watch.start()
    killing = killer(servers, wanted.seconds / 2, pids, figures) if wanted.kill_postgres else None
    heard = pour(port, storm.requests, wanted.rate, wanted.connections)
    if killing:
        killing.join()
    steady = figures.get("killed_at", heard.last)
    used, until = figures.pop("cpu", None) or cpu(servers, pids), figures.pop("killed_at", heard.last)
    settled = wait_settled(site, house, len(heard.taken))
    watch.stop()
    done = len(heard.times) * (until - began) / (heard.last - began)
    ages = sorted(age for at, age in watch.ages if began + 1 < at < steady) or [0.0]
    times = sorted(heard.times)
    return figures | {
        "receipts": len(heard.times), "answered_200": len(heard.taken), "refused": heard.refused,
        "a_second": round(len(heard.times) / (heard.last - began)),
        "answer_p50_ms": round(statistics.median(times) * 1000, 1), "answer_p99_ms": _ms(times, 0.99),
        "unfolded_p50_s": round(statistics.median(ages), 2), "unfolded_p99_s": round(_at(ages, 0.99), 2),
        "unfolded_max_s": round(ages[-1], 2), "all_folded_after_s": round(settled - heard.last, 1),
        "cpu_us_a_receipt": {name: round((used[name] - before[name]) / done * 1e6, 1) for name in used},
    } | compare(house, site, wave, storm, heard)  # fmt: skip


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ms(ordered: list[float], share: float) -> float:
    return round(_at(ordered, share) * 1000, 1)


def wait_settled(site: Site, house: House, least: int) -> float:
    """When the spool is empty, the inbox holds as many events as were answered, and nothing is unfolded."""
    until = time.monotonic() + 300
    while time.monotonic() < until:
        with suppress(psycopg.OperationalError), psycopg.connect(site.owner, autocommit=True) as conn:
            row = conn.execute("SELECT coalesce(sum(events), 0) FROM inbox").fetchone()
            waiting = list(house.folder("spool").glob("*~*"))
            if row and row[0] >= least and not waiting and not oldest(conn):
                return time.monotonic()
        time.sleep(0.1)
    return time.monotonic()


def compare(house: House, site: Site, wave: int, storm: Storm, heard: Heard) -> dict[str, Any]:
    """Each receipt answered 200 against the ledger, number by number."""
    del house
    with psycopg.connect(site.owner) as conn:
        states = dict(conn.execute(f"SELECT no, state FROM message_{wave}").fetchall())
        verdicts = dict(conn.execute("SELECT verdict, sum(events)::bigint FROM inbox GROUP BY 1").fetchall())
        counted = dict(
            conn.execute("SELECT state, sum(n)::bigint FROM wave_count WHERE wave = %s GROUP BY 1", (wave,)).fetchall()
        )
    told = {storm.indexes[at] for at in heard.taken}
    strangers = sum(1 for at in heard.taken if storm.indexes[at] < 0)
    told.discard(-1)
    wrong = sum(1 for i in told if states[i] != (State.UNDELIVERED if failed(i) else State.DELIVERED))
    untold = sum(1 for i, state in states.items() if i not in told and state != State.ACCEPTED)
    recount: dict[int, int] = {}
    for state in states.values():
        recount[state] = recount.get(state, 0) + 1
    sums = {state: n for state, n in counted.items() if n}
    return {
        "messages_told_of": len(told), "lost": wrong, "states_without_receipt": untold,
        "unknown": {"answered": strangers, "in_the_inbox": verdicts.get("unknown", 0)},
        "unknown_lost": max(0, strangers - verdicts.get("unknown", 0)), "inbox": verdicts,
        "counts_hold": recount == sums,
    }  # fmt: skip


def main() -> None:
    """Storm, figures, verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=10_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kill-postgres", action="store_true")
    parser.add_argument("--folder", type=Path, default=None, help="where the temporary folder is made")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=wanted.folder) as folder:
        figures = run(wanted, Path(folder))
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    broken = [figures[each] for each in ("lost", "unknown_lost", "states_without_receipt") if figures[each]]
    sys.exit(1 if broken or not figures["counts_hold"] else 0)


if __name__ == "__main__":
    main()
