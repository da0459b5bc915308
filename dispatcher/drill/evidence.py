"""Both sides of the comparison, number by number: the carriers' files, and the ledger after the last fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from campaigns.ledger import reading, receipts, unrest
from campaigns.ledger.unrest import Line, Retry, Window
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, State
from providers.simulator.truth import Taken, read_taken
from workers import spool
from workers.house import House

MOST = 1_000_000
WORDS = {"delivered": Outcome.DELIVERED, "undelivered": Outcome.UNDELIVERED}


@dataclass(slots=True)
class Truth:
    """What simulated carriers wrote down before they answered."""

    lines: dict[str, list[Taken]]  # account -> acceptances
    told: dict[int, set[Outcome]]  # number -> what receipts said that our side acknowledged

    def numbers(self) -> Counter[int]:
        """How often each number's text was taken."""
        return Counter(int(line.number) for lines in self.lines.values() for line in lines if line.part == 1)


@dataclass(slots=True)
class Ledger:
    """What we know, message by message."""

    states: dict[int, State] = field(default_factory=dict)  # number -> state
    carriers: dict[int, str] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)  # message no -> number
    windows: list[Window] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    counters: dict[tuple[str, int], int] = field(default_factory=dict)
    kept: set[tuple[int, Outcome]] = field(default_factory=set)  # (number, outcome) in the inbox, matched to nobody

    def attempts(self) -> dict[tuple[int, int], set[Outcome]]:
        """(message no, attempt) -> all evidence of it."""
        found: dict[tuple[int, int], set[Outcome]] = {}
        for line in self.lines:
            found.setdefault((line.no, line.attempt), set()).add(Outcome(line.outcome))
        return found

    def intended(self, set_back_at: float, journalled: Collection[int]) -> dict[int, float]:
        """Number -> when its first intent was committed (unix time): every number that a window ever covered.

        A window that came back from a journal after the database was set back was committed before its first byte:
        the journal names it before it names any byte.
        """
        by_batch: dict[tuple[str, int], list[Window]] = {}
        for window in self.windows:
            by_batch.setdefault((window.kind, window.batch), []).append(window)
        places = [
            (no, 0.0 if at >= set_back_at and w.id in journalled else at)
            for ws in by_batch.values()
            for w in ws
            for no, at in self._covered(w)
        ]
        first: dict[int, float] = {}
        for no, at in places:
            if no in self.numbers:
                number = self.numbers[no]
                first[number] = min(at, first.get(number, at))
        return first

    def _covered(self, window: Window) -> Iterable[tuple[int, float]]:
        at = window.at.timestamp()
        if window.kind == "first":
            return ((no, at) for no in range(window.lo, window.hi))
        return ((no, at) for no in self._retried(window))

    def _retried(self, window: Window) -> list[int]:
        return [r.message_no for r in self.retries if r.batch == window.batch and window.lo <= r.idx < window.hi]


def truth(folder: Path, accounts: Iterable[str]) -> Truth:
    """Read the carriers' files."""
    lines = {account: read_taken(folder / f"{account}.log") for account in accounts}
    told: dict[int, set[Outcome]] = {}
    for account, taken in lines.items():
        number_of = {line.message_id: int(line.number) for line in taken}
        for message_id, word in _acknowledged(folder / f"{account}.receipts"):
            told.setdefault(number_of[message_id], set()).add(WORDS[word])
    return Truth(lines, told)


def _acknowledged(path: Path) -> list[tuple[str, str]]:
    if not path.exists():
        return []
    rows = [line.split("\t") for line in path.read_text(encoding="ascii").split("\n")[:-1]]
    return [(row[0], row[1]) for row in rows]


def ledger(house: House, wave: Wave) -> Ledger:
    """Read everything of the wave."""
    found = Ledger()
    with house.begin() as conn:
        for message in reading.messages(conn, wave.id, house.keys(wave.campaign)):
            found.states[message.number] = message.state
            found.carriers[message.number] = message.carrier
            found.numbers[message.no] = message.number
        found.windows = unrest.windows(conn, wave.id)
        found.retries = unrest.retries(conn, wave.id)
        found.lines = unrest.lines(conn, wave.id)
        found.counters = unrest.counters(conn, wave.id)
        found.kept = _kept(house, conn)
    return found


def _kept(house: House, conn: psycopg.Connection) -> set[tuple[int, Outcome]]:
    """What unknown receipts say: durable, though nobody's: a repeat of one that was matched by its number alone."""
    found = set()
    for _, _, account, raw in receipts.unknown(conn, MOST, 0):
        events = spool.opened(house.keyring.open(raw, account.encode()))
        provider = house.build(house.accounts[account])
        found |= {(each.number, each.outcome) for told in provider.receipts_of(events) for each in told or ()}
    return found
