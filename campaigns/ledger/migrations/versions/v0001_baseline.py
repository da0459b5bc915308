"""The ledger's first schema: tables, T1, fold, and what the program's role may do."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make everything, in one transaction."""
    for name in ("0001_baseline.sql", "0001_fold.sql"):
        run_sql_file(op.get_bind(), name)
