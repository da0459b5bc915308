"""New hours take over the budget in force."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """What a plan with new hours may hold."""
    run_sql_file(op.get_bind(), "0026_reopen.sql")
