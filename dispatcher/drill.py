"""`dispatcher drill`: a rehearsal wave while its workers are killed and stopped, then the carriers' own count.

First landing: kill -9 at random and at the named crash points of the sending path, SIGSTOP beyond the lease, a flushed
Redis. The carriers' files are the truth; the ledger is held against them number by number.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from campaigns.ledger import audiences, counts, people, registry, waves
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from campaigns.terms import State
from config import data as shipped
from config.settings import Settings
from dispatcher import acts, assemble, crew, truths
from dispatcher.assemble import Site
from dispatcher.words import Words
from providers.simulator.faults import Faults
from workers import journal
from workers.house import House

CAMPAIGN = "20-BCD-2024"
POINTS = ("C1", "C2", "C3", "C4", "C6", "C7")
"""Crash points of a sending worker (reliability: section 6) that a fork can be told to die at."""
FAULTS = Faults(latency=0.05, throttle=0.05, refuse=0.005, receipt_delay=0.3, undelivered=0.03, repeat_receipt=0.05)
EVERY = 0.5
"""Seconds between a worker at work again and the next blow, on average."""
ON_THE_WIRE = 2.0
"""Seconds waited for a worker to have something unanswered: a blow to an idle one proves nothing."""
RECOVERED = 15.0
"""Seconds waited for a worker's successor to send."""
SLOWEST = 3.0
"""Seconds that a blow and the recovery from it take, about."""
QUIET = 12.0
"""Seconds without news after which what is open is called so."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for."""

    messages: int = 6000
    kills: int = 20
    seed: int = 1


@dataclass(slots=True)
class Blows:
    """What was done to the workers, and what was on the wire when they died."""

    by_kind: Counter[str] = field(default_factory=Counter)
    effective: int = 0
    unanswered: int = 0
    recoveries: list[float] = field(default_factory=list)


def run(settings: Settings, wishes: Wishes, words: Words) -> int:
    """Run the drill in a data folder of its own; 0 only when no invariant broke."""
    console = Console(stderr=True, highlight=False)
    console.print(
        f"[bold]{words.say('Drill: no phone receives anything')}[/] · seed {wishes.seed} · lease {settings.lease:g} s ·"
        f" retry {settings.retry_first:g} s · {settings.data}",
        soft_wrap=True,
    )
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    slow = _slowed(settings, wishes)
    with assemble.site(slow, rehearsal=True, start=True) as site:
        log = slow.data / "log"
        log.mkdir(mode=0o700, exist_ok=True)
        hands = crew.Crew(log)
        try:
            summary = _Drill(site, hands, wishes, console).run()
        finally:
            hands.stop(last=("sim-",))
    sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
    sys.stdout.flush()
    return 1 if summary["broken_invariants"] else 0


def _slowed(settings: Settings, wishes: Wishes) -> Settings:
    """Accounts whose licence makes the wave last as long as the blows: a kill of an idle worker proves nothing."""
    seconds = max(5.0, wishes.kills * SLOWEST)
    file = settings.data / "carriers.toml"
    text = shipped.CARRIERS.read_text(encoding="utf-8")
    share = {"sim-smpp": 0.77, "sim-esms": 0.20, "sim-twilio": 0.03}
    for name, part in share.items():
        licence = max(8, round(wishes.messages * part * 4 / seconds))
        text = re.sub(rf"(\[accounts\.{name}\][^\[]*?licence = )\d+", rf"\g<1>{licence}", text)
    file.write_text(text, encoding="utf-8")
    return settings.model_copy(update={"carriers_file": file})


