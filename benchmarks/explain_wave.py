"""A large wave as it stands in the middle of its sending, and the program's functions that look at it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from benchmarks import smpp_job
from campaigns.ledger import (
    alerts,
    counts,
    delays,
    figures,
    fold,
    logbook,
    people,
    reading,
    receipts,
    recovery,
    uncertain,
    waves,
    windows,
)
from campaigns.ledger.names import log_table, message_table, new_id
from campaigns.ledger.waves import Wave
from dispatcher import assemble, crew
from workers import restart
from workers.house import House

SENT = 0.9  # of the wave's batches
CHUNK = 5000  # log lines
LEFT = 60  # chunks that the looks at the fold find unfolded
POLICY = fold.Policy(chunks=40, tries=5, first=0.001, slot=0.001)
ACCOUNT = smpp_job.ACCOUNT
JOURNAL = "explain"
OPEN = 4  # windows without an end, as a dead worker leaves them

# Windows of 1,000 over nine in ten batches, all closed but a few.
WINDOWS = """
INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal, at, closed)
SELECT (random() * 9e18)::bigint, wave, kind, seq, 1, lo, least(lo + 1000, hi), '', account, %(journal)s, now(),
    CASE WHEN row_number() OVER (ORDER BY lo DESC) > %(open)s THEN now() END
FROM (SELECT b.*, g AS lo FROM (SELECT wave, kind, seq, account, lo AS first, hi FROM batch WHERE wave = %(wave)s
    AND kind = 'first' ORDER BY seq LIMIT %(batches)s) b, generate_series(b.first, b.hi - 1, 1000) g) s
"""
# An answer for each: 1 % uncertain, 5 % deferred, the rest accepted; then receipts for the accepted, 3 % undelivered.
ANSWERS = """
INSERT INTO {log} (chunk, "window", idx, kind, outcome, provider_code, provider_ref)
SELECT 1 + %(base)s + (row_number() OVER (ORDER BY m.no) - 1) / %(chunk)s, w.id, m.no, 'answer',
    CASE WHEN m.no %% 100 = 7 THEN 1 WHEN m.no %% 20 = 3 THEN 3 ELSE 5 END,
    '0x00', CASE WHEN m.no %% 100 = 7 OR m.no %% 20 = 3 THEN '' ELSE lpad(to_hex(m.no), 18, '0') END
FROM {messages} m JOIN send_window w ON w.wave = %(wave)s AND w.kind = 'first' AND m.no >= w.lo AND m.no < w.hi
    AND w.batch = m.no / %(batch)s
"""
RECEIPTS = """
INSERT INTO {log} (chunk, "window", idx, kind, outcome, provider_code, provider_ref)
SELECT 1 + %(base)s + (row_number() OVER (ORDER BY l.idx %% 9973, l.idx) - 1) / %(chunk)s, l."window", l.idx, 'receipt',
    CASE WHEN l.idx %% 33 = 1 THEN 6 ELSE 7 END, 'DELIVRD', l.provider_ref
FROM {log} l WHERE l.kind = 'answer' AND l.outcome = 5 AND l.idx %% 10 <> 9
"""
CHUNKS = """
INSERT INTO chunk (id, wave, receipts) OVERRIDING SYSTEM VALUE
SELECT chunk, %(wave)s, bool_or(kind = 'receipt') FROM {log} GROUP BY chunk ORDER BY 1
ON CONFLICT DO NOTHING
"""

# A window was taken before its first answer.
AFTER = """
UPDATE send_window w SET after_chunk = l.first - 1
FROM (SELECT "window", min(chunk) AS first FROM {log} GROUP BY "window") l WHERE l."window" = w.id
"""


@dataclass(slots=True)
class Filled:
    """The wave and how to reach it."""

    house: House
    wave: Wave
    superuser: str
    lines: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Since it began to be filled."""
        return time.monotonic() - self.began

    def fold_on(self) -> None:
        """Fold all but the last chunks; statistics are then as autovacuum leaves them."""
        with psycopg.connect(self.superuser, autocommit=True) as conn:
            while counts.live(conn, self.wave.id).unfolded > LEFT:
                fold.fold(conn, self.wave.id, POLICY)
            conn.execute("VACUUM ANALYZE")


