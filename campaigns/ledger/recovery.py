"""What a dead worker left: its open windows, its leases and its share (ledger: section 5)."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from campaigns.ledger.names import log_table


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


def open_windows(conn: psycopg.Connection, journal: str) -> list[OpenWindow]:
    """The open windows whose worker wrote this journal."""
    rows = conn.execute(
        "SELECT id, wave, lo, hi, skip FROM send_window WHERE closed IS NULL AND journal = %s ORDER BY id FOR UPDATE",
        (journal,),
    ).fetchall()
    return [OpenWindow(i, w, lo, hi, bytes(skip), _logged(conn, w, i)) for i, w, lo, hi, skip in rows]


def _logged(conn: psycopg.Connection, wave: int, window: int) -> frozenset[int]:
    rows = conn.execute(f'SELECT idx FROM {log_table(wave)} WHERE "window" = %s', (window,))
    return frozenset(int(row[0]) for row in rows)


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


def imported(conn: psycopg.Connection, name: str, windows: int, uncertain: int) -> None:
    """A journal is in the log whole; it is never read again."""
    conn.execute(
        "INSERT INTO journal (name, windows, uncertain) VALUES (%s, %s, %s) ON CONFLICT (name) DO NOTHING",
        (name, windows, uncertain),
    )


def incarnation(conn: psycopg.Connection) -> int:
    """The random value that this database shares with a file beside the journals."""
    row = conn.execute("SELECT incarnation FROM installation FOR UPDATE").fetchone()
    return int(row[0]) if row else 0


def set_incarnation(conn: psycopg.Connection, value: int) -> None:
    """A new one at each start: windows of workers that knew the old one are refused from now on."""
    conn.execute("UPDATE installation SET incarnation = %s", (value,))


def pause_all(conn: psycopg.Connection, reason: str) -> None:
    """This database is not the one that the journals speak of: nothing goes on without a person."""
    conn.execute(
        "UPDATE wave SET state = 'paused', state_reason = %s, stop_seq = stop_seq + 1 WHERE state = 'running'",
        (reason,),
    )
    conn.execute("UPDATE batch SET lease_token = NULL, lease_until = NULL WHERE lease_token IS NOT NULL")
    conn.execute("DELETE FROM share")


def unknown_windows(conn: psycopg.Connection, windows: set[int]) -> set[int]:
    """Windows that a journal names and this database lacks: it is older than the journal."""
    known = {int(row[0]) for row in conn.execute("SELECT id FROM send_window WHERE id = ANY(%s)", (list(windows),))}
    return windows - known


def has_sent(conn: psycopg.Connection) -> bool:
    """Whether this database knows of any window at all."""
    return conn.execute("SELECT EXISTS (SELECT FROM send_window)").fetchone() == (True,)


def lock_sending(conn: psycopg.Connection, reason: str) -> bool:
    """Nothing leaves any more until a person has decided; True when this was news."""
    cur = conn.execute("UPDATE installation SET locked_reason = %s WHERE locked_reason = ''", (reason,))
    return cur.rowcount == 1
