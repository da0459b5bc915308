"""A carrier that says what a test tells it, its windows, and the settler that reads its receipts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import msgspec

from campaigns.ledger import logbook
from campaigns.message import reference
from campaigns.terms import Account, Answer, Callback, Capability, Outcome, Receipt, State
from providers.base import Gate, Provider, ReceiptSink, Window
from tests.workers.stage import ACCOUNT, commit, fold_all
from workers import spool
from workers.house import House
from workers.journal import Journal
from workers.matching import Matcher
from workers.settle import Settler
from workers.spool import Spool

SEEDS = itertools.count(7_000)


class Telling(Provider):
    """A carrier whose receipts are JSON lists of our own Receipt."""

    name: ClassVar[str] = "telling"
    capability: ClassVar[Capability] = Capability("echo", "push", "none", "84")

    async def open(self, sink: ReceiptSink) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def send(self, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:  # noqa: ARG002 - the contract
        """Sends nothing."""
        yield []

    def receipts(self, callback: Callback) -> list[Receipt]:
        """What the body says; a body that begins with "!" breaks the parser in the named way."""
        if callback.body.startswith(b"!"):
            raise {b"!type": TypeError, b"!index": IndexError, b"!recursion": RecursionError}[callback.body]
        return msgspec.json.decode(callback.body, type=list[Receipt])


class Post:
    """Windows with known numbers, the spool that a receiver writes, and the settler that reads it."""

    def __init__(self, house: House) -> None:
        house.build = _telling
        house.times = replace(house.times, hold=0.0)
        self.house = house
        self.settler = Settler(house)
        with house.begin() as conn:
            row = conn.execute("SELECT coalesce(max(id), 0) FROM inbox").fetchone()
        self.turn = 0
        self.strongest: dict[int, Outcome] = {}
        self.before = row[0] if row else 0  # rows of other tests
        self._journals: list[Journal] = []

    def window(self, want: int = 6) -> tuple[int, int, list[int]]:
        """A committed window: its id, first index and numbers."""
        journal = Journal(self.house.folder("journals"), len(self._journals) + 1, 0)
        self._journals.append(journal)
        batch, intent = commit(self.house, journal, want)
        with self.house.begin() as conn:  # so that the next window comes from the same batch
            conn.execute(
                "UPDATE batch SET lease_token = NULL, lease_until = NULL WHERE lease_token = %s", (batch.token,)
            )
        return intent.id, intent.lo, list(intent.numbers)

    def answer(self, wave: int, window: int, idx: int, outcome: Outcome, ref: str = "") -> None:
        """One line of the log, folded."""
        with self.house.begin() as conn:
            logbook.append(conn, wave, [(window, idx, "answer", outcome, "c", ref)])
        fold_all(self.house)

    def receive(self, *receipts: Receipt, account: str = ACCOUNT, raw: bytes | None = None) -> None:
        """One event arrives, is kept, loaded and folded."""
        body = raw if raw is not None else msgspec.json.encode(list(receipts))

        async def keep() -> None:
            made = Spool(self.house.folder("spool"), account, self.house.keyring.seal, age=0.0)
            await made.store([Callback(body)])
            await made.close()

        asyncio.run(keep())
        self.load()

    def load(self) -> None:
        """Load everything that waits."""
        while self.settler.load():
            pass
        fold_all(self.house)

    def load_again(self) -> None:
        """Load, and look at once for what is held."""
        for group in [group for of in self.settler._held.values() for group in of]:
            group.look_at = 0.0
        self.load()

    def look(self, receipt: Receipt) -> int:
        """How many attempts a receipt is found to be of, as a page that shows it asks."""
        with self.house.begin() as conn:
            return len(Matcher(self.house).find(conn, ACCOUNT, {receipt}).places)

    def learned(self, ref: str) -> bool:
        """Whether an id is known from a receipt alone."""
        with self.house.begin() as conn:
            return conn.execute("SELECT FROM receipt_id WHERE provider_ref = %s", (ref,)).fetchone() is not None

    def verdicts(self) -> list[str]:
        """What became of each stored event, in the order of arrival."""
        with self.house.begin() as conn:
            return [row[0] for row in conn.execute("SELECT verdict FROM inbox ORDER BY id")]

    def state(self, wave: int, number: int) -> State:
        """The state of one number's message."""
        with self.house.begin() as conn:
            campaign = conn.execute("SELECT campaign FROM wave WHERE id = %s", (wave,)).fetchone()
            digest = self.house.keys(str(campaign[0] if campaign else "")).number_hash(number)
            row = conn.execute(f"SELECT state FROM message_{wave} WHERE number_hash = %s", (digest,)).fetchone()
        return State(row[0]) if row else State.QUEUED

    def receipt_lines(self, wave: int) -> int:
        """Receipts in the wave's log."""
        with self.house.begin() as conn:
            row = conn.execute(f"SELECT count(*) FROM log_{wave} WHERE kind = 'receipt'").fetchone()
        return int(row[0]) if row else -1

    def close(self) -> None:
        """Let go of the journals."""
        for journal in self._journals:
            journal.close()
            (self.house.folder("journals") / journal.name).unlink()


def _telling(_account: Account) -> Provider:
    return Telling()


Sent = tuple[int, int, int, list[int]]
"""wave, window, first index, numbers."""


def ours(post: Post, window: int, offset: int) -> str:
    return reference(window, offset, post.house.keyring.mac_key("reference"))


def keep(post: Post, events: Sequence[Callback | bytes], account: str = ACCOUNT) -> Path:
    """One group of events, durable and handed on."""
    folder = post.house.folder("spool")

    async def work() -> None:
        made = Spool(folder, account, post.house.keyring.seal, age=3600)
        await made.store(events)
        await made.close()

    asyncio.run(work())
    return max(folder.glob("*.seg"))


def told(*receipts: Receipt) -> Callback:
    return Callback(msgspec.json.encode(list(receipts)))


def rows(post: Post) -> list[tuple[str, int, int]]:
    """(verdict, events, events in the sealed bytes) of each row of the inbox since the test began."""
    with post.house.begin() as conn:
        found = conn.execute(
            "SELECT verdict, events, raw FROM inbox WHERE id > %s ORDER BY id", (post.before,)
        ).fetchall()
    opened = post.house.keyring.open
    return [(verdict, n, len(spool.opened(opened(bytes(raw), ACCOUNT.encode())))) for verdict, n, raw in found]
