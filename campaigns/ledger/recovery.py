"""What a dead worker left, and what a database lacks that is older than the journals (ledger: sections 5 and 6)."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from campaigns.ledger.names import log_table, new_id

RESTORE = "restore:"
"""Begins the line of `locked_reason` that goes away by itself; all others are a person's to take away."""
STOP = "stop:"
"""Begins the line of the kill switch, which two persons take away."""


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window that nobody closed, and the indexes of it that have a line in the log."""

    id: int
    wave: int
    lo: int
    hi: int
    skip: bytes
    logged: frozenset[int]

    def skipped(self, idx: int) -> bool:
        """Whether T1 found this index on an exclusion list."""
        offset = idx - self.lo
        return bool(self.skip) and bool(self.skip[offset // 8] >> (offset % 8) & 1)


def open_ids(conn: psycopg.Connection, journal: str) -> set[int]:
    """The open windows whose worker wrote this journal."""
    rows = conn.execute("SELECT id FROM send_window WHERE closed IS NULL AND journal = %s", (journal,))
    return {int(row[0]) for row in rows}


def reopen_silent(conn: psycopg.Connection, journal: str) -> None:
    """Open again what a worker closed here after the database went back: its answers were in the newer one only."""
    closed = conn.execute(
        "SELECT wave, array_agg(id) FROM send_window WHERE closed IS NOT NULL AND journal = %s GROUP BY wave",
        (journal,),
    ).fetchall()
    for wave, windows in closed:
        conn.execute(
            "UPDATE send_window w SET closed = NULL WHERE id = ANY(%s) AND hi - lo >"
            f' (SELECT count(DISTINCT idx) FROM {log_table(wave)} WHERE "window" = w.id)',
            (windows,),
        )


def open_windows(conn: psycopg.Connection, ids: Collection[int]) -> list[OpenWindow]:
    """Those of these windows that are still open, locked."""
    rows = conn.execute(
        "SELECT id, wave, lo, hi, skip FROM send_window WHERE closed IS NULL AND id = ANY(%s) ORDER BY id FOR UPDATE",
        (list(ids),),
    ).fetchall()
    return [OpenWindow(i, w, lo, hi, bytes(skip), _logged(conn, w, i)) for i, w, lo, hi, skip in rows]


def _logged(conn: psycopg.Connection, wave: int, window: int) -> frozenset[int]:
    """Indexes with a line, looked for from the first chunk on that can hold one.

    An index on the log's window would serve nobody else, and cost as much as half of the COPY of an answer.
    """
    # Plan at 1 M rows: the window by primary key; of the log, by its chunk index, what came after the window.
    asked = (
        f'SELECT idx FROM {log_table(wave)} WHERE "window" = %(window)s'
        " AND chunk > (SELECT after_chunk FROM send_window WHERE id = %(window)s)"
    )
    return frozenset(int(each[0]) for each in conn.execute(asked, {"window": window}))


def journals_of_open_windows(conn: psycopg.Connection) -> list[str]:
    """Journals that open windows name: each must be somewhere, or its windows are uncertain."""
    return [str(row[0]) for row in conn.execute("SELECT DISTINCT journal FROM send_window WHERE closed IS NULL")]


def void_leases(conn: psycopg.Connection, worker: int, claims: list[tuple[int, str, int, int]]) -> None:
    """The writer of a sealed journal is dead: its leases and its share end now, not at their time."""
    with conn.cursor() as cur:
        cur.executemany(
            "UPDATE batch SET lease_token = NULL, lease_until = NULL"
            " WHERE wave = %s AND kind = %s::batch_kind AND seq = %s AND epoch = %s",
            claims,
        )
    conn.execute("UPDATE share SET until = least(until, now()) WHERE holder = %s", (worker,))


def imported(conn: psycopg.Connection, name: str, windows: int, uncertain: int, *, proof: bool) -> None:
    """A journal is in the log whole; it is never read again."""
    conn.execute(
        "INSERT INTO journal (name, windows, uncertain, proof) VALUES (%s, %s, %s, %s) ON CONFLICT (name) DO NOTHING",
        (name, windows, uncertain, proof),
    )


def sent_again(conn: psycopg.Connection, journal: str, windows: Collection[int]) -> dict[int, int]:
    """The wave of each of these windows that is here; none when the journal was imported before."""
    rows = conn.execute(
        "SELECT id, wave FROM send_window WHERE id = ANY(%s) AND NOT EXISTS (SELECT FROM journal WHERE name = %s)",
        (list(windows), journal),
    )
    return {int(row[0]): int(row[1]) for row in rows}


def not_imported(conn: psycopg.Connection, names: Collection[str]) -> list[str]:
    """Those of these journals that this database never took in."""
    known = {str(row[0]) for row in conn.execute("SELECT name FROM journal WHERE name = ANY(%s)", (list(names),))}
    return sorted(set(names) - known)


# -- windows that only a journal knows -------------------------------------------------------------------------------


class Recovered(NamedTuple):
    """A window as its W line tells it."""

    id: int
    wave: int
    kind: str
    batch: int
    epoch: int
    lo: int
    hi: int
    account: str
    journal: str
    retries: Sequence[tuple[int, int]]  # message number and attempt of each index of a retry window


def unknown_windows(conn: psycopg.Connection, windows: Collection[int]) -> set[int]:
    """Windows that a journal names and this database lacks: it is older than the journal."""
    known = {int(row[0]) for row in conn.execute("SELECT id FROM send_window WHERE id = ANY(%s)", (list(windows),))}
    return set(windows) - known


def unknown_waves(conn: psycopg.Connection, waves: Collection[int]) -> set[int]:
    """Waves that this database lacks."""
    return set(waves) - {int(row[0]) for row in conn.execute("SELECT id FROM wave WHERE id = ANY(%s)", (list(waves),))}


RECOVER = """
SELECT recover_window(%s::bigint, %s::bigint, %s::batch_kind, %s::integer, %s::integer, %s::integer, %s::integer,
    %s, %s, %s::integer[], %s::smallint[])
