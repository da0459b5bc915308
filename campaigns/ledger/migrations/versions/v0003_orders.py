"""Carrier orders: orders, approvals, events, returns in versions, codes, kept files."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """New tables only; nothing that is there is touched."""
    run_sql_file(op.get_bind(), "0003_orders.sql")
