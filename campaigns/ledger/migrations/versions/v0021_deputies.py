"""An approver's deputy, within dates."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Deputies, and who counts as one person when a plan is approved."""
    run_sql_file(op.get_bind(), "0021_deputies.sql")
