"""Blows to what the workers lean on: servers killed, Redis emptied, a person's stop, the ledger's constraints tried.

Each is a generator that yields the seconds it wants to wait (dispatcher/drill/blows.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

import psycopg
import redis

from campaigns.ledger import accounts, probes, unrest, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher.drill.begin import APPROVER
from dispatcher.drill.marks import Marks
from dispatcher.drill.stage import Stage
from providers.simulator.chaos import Mode
from workers.house import House

IN_FORCE = 2.0
"""Seconds after which a person's stop must hold at the carrier (ledger: section 9)."""
PROBING = 1.0
"""Seconds between two attempts to break the ledger's constraints."""

Steps = Iterator[float]


def flush(house: House, marks: Marks) -> Steps:
    """Redis forgets everything."""
    with suppress(redis.RedisError):
        house.redis.flushall()
        marks.blows["redis flushed"] += 1
    yield from ()


def kill_server(stage: Stage, marks: Marks, server: str, name: str, seconds: float) -> Steps:
    """Kill -9 of a server and all its children, while workers, receiver and books live; back after a while."""
    stage.kill_server(server)
    marks.blows[f"{name} killed"] += 1
    yield seconds
    stage.servers.revive()


def set_rates(stage: Stage, house: House, slower: float | None) -> bool:
    """Accounts so much below their licence, or as the licence says; False while the database is away."""
    with suppress(psycopg.OperationalError), house.begin() as conn:
        for account, licence in stage.licences[-1][1].items():
            rate = max(licence / slower, 1.0) if slower else None
            accounts.set_rate(conn, account, rate, APPROVER.login)
        return True
    return False


def pause(stage: Stage, house: House, wave: Wave, marks: Marks, work_left: Callable[[], bool]) -> Steps:
    """I10: after the commit no intent is made, and soon nothing reaches a carrier; then on again."""
    for account in stage.accounts():
        stage.switch(account, Mode.CLEAR)
    while not _move(house, wave, "pause"):  # a database that is away comes back
        if not work_left():
            return
        yield 0.2
    marks.blows["a person's stop"] += 1
    windows = _windows(house, wave)
    yield IN_FORCE
    taken = marks.taken_bytes()
    yield IN_FORCE / 2
    after = _windows(house, wave)
    if windows is not None and after is not None and windows != after:
        marks.broken.append(f"I10: {windows} windows at the stop, {after} later")
    if marks.taken_bytes() != taken:
        marks.broken.append("I10: a carrier took messages long after it")
    while not _move(house, wave, "resume"):
        yield 0.2


def _move(house: House, wave: Wave, act: str) -> bool:
    with suppress(psycopg.OperationalError), house.begin() as conn:
        try:
            waves.move(conn, wave.id, APPROVER.login, act, "diễn tập")
        except Problem:
            return act == "resume"
        return True
    return False


def _windows(house: House, wave: Wave) -> int | None:
    with suppress(psycopg.OperationalError), house.begin() as conn:
        return unrest.window_count(conn, wave.id)
    return None


def probe(house: House, wave: Wave, marks: Marks, calm: Callable[[], bool]) -> Steps:
    """Try to break each constraint beside the real work, again and again."""
    while True:
        yield PROBING
        if calm():
            continue
        with suppress(psycopg.OperationalError), house.begin() as conn:
            conn.execute("SET LOCAL lock_timeout = '500ms'")
            if probes.window_twice(conn, wave.id):
                marks.broken.append("I2: a window over another one went through")
            if probes.attempt_twice(conn, wave.id):
                marks.broken.append("I2: the same attempt of a message went through twice")
            refused = probes.old_lease(conn, wave.id)
            if refused:
                marks.broken.append("I6: an intent under an old lease went through")
            marks.probes += refused is not None
