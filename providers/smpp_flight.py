"""What is on the wire without its answer: runs of PDUs that were written at once, in the order they were written."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from campaigns.terms import Answer, Outcome
from providers import smpp_pdu as wire


class Verdict(NamedTuple):
    """What one command_status means for the message it answers."""

    outcome: Outcome
    code: str
    stop: bool = False  # the account is at fault, not the message: send nothing more


class Flight:
    """The messages of one send() that are on the wire, and what was answered since somebody looked."""

    def __init__(self, templates: Sequence[wire.Template]) -> None:
        self.templates = templates
        self.news = asyncio.Event()
        self.waiting = 0  # messages taken and not answered
        self.stop: Verdict | None = None
        self.answers: list[Answer] = []
        self._parts: dict[int, dict[int, tuple[Verdict, str]]] = {}

    def take(self) -> list[Answer]:
        """The answers that came since the last call."""
        self.news.clear()
        found, self.answers = self.answers, []
        return found

    def part(self, idx: int, part: int, verdict: Verdict, ref: str) -> None:
        """Note the answer to one part of many; whoever calls sets `news` once for many."""
        known = self._parts.setdefault(idx, {})
        known[part] = (verdict, ref)
        if len(known) == len(self.templates):
            verdict, ref = joined([known[place] for place in sorted(self._parts.pop(idx))])
            self.waiting -= 1
            self.answers.append(Answer(idx, verdict.outcome, verdict.code, ref))

    def unsent(self, idxs: Sequence[int], code: str) -> None:
        """Note messages that were taken from the gate, but whose bytes were never written."""
        self.answers += [Answer(idx, Outcome.NOT_SENT, code, "") for idx in idxs]
        self.news.set()


def joined(parts: Sequence[tuple[Verdict, str]]) -> tuple[Verdict, str]:
    """One verdict for a message from those of its parts; the last part's id is the one receipts will name."""
    outcomes = {verdict.outcome for verdict, _ in parts}
    if len(outcomes) == 1:
        return parts[-1]
    if Outcome.ACCEPTED in outcomes and Outcome.UNCERTAIN not in outcomes:
        return Verdict(Outcome.UNCERTAIN, "~partial"), parts[-1][1]
    # one unknown part makes the message unknown; refused for good outranks refused for now
    worst = Outcome.UNCERTAIN if Outcome.UNCERTAIN in outcomes else Outcome.REFUSED
    return next(verdict for verdict, _ in parts if verdict.outcome is worst), parts[-1][1]


class Run:
    """PDUs of one write: consecutive sequences, the parts of each message in turn."""

    __slots__ = ("end", "first", "flight", "idxs", "left", "open", "parts", "when")

    def __init__(self, flight: Flight, first: int, idxs: Sequence[int], when: float) -> None:
        self.flight, self.first, self.idxs, self.when = flight, first, idxs, when
        self.parts = len(flight.templates)
        self.left = len(idxs) * self.parts
        self.end = first + self.left
        self.open = bytearray(b"\1") * self.left


class Waiting:
    """All PDUs without their answer; a PDU is found by its sequence, almost always in the run of the one before."""

    def __init__(self) -> None:
        self.count = 0
        self._runs: deque[Run] = deque()
        self._at = Run(Flight(()), 0, (), 0.0)

    def add(self, run: Run) -> None:
        """These PDUs are about to be written."""
        self._runs.append(run)
        self.count += run.left
        run.flight.waiting += len(run.idxs)

    def answer(self, sequence: int, verdict: Verdict, ref: str) -> Flight | None:
        """Note the answer to one PDU; whose it was, None when nothing waits for it."""
        run = self._at
        if not run.first <= sequence < run.end:
            run = self._at = next((each for each in self._runs if each.first <= sequence < each.end), run)
        at = sequence - run.first
        if not 0 <= at < len(run.open) or not run.open[at]:
            return None
        run.open[at] = 0
        run.left -= 1
        self.count -= 1
        if not run.left:
            self._runs.remove(run)
        flight = run.flight
        if run.parts == 1:
            flight.waiting -= 1
            flight.answers.append(_answer(Answer, (run.idxs[at], verdict.outcome, verdict.code, ref)))
        else:
            message, part = divmod(at, run.parts)
            flight.part(run.idxs[message], part, verdict, ref)
        return flight

    def older(self, before: float) -> Iterator[int]:
        """Sequences of the oldest runs that wait since before then."""
        for run in list(self._runs):
            if run.when >= before:
                return
            yield from [run.first + at for at, waits in enumerate(run.open) if waits]


_answer = tuple.__new__
