"""A small model beside the real ledger: a carrier that counts what it takes, and hands that work as senders do.

The hands use the real claim, T1, journal and log; only their socket is this carrier. What the carrier took, and what it
told, is the truth to which a test holds the ledger.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

import psycopg

from campaigns.ledger import logbook, windows
from campaigns.ledger.logbook import Line
from campaigns.ledger.names import new_id
from campaigns.ledger.windows import Batch, Intent, Refusal
from campaigns.terms import Answer, Outcome
from tests.workers.stage import ACCOUNT
from workers.house import House
from workers.journal import Journal

T = TypeVar("T")
LEASE = 600.0
"""Seconds, so that a lease ends only when a test says so."""


class Broken(Exception):
    """The process breaks off here."""


class Fate(Enum):
    """What the carrier makes of one message, and what it says."""

    OK = "taken, and said so"
    REFUSED = "not taken, and said so"
    DEFERRED = "not taken now"
    NOT_SENT = "never left: the adapter can prove it"
    UNHEARD = "taken, and no answer ever comes"
    LOST = "never arrived, and nobody knows"
    LIES = "taken, although it says refused"


TAKES = (Fate.OK, Fate.UNHEARD, Fate.LIES)
SAYS = {
    Fate.OK: Outcome.ACCEPTED,
    Fate.REFUSED: Outcome.REFUSED,
    Fate.LIES: Outcome.REFUSED,
    Fate.DEFERRED: Outcome.DEFERRED,
    Fate.NOT_SENT: Outcome.NOT_SENT,
}
Place = tuple[int, int]
"""(window, index): an attempt."""


@dataclass(slots=True)
class Carrier:
    """The truth: which messages were taken, how often, in which attempts."""

    taken: Counter[int] = field(default_factory=Counter)
    places: dict[Place, tuple[int, Fate]] = field(default_factory=dict)  # attempt -> (message, fate)

    def receive(self, no: int, place: Place, fate: Fate) -> Answer | None:
        """One message of a window is on the wire; the answer, when there will be one."""
        assert place not in self.places, "the same attempt was sent twice"
        self.places[place] = no, fate
        if fate in TAKES:
            self.taken[no] += 1
        said = SAYS.get(fate)
        return None if said is None else Answer(place[1], said, fate.name.lower(), self.ref(place))

    def ref(self, place: Place) -> str:
        """The carrier's own id of a message that it took."""
        return f"c{place[0]}x{place[1]}" if self.places[place][1] is Fate.OK else ""


@dataclass(slots=True)
class Run:
    """A committed window in a hand: as workers/window.py sees it."""

    batch: Batch
    intent: Intent
    next: int
    pending: dict[int, Answer] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)

    def number(self, idx: int) -> int:
        """The phone number at an index; 0 is left out."""
        return int(self.intent.numbers[idx - self.intent.lo])

    def no(self, idx: int) -> int:
        """The message at an index."""
        if self.batch.kind == "first":
            return idx
        return int(self.intent.retries.split(",")[idx - self.intent.lo].split(":")[0])


