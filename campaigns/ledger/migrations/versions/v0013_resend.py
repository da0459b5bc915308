"""Waves that correct or complete another one, to exactly those whom it concerns."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Two columns, and functions that choose and hold the set."""
    run_sql_file(op.get_bind(), "0013_resend.sql")
