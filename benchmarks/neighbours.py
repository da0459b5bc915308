"""Four sick carriers beside a healthy one: the healthy one's rate is untouched, and what became of the others.

    python benchmarks/neighbours.py [--seconds 60] [--licence 60] [--json]

One installation, five SMPP accounts, one wave over five networks, one-segment messages. One carrier throttles above a
third of its licence, one is shut for a third of the time, one refuses our sender's name, one takes everything and never
answers (half dead; its route has a second account, which takes over). The same time is first run with the healthy one
alone: its worst second and its messages in both runs stand side by side. Breaker, stops and failovers are read from the
ledger's record; which batches moved from which account to which, from its batches; and whether anybody got the text
twice, also by two accounts, from all the carriers' own files. Exit 1 when no batch moved.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.one_account import LOGIN, carriers, installation, planned_apart, start
from dispatcher import assemble, crew
from dispatcher.assemble import Site
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken
from workers.house import House

HEALTHY, THROTTLING, FAILING, MISCONFIGURED, HALF_DEAD, SPARE = (
    "sim-healthy", "sim-throttling", "sim-failing", "sim-misconfigured", "sim-half-dead", "sim-spare",
)  # fmt: skip
# the half-dead carrier is not the smallest network: something must be left that goes to the next account
NETWORKS = dict(zip((HEALTHY, THROTTLING, FAILING, HALF_DEAD, MISCONFIGURED), carriers(), strict=False))
ANSWERS = Faults(latency=0.02, undelivered=0.0, receipt_delay=1.0)
FAILOVER_AFTER = 3.0  # seconds; 60 in production


def accounts(licence: float, *, alone: bool) -> dict[str, dict[str, Any]]:
    """carriers.toml of one run."""
    rest = [network for network in carriers() if network not in NETWORKS.values()]
    found = {HEALTHY: {"licence": licence, "carriers": [NETWORKS[HEALTHY], *rest]}}
    if alone:
        return {HEALTHY: {"licence": licence}}
    found |= {name: {"licence": licence, "carriers": [NETWORKS[name]]} for name in list(NETWORKS)[1:]}
    found[HALF_DEAD]["response_timeout"] = 3.0  # 15 s in production: a shorter run shows the same
    return found | {SPARE: {"licence": licence, "carriers": [NETWORKS[HALF_DEAD]]}}


def faults(name: str, licence: float) -> Faults:
    """What each carrier does wrong."""
    if name == THROTTLING:
        return replace(ANSWERS, rate=licence / 3)
    return replace(ANSWERS, silent=1.0) if name == HALF_DEAD else ANSWERS


@dataclass(slots=True)
class Run:
    """One installation for so many seconds."""

    site: Site
    crew: crew.Crew
    licence: float
    seconds: float

    def run(self, names: list[str], recipients: int) -> dict[str, Any]:
        """Start, disturb, and read what came."""
        assemble.prepare(self.site)
        planned_apart(self.site, recipients)
        self._carriers(names)
        crew.start_work(self.crew, self.site)
        house = assemble.house(self.site)
        start(house)
        began = time.time()
        self._wait(began + self.seconds / 3)
        if FAILING in names:
            hand = self.crew.hands.pop(FAILING)
            os.kill(hand.pid, signal.SIGKILL)
            os.waitpid(hand.pid, 0)
            self._wait(began + self.seconds * 2 / 3)
            self.crew.start(FAILING, hand.work)
        self._wait(began + self.seconds)
        found = {name: self._taken(name, began + 2) for name in names}
        return found | {"record": _record(house), "moved": _moved(house), "twice": self._twice(names)}

    def _twice(self, names: list[str]) -> int:
        """People who got the text more than once, all carriers together."""
        logs = (self.site.settings.data / "carriers" / f"{name}.log" for name in names)
        return sum(n > 1 for n in Counter(line.number for log in logs for line in read_taken(log)).values())

    def _carriers(self, names: list[str]) -> None:
        folder = self.site.settings.data / "carriers"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = {}
        for name in names:
            told = folder / f".{name}.port"
            self.crew.start(name, _simulate(name, folder / f"{name}.log", faults(name, self.licence), told))
            found[name] = crew.address("smpp", crew.wait_for(told))
        self.site = replace(self.site, overrides=found)

    def _wait(self, until: float) -> None:
        while time.time() < until:
            self.crew.watch()
            time.sleep(0.05)

    def _taken(self, name: str, since: float) -> dict[str, Any]:
        """What a carrier wrote down, from a moment after the start on."""
        lines = read_taken(self.site.settings.data / "carriers" / f"{name}.log")
        times = sorted(line.at for line in lines if since <= line.at < since + self.seconds - 3)
        numbers = Counter(line.number for line in lines)
        rate = round(len(times) / (self.seconds - 3), 2)
        return {"taken": len(times), "a_second": rate, "worst_second": _most(times),
                "twice": sum(n > 1 for n in numbers.values())}  # fmt: skip


def _simulate(name: str, truth: Path, wrong: Faults, told: Path) -> Callable[[], None]:
    def work() -> None:
        from providers.simulator import smpp  # noqa: PLC0415 - only the simulator's own process needs it
        from providers.simulator.run import run  # noqa: PLC0415 - as above

        if name == MISCONFIGURED:  # "invalid source address", whatever the number (SMPP 3.4, table 5-2)
            setattr(smpp.SmppSimulator, "_refusal", lambda *_: 0x0A)  # noqa: B010 - no fault of the simulator does this
        again = int(told.read_text(encoding="ascii")) if told.exists() else 0
        run("smpp", truth=truth, faults=wrong, settings=LOGIN, port=again, ready=lambda port: crew.tell(told, port))

    return work


def _record(house: House) -> list[str]:
    """Breakers, stops and failovers, as the ledger recorded them."""
    with house.begin() as conn:
        rows = conn.execute(
            "SELECT to_char(at, 'HH24:MI:SS.MS'), act, subject, details FROM audit"
            " WHERE act ~ '^(breaker|route|failover)' ORDER BY id"
        ).fetchall()
    return [f"{at} {act} {subject} {json.dumps(details, ensure_ascii=False)}" for at, act, subject, details in rows]


def _moved(house: House) -> list[str]:
    """Batches that are not on their plan's account any more; a batch moves whole, from its cursor on."""
    with house.begin() as conn:
        rows = conn.execute(
            "SELECT c.name, b.kind::text, b.seq, b.hi - b.lo, b.hi - b.cursor, w.plan -> 'accounts' ->> c.name,"
            " b.account FROM batch b JOIN wave w ON w.id = b.wave JOIN carrier c ON c.id = b.carrier"
            " WHERE b.account <> w.plan -> 'accounts' ->> c.name ORDER BY c.id, b.kind, b.seq"
        ).fetchall()
    return [f"{carrier}, {kind} batch {seq}: {was} -> {now}, {size} messages, {left} of them wait"
            for carrier, kind, seq, size, left, was, now in rows]  # fmt: skip


