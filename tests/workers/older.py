"""Journals of a newer database: what its workers wrote of windows that the database of the test does not have."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

from campaigns.ledger.names import new_id
from campaigns.ledger.waves import Wave
from campaigns.ledger.windows import Batch, Intent
from campaigns.terms import Answer, Outcome
from tests.workers.stage import ACCOUNT, fold_all
from workers.house import House
from workers.journal import Journal
from workers.restart import take_in

Heard = dict[int, Outcome]


@dataclass(slots=True)
class Newer:
    """A worker of the newer database, writing; it is dead once `end` was called."""

    house: House
    wave: Wave
    incarnation: int = 7
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Open the journal as a worker does."""
        self.journal = Journal(self.house.folder("journals"), new_id(), self.incarnation, ACCOUNT)

    def first(self, lo: int, hi: int, sent: int, heard: Heard, *, seq: int = 0, epoch: int = 3) -> int:
        """A window of a first batch: indexes below `sent` were written to the socket, some were answered."""
        return self._window("first", seq, epoch, lo, hi, "", sent, heard)

    def retry(self, items: Sequence[tuple[int, int]], sent: int, heard: Heard, *, lo: int = 0) -> int:
        """A window of a retry batch with these message numbers and attempts."""
        return self._window(
            "retry", 4, 2, lo, lo + len(items), ",".join(f"{n}:{a}" for n, a in items), lo + sent, heard
        )

    def _window(
        self, kind: str, seq: int, epoch: int, lo: int, hi: int, retries: str, sent: int, heard: Heard
    ) -> int:  # fmt: skip
        window = new_id()
        batch = Batch(self.wave.id, kind, seq, 1, lo, hi, epoch, 1, 1, "hash", "c", "t", "s", 1, 0.0)
        self.journal.window(batch, Intent(window, lo, hi, array("Q", bytes(8 * (hi - lo))), retries=retries))
        if sent > lo:
            self.journal.sending(window, lo, sent)
        if heard:
            self.journal.heard(window, [Answer(idx, said, "0x", f"id{idx}") for idx, said in heard.items()])
        return window

    def end(self) -> str:
        """Dead: its lock is free. The journal's name."""
        self.journal.close()
        return self.journal.name


def recovered(house: House) -> None:
    """What the book-keeper does until nothing is left to do."""
    take_in(house)
    fold_all(house)
