"""What was done, to whom, and what was on the wire at that instant by the carriers' own counts."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dispatcher.crew import WORK
from dispatcher.drill.stage import Stage
from providers.simulator.unanswered import total
from workers.crash import DEATHS
from workers.journal import SUFFIX
from workers.journals import PUT_AWAY

UNWRITTEN = "C4"
"""The point between the journal's S and the socket."""
LINE_BYTES = 40
"""A truth file shorter than this holds nothing."""


@dataclass(frozen=True, slots=True)
class Armed:
    """A process that is to die at a named point."""

    point: str
    since: float


@dataclass(frozen=True, slots=True)
class Hurt:
    """A sender that was killed and has not sent again yet."""

    at: float
    pid: int
    size: int  # of the carrier's file when its successor was seen; -1: no successor yet


@dataclass(frozen=True, slots=True)
class Death:
    """What a process wrote down before it killed itself at a named point."""

    point: str
    pid: int
    open_now: int


@dataclass(slots=True)
class Marks:
    """Counts of one drill; used by the one thread that strikes."""

    stage: Stage
    kills: int = 0
    set_back_at: float = float("inf")  # unix time at which the database went back in time
    gone_on_at: float = float("inf")  # and at which all journals were in it
    effective: int = 0
    unanswered: int = 0
    probes: int = 0
    points: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)
    blows: Counter[str] = field(default_factory=Counter)
    moods: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)  # found on the way
    held: list[tuple[str, float, float]] = field(default_factory=list)  # account, from, to: a line kept bytes back
    armed: dict[str, Armed] = field(default_factory=dict)
    missed: list[tuple[str, str]] = field(default_factory=list)  # process, point: it died elsewhere
    journals: dict[int, str] = field(default_factory=dict)  # of processes that are to die between S and the socket
    _hurt: dict[str, Hurt] = field(default_factory=dict)
    _pids: dict[int, str] = field(default_factory=dict)
    _told: list[Death] = field(default_factory=list)  # announced, not seen yet
    _read: int = 0  # bytes of the file of deaths that were read

    def open_now(self, name: str) -> int:
        """What the carrier of a sender owes now, by its own count; all carriers, for a process that does not send."""
        account = name.removeprefix(WORK)
        return total(self.stage.truths, account if account in self.stage.lines else "*").now

    def taken(self) -> int:
        """Lines in the carriers' files, about; from their sizes."""
        sizes = [(self.stage.truths / f"{account}.log") for account in self.stage.lines]
        return sum(_lines(path) for path in sizes)

    def taken_bytes(self) -> int:
        """Size of the carriers' files: it grows with each acceptance."""
        return sum((self.stage.truths / f"{account}.log").stat().st_size for account in self.stage.lines)

    def kill(self, name: str) -> None:
        """Kill -9, now."""
        hand = self.stage.crew.hands[name]
        open_now = self.open_now(name)
        with suppress(ProcessLookupError):
            os.kill(hand.pid, signal.SIGKILL)
        self._dead(name, hand.pid, open_now)
        self._missed(name)

    def _dead(self, name: str, pid: int, open_now: int) -> None:
        self.kills += 1
        self.effective += open_now > 0
        self.unanswered += max(0, open_now)
        self.victims[name.removeprefix(WORK)] += 1
        if name.removeprefix(WORK) in self.stage.lines:
            self._hurt[name] = Hurt(time.monotonic(), pid, -1)  # one that dies again first never recovered

    def _missed(self, name: str) -> None:
        if armed := self.armed.pop(name, None):
            self.missed.append((name, armed.point))

    def arm(self, name: str, point: str) -> None:
        """The next fork of this process is to die at this point."""
        self.armed[name] = Armed(point, time.monotonic())

    def stuck(self, seconds: float) -> list[str]:
        """Processes that were to die at a point and did not come by for so long."""
        late = time.monotonic() - seconds
        return [name for name, armed in self.armed.items() if armed.since < late]

    def died(self, names: Sequence[str]) -> None:
        """Deaths seen by the crew; those at a named point have left their line, with what was open at that instant."""
        self._told += [Death(words[0], int(words[1]), int(words[2])) for words in self._deaths()]
        alive = {hand.pid for hand in self.stage.crew.hands.values()}
        for death in [each for each in self._told if each.pid not in alive]:
            self._told.remove(death)
            name = self._pids.get(death.pid, "")
            if self.armed.pop(name, None):
                self.points[death.point] += 1
                self._dead(name, death.pid, death.open_now)
        for name in names:  # it died of something else
            self._missed(name)
        for name, armed in self.armed.items():
            pid = self.stage.crew.hands[name].pid
            if armed.point == UNWRITTEN and pid and pid not in self.journals and (journal := _journal(pid)):
                self.journals[pid] = journal
        self._pids |= {hand.pid: name for name, hand in self.stage.crew.hands.items() if hand.pid}

    def _deaths(self) -> list[list[str]]:
        path = self.stage.truths / DEATHS
        if not path.exists() or path.stat().st_size == self._read:
            return []
        text = path.read_text(encoding="ascii")
        fresh, self._read = text[self._read :], len(text)
        return [line.split() for line in fresh.splitlines()]

    def look(self) -> None:
        """Which killed senders' successors have reached their carrier."""
        for name, hurt in list(self._hurt.items()):
            hand, path = self.stage.crew.hands[name], self.stage.truths / f"{name.removeprefix(WORK)}.log"
            if hurt.size < 0 and hand.pid not in {0, hurt.pid}:
                self._hurt[name] = Hurt(hurt.at, hurt.pid, path.stat().st_size)
            elif 0 <= hurt.size < path.stat().st_size:
                self.recoveries.append(time.monotonic() - hurt.at)
                del self._hurt[name]

    @property
    def named_unwritten(self) -> int:
        """Messages that journals of deaths at C4 name as going out, and whose bytes never left."""
        folder = self.stage.settings.data / "journals"
        found = 0
        for name in self.journals.values():
            for path in (folder / name, folder / PUT_AWAY / name):
                if path.exists():
                    told = [line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines()]
                    last = [words for words in told if words[0] in {"S", "R"}][-1:]
                    found += sum(int(words[3]) - int(words[2]) for words in last if words[0] == "S")
        return found


def _journal(pid: int) -> str:
    """The journal that a living process holds; "" when it has none yet."""
    with suppress(OSError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if (path := fd.readlink()).name.endswith(SUFFIX):
                    return path.name
    return ""


def _lines(path: Path) -> int:
    """Lines of a truth file, from its size and the length of its first line: an estimate that costs nothing."""
    with suppress(OSError):
        size = path.stat().st_size
        if size > LINE_BYTES:
            with path.open("rb") as file:
                return size // len(file.readline())
    return 0
