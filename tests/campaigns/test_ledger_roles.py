"""What the program's role may not do, tried as that role; and that the way it works needs no more."""

from __future__ import annotations

import psycopg
import pytest

from campaigns.ledger.schema import APP_ROLE
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, State
from tests.hand import fold_all, messages, one, open_all, tell

KEPT = (
    "installation", "person", "person_key", "campaign", "carrier", "account", "audience", "audience_file",
    "audience_row", "audience_verdict", "audience_block", "suppression", "suppression_entry", "wave_person", "wave",
    "wave_tally", "approval", "batch",
    "send_window", "retry_item", "chunk", "number_block", "wave_count", "wave_skip", "inbox", "journal", "audit",
    "message_{wave}", "log_{wave}", "alembic_version", "carrier_order", "order_approval", "order_event", "order_return",
    "order_return_row", "order_code", "kept_file", "invitation", "password", "authenticator", "sign_in", "web_session",
    "budget_day", "budget_change", "seed_list", "canary_word", "deputy",
    "account_trial", "trial_number", "draft", "draft_version", "draft_event",
    "approval_letter", "province_subject", "province_proof", "wave_pace",
    "person_reset", "draft_file", "receipt_id",
)  # fmt: skip
"""All tables but `share`, whose rows are no record."""

FIXED = {  # columns that nobody but the owner changes
    "halt": ("at", "by", "reason"),
    "installation": ("one", "rehearsal"),
    "person": ("login", "created_at"),
    "person_key": ("person", "digest", "scopes", "created_at", "expires_at"),
    "campaign": ("id", "version", "definition", "digest", "author", "loaded_at"),
    "carrier": ("id", "name"),
    "account": ("name",),
    "audience": ("id", "campaign", "name", "author", "created_at"),
    "audience_file": ("audience", "file", "name", "digest"),
    "audience_row": ("audience", "file", "line", "carrier", "unit", "number_hash"),
    "audience_verdict": ("audience", "file", "line", "verdict", "reason", "cell"),
    "receipt_id": ("wave", "provider_ref", "send_window", "idx"),
    "draft": ("id", "author", "state", "began_at"),
    "draft_version": ("draft", "version", "step", "fields", "person", "at"),
    "draft_event": ("draft", "version", "state", "person", "at", "details"),
    "draft_file": ("draft", "sha256", "name", "media", "bytes", "lines", "person", "at"),
    "audience_block": ("audience", "file", "block", "nonce", "ciphertext"),
    "suppression": ("number_hash", "source", "person", "at"),
    "suppression_entry": ("number_hash", "list", "person", "at"),
    "wave_person": ("wave", "message_no", "number_hash"),
    "wave": (
        "id", "campaign", "version", "no", "name", "rehearsal", "audience", "author", "plan", "plan_hash",
        "approvals_due", "n", "batch_size", "opens_at", "closes_at", "day_opens", "day_closes", "cool_down",
        "planned_at", "reopened_by", "parent", "resend", "canary",
    ),
    "account_seen": ("account",),
    "outage": ("account", "since", "until"),
    "wave_tally": ("wave",),
    "approval": ("wave", "plan_hash", "person", "choice", "reason", "typed", "at", "stands_for"),
    "batch": ("wave", "kind", "seq", "account", "carrier", "class"),
    "sender_rate": ("account", "sender"),
    "sending_hours": ("account", "carrier"),
    "maintenance": ("account", "starts", "ends", "note", "person"),
    "alert": ("kind", "about", "began_at"),
    "alert_message": ("alert", "outlet"),
    "seed_list": ("campaign", "audience", "person", "at"),
    "canary_word": ("wave", "carrier", "word", "despite", "person", "reason", "at"),
    "budget_day": ("wave", "day", "carrier", "base"),
    "budget_change": ("wave", "plan_hash", "ceilings", "asked_by", "asked_why", "asked_at"),
    "account_trial": ("account", "since", "by", "reason"),
    "trial_number": ("account", "number_hash", "person", "at"),
    "route_stop": ("at", "account", "carrier", "wave", "scope", "code", "detail"),
    "send_window": (
        "id", "wave", "kind", "batch", "epoch", "lo", "hi", "skip", "account", "journal", "at",
        "after_chunk",
    ),
    "retry_item": ("wave", "batch", "idx", "message_no", "attempt"),
    "chunk": ("wave", "at", "receipts"),
    "number_block": ("wave", "block", "nonce", "ciphertext"),
    "wave_count": ("wave", "carrier", "unit", "state"),
    "wave_pace": ("wave", "at"),
    "wave_skip": ("wave", "message_no"),
    "inbox": ("account", "raw", "received_at", "events"),
    "journal": ("name", "imported_at", "windows", "uncertain", "proof"),
    "audit": ("at", "person", "act", "subject", "details"),
    "message_{wave}": ("no", "unit", "carrier", "number_hash"),
    "log_{wave}": ("chunk", '"window"', "idx", "kind", "outcome", "provider_code", "provider_ref", "at"),
    "alembic_version": ("version_num",),
    "carrier_order": (
        "id", "campaign", "version", "carrier", "author", "state", "plan", "plan_hash", "approvals_due", "deadline",
        "drafted_at",
    ),
    "order_approval": ("order_id", "plan_hash", "person", "at", "stands_for"),
    "province_subject": ("issuer", "subject", "person", "at"),
    "province_proof": ("digest", "at"),
    "approval_letter": ("wave", "plan_hash", "person", "outlet"),
    "deputy": ("principal", "person", "since", "until", "reason", "named_at"),
    "order_event": ("order_id", "at", "person", "act", "state", "evidence", "details"),
    "order_return": (
        "order_id", "version", "digest", "document", "method", "total", "way", "person", "origin", "source", "evidence",
        "notes", "checks", "failed", "received_on", "received_at",
    ),
    "order_return_row": (
        "order_id", "version", "place", "wave", "day", "unit", "subscribers", "messages", "segments", "delivered",
        "unreachable", "barred", "system", "other",
    ),
    "order_code": ("order_id", "serial", "digest", "made_by", "made_at"),
    "kept_file": ("order_id", "sha256", "name", "bytes", "whole", "person", "origin", "at"),
    "person_account": ("person", "account"),
    "setting_change": (
        "topic", "subject", "version", "value", "effective_on", "reason", "proposed_by", "proposed_at",
    ),
    "invitation": ("digest", "person", "made_by", "made_at", "expires_at"),
    "password": ("person", "hash", "at", "ended_at"),
    "authenticator": ("person", "sealed", "at", "ended_at"),
    "person_reset": ("person", "reason", "asked_by", "asked_at"),
    "sign_in": ("at", "person", "address", "what", "passed"),
    "web_session": ("digest", "person", "address", "began_at", "way"),
}  # fmt: skip

