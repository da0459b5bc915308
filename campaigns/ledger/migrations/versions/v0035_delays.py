"""Chunks of receipts by time."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """One index, with an entry a chunk."""
    run_sql_file(op.get_bind(), "0035_delays.sql")