def _most(times: list[float]) -> int:
    most = lo = 0
    for hi, at in enumerate(times):
        while times[lo] <= at - 1.0 + 1e-6:
            lo += 1
        most = max(most, hi - lo + 1)
    return most


def measure(licence: float, seconds: float, folder: Path, *, alone: bool) -> dict[str, Any]:
    """One run in an empty folder."""
    wanted = accounts(licence, alone=alone)
    settings = installation(folder, wanted).model_copy(update={"failover_after": FAILOVER_AFTER})
    recipients = int(licence * seconds * 1.3) * (1 if alone else len(NETWORKS)) + 200
    with assemble.site(settings, rehearsal=True, start=True) as site:
        (settings.data / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        hands = crew.Crew(settings.data / "log")
        try:
            return Run(site, hands, licence, seconds).run(list(wanted), recipients)
        finally:
            hands.stop(last=("sim-",))


def main() -> None:
    """Print both runs."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--licence", type=float, default=60.0)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    found = {}
    for alone in (True, False):
        with tempfile.TemporaryDirectory() as folder:
            found["alone" if alone else "together"] = measure(given.licence, given.seconds, Path(folder), alone=alone)
    figures = {
        "healthy_alone": found["alone"][HEALTHY],
        "healthy_beside": found["together"][HEALTHY],
        "load": [round(each, 2) for each in os.getloadavg()],
    }
    if given.json:
        print(json.dumps(figures | found["together"], ensure_ascii=False))
        return
    for name, value in (figures | found["together"]).items():
        print("\n".join([f"{name}:", *value]) if isinstance(value, list) and name != "load" else f"{name:20} {value}")
    if not found["together"]["moved"]:
        raise SystemExit("no batch moved: run it for longer")


if __name__ == "__main__":
    main()