@contextmanager
def filled(folder: Path, messages: int) -> Iterator[Filled]:
    """An installation whose one wave is nearly sent, and nothing of it folded."""
    settings = smpp_job._settings(folder)  # noqa: SLF001 - the installation of the other benchmarks
    with assemble.site(settings, rehearsal=True, start=True) as site:
        assemble.prepare(site)
        house = assemble.house(site)
        restart.begin_sending(house)
        job = smpp_job._Job(site, crew.Crew(folder), messages, smpp_job.FAULTS)  # noqa: SLF001 - as above
        wave = job._plan(house)  # noqa: SLF001 - as above
        with house.begin() as conn:
            person = people.Person("binh", "Bình", ("approver",), ("approve",))
            waves.approve(conn, wave.id, person, typed=wave.n, choice="corrected", reason="diễn tập")
            wave = waves.start(conn, wave.id, person)
        secret = (settings.data / "keys" / "postgres.password").read_text(encoding="ascii").strip()
        place = Filled(house, wave, make_conninfo(site.owner, user="postgres", password=secret))
        _send(place)
        yield place
        house.engine.dispose()


def _send(place: Filled) -> None:
    """What workers would have written."""
    wave = place.wave.id
    names = {"log": log_table(wave), "messages": message_table(wave)}
    with psycopg.connect(place.superuser) as conn:
        row = conn.execute("SELECT count(*) FROM batch WHERE wave = %s", (wave,)).fetchone()
        batches = max(1, int((row[0] if row else 0) * SENT))
        facts = {"wave": wave, "journal": JOURNAL, "open": OPEN, "batches": batches, "chunk": CHUNK,
                 "batch": place.house.settings.batch_size}  # fmt: skip
        conn.execute(WINDOWS, facts)
        conn.execute(
            "UPDATE batch b SET cursor = b.hi, epoch = 1 WHERE wave = %s AND EXISTS (SELECT FROM send_window w"
            " WHERE w.wave = b.wave AND w.kind = b.kind AND w.batch = b.seq)", (wave,),
        )  # fmt: skip
        for fill in (ANSWERS, RECEIPTS):
            last = conn.execute(f"SELECT coalesce(max(chunk), 0) FROM {names['log']}").fetchone()
            place.lines += conn.execute(fill.format(**names), facts | {"base": last[0] if last else 0}).rowcount
        conn.execute(CHUNKS.format(**names), facts)
        conn.execute(AFTER.format(**names))
        conn.execute("SELECT setval(pg_get_serial_sequence('chunk', 'id'), (SELECT max(id) FROM chunk))")


def fresh_cases(place: Filled) -> list[tuple[str, Callable[[Any], Any], bool]]:
    """What must be quick before autovacuum has seen the log for the first time."""
    wave = place.wave.id
    return [
        ("fold, no statistics", lambda conn: fold.fold(conn, wave, POLICY), False),
        ("live counts, no statistics", lambda conn: counts.live(conn, wave), False),
    ]


def cases(place: Filled) -> list[tuple[str, Callable[[Any], Any], bool]]:
    """Name, call, and whether it must read everything."""
    return [*_writing(place), *_settling(place), *_reading(place)]


def _writing(place: Filled) -> list[tuple[str, Callable[[Any], Any], bool]]:
    wave = place.wave.id

    async def claim(conn: psycopg.AsyncConnection[Any]) -> None:
        assert await windows.claim(conn, ACCOUNT, 60)

    async def first(conn: psycopg.AsyncConnection[Any]) -> None:
        await _take(conn, place, "retry")

    async def retry(conn: psycopg.AsyncConnection[Any]) -> None:
        await _take(conn, place, "first")

    return [
        ("fold (40 chunks)", lambda conn: fold.fold(conn, wave, POLICY), False),
        ("fold, unfolded waves", fold.unfolded, False),
        ("claim", claim, False),
        ("T1 take_window, first pass", first, False),
        ("T1 take_window, retry batch", retry, False),
        ("append to the log", lambda conn: logbook.append(conn, wave, [(1, 1, "closed", 2, "", "")], [1]), False),
        ("live counts", lambda conn: counts.live(conn, wave), False),
        ("standing", lambda conn: figures.standing(conn, wave), False),
        ("console: delays", lambda conn: delays.sample(conn, wave, *_lately(), timedelta(minutes=10)), False),
        ("finish", lambda conn: waves.finish(conn, wave), False),
        ("close waves", fold.close_waves, False),
    ]


def _lately() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(hours=10), now


async def _take(conn: psycopg.AsyncConnection[Any], place: Filled, other: str) -> None:
    """T1 of a batch of one kind: the other kind is leased by somebody else for now."""
    await conn.execute("UPDATE batch SET lease_until = now() + interval '1 h' WHERE kind = %s", (other,))
    row = await (await conn.execute("SELECT incarnation FROM installation")).fetchone()
    batch = await windows.claim(conn, ACCOUNT, 60)
    assert batch
    assert row
    taken = await windows.take(
        conn, batch, 1000, journal=JOURNAL, incarnation=row[0], keys=place.house.keys(place.wave.campaign),
        at_point=lambda _: None,
    )  # fmt: skip
    assert isinstance(taken, windows.Intent), taken


