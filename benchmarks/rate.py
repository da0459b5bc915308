"""A licence under two workers: worst sliding second and share used, by the simulated carrier's own log.

    python benchmarks/rate.py [--seconds 60] [--licences 7.5,30,500] [--json]

An installation of its own for each licence: one SMPP account, one-segment messages, two workers. Meanwhile one
worker is killed (kill -9), another is added, the licence is halved and restored while it runs, and Redis is flushed
every second. Judged from the arrivals that the carrier wrote down: a sliding second above the licence, over the
licence's own period where it makes no whole message a second, and what part of the licence was used, over all the time
and over the stretches in which no share was being cut anew, in whole periods of a worker's share: what leaves comes in
bursts. Between two clocks an arrival may move by one message a worker: that much is allowed, and said. What our workers
wrote is judged too, by their own clocks, and how late the carrier's process read it: a busy machine bunches arrivals.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.one_account import ACCOUNT, installation, planned_apart, start
from campaigns.ledger import accounts
from dispatcher import assemble, crew
from dispatcher.assemble import Site
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken
from providers.smpp_link import Link
from workers import pool
from workers.house import House
from workers.throttle import own_period

SETTLE = 1.6  # seconds after a change of the licence: what left before it is not judged by the new one
CALM = 1.1  # seconds after shares last changed until a stretch counts as calm
WORKERS = 2


@dataclass(slots=True)
class Run:
    """One licence for so many seconds."""

    site: Site
    crew: crew.Crew
    licence: float
    seconds: float
    watched: House = field(init=False)
    writes: Path = field(init=False)
    marks: list[tuple[float, str, float]] = field(default_factory=list)  # unix time, what, licence from then on
    shares: list[tuple[float, tuple[float, ...]]] = field(default_factory=list)  # unix time, what was held from then on

    def run(self) -> dict[str, Any]:
        """Start, disturb, judge."""
        assemble.prepare(self.site)
        self.writes = self.site.settings.data / "writes"
        self.writes.mkdir()
        _note_writes(self.writes)
        truth = self.site.settings.data / "carriers"
        planned_apart(self.site, int(self.licence * (self.seconds + 15)) + 50)
        self.site = crew.start_simulators(
            self.crew, self.site, truth, Faults(latency=0.02, undelivered=0, receipt_delay=1)
        )
        crew.start_work(self.crew, self.site)
        house = assemble.house(self.site)
        start(house)
        log = truth / f"{ACCOUNT}.log"
        _until(lambda: log.exists() and log.stat().st_size > 0, 30)
        with self._beside(house, 1.0, house.redis.flushall), self._beside(house, 0.05, self._look):
            self._story()
        return self._judge([line.at for line in read_taken(log)])

    def _story(self) -> None:
        """Twelfths of the time: second worker in, killed, another added, halved, restored."""
        house = assemble.house(self.site)
        part, began = self.seconds / 12, time.monotonic()
        self._mark("one worker", self.licence)

        def at(n: float) -> None:
            while time.monotonic() < began + n * part:
                self.crew.watch()
                time.sleep(0.02)

        at(1)
        self._add("second")
        at(4)
        killed = self.crew.hands.pop(crew.WORK + ACCOUNT)
        self._mark("killed", self.licence)
        os.kill(killed.pid, signal.SIGKILL)
        os.waitpid(killed.pid, 0)
        at(6)
        self._add("third")
        at(8)
        self._set(house, self.licence / 2, "halved")
        at(10)
        self._set(house, None, "restored")
        at(12)
        self._mark("end", self.licence)

    def _mark(self, what: str, licence: float) -> None:
        self.marks.append((time.time(), what, licence))

    def _add(self, name: str) -> None:
        self._mark("added", self.licence)
        self.crew.start(f"{crew.WORK}{ACCOUNT}-{name}", lambda: pool.run(assemble.house(self.site), ACCOUNT))

    def _set(self, house: House, rate: float | None, what: str) -> None:
        with house.begin() as conn:
            accounts.set_rate(conn, ACCOUNT, rate, "an")
        self._mark(what, rate or self.licence)

    def _look(self) -> None:
        """Note the shares where they are others than before."""
        with self.watched.begin() as conn:
            held = tuple(row[0] for row in conn.execute("SELECT rate FROM share WHERE until > now() ORDER BY holder"))
        if not self.shares or self.shares[-1][1] != held:
            self.shares.append((time.time(), held))

    @contextmanager
    def _beside(self, house: House, every: float, work: Callable[[], object]) -> Iterator[None]:
        """Do this again and again in a thread."""
        self.watched, over = house, threading.Event()

        def again() -> None:
            while not over.wait(every):
                work()

        thread = threading.Thread(target=again, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _judge(self, arrivals: Sequence[float]) -> dict[str, Any]:
        begin, end = self.marks[0][0] + SETTLE, self.marks[-1][0]
        times = sorted(at for at in arrivals if at < end)
        worst = [
            self._worst(times, max(since + SETTLE * (n > 0), begin), until, licence)
            for n, (since, until, licence) in enumerate(self._spans(by_licence=True))
        ]
        calm, written = list(self._calm(begin, end)), _written(self.writes)
        allowed = sum((until - max(since, begin)) * licence for since, until, licence in self._spans() if until > begin)
        used = sum(begin <= at < end for at in times)
        return {
            "licence": self.licence,
            "seconds": round(end - begin, 1),
            "arrived": used,
            "worst_second": [each["second"] for each in worst],
            "worst_own_period": [each["period"] for each in worst],
            "above_by_messages": max(each["above"] for each in worst),
            "worst_second_written": [
                _most([at for at in written if max(since + SETTLE * (n > 0), begin) <= at < until], 1.0)
                for n, (since, until, _) in enumerate(self._spans(by_licence=True))
            ],
            "carrier_read_late_ms": _late(written, sorted(arrivals)),
            "allowed_jitter": WORKERS,
            "used_percent": round(100 * used / allowed, 2),
            "used_percent_calm": round(100 * sum(sum(a <= at < b for at in times) for a, b, _ in calm)
                                       / sum((b - a) * licence for a, b, licence in calm), 2),
            "load": [round(each, 2) for each in os.getloadavg()],
        }  # fmt: skip

    def _spans(self, *, by_licence: bool = False) -> list[tuple[float, float, float]]:
        """From when to when which licence held; every mark begins a span, or only those that change the licence."""
        marks = [mark for n, mark in enumerate(self.marks[:-1])
                 if not by_licence or n == 0 or mark[2] != self.marks[n - 1][2]]  # fmt: skip
        ends = [mark[0] for mark in marks[1:]] + [self.marks[-1][0]]
        return [(at, until, licence) for (at, _, licence), until in zip(marks, ends, strict=True)]

    def _calm(self, begin: float, end: float) -> Iterator[tuple[float, float, float]]:
        """Stretches of one licence in which all of it was held, unchanged for a while."""
        held = [*self.shares, (end, ())]
        for since, until, licence in self._spans(by_licence=True):
            for (at, rates), (after, _) in pairwise(held):
                lo, hi = max(at + CALM, since + SETTLE, begin), min(after, until)
                period = max(own_period(rate, 1)[0] for rate in rates) if rates and min(rates) > 0 else 1.0
                whole = int((hi - lo) / period) * period
                if whole > 0 and sum(rates) > licence * 0.999:
                    yield lo, lo + whole, licence

    @staticmethod
    def _worst(times: Sequence[float], since: float, until: float, licence: float) -> dict[str, float]:
        inside = [at for at in times if since <= at < until]
        period, most = own_period(licence, 1)
        second, own = _most(inside, 1.0), _most(inside, period)
        above = max(second - -(-licence // 1), own - most)
        return {"second": second, "period": f"{own} of {most} in {period:g} s", "above": max(0, above)}  # type: ignore[dict-item]


def _most(times: Sequence[float], span: float) -> int:
    """The most arrivals in any stretch [t, t + span)."""
    most = lo = 0
    for hi, at in enumerate(times):
        while times[lo] <= at - span + 1e-6:
            lo += 1
        most = max(most, hi - lo + 1)
    return most


_plain_submit = Link.submit


def _note_writes(folder: Path) -> None:
    """Workers are forked from this process: each writes down when so many messages had been given to the kernel."""
    files = dict[int, Any]()

    def noted(self: Link, flight: Any, idxs: Sequence[int], numbers: Sequence[int], salt: int) -> None:
        _plain_submit(self, flight, idxs, numbers, salt)
        if os.getpid() not in files:
            files[os.getpid()] = (folder / str(os.getpid())).open("a", buffering=1)
        files[os.getpid()].write(f"{time.time():.6f} {len(idxs)}\n")

    Link.submit = noted  # type: ignore[method-assign]


def _written(folder: Path) -> list[float]:
    """Of each message, in order."""
    lines = [line.split() for path in folder.iterdir() for line in path.read_text().splitlines()]
    return sorted(float(at) for at, n in lines for _ in range(int(n)))


def _late(written: Sequence[float], arrived: Sequence[float]) -> dict[str, float]:
    """Between a write and the carrier's reading, in order; the log has whole milliseconds."""
    found = sorted(1000 * (after - before) for before, after in zip(written, arrived, strict=False))
    return {"p50": round(found[len(found) // 2], 1), "p99": round(found[int(0.99 * len(found))], 1),
            "most": round(found[-1], 1)}  # fmt: skip


def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError("nothing arrived")
        time.sleep(0.01)


def measure(licence: float, seconds: float, folder: Path) -> dict[str, Any]:
    """One licence in an empty folder; its figures."""
    settings = installation(folder, {ACCOUNT: {"licence": licence}})
    with assemble.site(settings, rehearsal=True, start=True) as site:
        (settings.data / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        hands = crew.Crew(settings.data / "log")
        try:
            return Run(site, hands, licence, seconds).run()
        finally:
            hands.stop(last=("sim-",))


def main() -> None:
    """Print a run for each licence."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--licences", default="7.5,30,500")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    for licence in map(float, given.licences.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(licence, given.seconds, Path(folder))
        if given.json:
            print(json.dumps(figures))
            continue
        print(f"licence {licence:g}/s")
        for name, value in figures.items():
            print(f"  {name:20} {value}")


if __name__ == "__main__":
    main()
