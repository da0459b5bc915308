"""Carriers' engineers and their accounts."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Who is tied to which account, and the way to an account's newest receipts."""
    run_sql_file(op.get_bind(), "0020_engineers.sql")