"""


def recover(conn: psycopg.Connection, window: Recovered) -> str:
    """Enter a window that only a journal knows; 'known', 'placed', 'absent' or 'twice': see 0002_restore.sql."""
    *facts, retries = window
    nos, attempts = [no for no, _ in retries], [attempt for _, attempt in retries]
    row = conn.execute(RECOVER, (*facts, nos, attempts)).fetchone()
    return str(row[0]) if row else "absent"


# By the unique index of retry_item: what lies at and beyond each cursor, which is nothing but after a restore.
PASSED = """
UPDATE batch b SET cursor = t.past, epoch = b.epoch + 1, lease_token = NULL, lease_until = NULL FROM (
    SELECT f.wave, f.seq, max(r.message_no) + 1 AS past FROM batch f
    JOIN retry_item r ON r.wave = f.wave AND r.message_no >= f.cursor AND r.message_no < f.hi
    WHERE f.kind = 'first' AND f.cursor < f.hi GROUP BY f.wave, f.seq) t
WHERE b.wave = t.wave AND b.kind = 'first' AND b.seq = t.seq
"""
# Plan at 1 M rows: 182 batches by key, their 906 windows by the exclusion constraint's index; 2 ms.
HOLES = """
SELECT b.wave, b.seq, b.epoch, b.account, lower(r), upper(r) FROM batch b
CROSS JOIN LATERAL unnest(int4multirange(int4range(b.lo, b.cursor)) - coalesce(
    (SELECT range_agg(int4range(w.lo, w.hi)) FROM send_window w
        WHERE w.wave = b.wave AND w.kind = b.kind AND w.batch = b.seq), '{}'::int4multirange)) AS r
