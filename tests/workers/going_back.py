"""One wave of a database as it was earlier, put back while the journals stay: what a restored backup looks like."""

from __future__ import annotations

from dataclasses import dataclass, field

import psycopg

TABLES = "batch", "send_window", "retry_item", "chunk", "wave_count", "wave_tally", "wave_skip"
"""In the order in which rows may be put in; those of one wave only, and message_<wave> and log_<wave> beside them."""
STANDING = "state, state_reason, stop_seq, finished_at"
COLUMNS = """SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) FROM information_schema.columns
    WHERE table_schema = 'public' AND table_name = %s AND is_generated = 'NEVER'"""


def _columns(conn: psycopg.Connection, table: str) -> str:
    row = conn.execute(COLUMNS, (table,)).fetchone()
    assert row
    return str(row[0])


@dataclass(slots=True)
class Earlier:
    """What a wave was."""

    wave: int
    rows: dict[str, bytes] = field(default_factory=dict)
    standing: tuple[object, ...] = ()
    installation: tuple[object, ...] = ()
    journals: list[str] = field(default_factory=list)

    def _tables(self) -> list[tuple[str, str]]:
        shared = [(table, f"WHERE wave = {self.wave}") for table in TABLES]
        return [*shared, (f"message_{self.wave}", ""), (f"log_{self.wave}", "")]

    def keep(self, conn: psycopg.Connection) -> None:
        """Look at all of it, as the owner."""
        for table, which in self._tables():
            query = f"COPY (SELECT {_columns(conn, table)} FROM {table} {which}) TO STDOUT (FORMAT binary)"
            with conn.cursor().copy(query) as copy:
                self.rows[table] = b"".join(copy)
        self.standing = conn.execute(f"SELECT {STANDING} FROM wave WHERE id = %s", (self.wave,)).fetchone() or ()
        self.installation = (
            conn.execute("SELECT incarnation, locked_reason, restoring_since FROM installation").fetchone() or ()
        )
        self.journals = [row[0] for row in conn.execute("SELECT name FROM journal")]

    def put_back(self, conn: psycopg.Connection) -> None:
        """Make it so again, as the owner."""
        for table, which in reversed(self._tables()):
            conn.execute(f"DELETE FROM {table} {which}")
        for table, _ in self._tables():
            with conn.cursor().copy(f"COPY {table} ({_columns(conn, table)}) FROM STDIN (FORMAT binary)") as copy:
                copy.write(self.rows[table])
        conn.execute(f"UPDATE wave SET ({STANDING}) = (%s, %s, %s, %s) WHERE id = %s", (*self.standing, self.wave))
        conn.execute(
            "UPDATE installation SET incarnation = %s, locked_reason = %s, restoring_since = %s", self.installation
        )
        conn.execute("DELETE FROM journal WHERE NOT name = ANY(%s)", (self.journals,))
        conn.execute("DELETE FROM share")
