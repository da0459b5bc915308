"""What is sent when: across the end of the hours, a night, and a shutdown of three days; by the carrier's own log.

    python benchmarks/hours.py [--json]

One SMPP account in an installation of its own, four waves one after the other. PostgreSQL's clock decides when anything
may be sent, so no clock is turned: the hours lie where the story needs them, and three days "pass" by moving every date
that the ledger holds of the wave three days back while nothing runs (docs/decisions/019-hours-are-moved.md).
Exit 1 when anything arrived outside the hours, twice, or not at all where it should have.
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
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.one_account import ACCOUNT, installation, planned_apart, until
from campaigns.ledger import late, people, reading, waves
from campaigns.ledger.waves import Wave
from campaigns.message import SENT
from campaigns.schedule import ZONE
from campaigns.terms import Problem, State
from dispatcher import acts, assemble, crew
from dispatcher.assemble import Site
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken
from workers.house import House

RATE, N = 200, 2_000
GOING = 3.0  # seconds of sending before the hours end, or everything is killed
WATCHED = 4.0  # seconds in which nothing may arrive
ON_THE_WIRE = 0.1  # seconds that a message which left in time may need to the carrier's log on a busy machine
PATIENCE = 60.0
AN = people.Person("an", "An", ("officer",), ("write",))
BINH = people.Person("binh", "Bình", ("approver",), ("approve",))
ALL_DAY = clock(0)

# Everything that the ledger knows of a wave's time, so many days back: as if they had passed.
PASSED = """
UPDATE wave SET opens_at = opens_at - %(t)s, closes_at = closes_at - %(t)s, planned_at = planned_at - %(t)s,
    started_at = started_at - %(t)s;
