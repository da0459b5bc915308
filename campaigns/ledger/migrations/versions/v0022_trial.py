"""New accounts send to an allow-list only, until two persons have let them go live."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Stays in trial, their lists, and what T1, routes and alerts ask of them."""
    run_sql_file(op.get_bind(), "0022_trial.sql")