WHERE b.kind = 'first' AND b.cursor > b.lo ORDER BY b.wave, b.seq, lower(r)
"""
HOLE = """
INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)
VALUES (%s, %s, 'first', %s, %s, %s, %s, '', %s, 'restore')
"""


def open_holes(conn: psycopg.Connection) -> list[OpenWindow]:
    """Make a window of each range below a cursor that no window covers; to be closed in the same transaction.

    Committed by a T1 whose worker died before its W line, then lost with the newer database. Also beyond the cursor:
    who has a second attempt had a first one, which must not be made again beside it.
    """
    conn.execute(PASSED)
    made = []
    for wave, seq, epoch, account, lo, hi in conn.execute(HOLES).fetchall():
        made.append(OpenWindow(new_id(), wave, lo, hi, b"", frozenset()))
        conn.execute(HOLE, (made[-1].id, wave, seq, epoch, lo, hi, account))
    return made


def unproved(conn: psycopg.Connection, files: Collection[str]) -> bool:
    """Whether something may have been sent that no journal names.

    Since the restore began a journal came in that may lack lines, or one that windows name is nowhere.
    """
    row = conn.execute(
        "SELECT EXISTS (SELECT FROM journal, installation WHERE NOT proof AND imported_at >= restoring_since)"
        " OR EXISTS (SELECT FROM send_window w WHERE w.journal <> 'restore' AND NOT w.journal = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM journal j WHERE j.name = w.journal))",
        (list(files),),
    ).fetchone()
    return row != (False,)


# -- a database that is not the one of the journals ------------------------------------------------------------------


def incarnation(conn: psycopg.Connection) -> int:
    """The random value that this database shares with a file beside the journals."""
    row = conn.execute("SELECT incarnation FROM installation FOR UPDATE").fetchone()
    return int(row[0]) if row else 0


def set_incarnation(conn: psycopg.Connection, value: int) -> None:
    """A new one at each start: windows of workers that knew the old one are refused from now on."""
    conn.execute("UPDATE installation SET incarnation = %s", (value,))


def has_sent(conn: psycopg.Connection) -> bool:
    """Whether this database knows of any window at all."""
    return conn.execute("SELECT EXISTS (SELECT FROM send_window)").fetchone() == (True,)


def restoring(conn: psycopg.Connection) -> bool:
    """Whether sending is locked because this database is older than the journals."""
    asked = r"SELECT restoring_since IS NOT NULL OR locked_reason ~ '(^|\n)restore:' FROM installation"
    return conn.execute(asked).fetchone() == (True,)


def begin_restoring(conn: psycopg.Connection, why: str) -> bool:
    """This database is older than the journals: nothing goes on before all are in; True when this was news.

    Waves are paused until a person resumes them, leases are void, and each living worker is of another incarnation.
    """
    if conn.execute("SELECT restoring_since IS NOT NULL FROM installation FOR UPDATE").fetchone() == (True,):
        return False
    conn.execute("UPDATE installation SET restoring_since = clock_timestamp()")
    lock_sending(conn, f"{RESTORE} {why}")
    set_incarnation(conn, secrets.randbits(62))
    _pause_all(conn, "the database was restored or copied: look before going on")
    conn.execute("SELECT pg_notify('dispatcher', '{}')")
    return True


def _pause_all(conn: psycopg.Connection, reason: str) -> None:
    conn.execute(
        "UPDATE wave SET state = 'paused', state_reason = %s, stop_seq = stop_seq + 1 WHERE state = 'running'",
        (reason,),
    )
    conn.execute("UPDATE batch SET lease_token = NULL, lease_until = NULL WHERE lease_token IS NOT NULL")
    conn.execute("DELETE FROM share")


def end_restoring(conn: psycopg.Connection) -> None:
    """All that the journals know is in this database; the waves wait for a person."""
    conn.execute("UPDATE installation SET restoring_since = NULL")
    _write_lock(conn, [line for line in locks(conn) if not line.startswith(RESTORE)])


def locks(conn: psycopg.Connection) -> list[str]:
    """Why nothing is sent, one reason a line; none when sending is allowed."""
    row = conn.execute("SELECT locked_reason FROM installation FOR UPDATE").fetchone()
    return str(row[0]).split("\n") if row and row[0] else []


def lock_sending(conn: psycopg.Connection, reason: str) -> bool:
    """Nothing leaves any more; True when this reason is news. A second line of a restore replaces the first."""
    before = locks(conn)
    if reason in before:
        return False
    restore = reason.startswith(RESTORE)
    _write_lock(conn, [line for line in before if not (restore and line.startswith(RESTORE))] + [reason])
    return True


def unlock(conn: psycopg.Connection) -> list[str]:
    """A person decides: all go but that of a restore, which ends by itself, and the kill switch. Those that went."""
    before = locks(conn)
    kept = [line for line in before if line.startswith((RESTORE, STOP))]
    _write_lock(conn, kept)
    return [line for line in before if line not in kept]


def end_stop(conn: psycopg.Connection) -> None:
    """The kill switch is lifted; other reasons stay."""
    _write_lock(conn, [line for line in locks(conn) if not line.startswith(STOP)])


def _write_lock(conn: psycopg.Connection, lines: list[str]) -> None:
    conn.execute("UPDATE installation SET locked_reason = %s", ("\n".join(lines),))
