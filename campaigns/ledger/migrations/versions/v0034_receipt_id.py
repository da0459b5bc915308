"""Ids that only a receipt told."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """A table that only grows."""
    run_sql_file(op.get_bind(), "0034_receipt_id.sql")
