"""What part of window/RTT a bind reaches: SMPP windows of 10 and 1,000 PDUs at a carrier that answers after 50 ms.

    python benchmarks/window_rtt.py [--windows 10,1000] [--latency 0.05] [--seconds 8] [--json]

The whole job in an installation of its own for each window: ledger, journal, log and fold; a licence that is no limit,
one-segment messages. A bind can send at most window/RTT; the carrier's latency is taken for the RTT, so our own way and
the carrier's own time count against us. Rate from the carrier's log, without the first seconds and the last window.
Before it, at the same carrier and with the same texts, a loop that does nothing but keep the window full and answer
receipts: what this machine lets a bind reach.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.carrier import numbers
from benchmarks.ceiling import Pourer, submissions
from benchmarks.one_account import ACCOUNT, LOGIN, SHORT, installation, planned_apart, start
from campaigns.ledger import waves
from dispatcher import assemble, crew
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken

LICENCE = 1_000_000
WARM = 9.0  # seconds: the first two windows are as large as the licence, and what is not sent within 5 s comes again
PATIENCE = 120.0


def measure(window: int, latency: float, seconds: float, folder: Path) -> dict[str, Any]:
    """One window in an empty folder."""
    most = window / latency
    settings = installation(folder, {ACCOUNT: {"licence": LICENCE, "window": window}})
    with assemble.site(settings, rehearsal=True, start=True) as site:
        (settings.data / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        hands, truth = crew.Crew(settings.data / "log"), settings.data / "carriers"
        try:
            assemble.prepare(site)
            planned_apart(site, int(most * (seconds + WARM)))
            there = crew.start_simulators(hands, site, truth, Faults(latency=latency, undelivered=0, receipt_delay=1))
            naked = bare(int(there.overrides[ACCOUNT]["port"]), window, int(most * seconds))
            begun = time.time()
            crew.start_work(hands, there)
            house = assemble.house(there)
            wave = start(house).id

            def finished() -> bool:
                hands.watch()
                with house.begin() as conn:
                    return waves.get(conn, wave).finished_at is not None

            _until(finished)
            arrived = sorted(line.at for line in read_taken(truth / f"{ACCOUNT}.log") if line.at > begun)
        finally:
            hands.stop(last=("sim-",))
    begin, end = arrived[0] + WARM, arrived[-1] - latency
    rate = sum(begin <= at < end for at in arrived) / (end - begin)
    return {"window": window, "latency_s": latency, "most": most, "messages": len(arrived), "rate": round(rate, 1),
            "part_percent": round(100 * rate / most, 1), "bare_percent": round(100 * naked / most, 1),
            "part_of_bare_percent": round(100 * rate / naked, 1), "load": round(os.getloadavg()[0], 1)}  # fmt: skip


def bare(port: int, window: int, messages: int) -> float:
    """Messages a second of a loop that only keeps the window full: each answer makes way for the next message."""
    pdus = submissions(numbers(messages), SHORT.encode("utf-16-be"))
    return messages / Pourer(port, pdus, owed=0, window=window, login=LOGIN).pour()


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > end:
            raise SystemExit("the wave did not end")
        time.sleep(0.1)


def main() -> None:
    """Print a run for each window."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--windows", default="10,1000")
    arguments.add_argument("--latency", type=float, default=0.05)
    arguments.add_argument("--seconds", type=float, default=6.0)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    for window in map(int, given.windows.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(window, given.latency, given.seconds, Path(folder))
        print(json.dumps(figures) if given.json else "  ".join(f"{name} {value}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
