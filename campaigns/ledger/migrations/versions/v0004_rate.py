"""Rate as shares: several workers of one account, a person's rate below the licence, rates of single senders."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Shares in force run out within seconds; nothing else is touched."""
    run_sql_file(op.get_bind(), "0004_rate.sql")
