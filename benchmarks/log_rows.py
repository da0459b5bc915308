"""Answers into the ledger: a chunk by COPY beside one committed row a message, same PostgreSQL, one run. A ratio."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.ledger import logbook
from config.servers import Servers

TABLE = """
CREATE TABLE chunk (id bigint GENERATED ALWAYS AS IDENTITY, wave bigint, at timestamptz DEFAULT now());
CREATE TABLE log_1 (chunk bigint, "window" bigint, idx integer, kind text, outcome smallint, provider_code text,
    provider_ref text, at timestamptz DEFAULT now())
"""


def main() -> None:
    """As many rows as the argument says in chunks of 5,000; a hundredth of them one by one."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    lines = [(7, idx, "answer", 5, "0", f"{idx:016x}") for idx in range(n)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Servers(Path(folder)) as servers,
        psycopg.connect(servers.start().owner) as conn,
    ):
        conn.execute(TABLE)
        conn.commit()
        began = time.perf_counter()
        for lo in range(0, n, 5000):
            logbook.append(conn, 1, lines[lo : lo + 5000])
            conn.commit()
        ours = n / (time.perf_counter() - began)
        began = time.perf_counter()
        for line in lines[: n // 100]:
            conn.execute(
                'INSERT INTO log_1 (chunk, "window", idx, kind, outcome, provider_code, provider_ref)'
                " VALUES (1, %s, %s, %s, %s, %s, %s)",
                line,
            )
            conn.commit()
        theirs = n / 100 / (time.perf_counter() - began)
    print(f"chunks {ours:,.0f} rows/s · row by row {theirs:,.0f} rows/s · ratio {ours / theirs:.1f}")


main()