OTHER = {
    "make a table": "CREATE TABLE mine (n int)",
    "make a schema": "CREATE SCHEMA mine",
    "make a function": "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "make an extension": "CREATE EXTENSION pg_trgm",
    "drop a table": "DROP TABLE log_{wave}",
    "change a table": "ALTER TABLE batch DROP CONSTRAINT batch_check",
    "drop an index": "DROP INDEX send_window_open",
    "rename the log": "ALTER TABLE log_{wave} RENAME TO lost",
    "switch a guard off": "ALTER TABLE message_{wave} DISABLE TRIGGER legal",
    "switch the text lock off": "ALTER TABLE wave DISABLE TRIGGER ALL",
    "drop a guard": "DROP TRIGGER legal ON message_{wave}",
    "switch all guards off": "SET session_replication_role = replica",
    "add a trigger": "CREATE TRIGGER mine BEFORE UPDATE ON wave FOR EACH ROW EXECUTE FUNCTION refuse_new_text()",
    "replace T1": (
        "CREATE OR REPLACE FUNCTION hours_end(timestamptz, timestamptz, time, time) RETURNS timestamptz"
        " LANGUAGE sql AS 'SELECT now()'"
    ),
    "drop the fold": "DROP FUNCTION cancel_rest(bigint, smallint)",
    "become the owner": "SET ROLE dispatcher_owner",
    "take a table over": "ALTER TABLE audit OWNER TO {app}",
    "make itself a superuser": "ALTER ROLE {app} SUPERUSER",
    "make a role": "CREATE ROLE mine",
    "read a file of the server": "SELECT pg_read_file('postgresql.conf')",
    "run a program on the server": "COPY carrier FROM PROGRAM 'true'",
    "write a file on the server": "COPY carrier TO '/tmp/carriers'",
    "add a message to a sealed wave": "INSERT INTO message_{wave} (no, unit, carrier, number_hash) SELECT 9, 0, 1, ''",
    "make it another kind of installation": "INSERT INTO installation (rehearsal, incarnation) VALUES (false, 1)",
    "read who is protected": "SELECT number_hash FROM suppression_entry",
    "put somebody on a list past the function": "INSERT INTO suppression_entry VALUES ('', 'police', 'an')",
    "delete an inbox day": "DELETE FROM inbox_20240722",
    "change a version": "INSERT INTO alembic_version VALUES ('0')",
}


