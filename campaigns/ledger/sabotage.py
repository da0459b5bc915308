"""A drill's database with one protection taken away; run by its owner, never by the program."""

from __future__ import annotations

import re

import psycopg

from campaigns.ledger.names import log_table, message_table


def no_lease(conn: psycopg.Connection) -> None:
    """T1 does not ask whether the lease is the caller's."""
    row = conn.execute("SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'take_window'").fetchone()
    whole = str(row[0]) if row else ""
    spoilt = re.sub(r"WHEN b\.lease_token.*?THEN 'lease'", "WHEN false THEN 'lease'", whole, count=1, flags=re.DOTALL)
    if spoilt == whole:
        raise ValueError("T1 does not look at leases any more: sabotage it otherwise")
    conn.execute(spoilt.encode())


def no_exclusion(conn: psycopg.Connection) -> None:
    """Windows of a batch may overlap."""
    names = conn.execute(
        "SELECT conname FROM pg_constraint WHERE conrelid = 'send_window'::regclass AND contype = 'x'"
    ).fetchall()
    for (name,) in names:
        conn.execute(f'ALTER TABLE send_window DROP CONSTRAINT "{name}"')


# After the fold has marked a chunk, its receipts win over whatever stood there; counts move along.
LATEST_WINS = """
CREATE FUNCTION latest_wins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $body$
DECLARE r record;
BEGIN
    FOR r IN SELECT m.no, m.carrier, m.unit, m.state, e.outcome FROM (
        SELECT DISTINCT ON (1) CASE w.kind WHEN 'first' THEN l.idx ELSE i.message_no END AS no, l.outcome
        FROM {log} l JOIN send_window w ON w.id = l."window"
        LEFT JOIN retry_item i ON w.kind = 'retry' AND i.wave = w.wave AND i.batch = w.batch AND i.idx = l.idx
        WHERE l.chunk = new.id AND l.kind = 'receipt' ORDER BY 1, l.at DESC, l.outcome
    ) e JOIN {messages} m ON m.no = e.no WHERE m.state <> e.outcome LOOP
        UPDATE {messages} SET state = r.outcome WHERE no = r.no;
        UPDATE wave_count SET n = n + CASE state WHEN r.outcome THEN 1 ELSE -1 END WHERE wave = {wave}
            AND carrier = r.carrier AND unit = r.unit AND state IN (r.state, r.outcome);
    END LOOP;
    RETURN NULL;
END $body$
"""


def no_rank(conn: psycopg.Connection, wave: int) -> None:
    """The latest receipt wins, whatever was known before."""
    messages = message_table(wave)
    conn.execute(f"DROP TRIGGER legal ON {messages}")
    conn.execute(LATEST_WINS.format(log=log_table(wave), messages=messages, wave=wave).encode())
    conn.execute(
        "CREATE TRIGGER latest_wins AFTER UPDATE OF folded ON chunk FOR EACH ROW WHEN (new.folded)"
        " EXECUTE FUNCTION latest_wins()"
    )
