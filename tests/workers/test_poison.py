"""A worker process that dies of one message, again and again: its parent starts it anew, the others get theirs."""

from __future__ import annotations

import faulthandler
import math
import os
import signal
import threading
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from campaigns.ledger import reading
from campaigns.ledger.waves import Wave
from campaigns.terms import Answer, Outcome, State
from dispatcher import acts, assemble
from dispatcher.assemble import Site
from providers.base import Gate, Window
from tests.cluster import Started
from tests.workers.scripted import Scripted, answers, counts
from tests.workers.stage import ACCOUNT, fork
from workers import pool, restart
from workers.books import Books
from workers.house import House

N = 60


class Deadly(Scripted):
    """Builds the submissions of a window before it takes any; one number ends the process. What left is in a file."""

    def __init__(self, number: int, wire: Path) -> None:
        super().__init__(_deadly)
        self.number, self.file = number, wire


async def _deadly(here: Scripted, window: Window, gate: Gate) -> AsyncIterator[list[Answer]]:
    assert isinstance(here, Deadly)
    if here.number in window.numbers:
        faulthandler.disable()
        signal.pthread_kill(threading.get_ident(), signal.SIGSEGV)  # this very thread: nothing runs on
    while taken := await gate.take(5):
        with here.file.open("a") as file:
            file.writelines(f"{window.numbers[idx - window.lo]}\n" for idx in taken)
        yield answers(taken)


def worker(site: Site, provider: Deadly) -> int:
    """Start the account's worker as `dispatcher work` does; its pid."""

    def work() -> None:
        house = assemble.house(site)
        house.build = lambda _account: provider
        pool.run(house, ACCOUNT)

    return fork(work)


def test_one_message_kills_its_worker(site: Site, house: House, started: Started, tmp_path: Path) -> None:
    """F43: parked 1, rest sent exactly once, at most 3 log2 N crashes."""
    house.settings = house.settings.model_copy(update={"retry_first": 0.0})
    restart.begin_sending(house)
    wave = started(n=N, account=ACCOUNT)
    with house.begin() as conn:
        numbers = [m.number for m in reading.messages(conn, wave.id, house.keys(wave.campaign))]
    wire = tmp_path / "wire"
    provider = Deadly(numbers[7], wire)
    books, crashes, pid = Books(house), 0, worker(site, provider)
    try:
        while house_state(house, wave) != "finished":
            acts.ring(house, wave)
            books._slow_at = 0.0
            books.step()
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                assert os.waitstatus_to_exitcode(status) == -signal.SIGSEGV
                crashes += 1
                assert crashes <= 3 * math.log2(N)
                with house.begin() as conn:
                    conn.execute("DELETE FROM share")  # a second that this test need not wait for
                pid = worker(site, provider)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert counts(house, wave) == {State.ACCEPTED: N - 1, State.EXPIRED: 1}
    assert Counter(map(int, wire.read_text().split())) == Counter(numbers) - Counter([numbers[7]])
    with house.begin() as conn:
        parked = conn.execute(f"SELECT outcome FROM log_{wave.id} WHERE provider_code = '~parked'").fetchall()
    assert parked == [(Outcome.NOT_SENT,)]


def house_state(house: House, wave: Wave) -> str:
    with house.begin() as conn:
        row = conn.execute("SELECT state::text FROM wave WHERE id = %s", (wave.id,)).fetchone()
    return str(row[0]) if row else ""
