"""Errors as one taxonomy: stops of a sender or a text, failover along the approved route, retries by class."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """A new table and functions; what is there stays."""
    for name in ("errors", "fold"):
        run_sql_file(op.get_bind(), f"0008_{name}.sql")
