"""All that is known at the end of a drill, and the figures that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

from campaigns.ledger.logbook import CRASH
from campaigns.ledger.waves import Wave
from campaigns.message import SENT
from campaigns.terms import Outcome, State
from dispatcher.drill.evidence import Ledger, Truth
from dispatcher.drill.marks import Marks
from dispatcher.drill.rest import Rested
from dispatcher.drill.stage import Stage
from workers.house import House

UNSENT = frozenset({State.REFUSED, State.SUPPRESSED, State.CANCELLED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known at the end."""

    stage: Stage
    house: House
    wave: Wave
    marks: Marks
    rested: Rested
    truth: Truth
    ledger: Ledger

    def journalled(self) -> set[int]:
        """Windows that a journal of this drill names."""
        folder = self.stage.settings.data / "journals"
        texts = (path.read_text(encoding="ascii", errors="replace") for path in folder.rglob("*.journal"))
        return {int(line.split(" ")[1]) for text in texts for line in text.splitlines() if line.startswith("W ")}

    @property
    def duplicates(self) -> int:
        """Numbers that carriers took more than once."""
        return sum(1 for n in self.truth.numbers().values() if n > 1)

    @property
    def lost(self) -> int:
        """Numbers that one side has and the other lacks, and numbers that still wait; uncertain ones are named."""
        taken, lost = self.truth.numbers(), 0
        for number, state in self.ledger.states.items():
            wrong = state in SENT if number not in taken else state in UNSENT
            lost += wrong or state is State.QUEUED
        return lost + len(taken.keys() - self.ledger.states.keys())

    def uncertain(self) -> dict[str, int]:
        """Messages that stay unknown, by what made them so: a crash, or the network and the carriers."""
        codes = {line.no: line.code for line in self.ledger.lines if line.outcome == Outcome.UNCERTAIN}
        unknown = [no for no, n in self.ledger.numbers.items() if self.ledger.states[n] is State.UNCERTAIN]
        by_crash = sum(1 for no in unknown if codes.get(no) == CRASH)
        return {"crash": by_crash, "network": len(unknown) - by_crash}

    @property
    def receipts_lost(self) -> int:
        """Receipts that our side acknowledged and that neither the log nor the inbox of unknown ones shows."""
        shown: dict[int, set[Outcome]] = {}
        for line in self.ledger.lines:
            if line.kind == "receipt":
                shown.setdefault(self.ledger.numbers[line.no], set()).add(Outcome(line.outcome))
        for number, outcome in self.ledger.kept:
            shown.setdefault(number, set()).add(outcome)
        return sum(len(told - shown.get(number, set())) for number, told in self.truth.told.items())
