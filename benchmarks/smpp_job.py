"""The whole SMPP job: messages/s from the start to the last folded receipt, CPU by process, memory, age of chunks.

    python benchmarks/smpp_job.py [--recipients 200000] [--controls] [--workers 1] [--json]

An installation of its own with the processes, settings and faults of `make demo`, but one SMPP account carries all and
its licence is out of the way. Reading the list and planning come before, and are printed apart. With --controls the
wave also has ceilings in three units for itself and the day and is paced for a hotline, and the account has hours and
maintenance of its own; none of it is ever reached, so that what it costs is what is measured. --workers 2 share the
licence.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.ledger import audiences, budgets, calls, counts, hours, people, plans, registry, waves
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from campaigns.terms import State
from config import data as shipped
from config.settings import Settings, load
from dispatcher import acts, assemble, crew, truths
from dispatcher.assemble import Site
from providers.simulator.faults import Faults
from workers import pool
from workers.house import House

ACCOUNT = "sim-smpp"
LICENCE = 1_000_000  # segments a second: never what limits this run
FAULTS = Faults(latency=0.02, throttle=0.05, refuse=0.005, receipt_delay=0.5, undelivered=0.03, repeat_receipt=0.01)
PATIENCE = 15.0  # seconds without news
TICKS = os.sysconf("SC_CLK_TCK")


MUCH = 2_000_000_000
CEILINGS = dict.fromkeys(budgets.SCOPES, dict.fromkeys(budgets.UNITS, 1_000 * MUCH))
CALLS = calls.planned(MUCH, 100_000)


def measure(
    recipients: int, folder: Path, faults: Faults = FAULTS, *, controls: bool = False, workers: int = 1
) -> dict[str, Any]:
    """Run one job in an empty folder; its figures."""
    settings = _settings(folder)
    with assemble.site(settings, rehearsal=True, start=True) as site:
        (settings.data / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        hands = crew.Crew(settings.data / "log")
        try:
            return _Job(site, hands, recipients, faults, controls, workers).run()
        finally:
            hands.stop(last=("sim-",))


def _settings(folder: Path) -> Settings:
    """As the demo's, with one account for every carrier."""
    text = shipped.CARRIERS.read_text(encoding="utf-8")
    carriers = re.findall(r"^\[carriers\.(\w+)\]", text, re.MULTILINE)
    names = ", ".join(f'{carrier} = "LAICHAU-SIM"' for carrier in carriers)
    ours = {"licence": LICENCE, "carriers": json.dumps(carriers), "senders": f"{{ {names} }}"}
    parts = re.split(r"^(?=\[)", text, flags=re.MULTILINE)
    for place, part in enumerate(parts):
        given = ours if part.startswith(f"[accounts.{ACCOUNT}]") else {"enabled": "false"}
        for key, value in given.items():
            parts[place] = re.sub(rf"^{key} = .*$", f"{key} = {value}", parts[place], flags=re.MULTILINE)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "carriers.toml"
    file.write_text("".join(parts), encoding="utf-8")
    settings = load({"DISPATCHER_LISTEN_PORT": "0"}, data=folder / "var", profile="rehearsal")
    return settings.model_copy(update={"carriers_file": file})


