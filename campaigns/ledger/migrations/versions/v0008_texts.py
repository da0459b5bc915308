"""Variants of a text; a stored text has the hash that was approved."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Two checks; rows of before keep both."""
    run_sql_file(op.get_bind(), "0008_texts.sql")