@dataclass(slots=True)
class _Drill:
    site: Site
    crew: crew.Crew
    wishes: Wishes
    console: Console
    blows: Blows = field(default_factory=Blows)

    def run(self) -> dict[str, Any]:
        """Set up, strike, wait until nothing moves, compare."""
        assemble.prepare(self.site)
        dice = random.Random(self.wishes.seed)  # noqa: S311 - a repeatable drill
        folder = self.site.settings.data / "carriers" / f"drill-{time.time_ns():x}"
        faults = replace(FAULTS, seed=self.wishes.seed)
        reached = replace(self.site, callback_base=f"http://127.0.0.1:{crew.free_port(self.site.settings)}")
        self.site = crew.start_simulators(self.crew, reached, folder, faults)
        crew.start_receiver(self.crew, self.site)
        crew.start_work(self.crew, self.site)
        house = assemble.house(self.site)
        wave = self._start_wave(house)
        self._strike(house, dice)
        last = self._settle(house, wave)
        return self._summary(house, wave, folder, last)

    def _start_wave(self, house: House) -> Wave:
        file = house.settings.data / "list.csv"
        write_sample(file, seed=self.wishes.seed, table=acts.number_table(), recipients=self.wishes.messages)
        with house.begin() as conn:
            people.add_person(conn, "an", "An (diễn tập)", ["officer"])
            people.add_person(conn, "binh", "Bình (diễn tập)", ["approver"])
            campaign = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
            version = registry.load_campaign(conn, campaign, "an")
            audience = audiences.create(conn, campaign.name, file.name, "an")
            for _ in acts.import_audience(house, conn, audience, file, campaign.name):
                pass
        wave = acts.plan_wave(house, acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True), "an")
        with house.begin() as conn:
            binh = people.Person("binh", "Bình", ("approver",), ("approve",))
            waves.approve(conn, wave.id, binh, typed=wave.n, choice="corrected", reason="diễn tập")
            wave = waves.start(conn, wave.id, binh)
        acts.ring(house, wave)
        return wave

    def _strike(self, house: House, dice: random.Random) -> None:
        """One blow after another; each crash point in turn, else kill, stop or flush."""
        senders = [name for name in self.crew.hands if name.startswith("work-sim-")]
        weights = [4 if "smpp" in name else 2 for name in senders]
        points = [point for point in POINTS for _ in range(max(1, self.wishes.kills // (2 * len(POINTS))))]
        while sum(n for kind, n in self.blows.by_kind.items() if kind not in {"stop", "flush"}) < self.wishes.kills:
            self._pause(dice.uniform(0.5, 1.5) * EVERY)
            name = dice.choices(senders, weights)[0]
            roll = dice.random()
            if roll < 0.06:  # noqa: PLR2004 - one blow in sixteen
                self.blows.by_kind["flush"] += 1
                house.redis.flushall()
            elif roll < 0.12:  # noqa: PLR2004 - as above
                self._stop(name)
            elif points and dice.random() < 0.6:  # noqa: PLR2004 - while points are left
                self._kill(name, points.pop())
            else:
                self._kill(name, "")

    def _kill(self, name: str, point: str) -> None:
        """Kill -9 while something is on its wire, if it ever is; with a point, the next fork dies there as well."""
        hand = self.crew.hands[name]
        self._until(lambda: bool(hand.pid) and _unanswered(hand.pid) > 0, ON_THE_WIRE)
        if not hand.pid:
            return
        self.blows.by_kind["kill"] += 1
        on_the_wire = _unanswered(hand.pid)
        self.blows.effective += on_the_wire > 0
        self.blows.unanswered += on_the_wire
        began = time.monotonic()
        os.kill(hand.pid, signal.SIGKILL)
        if point:
            self.blows.by_kind[point] += 1
            hand.crash_at = f"{point}:3"
        if on_the_wire and self._until(lambda: bool(hand.pid) and _sent(hand.pid), RECOVERED):
            self.blows.recoveries.append(time.monotonic() - began)

    def _until(self, true: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if true():
                return True
            self.crew.watch()
            time.sleep(0.005)
        return False

    def _stop(self, name: str) -> None:
        """SIGSTOP beyond the lease, then on with it."""
        hand = self.crew.hands[name]
        if hand.pid:
            self.blows.by_kind["stop"] += 1
            pid = hand.pid
            os.kill(pid, signal.SIGSTOP)
            self._pause(1.5 * self.site.settings.lease)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.crew.watch()
            time.sleep(0.02)

    def _settle(self, house: House, wave: Wave) -> counts.Live:
        """Until there is no open window, no due retry and no unfolded chunk, asked twice, and receipts are in."""
        last, news = None, time.monotonic()
        while True:
            self._pause(0.3)
            with house.begin() as conn:
                now = counts.live(conn, wave.id)
                state = waves.get(conn, wave.id).state
            if now != last:
                last, news = now, time.monotonic()
            done = state == "finished" and now.of(State.ACCEPTED) + now.of(State.UNCERTAIN) == 0
            if time.monotonic() - news > (1.0 if done else QUIET) and state == "finished":
                return now
            if time.monotonic() - news > 5 * QUIET:
                return now

    def _summary(self, house: House, wave: Wave, folder: Path, last: counts.Live) -> dict[str, Any]:
        checked = truths.compare(house, wave, folder)
        receipts_lost = truths.receipts_lost(house, wave, folder)
        uncertain = last.of(State.UNCERTAIN)
        broken = [
            name
            for name, wrong in (
                ("I3 never twice", checked.numbers_twice > 0),
                ("I4 never lost", checked.difference > 0 or last.total != wave.n or last.of(State.QUEUED) > 0),
                ("I5 bounded unknown", uncertain > self.blows.unanswered + sum(self._at_points().values()) * 1000),
                ("I8 200 means durable", receipts_lost > 0),
                ("I9 only approved bytes", checked.texts_differ > 0),
            )
            if wrong
        ]
        times = sorted(self.blows.recoveries) or [0.0]
        return {
            "messages": wave.n,
            "kills": self.blows.by_kind["kill"] + sum(self._at_points().values()),
            "kills_effective": self.blows.effective,
            "duplicates": checked.numbers_twice,
            "lost": checked.difference,
            "uncertain": uncertain,
            "uncertain_but_taken": checked.uncertain_taken,
            "unanswered_at_kill": self.blows.unanswered,
            "receipts_lost": receipts_lost,
            "recovery_p50_s": round(times[len(times) // 2], 2),
            "recovery_p95_s": round(times[min(len(times) - 1, len(times) * 95 // 100)], 2),
            "broken_invariants": broken,
            "blows": dict(self.blows.by_kind),
            "outcomes": {state.name.lower(): last.of(state) for state in State},
        }

    def _at_points(self) -> dict[str, int]:
        return {kind: n for kind, n in self.blows.by_kind.items() if kind in POINTS}


def _journal(pid: int) -> str:
    """What the journal of a living worker says so far; "" when it has none yet."""
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            path = fd.readlink()
            if path.name.endswith(journal.SUFFIX):
                return path.read_text(encoding="ascii", errors="replace").rpartition("\n")[0]
    return ""


def _unanswered(pid: int) -> int:
    """Submissions that a worker's journal names as sent and not as answered, at this instant."""
    with suppress(ValueError, KeyError, IndexError):
        told = journal.read("", _journal(pid))
        return sum(sum(hi - lo for lo, hi in w.sent) - len(w.heard) for w in told.windows.values())
    return 0


def _sent(pid: int) -> bool:
    """Whether a worker has put anything on its wire."""
    return "\nS " in _journal(pid)
