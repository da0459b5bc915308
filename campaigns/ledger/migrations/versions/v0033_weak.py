"""The fold's hash stays in memory."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """One word of the fold."""
    run_sql_file(op.get_bind(), "0033_weak.sql")
