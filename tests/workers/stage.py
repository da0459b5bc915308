"""A stage for the workers: a simulated carrier and senders as forked processes, the books kept by the test itself."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from campaigns.ledger import waves, windows
from campaigns.ledger.waves import Wave
from campaigns.terms import State
from dispatcher import acts, assemble
from dispatcher.assemble import Site
from providers.simulator import run as simulator
from providers.simulator.faults import Faults
from providers.simulator.truth import read_taken
from workers import pool, restart
from workers.books import Books
from workers.house import House
from workers.journal import Journal

ACCOUNT = "sim-smpp"


def fork(work: Callable[[], object]) -> int:
    """A child that does this work and dies with the test; anything it raises is printed and is exit code 1."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        pool.die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must never return into the test runner
        traceback.print_exc()
    finally:
        os._exit(code)


def exit_code(pid: int) -> int:
    """Wait for a child: its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def wait_for(true: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Look again and again; fails after so many seconds."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"{what} did not come"
        time.sleep(0.005)


@dataclass(slots=True)
class Stage:
    """One carrier, its truth, and who sends to it."""

    site: Site
    house: House
    folder: Path
    name: str = field(default_factory=lambda: f"{ACCOUNT}-{secrets.token_hex(4)}")  # carriers never share an id
    port: int = 0
    pids: list[int] = field(default_factory=list)
    books: Books | None = None

    @property
    def truth(self) -> Path:
        """What the simulated carrier took."""
        return self.folder / f"{self.name}.log"

    def carrier(self, **faults: Any) -> int:
        """Start (or start again, on the same port) the simulated carrier; its pid."""
        told = self.folder / "port"
        told.unlink(missing_ok=True)
        wrong = Faults(**{"latency": 0.01, "receipt_delay": 0.05} | faults)
        who = {"system_id": "rehearsal", "password": "rehearse"}

        def work() -> None:
            simulator.run("smpp", truth=self.truth, faults=wrong, settings=who, port=self.port, ready=say)

        def say(port: int) -> None:
            draft = told.with_suffix(".new")
            draft.write_text(str(port), encoding="ascii")
            draft.rename(told)

        pid = self._start(work)
        wait_for(told.exists, "the carrier")
        self.port = int(told.read_text(encoding="ascii"))
        return pid

    def sender(self, *, licence: float = 0.0, window: int = 500) -> int:
        """Start the worker of the account, as `dispatcher work` does; its pid."""

        def work() -> None:
            house = assemble.house(replace(self.site, overrides={ACCOUNT: {"port": self.port, "window": window}}))
            account = house.accounts[ACCOUNT]
            house.accounts = {ACCOUNT: replace(account, licence=licence or account.licence)}
            pool.run(house, ACCOUNT)

        return self._start(work)

    def _start(self, work: Callable[[], object]) -> int:
        self.pids.append(fork(work))
        return self.pids[-1]

    def end(self, pid: int, number: int = signal.SIGKILL) -> int:
        """Signal a child and wait for it."""
        os.kill(pid, number)
        self.pids.remove(pid)
        return exit_code(pid)

    def clear(self) -> None:
        """Kill whoever is left."""
        for pid in list(self.pids):
            with suppress(ProcessLookupError, ChildProcessError):
                self.end(pid)

    def reach(self, wave: Wave, least: int) -> None:
        """Ring, as the sweeper does, until the carrier has taken more than so many; the books rest meanwhile."""

        def more() -> bool:
            acts.ring(self.house, wave)
            return len(self.taken()) > least

        wait_for(more, f"message {least}")

    def go_on(self, wave: Wave, until: Callable[[], bool], seconds: float = 15.0) -> None:
        """Ring and keep the books until something is true."""
        books = self.books = self.books or Books(self.house)
        rung = 0.0

        def step() -> bool:
            nonlocal rung
            if time.monotonic() - rung > 0.2:
                acts.ring(self.house, wave)
                books._slow_at = 0.0  # dead journals and finished waves are looked at five times a second
                rung = time.monotonic()
            books.step()
            return until()

        try:
            wait_for(step, "it", seconds)
        except AssertionError as error:
            raise AssertionError(f"{self.state(wave)} {self.counts(wave)}, {len(self.taken())} taken") from error

    def finish(self, wave: Wave, seconds: float = 15.0) -> dict[State, int]:
        """Go on until the wave is finished; its counts."""
        self.go_on(wave, lambda: self.state(wave) == "finished", seconds)
        return self.counts(wave)

    def settled(self, wave: Wave, *states: State) -> dict[State, int]:
        """Finish, then go on until each message is in one of these states."""
        self.finish(wave)
        self.go_on(wave, lambda: self.counts(wave).keys() <= set(states))
        return self.counts(wave)

    def state(self, wave: Wave) -> str:
        """The wave's state now."""
        with self.house.begin() as conn:
            return waves.get(conn, wave.id).state

    def counts(self, wave: Wave) -> dict[State, int]:
        """Messages by state, only the states that occur."""
        with self.house.begin() as conn:
            rows = conn.execute(
                "SELECT state, sum(n)::int FROM wave_count WHERE wave = %s GROUP BY state HAVING sum(n) > 0", (wave.id,)
            ).fetchall()
        return {State(state): n for state, n in rows}

    def taken(self) -> Counter[str]:
        """How often the carrier took each number."""
        return Counter(line.number for line in read_taken(self.truth) if line.part == 1)

    def move(self, wave: Wave, act: str) -> None:
        """Pause, resume or cancel as a person does."""
        with self.house.begin() as conn:
            waves.move(conn, wave.id, "an", act, "tested")


@contextmanager
def stage(site: Site, house: House, folder: Path) -> Iterator[Stage]:
    """A stage whose processes end with the test."""
    made = Stage(site, house, folder)
    restart.begin_sending(house)  # before any wave runs: it pauses what it does not know
    try:
        yield made
    finally:
        made.clear()


def commit(house: House, journal: Journal, want: int, account: str = ACCOUNT) -> tuple[windows.Batch, windows.Intent]:
    """One committed intent of an account's next due batch, as a worker with this journal makes it; leased."""

    async def work() -> tuple[windows.Batch, windows.Intent]:
        async with await windows.connect(house.database) as conn:
            cur = await conn.execute("SELECT incarnation FROM installation")
            row = await cur.fetchone()
            batch = await windows.claim(conn, account, 60)
            assert batch
            journal.claim(batch)
            intent = await windows.take(
                conn, batch, want, journal=journal.name, incarnation=row[0] if row else 0,
                keys=house.keys(batch.campaign), at_point=lambda _: None,
            )  # fmt: skip
            assert isinstance(intent, windows.Intent), intent
            return batch, intent

    return asyncio.run(work())


def fold_all(house: House) -> None:
    """Fold whatever waits."""
    books = Books(house)
    while books.fold():
        pass
