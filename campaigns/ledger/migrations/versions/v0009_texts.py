"""Variants of a text; a stored text has the hash that was approved."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Two checks; rows of before keep both."""
    run_sql_file(op.get_bind(), "0009_texts.sql")
