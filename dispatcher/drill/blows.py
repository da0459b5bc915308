"""The blows: workers killed at random and at named points, stopped, replaced; servers and people in outages.py.

Everything happens in one thread. A blow that takes time is a generator that yields the seconds it wants to wait, so
that several go on at once while the crew is watched.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from campaigns.ledger.waves import Wave
from dispatcher.crew import WORK
from dispatcher.drill import outages
from dispatcher.drill.backintime import go_back
from dispatcher.drill.marks import Marks
from dispatcher.drill.stage import Stage
from dispatcher.drill.weather import moods
from dispatcher.drill.wishes import OTHER_POINTS, SHARES
from providers.simulator.chaos import Mode
from workers.house import House

TICK = 0.005
EVERY = (0.2, 0.8)
"""Seconds between two blows."""
ON_THE_WIRE = 12.0
"""Seconds waited for a victim with something unanswered: a blow to an idle one proves nothing."""
STUCK = 12.0
"""Seconds after which a worker that does not reach its named point is killed where it is."""
AT_ONCE = 2
"""Senders that are to die at a named point at the same time; the others are for random kills and stops."""
WEIGHT = {"work-sim-smpp": 5, "work-sim-esms": 3}
"""How much likelier than others a process is to be killed: most messages are theirs."""
PROBES = 3
"""Rounds of such attempts that a drill must hold at least."""
STRIKING = 0.6
"""Share of a drill's limit in which blows may fall; the rest is for coming to rest."""
STRETCH, SLOWER = 0.75, 4.0
"""From this share of the wave on, what is left is sent so much slower while blows are still to fall."""
RARE = 0.1
"""Share of the messages below which an account passes the named points too seldom to wait for it there."""
NEARLY_ALL = 0.97
"""Share of the wave after which what is left are retries and refusals: a kill would find nobody at work."""

Steps = Iterator[float]