def _settling(place: Filled) -> list[tuple[str, Callable[[Any], Any], bool]]:
    wave = place.wave.id
    with psycopg.connect(place.superuser) as conn:
        found = conn.execute(
            f"SELECT provider_ref FROM {log_table(wave)} WHERE kind = 'answer' AND outcome = 5 LIMIT 500"
        )
        refs = [str(row[0]) for row in found]
        found = conn.execute("SELECT id FROM send_window WHERE closed IS NOT NULL LIMIT 500")
        parsed = [(int(row[0]), 5) for row in found]
        found = conn.execute(f"SELECT number_hash FROM {message_table(wave)} WHERE state = 1 LIMIT 500")
        hashes = [bytes(row[0]) for row in found]

    schedule = uncertain.Schedule((0.0, 30.0), 200, finds=True, memory=3600.0, duplicates=())

    def written(conn: psycopg.Connection) -> None:
        receipts.prefer_indexes(conn)
        named = receipts.Named(refs, ["DELIVRD"] * len(refs), b"\7" * len(refs), receipts.NO_NUMBER * len(refs))
        receipts.log_by_id(conn, wave, [], ACCOUNT, named)

    def known_twice(conn: psycopg.Connection) -> None:
        window = recovery.Recovered(new_id(), wave, "first", 0, 9, 0, 1000, ACCOUNT, JOURNAL, ())
        assert recovery.recover(conn, window) == "twice"

    async def standings(conn: psycopg.AsyncConnection[Any]) -> None:
        await uncertain.standings(conn, ACCOUNT, 0)

    async def due(conn: psycopg.AsyncConnection[Any]) -> None:
        assert await uncertain.due(conn, wave, ACCOUNT, schedule)

    async def claimed(conn: psycopg.AsyncConnection[Any]) -> None:
        assert await uncertain.claimed(conn, ACCOUNT, refs[0])

    def opened(conn: psycopg.Connection) -> None:
        assert recovery.open_windows(conn, recovery.open_ids(conn, JOURNAL))

    return [
        ("receipts: waves of an account", lambda conn: receipts.waves_of(conn, ACCOUNT), False),
        ("receipts: by our reference", lambda conn: receipts.by_reference(conn, ACCOUNT, parsed), False),
        ("receipts: by the carrier's id", lambda conn: receipts.by_provider_ref(conn, wave, ACCOUNT, refs), False),
        ("receipts: uncertain by number", lambda c: receipts.uncertain_by_number(c, wave, ACCOUNT, hashes), False),
        ("receipts: into the log by id", written, False),
        ("receipts: oldest unfolded chunk", receipts.oldest_unfolded, False),
        ("receipts: newest chunk", receipts.newest_chunk, False),
        ("uncertain: waves", standings, False),
        ("uncertain: due for a question", due, False),
        ("uncertain: whose id is it", claimed, False),
        ("recovery: a window known twice", known_twice, False),
        ("recovery: open windows of a journal", opened, False),
        ("recovery: journals of open windows", recovery.journals_of_open_windows, False),
        ("recovery: holes", recovery.open_holes, False),
        ("recovery: unproved", lambda conn: recovery.unproved(conn, []), False),
    ]


def _reading(place: Filled) -> list[tuple[str, Callable[[Any], Any], bool]]:
    wave = place.wave
    keys = place.house.keys(wave.campaign)

    def through(rows: Callable[[psycopg.Connection], Iterator[object]]) -> Callable[[psycopg.Connection], None]:
        return lambda conn: [None for _ in rows(conn)].clear()

    return [
        ("alerts", lambda conn: alerts.now(conn, [ACCOUNT]), False),
        ("cancel the rest", _cancel(place), True),
        ("report: counts against messages", lambda conn: figures.verify_counts(conn, wave), True),
        ("report: figures", lambda conn: figures.wave_figures(conn, wave.id, {}), True),
        ("export: log", through(lambda conn: figures.send_log(conn, wave, keys, full=False)), True),
        ("export: messages", through(lambda conn: figures.message_book(conn, wave, keys, full=False, units={})), True),
        ("report: every message", through(lambda conn: reading.messages(conn, wave.id, keys)), True),
    ]


def _cancel(place: Filled) -> Callable[[psycopg.Connection], None]:
    def cancel(conn: psycopg.Connection) -> None:
        conn.execute("UPDATE chunk SET folded = true WHERE NOT folded; UPDATE send_window SET closed = now()")
        row = conn.execute("SELECT cancel_rest(%s, 9::smallint)", (place.wave.id,)).fetchone()
        assert row
        assert row[0] > 0, row

    return cancel
