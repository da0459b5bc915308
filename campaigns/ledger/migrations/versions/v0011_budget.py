"""Budgets: ceilings of a wave, whole and a day, looked at in the intent's transaction."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """New tables and functions, and one trigger over intents."""
    run_sql_file(op.get_bind(), "0011_budget.sql")
