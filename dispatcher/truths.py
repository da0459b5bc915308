"""The ledger beside the carriers' own files, number by number: what a rehearsal proves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from campaigns.ledger import reading
from campaigns.ledger.waves import Wave
from campaigns.message import SENT
from campaigns.terms import State
from providers.simulator.truth import read_acknowledged, read_taken
from workers.house import House


@dataclass(frozen=True, slots=True)
class Checked:
    """What the comparison found."""

    accepted: int  # distinct submissions that carriers took, by their files
    numbers_twice: int
    difference: int  # numbers that one side has and the other lacks; uncertain ones count for neither
    uncertain_taken: int  # uncertain for us, though a carrier took them: a receipt or a look-up may still tell
    texts_differ: int  # messages whose text, as received, is not the approved bytes

    @property
    def sound(self) -> bool:
        """Whether nothing was sent twice, lost, invented or altered."""
        return self.numbers_twice == self.difference == self.texts_differ == 0


def compare(house: House, wave: Wave, folder: Path) -> Checked:
    """Read every simulated carrier's file and every message of the wave."""
    taken: Counter[int] = Counter()
    differ = 0
    for path in folder.glob("*.log"):
        for line in read_taken(path):
            taken[int(line.number)] += line.part == 1
            differ += line.part == line.parts and line.whole_sha != wave.text_sha256
    states: dict[int, State] = {}
    with house.begin() as conn:
        for message in reading.messages(conn, wave.id, house.keys(wave.campaign)):
            states[message.number] = message.state
    ours = {number for number, state in states.items() if state in SENT}
    open_ones = {number for number, state in states.items() if state is State.UNCERTAIN}
    difference = len((ours ^ taken.keys()) - open_ones)
    twice = sum(1 for n in taken.values() if n > 1)
    return Checked(sum(taken.values()), twice, difference, len(open_ones & taken.keys()), differ)


def receipts_lost(house: House, wave: Wave, folder: Path) -> int:
    """Receipts that our side acknowledged and whose message shows none of it."""
    told = set()
    for path in folder.glob("*.log"):
        acknowledged = read_acknowledged(path)
        told |= {int(line.number) for line in read_taken(path) if line.message_id in acknowledged}
    with house.begin() as conn:
        settled = {
            message.number
            for message in reading.messages(conn, wave.id, house.keys(wave.campaign))
            if message.state in (State.DELIVERED, State.UNDELIVERED)
        }
    return len(told - settled)
