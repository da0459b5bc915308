"""What people must be told, and by which outlet they were."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Two tables; what finds everything at once came with 0018."""
    run_sql_file(op.get_bind(), "0014_alerts.sql")
