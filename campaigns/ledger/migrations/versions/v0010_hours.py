"""Hours of an account, stricter than a wave's, and its carrier's maintenance."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """New tables only."""
    run_sql_file(op.get_bind(), "0010_hours.sql")
