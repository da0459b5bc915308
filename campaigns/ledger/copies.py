"""A database poured back from a dump: what goes before and after it, in the same transaction (ledger: section 6)."""

from __future__ import annotations

import secrets

import psycopg

from campaigns.ledger.recovery import RESTORE

BEFORE = """
BEGIN;
SET lock_timeout = '20s';
DROP SCHEMA public CASCADE;
CREATE SCHEMA public AUTHORIZATION pg_database_owner;
GRANT USAGE ON SCHEMA public TO PUBLIC;
"""
"""All or nothing: until the COMMIT at the end the old database is what everybody sees."""


def after(*locks: str) -> str:
    """Never seen unlocked: another incarnation, waves paused, leases void; the journals have the word first."""
    reasons = ", ".join(_quoted(line) for line in (f"{RESTORE} from a backup; its journals are not in yet", *locks))
    return f"""
UPDATE public.installation SET incarnation = {secrets.randbits(62)},
    locked_reason = concat_ws(E'\\n', nullif(locked_reason, ''), {reasons});
UPDATE public.wave SET state = 'paused', state_reason = 'restored from a backup', stop_seq = stop_seq + 1
    WHERE state = 'running';
UPDATE public.batch SET lease_token = NULL, lease_until = NULL WHERE lease_token IS NOT NULL;
DELETE FROM public.share;
COMMIT;
"""


END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid();
"""
"""For the superuser: a stopped worker may hold a table for ever, in the middle of a COPY."""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def is_in_use(conn: psycopg.Connection) -> bool:
    """Whether there is anything in this database that a person entered."""
    if conn.execute("SELECT to_regclass('public.wave')").fetchone() == (None,):
        return False
    asked = "SELECT EXISTS (SELECT FROM person) OR EXISTS (SELECT FROM campaign) OR EXISTS (SELECT FROM audience)"
    return conn.execute(asked).fetchone() == (True,)


def server_version(conn: psycopg.Connection) -> int:
    """PostgreSQL's major version."""
    return conn.info.server_version // 10_000