def refused(app: psycopg.Connection, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute(statement)


@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize("act", ["DELETE FROM {}", "TRUNCATE {}", "TRUNCATE {} CASCADE", "DROP TABLE {}", "LOCK {}"])
def test_no_record_can_be_taken_away(app: psycopg.Connection, running: Wave, table: str, act: str) -> None:
    """No row of any table but `share` can be deleted, and no table emptied, dropped or locked against all others."""
    refused(app, act.format(table.format(wave=running.id)))


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in FIXED for column in FIXED[table]])
def test_what_was_recorded_cannot_be_changed(app: psycopg.Connection, running: Wave, table: str, column: str) -> None:
    """Outside the columns that move by their nature, the program cannot rewrite what it wrote."""
    refused(app, f"UPDATE {table.format(wave=running.id)} SET {column} = {column}")


def test_the_columns_that_may_change_are_the_ones_named(owner: psycopg.Connection, running: Wave) -> None:
    """Each column of each table is either in the table above or known to move; a new one must be decided."""
    may = owner.execute(
        "SELECT table_name || '.' || column_name FROM information_schema.column_privileges"
        " WHERE grantee = %s AND privilege_type = 'UPDATE' AND table_schema = 'public' AND table_name !~ '_[0-9]+$'",
        (APP_ROLE,),
    )
    every = owner.execute(
        "SELECT table_name || '.' || column_name FROM information_schema.columns JOIN information_schema.tables"
        " USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
        " AND table_name !~ '_[0-9]+$' AND NOT (is_identity = 'YES' OR is_generated = 'ALWAYS')"
    )
    fixed = {f"{table}.{column}" for table, columns in FIXED.items() for column in columns}
    assert {row[0] for row in every} - {row[0] for row in may} - {"share.account"} == {
        name for name in fixed if not name.startswith(("message_", "log_"))
    }


@pytest.mark.parametrize("what", OTHER)
def test_the_program_cannot(app: psycopg.Connection, running: Wave, what: str) -> None:
    """No change of the schema, of the guards, of roles, or of files: the role lacks the right."""
    app.execute("SELECT open_inbox_day('2024-07-22')")
    refused(app, OTHER[what].format(wave=running.id, app=APP_ROLE))


def test_the_program_cannot_give_itself_rights(app: psycopg.Connection, running: Wave) -> None:
    """A GRANT by who holds no right to grant changes nothing, whatever the database answers."""
    for statement in (
        f"GRANT DELETE ON log_{running.id} TO {APP_ROLE}",
        f"GRANT UPDATE (raw) ON inbox TO {APP_ROLE}",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {APP_ROLE}",
    ):
        try:
            with app.transaction():
                app.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            continue
    for table in ("inbox", "audit", f"log_{running.id}", "send_window"):
        row = one(app, "SELECT has_table_privilege(%s, 'DELETE') OR has_table_privilege(%s, 'UPDATE')", table, table)
        assert row == (False,), table


def test_functions_that_run_as_the_owner_do_not_look_into_the_callers_schemas(
    app: psycopg.Connection, running: Wave
) -> None:
    """A temporary table of the program's own never stands in for the real one when the owner's functions run."""
    app.execute(f"CREATE TEMP TABLE message_{running.id} (number_hash bytea)")
    app.execute("SET search_path = pg_temp, public")
    app.execute("SELECT seal_wave(%s)", (running.id,))
    temporary = "SELECT count(*) FROM pg_index WHERE indrelid = %s::regclass"
    assert one(app, temporary, f"pg_temp.message_{running.id}") == (0,)


def test_the_programs_way_needs_no_more(app: psycopg.Connection, running: Wave) -> None:
    """The whole life of a wave's messages, from T1 to delivered, in the program's own role."""
    places = open_all(app, running.id)
    assert sorted(places) == sorted(messages(app, running.id))
    for kind, outcome in (("answer", Outcome.ACCEPTED), ("receipt", Outcome.DELIVERED)):
        tell(app, running.id, [(place, kind, outcome) for place in places.values()])
        assert fold_all(app, running.id) == 1
    app.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (running.id,))
    assert {state for state, _, _ in messages(app, running.id).values()} == {State.DELIVERED}