@dataclass(slots=True)
class Striker:
    """Deals out the blows of one drill."""

    stage: Stage
    wave: Wave
    house: House
    dice: random.Random
    marks: Marks
    _running: list[tuple[float, Steps]] = field(default_factory=list)
    _points: dict[str, list[str]] = field(default_factory=dict)
    _stopped: set[str] = field(default_factory=set)
    _going: int = 0  # blows that take time and are not over
    _calm: bool = False  # no new blow begins
    _story: bool = False  # the database is still to go back in time
    _slow: bool = False  # accounts have a rate below their licence

    # -- time ----------------------------------------------------------------------------------------------------

    def strike(self) -> None:
        """All blows of the wishes, then calm."""
        agenda = self._agenda()
        self._begin(self._deal(agenda))
        self._begin(outages.probe(self.house, self.wave, self.marks, lambda: self._calm))
        if self.stage.wishes.mix.restore:
            story = go_back(self.stage, self.house, self.wave, self.marks, self._quieten, self._stop_for_good)
            self._begin(self._telling(story))
        if self.stage.wishes.mix.lines:
            self._begin(moods(self.stage, self.dice, self.marks))
        until = time.monotonic() + STRIKING * self.stage.wishes.within
        while time.monotonic() < until and self._anything_left(agenda):
            self.turn()
            self._stretch(agenda)
        while self._slow and not outages.set_rates(self.stage, self.house, None):
            self.turn()
        self._running.clear()
        for name in list(self._stopped):
            self._signal(name, signal.SIGCONT)

    def _anything_left(self, agenda: list[Callable[[], Steps]]) -> bool:
        points = self._points_left()
        tried = self.marks.probes >= PROBES
        return bool(self._going or self._story or ((agenda or points or not tried) and self._work_left()))

    def _telling(self, story: Steps) -> Steps:
        self._story = True
        yield from story
        self._story = False

    def turn(self) -> None:
        """One look at the crew, one step of each blow that is due."""
        self.marks.died(self.stage.crew.watch())
        self.marks.look()
        self._arm()
        now = time.monotonic()
        due = [each for each in self._running if each[0] <= now]
        self._running = [each for each in self._running if each[0] > now]
        for _, steps in due:
            self._begin(steps)
        time.sleep(TICK)

    def _stretch(self, agenda: list[Callable[[], Steps]]) -> None:
        """Make the rest of the wave last: a machine on which blows take longer must not run out of work for them."""
        blows = agenda or self._story or self.marks.armed or any(self._points.values())
        if blows and not self._slow and self.marks.taken() > STRETCH * self.wave.n:
            self._slow = outages.set_rates(self.stage, self.house, SLOWER)

    def _begin(self, steps: Steps) -> None:
        wait = next(steps, None)
        if wait is not None:
            self._running.append((time.monotonic() + wait, steps))

    def _work_left(self) -> bool:
        """Whether there is anything to send: blows to a wave that is done prove nothing."""
        return self.marks.taken() < NEARLY_ALL * self.wave.n

    # -- what is dealt -------------------------------------------------------------------------------------------

    def _agenda(self) -> list[Callable[[], Steps]]:
        """Every blow once, in the order of the dice."""
        mix, kills = self.stage.wishes.mix, self.stage.wishes.kills
        self._points = self._share_points(max(1, kills // 20), kills)
        random_kills = max(0, kills - sum(map(len, self._points.values())))
        others = [f"{WORK}{name}" if name != "api" else name for name in mix.victims][:random_kills]
        acts: list[Callable[[], Steps]] = [lambda name=name: self._kill([name]) for name in others]  # type: ignore[misc]
        for n in range(random_kills - len(others)):
            at_other = not mix.senders or (mix.victims and n % 5 == 4)  # noqa: PLR2004 - one in five
            acts.append(lambda at_other=at_other: self._kill(others if at_other else self._senders()))  # type: ignore[misc]
        acts += [lambda leases=leases: self._stop(leases) for leases in mix.stops]  # type: ignore[misc]
        acts += [self._stop_in_t1] * mix.stops_in_t1 + [self._zombie] * mix.zombies
        stage, house, marks = self.stage, self.house, self.marks
        acts += [lambda: outages.flush(house, marks)] * mix.flushes
        acts += [lambda: outages.kill_server(stage, marks, "valkey", "redis", 1.5)] * mix.valkey
        acts += [lambda: outages.kill_server(stage, marks, "postgres", "postgres", 1.0)] * mix.postgres
        acts += [lambda: outages.pause(stage, house, self.wave, marks, self._work_left)] * mix.pauses
        self.dice.shuffle(acts)
        return acts

    def _share_points(self, times: int, kills: int) -> dict[str, list[str]]:
        """Each named point so many times, over the processes that pass it; the single most travelled takes the most."""
        wanted = [point for point in self.stage.wishes.mix.points for _ in range(times)]
        self.dice.shuffle(wanted)
        shared: dict[str, list[str]] = {}
        for point in wanted[:kills]:
            owner = next((name for name, points in OTHER_POINTS.items() if point in points), "")
            shared.setdefault(owner, []).append(point)
        return shared

    def _deal(self, agenda: list[Callable[[], Steps]]) -> Steps:
        while agenda:
            yield self.dice.uniform(*EVERY)
            if self._calm or not self._work_left():  # a blow dealt now would wait for a victim that never comes
                continue
            self._begin(self._counted(agenda.pop()()))

    def _counted(self, steps: Steps) -> Steps:
        self._going += 1
        try:
            yield from steps
        finally:
            self._going -= 1

    def _senders(self) -> list[str]:
        return [WORK + account for account in self.stage.accounts()]

    # -- kills ---------------------------------------------------------------------------------------------------

    def _kill(self, names: list[str]) -> Steps:
        """Kill -9, at an instant at which the victim's carrier (or any, for those who do not send) owes answers."""
        until = time.monotonic() + ON_THE_WIRE
        while True:
            ready = [name for name in names if self._alive(name) and self.marks.open_now(name) > 0]
            if ready or time.monotonic() > until:
                break
            yield TICK
        alive = ready or [name for name in names if self._alive(name)]
        if alive:
            self.marks.kill(self.dice.choices(alive, [WEIGHT.get(name, 1) for name in alive])[0])

    def _alive(self, name: str) -> bool:
        hand = self.stage.crew.hands[name]
        settled = time.monotonic() - hand.forked_at > 0.5  # noqa: PLR2004 - what has just begun has nothing to lose
        return bool(hand.pid) and settled and name not in self._stopped

    def _arm(self) -> None:
        """The next fork of a dead process dies at a named point, while there are any left for it."""
        for name, hand in self.stage.crew.hands.items() if not self._calm else ():
            sends = name in self._senders()
            points = self._points.get("" if sends else name, [])
            if sends and SHARES[name.removeprefix(WORK)] < RARE:
                continue
            if sends and len(self.marks.armed.keys() & set(self._senders())) >= AT_ONCE:
                continue
            if not hand.pid and not hand.crash_at and points and name not in self.marks.armed:
                point = points.pop()
                account = name.removeprefix(WORK) if sends and point != "C8" else "*"
                hand.crash_at = f"{point}:{self.dice.randint(1, 2)}:{self.stage.truths / account}"
                self.marks.arm(name, point)
        for name in self.marks.stuck(STUCK):
            if self._alive(name) and self.marks.open_now(name) > 0:
                self.marks.kill(name)
        while self.marks.missed:  # it waits for the next fork
            name, point = self.marks.missed.pop()
            self._points.setdefault("" if name in self._senders() else name, []).insert(0, point)

    def _points_left(self) -> bool:
        """Whether a named point waits; one whose process lives on unarmed is set off by a kill."""
        left = [owner for owner, points in self._points.items() if points]
        unarmed = [name for name in self._senders() if name not in self.marks.armed]
        if left and not self._going and not self._calm and len(self._senders()) - len(unarmed) < AT_ONCE:
            owner = self.dice.choice(left)
            self._begin(self._counted(self._kill([owner] if owner else unarmed)))
        return bool(left) or bool(self.marks.armed)

    # -- stops ---------------------------------------------------------------------------------------------------

    def _stop(self, leases: float) -> Steps:
        """SIGSTOP for so many lease times, then on with it; whoever is stopped too long is killed by the parent."""
        if not (free := (yield from self._one_free())):
            return
        self.marks.blows["stop"] += 1
        yield from self._stopped_for(self.dice.choice(free), leases * self.stage.settings.lease)

    def _one_free(self) -> Generator[float, None, list[str]]:
        """Wait for free senders as long as for any victim; none when all is sent or carriers take nothing."""
        until = time.monotonic() + ON_THE_WIRE
        while not (free := self._free()) and time.monotonic() < until:
            yield TICK
        return free

    def _free(self) -> list[str]:
        """Senders that live, have something on the wire and are not to die at a point."""
        return [
            name
            for name in self._senders()
            if self._alive(name) and name not in self.marks.armed and self.marks.open_now(name) > 0
        ]

    def _stopped_for(self, name: str, seconds: float) -> Steps:
        self._stopped.add(name)
        pid = self.stage.crew.hands[name].pid
        self._signal(name, signal.SIGSTOP)
        yield seconds
        if self.stage.crew.hands[name].pid == pid:
            self._signal(name, signal.SIGCONT)
        else:
            self.marks.blows["stopped, and killed by the parent"] += 1
        self._stopped.discard(name)

    def _stop_in_t1(self) -> Steps:
        """A worker stops itself between T1's commit and the first write (F12)."""
        if not (free := (yield from self._one_free())):
            return
        name = self.dice.choice(free)
        hand = self.stage.crew.hands[name]
        account = self.stage.truths / name.removeprefix(WORK)
        hand.crash_at = f"C3:2:{account}:STOP"
        self._signal(name, signal.SIGTERM)
        before, until = hand.pid, time.monotonic() + STUCK
        while time.monotonic() < until and (hand.pid in {0, before} or not _is_stopped(hand.pid)):
            yield 4 * TICK
        if hand.pid and _is_stopped(hand.pid):
            self.marks.blows["stop in T1"] += 1
            yield from self._stopped_for(name, 1.4 * self.stage.settings.lease)

    def _zombie(self) -> Steps:
        """A worker stops, another takes its account over, then the first one comes back to life beside it."""
        name = WORK + "sim-smpp"
        while not self._alive(name) or name in self.marks.armed:
            if not self._work_left():
                return
            yield 0.1
        spare, lease = "spare-sim-smpp", self.stage.settings.lease
        self._stopped.add(name)
        self._signal(name, signal.SIGSTOP)
        yield 1.1 * lease
        self.stage.crew.start(spare, self.stage.sender("sim-smpp"))
        yield self.house.times.share + 2.5
        self.marks.blows["zombie"] += 1
        self._signal(name, signal.SIGCONT)
        self._stopped.discard(name)
        yield 1.0
        self.stage.crew.dismiss(spare)

    def _quieten(self) -> bool:
        """Begin no new blow; whether those that were under way are over, and everybody lives."""
        self._calm = True
        for control in self.stage.accounts():
            self.stage.switch(control, Mode.CLEAR)
        whole = all(hand.pid for hand in self.stage.crew.hands.values())
        return not self._going and not self.marks.armed and not self._stopped and whole

    def _stop_for_good(self) -> Callable[[], None]:
        """Stop the sender with the most to do; what is given back kills it and lets blows fall again."""
        name = WORK + "sim-smpp"
        self._stopped.add(name)
        self._signal(name, signal.SIGSTOP)

        def end() -> None:
            self._signal(name, signal.SIGKILL)
            self._stopped.discard(name)
            self._calm = False

        return end

    def _signal(self, name: str, number: signal.Signals) -> None:
        if pid := self.stage.crew.hands[name].pid:
            with suppress(ProcessLookupError):
                os.kill(pid, number)


def _is_stopped(pid: int) -> bool:
    with suppress(OSError, IndexError):
        return (
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "T"
        )
    return False
