"""The engine in full: settling, poison batches, restore, receipts sealed in groups, the fold as it is now."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """From the first release's schema, with its waves in it, in one transaction."""
    for name in ("inbox", "speed", "settle", "restore", "fold"):
        run_sql_file(op.get_bind(), f"0002_{name}.sql")