@dataclass(slots=True)
class _Job:
    site: Site
    crew: crew.Crew
    recipients: int
    faults: Faults
    controls: bool = False
    workers: int = 1
    ages: list[float] = field(default_factory=list)

    def run(self) -> dict[str, Any]:
        assemble.prepare(self.site)
        truth = self.site.settings.data / "carriers" / "job"
        began = time.monotonic()
        self._plan_apart()
        planned = time.monotonic() - began
        self.site = crew.start_simulators(self.crew, self.site, truth, self.faults)
        crew.start_work(self.crew, self.site)
        for n in range(2, self.workers + 1):
            self.crew.start(f"{crew.WORK}{ACCOUNT}-{n}", lambda: pool.run(assemble.house(self.site), ACCOUNT))
        house = assemble.house(self.site)
        if self.controls:
            self._control(house)
        with house.begin() as conn:
            wave = waves.all_waves(conn)[0]
        with self._watched():
            before = _cpu(self.crew)
            seconds = self._send(house, wave)
            used = {name: at_end - before.get(name, 0.0) for name, at_end in sorted(_cpu(self.crew).items())}
        return self._figures(house, wave, (seconds, planned), used)

    def _control(self, house: House) -> None:
        """Hours and maintenance of the account."""
        soon = datetime.now(UTC) + timedelta(1)
        with house.begin() as conn:
            for carrier in ("", "viettel"):
                hours.set_hours(conn, ACCOUNT, (time_of_day(0), time_of_day(0)), "an", carrier)
            hours.close_for(conn, ACCOUNT, soon, soon + timedelta(hours=1), "measured", "an")

    def _plan_apart(self) -> None:
        """Plan in a process of its own: workers are forked from this one and would inherit what planning held."""
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._plan(assemble.house(self.site))
                code = 0
            finally:
                if code:
                    traceback.print_exc()
                os._exit(code)
        if os.waitpid(pid, 0)[1]:
            raise SystemExit("planning failed")

    def _plan(self, house: House) -> Wave:
        file = house.settings.data / "list.csv"
        write_sample(file, seed=20, table=acts.number_table(), recipients=self.recipients)
        with house.begin() as conn:
            people.add_person(conn, "an", "An (diễn tập)", ["officer"])
            people.add_person(conn, "binh", "Bình (diễn tập)", ["approver"])
            campaign = acts.read_definition(house.settings, assemble.definitions() / "20-BCD-2024")
            version = registry.load_campaign(conn, campaign, "an")
            audience = audiences.create(conn, campaign.name, file.name, "an")
            for _ in acts.import_audience(house, conn, audience, file, campaign.name):
                pass
        paced = {"budget": CEILINGS, "calls": CALLS} if self.controls else {}
        draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True, **paced)  # type: ignore[arg-type]
        with house.begin() as conn:
            return plans.plan(conn, replace(draft, approvals_due=1), "an", house.keys(draft.campaign))

    def _send(self, house: House, wave: Wave) -> float:
        """Approve and start; seconds until nothing moves any more."""
        with house.begin() as conn:
            binh = people.Person("binh", "Bình", ("approver",), ("approve",))
            waves.approve(conn, wave.id, binh, typed=wave.n, choice="corrected", reason="diễn tập")
            began = time.monotonic()
            waves.start(conn, wave.id, binh)
        acts.ring(house, wave)
        last, news = None, time.monotonic()
        while True:
            with house.begin() as conn:
                now, state = counts.live(conn, wave.id), waves.get(conn, wave.id).state
            if now != last:
                last, news = now, time.monotonic()
            quiet = time.monotonic() - news
            settled = now.of(State.ACCEPTED) + now.of(State.UNCERTAIN) == 0 and quiet > 0.5
            if quiet > PATIENCE or (state == "finished" and settled):
                return news - began
            if died := self.crew.watch():
                print("died:", died, file=sys.stderr)
            time.sleep(0.1)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Ten times a second: how old the oldest unfolded chunk is."""
        stop = threading.Event()

        def look() -> None:
            asked = "SELECT extract(epoch FROM clock_timestamp() - min(at))::float8 FROM chunk WHERE NOT folded"
            with psycopg.connect(self.site.app, autocommit=True) as conn:
                while not stop.wait(0.1):
                    row = conn.execute(asked).fetchone()
                    self.ages.append(row[0] or 0.0 if row else 0.0)

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _figures(self, house: House, wave: Wave, times: tuple[float, float], used: dict[str, float]) -> dict[str, Any]:
        seconds, planned = times
        with house.begin() as conn:
            now, wave = counts.live(conn, wave.id), waves.get(conn, wave.id)
        checked = truths.compare(house, wave, self.site.settings.data / "carriers" / "job")
        cpu = {name: cpu_seconds * 1e6 / wave.n for name, cpu_seconds in used.items()}
        ages = sorted(self.ages) or [0.0]
        house.engine.dispose()
        return {
            "recipients": wave.n,
            "seconds": round(seconds, 2),
            "messages_per_second": round(wave.n / seconds),
            "planning_seconds": round(planned, 2),
            "cpu_us_a_message": {name: round(us, 2) for name, us in cpu.items()} | {"all": round(sum(cpu.values()), 2)},
            "peak_mib": self.crew.peak_memory(),
            "oldest_chunk_s": {name: round(ages[min(len(ages) - 1, int(len(ages) * p))], 3)
                               for name, p in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))},
            "outcomes": {state.name.lower(): now.of(state) for state in State if now.of(state)},
            "twice": checked.numbers_twice,
            "difference": checked.difference,
            "texts_differ": checked.texts_differ,
        }  # fmt: skip


def _cpu(hands: crew.Crew) -> dict[str, float]:
    """CPU seconds so far of each kind of process, with their dead children."""
    names = {hand.pid: hand.name for hand in hands.hands.values()}
    found: dict[str, float] = {}
    for pid in crew._family(os.getpid()):  # noqa: SLF001 - the very list the demo's memory figures use
        name = names.get(pid) or crew._command(pid)  # noqa: SLF001 - as above
        if pid == os.getpid():
            continue
        try:
            words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        name = "valkey" if "valkey" in name else name.removeprefix("work-") if name.startswith("work-") else name
        name = re.sub(r"-\d$", "", name)
        name = {ACCOUNT: "sender" if pid in names and names[pid].startswith("work-") else "simulator"}.get(name, name)
        found[name] = found.get(name, 0.0) + sum(map(int, words[11:15])) / TICKS
    return found


def main() -> None:
    """Print one run."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--recipients", type=int, default=200_000)
    arguments.add_argument("--controls", action="store_true", help="with what control offers beside the rate")
    arguments.add_argument("--workers", type=int, default=1)
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(given.recipients, Path(folder), controls=given.controls, workers=given.workers)
    if given.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