UPDATE approval SET at = at - %(t)s;
UPDATE batch SET lease_until = lease_until - %(t)s, not_before = not_before - %(t)s;
UPDATE send_window SET at = at - %(t)s, closed = closed - %(t)s;
UPDATE chunk SET at = at - %(t)s;
UPDATE share SET until = until - %(t)s;
UPDATE account_seen SET at = at - %(t)s;
UPDATE outage SET since = since - %(t)s, until = until - %(t)s
"""


@dataclass(slots=True)
class Run:
    """One installation."""

    site: Site
    crew: crew.Crew
    house: House = field(init=False)
    log: Path = field(init=False)
    seed: int = 300
    told: list[dict[str, Any]] = field(default_factory=list)

    def run(self) -> list[dict[str, Any]]:
        """The four stories."""
        truth = self.site.settings.data / "carriers"
        self.log = truth / f"{ACCOUNT}.log"
        assemble.prepare(self.site)
        self.site = crew.start_simulators(
            self.crew, self.site, truth, Faults(latency=0.02, undelivered=0, receipt_delay=0.5)
        )
        crew.start_work(self.crew, self.site)
        self.house = assemble.house(self.site)
        for story in (self._end, self._night, self._shutdown_inside, self._shutdown_beyond):
            story()
        return self.told

    # -- stories -------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """The last hours end while it sends: the rest expires, as the plan says."""
        ends = datetime.now(UTC) + timedelta(seconds=self._lead() + GOING)
        wave, began = self._start(closes_at=ends)
        self._until(lambda: self._wave(wave).finished_at is not None, "the end of the wave")
        self._sleep(WATCHED)
        self._tell("the end of the hours", wave, began, [(began, ends.timestamp())])

    def _night(self) -> None:
        """The day's hours end; the morning's begin: it goes on by itself."""
        now = datetime.now(ZONE)
        evening = now + timedelta(seconds=self._lead() + GOING)
        if evening.date() != (now + timedelta(minutes=5)).date() or now.hour == 0:
            raise SystemExit("not round midnight in Viet Nam: the story has a day of its own")
        wave, began = self._start(day_opens=clock(0, 0, 1), day_closes=evening.time())
        self._sleep(evening.timestamp() - time.time() + WATCHED)
        morning = datetime.now(ZONE) + timedelta(seconds=3)
        later = (morning + timedelta(minutes=2)).time()
        self._owner("UPDATE wave SET day_opens = %s, day_closes = %s WHERE id = %s",
                    (morning.time(), later, wave))  # fmt: skip
        self._until(lambda: self._wave(wave).finished_at is not None, "the end of the wave")
        self._tell("a night", wave, began, [(began, evening.timestamp()), (morning.timestamp(), time.time())])

    def _shutdown_inside(self) -> None:
        """Everything is killed, three days pass, hours are left: it goes on by itself."""
        wave, began = self._start(closes_at=datetime.now(UTC) + timedelta(days=5))
        died, again = self._three_days()
        self._until(lambda: self._wave(wave).finished_at is not None, "the end of the wave")
        self._tell("three days down, hours left", wave, began, [(began, died), (again, time.time())])

    def _shutdown_beyond(self) -> None:
        """The same, and its hours are over: it asks, and goes on when new ones are approved."""
        wave, began = self._start(closes_at=datetime.now(UTC) + timedelta(days=1))
        died, _ = self._three_days()
        self._until(lambda: self._wave(wave).asks, "the question")
        self._sleep(WATCHED)
        now = datetime.now(UTC)
        self._until(lambda: self._reopened(wave, late.Hours(now, now + timedelta(days=1), ALL_DAY, ALL_DAY)), "peace")
        with self.house.begin() as conn:
            waves.approve(conn, wave, BINH, typed=N, choice="corrected", reason="measured")
        again = time.time()
        with self.house.begin() as conn:
            acts.ring(self.house, waves.start(conn, wave, BINH))
        self._until(lambda: self._wave(wave).finished_at is not None, "the end of the wave")
        self._tell("three days down, hours over", wave, began, [(began, died), (again, time.time())])

    def _reopened(self, wave: int, hours: late.Hours) -> bool:
        try:
            with self.house.begin() as conn:
                late.reopen(conn, wave, AN, hours, "measured")
        except Problem:  # journals of the killed are still being taken in
            return False
        return True

    # -- hands ---------------------------------------------------------------------------------------------------

    def _lead(self) -> float:
        """Seconds that planning, approving and starting take on this machine, roughly."""
        return 4.0

    def _start(self, **hours: Any) -> tuple[int, float]:
        """Plan a wave with these hours, approve and start it; once the first has arrived: its id and since when."""
        self.seed += 1
        planned_apart(self.site, N, seed=self.seed, changes=hours)
        before = len(self._arrived(0))
        with self.house.begin() as conn:
            wave = waves.all_waves(conn)[0].id
            waves.approve(conn, wave, BINH, typed=N, choice="corrected", reason="measured")
        began = time.time()
        with self.house.begin() as conn:
            acts.ring(self.house, waves.start(conn, wave, BINH))
        self._until(lambda: len(self._arrived(0)) > before, "the first arrival")
        return wave, began

    def _three_days(self) -> tuple[float, float]:
        """Kill every process of ours, let three days pass, begin again: when they died, when they were back."""
        self._sleep(GOING)
        ours = [name for name in self.crew.hands if name.startswith(crew.WORK)]
        died = time.time()
        for hand in (self.crew.hands.pop(name) for name in ours):
            os.kill(hand.pid, signal.SIGKILL)
            os.waitpid(hand.pid, 0)
        with psycopg.connect(self.site.owner) as conn:
            for statement in PASSED.split(";"):
                conn.execute(statement, {"t": timedelta(days=3)})
        time.sleep(WATCHED)
        again = time.time()
        crew.start_work(self.crew, self.site)
        return died, again

    def _owner(self, statement: str, values: tuple[object, ...]) -> None:
        with psycopg.connect(self.site.owner) as conn:
            conn.execute(statement, values)

    def _wave(self, wave: int) -> Wave:
        with self.house.begin() as conn:
            return waves.get(conn, wave)

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.crew.watch()
            time.sleep(0.02)

    def _until(self, true: Callable[[], bool], what: str) -> None:
        until(self.crew, true, what, PATIENCE)

    def _arrived(self, since: float) -> list[tuple[float, int]]:
        return [(line.at, int(line.number)) for line in read_taken(self.log) if line.at >= since]

    # -- judging -------------------------------------------------------------------------------------------------

    def _tell(self, story: str, wave: int, began: float, allowed: list[tuple[float, float]]) -> None:
        """What arrived within and outside the stretches in which it might, in seconds since the start."""
        arrived = self._arrived(began)
        states: Counter[State] = Counter()
        with self.house.begin() as conn:
            for message in reading.messages(conn, wave, self.house.keys(self._wave(wave).campaign)):
                states[message.state] += 1
        inside = [[at for at, _ in arrived if since <= at <= until + ON_THE_WIRE] for since, until in allowed]
        stretches = [
            {"allowed_s": [round(since - began, 2), round(until - began, 2)], "arrived": len(found),
             "first_s": round(min(found) - began, 2), "last_s": round(max(found) - began, 2)}
            for (since, until), found in zip(allowed, inside, strict=True) if found
        ]  # fmt: skip
        self.told.append({
            "story": story, "messages": N, "stretches": stretches,
            "outside": len(arrived) - sum(map(len, inside)),
            "twice": len(arrived) - len({number for _, number in arrived}),
            "states": {state.name.lower(): n for state, n in sorted(states.items())},
            "not_accounted": N - states.total() + max(0, sum(states[state] for state in SENT) - len(arrived)),
            "load": round(os.getloadavg()[0], 1),
        })  # fmt: skip


def measure(folder: Path) -> list[dict[str, Any]]:
    """All stories in an empty folder."""
    settings = installation(folder, {ACCOUNT: {"licence": RATE}})
    with assemble.site(settings, rehearsal=True, start=True) as site:
        (settings.data / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        hands = crew.Crew(settings.data / "log")
        try:
            return Run(site, hands).run()
        finally:
            hands.stop(last=("sim-",))


def main() -> None:
    """Print each story; exit 1 when one went wrong."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = measure(Path(folder))
    for each in told:
        if given.json:
            print(json.dumps(each))
            continue
        print(f"{each.pop('story')}: {each.pop('messages')} messages")
        for stretch in each.pop("stretches"):
            print("  allowed {allowed_s} s: {arrived} arrived, first at {first_s}, last at {last_s}".format(**stretch))
        print("  " + ", ".join(f"{name} {value}" for name, value in each.items()))
    sys.exit(any(each["outside"] or each["twice"] or each["not_accounted"] for each in told))


if __name__ == "__main__":
    main()
