"""A licence below 20 segments a second is held whole by one worker."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """One function."""
    run_sql_file(op.get_bind(), "0015_slow_licences.sql")
