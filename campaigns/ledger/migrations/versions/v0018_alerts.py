"""What people must be told, canaries too."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """The function that finds everything at once."""
    run_sql_file(op.get_bind(), "0018_alerts.sql")