class Line1:
    """One asynchronous database line that synchronous steps can use."""

    def __init__(self, house: House) -> None:
        self._runner = asyncio.Runner()
        self.conn: psycopg.AsyncConnection[Any] = self.run(windows.connect(house.database))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do this now."""
        return self._runner.run(work)

    def close(self) -> None:
        """Done."""
        self.run(self.conn.close())
        self._runner.close()


class Hand:
    """One sending worker, step by step; it may break off between any two."""

    def __init__(self, house: House, line: Line1, carrier: Carrier, incarnation: int) -> None:
        self.house, self.line, self.carrier, self.incarnation = house, line, carrier, incarnation
        self.worker = new_id()
        self.journal = Journal(house.folder("journals"), self.worker, incarnation)
        self.batch: Batch | None = None
        self.runs: list[Run] = []
        self.given: set[int] = set()  # windows that it has sent from, or may have
        self.on_wire: set[int] = set()  # messages sent and not answered, also of windows that are closed

    def claim(self) -> Batch | None:
        """The next due batch."""
        self.batch = self.line.run(windows.claim(self.line.conn, ACCOUNT, LEASE))
        if self.batch:
            self.journal.claim(self.batch)
        return self.batch

    def take(self, want: int, breaks: str = "") -> Run | Refusal | None:
        """T1. Breaks off at C2 (nothing may remain), or at C3: committed, and the journal knows nothing of it."""
        assert self.batch

        def at_point(name: str) -> None:
            if name == breaks:
                raise Broken

        try:
            found = self.line.run(
                windows.take(
                    self.line.conn, self.batch, want, journal=self.journal.name, incarnation=self.incarnation,
                    keys=self.house.keys(self.batch.campaign), at_point=at_point,
                )
            )  # fmt: skip
        except Broken:
            return None
        if isinstance(found, Refusal):
            return found
        self.journal.window(self.batch, found)
        self.given.add(found.id)
        self.runs.append(Run(self.batch, found, found.lo))
        return self.runs[-1]

    def send(self, run: Run, fates: Iterable[Fate], *, written: bool = True) -> None:
        """The journal's S, then the socket; not `written`: it breaks off between the two."""
        these = list(zip(range(run.next, run.intent.hi), fates, strict=False))
        self.journal.sending(run.intent.id, run.next, run.next + len(these))
        run.next += len(these)
        for idx, fate in these:
            if run.number(idx):
                answer = self.carrier.receive(run.no(idx), (run.intent.id, idx), fate if written else Fate.LOST)
                self.on_wire.add(run.no(idx))
                if answer:
                    run.pending[idx] = answer

    def hear(self, run: Run, *, logged: bool = True) -> None:
        """The journal's R, then the log; not `logged`: it breaks off between the two."""
        answers, run.pending = list(run.pending.values()), {}
        run.answered |= {answer.idx for answer in answers}
        self.on_wire -= {run.no(answer.idx) for answer in answers}
        self.journal.heard(run.intent.id, answers)
        if logged:
            self._log(run, [(run.intent.id, a.idx, "answer", a.outcome, a.code, a.provider_ref) for a in answers])

    def close(self, run: Run) -> None:
        """As WindowRun ends: sent and unheard is uncertain, never sent goes back, left out is skipped."""
        window = run.intent.id
        lines: list[Line] = [(window, idx, "closed", Outcome.SKIPPED, "~listed", "") for idx in run.intent.skipped]
        for idx in range(run.intent.lo, run.intent.hi):
            if run.number(idx) and idx not in run.answered:
                sent = idx < run.next
                what = ("answer", Outcome.UNCERTAIN) if sent else ("closed", Outcome.NOT_SENT)
                lines.append((window, idx, *what, "~lost" if sent else "~given-back", ""))
        self._log(run, lines, [window])
        self.runs.remove(run)

    def settle_doubt(self) -> bool:
        """Windows of this journal that this hand knows nothing of never left: they go back. False when it must end."""
        mine = [run.intent.id for run in self.runs]
        doubtful = self.line.run(windows.in_doubt(self.line.conn, self.journal.name, mine))
        if any(window in self.given for window, *_ in doubtful):
            return False
        for window, wave, lo, hi in doubtful:
            lines: list[Line] = [(window, i, "closed", Outcome.NOT_SENT, "~in-doubt", "") for i in range(lo, hi)]
            with self.house.begin() as conn:
                logbook.append(conn, wave, lines, [window])
        return True

    def release(self) -> None:
        """Let go of the batch."""
        if self.batch:
            self.line.run(windows.release(self.line.conn, self.batch))
        self.batch = None

    def renew(self) -> bool:
        """Keep the lease."""
        return bool(self.batch and self.line.run(windows.renew(self.line.conn, self.batch, LEASE)))

    def die(self, torn: str = "") -> None:
        """The kernel frees the journal's lock; a last write may have been cut off in its middle."""
        self.journal.close()
        if torn:
            with (self.house.folder("journals") / self.journal.name).open("a", encoding="ascii") as file:
                file.write(torn)

    def _log(self, run: Run, lines: list[Line], closed: list[int] | None = None) -> None:
        with self.house.begin() as conn:
            logbook.append(conn, run.batch.wave, lines, closed or [])
