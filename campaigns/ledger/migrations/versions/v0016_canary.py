"""Canaries: seed phones first, the rest of a carrier after a person's word."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """New tables, one column, and one trigger over intents."""
    run_sql_file(op.get_bind(), "0016_canary.sql")
