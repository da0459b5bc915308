"""STOP under full load on SMPP and HTTP at once: seconds, on the wire then, sent after; nobody twice, nobody skipped.

    python benchmarks/stop.py [--rounds 20] [--recipients N] [--json]

An installation of its own with the demo's three simulated carriers (SMPP, eSMS, Twilio), all sending. In turn, `rounds`
times each: pause and resume; the kill switch, lifted by two persons; SIGTERM to every sender, which its parent starts
again; and cancel, each time of a smaller wave of its own. Seconds are from before the act until the program says it
is in force (of SIGTERM: until the last sender has ended); what left after that is counted in the carriers' own logs and
held against what was said to be on the wire. At the end every number of every wave is held against the same logs.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.one_account import planned_apart, start, until
from campaigns.ledger import halts, people, reading, waves
from campaigns.ledger.waves import Wave
from campaigns.message import SENT
from campaigns.terms import State
from config.settings import load
from dispatcher import acts, assemble, crew
from dispatcher.assemble import Site
from dispatcher.halting import Halted, all_halted, halted
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken
from workers.house import House

FAULTS = Faults(latency=0.05, receipt_delay=0.5, undelivered=0.03, repeat_receipt=0.01)
GOING = 0.7  # seconds of sending before each act
QUIET = 0.7  # seconds in which what is on the wire arrives; the carriers answer after 0.05
AN_ACT = 10_000  # recipients for an act and what leaves before it
CANCELLED = 6_000  # recipients of a wave that is cancelled
PATIENCE = 120.0
AN = people.Person("an", "An", ("officer",), ("write",))
BINH = people.Person("binh", "Bình", ("approver",), ("approve",))


@dataclass(slots=True)
class Run:
    """One installation."""

    site: Site
    crew: crew.Crew
    rounds: int
    recipients: int
    truth: Path = field(init=False)
    house: House = field(init=False)
    figures: dict[str, list[dict[str, float]]] = field(default_factory=lambda: defaultdict(list))

    def run(self) -> dict[str, Any]:
        """Send, stop, judge."""
        self.truth = self.site.settings.data / "carriers"
        assemble.prepare(self.site)
        planned_apart(self.site, self.recipients)
        self.site = crew.start_simulators(self.crew, self.site, self.truth, FAULTS)
        crew.start_work(self.crew, self.site)
        self.house = assemble.house(self.site)
        wave = start(self.house)
        self._until(lambda: len(self._busy()) == 3, "three busy carriers")  # SMPP, eSMS, Twilio
        for _ in range(self.rounds):
            for act in (self._pause, self._kill_switch, self._sigterm):
                self._going(wave)
                act(wave)
        self._until(lambda: self._rests(wave), "the end of the wave")
        done = [wave]
        for seed in range(self.rounds):
            planned_apart(self.site, CANCELLED, seed=100 + seed)
            done.append(start(self.house))
            self._going(done[-1])
            self._cancel(done[-1])
            self._until(lambda: self._rests(done[-1]), "the end of a cancelled wave")
        return self._judge(done)

    # -- acts ----------------------------------------------------------------------------------------------------

    def _pause(self, wave: Wave) -> None:
        self._note("pause", lambda: self._moved(wave, "pause"))
        with self.house.begin() as conn:
            waves.move(conn, wave.id, "an", "resume", "measured")
        acts.ring(self.house, wave)

    def _cancel(self, wave: Wave) -> None:
        self._note("cancel", lambda: self._moved(wave, "cancel"))

    def _moved(self, wave: Wave, act: str) -> Halted:
        since = time.monotonic()
        with self.house.begin() as conn:
            waves.move(conn, wave.id, "an", act, "measured")
        return halted(self.house, wave.id, since)

    def _kill_switch(self, wave: Wave) -> None:
        def stop() -> Halted:
            since = time.monotonic()
            with self.house.begin() as conn:
                halts.stop(conn, "an", "measured")
            return all_halted(self.house, since)

        self._note("stop", stop)
        with self.house.begin() as conn:
            halts.lift(conn, AN, "measured", file_there=False)
            halts.lift(conn, BINH, "measured", file_there=False)
        acts.ring(self.house, wave)

    def _sigterm(self, wave: Wave) -> None:
        def end() -> Halted:
            hands = [hand for name, hand in self.crew.hands.items() if name.startswith(crew.WORK + "sim-")]
            with self.house.begin() as conn:
                on_wire = sum(sum(each.wire.values()) for each in halts.hearings(conn))
            since = time.monotonic()
            for hand in hands:
                os.kill(hand.pid, signal.SIGTERM)
            for hand in hands:
                os.waitpid(hand.pid, 0)
            return Halted(time.monotonic() - since, on_wire, 0, 0)

        self._note("sigterm", end)
        self.crew.watch()  # finds them ended, and forks them again after a moment
        self._until(lambda: len(self._busy()) > 0 or self._rests(wave), "senders that are back")

    def _note(self, name: str, act: Callable[[], Halted]) -> None:
        told = act()
        at = time.time()
        time.sleep(QUIET)
        after = sum(line.at > at for path in self.truth.glob("*.log") for line in read_taken(path) if line.part == 1)
        self.figures[name].append(
            {"seconds": told.seconds, "on_wire": told.on_wire, "after": after, "unheard": told.unheard}
        )

    # -- looking ---------------------------------------------------------------------------------------------------

    def _going(self, wave: Wave) -> None:
        acts.ring(self.house, wave)
        self._until(lambda: len(self._busy()) > 0 or self._rests(wave), "a busy carrier")
        until = time.monotonic() + GOING
        while time.monotonic() < until:
            self.crew.watch()
            time.sleep(0.05)

    def _busy(self) -> set[str]:
        with self.house.begin() as conn:
            return {each.account for each in halts.hearings(conn) if sum(each.wire.values())}

    def _rests(self, wave: Wave) -> bool:
        with self.house.begin() as conn:
            return waves.get(conn, wave.id).finished_at is not None

    def _until(self, true: Callable[[], bool], what: str) -> None:
        until(self.crew, true, what, PATIENCE)

    def _judge(self, done: list[Wave]) -> dict[str, Any]:
        time.sleep(2.0)  # the last receipts
        taken = Counter(
            int(line.number) for path in self.truth.glob("*.log") for line in read_taken(path) if line.part == 1
        )
        ours, doubt, states = Counter[int](), Counter[int](), [Counter[State]() for _ in done]
        for wave, found in zip(done, states, strict=True):
            with self.house.begin() as conn:
                for message in reading.messages(conn, wave.id, self.house.keys(wave.campaign)):
                    found[message.state] += 1
                    ours[message.number] += message.state in SENT
                    doubt[message.number] += message.state is State.UNCERTAIN
        never = states[0][State.QUEUED] + states[0][State.CANCELLED] + states[0][State.EXPIRED]
        return {
            "rounds": self.rounds, "recipients": [wave.n for wave in done],
            **{name: _summary(found) for name, found in self.figures.items()},
            "twice": sum(max(0, n - ours[number] - doubt[number]) for number, n in taken.items()),
            "skipped": never + sum(max(0, n - taken[number]) for number, n in ours.items()),
            "sums_hold": all(found.total() == wave.n for wave, found in zip(done, states, strict=True)),
            "uncertain_at_the_end": doubt.total(), "load": round(os.getloadavg()[0], 1),
        }  # fmt: skip


def _summary(found: list[dict[str, float]]) -> dict[str, float]:
    return {
        "times": len(found),
        "seconds_max": round(max(each["seconds"] for each in found), 2),
        "on_wire_max": max(each["on_wire"] for each in found),
        "after_max": max(each["after"] for each in found),
        "more_after_than_told": sum(each["after"] > each["on_wire"] for each in found),
        "unheard": sum(each["unheard"] for each in found),
    }


def measure(rounds: int, recipients: int, folder: Path) -> dict[str, Any]:
    """Run once in an empty folder."""
    settings = load({"DISPATCHER_LISTEN_PORT": "0"}, data=folder / "var", profile="rehearsal")
    with assemble.site(settings, rehearsal=True, start=True) as site:
        (settings.data / "log").mkdir(mode=0o700, parents=True, exist_ok=True)
        hands = crew.Crew(settings.data / "log")
        try:
            return Run(site, hands, rounds, recipients).run()
        finally:
            hands.stop(last=("sim-",))


def main() -> None:
    """Print one run."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--recipients", type=int, default=0, help="of the first wave; enough for all its acts")
    arguments.add_argument("--json", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(given.rounds, given.recipients or AN_ACT * 3 * given.rounds, Path(folder))
    if given.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
