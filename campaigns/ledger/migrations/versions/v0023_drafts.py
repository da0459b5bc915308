"""Drafts of campaigns, every saving a version of its own."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Tables, and what guards them; and what a cell of a list said."""
    run_sql_file(op.get_bind(), "0023_drafts.sql")
