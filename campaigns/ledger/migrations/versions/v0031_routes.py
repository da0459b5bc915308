"""Routes and senders: two operators change them, from a day on."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Two more topics of agreed changes, and what they must hold."""
    run_sql_file(op.get_bind(), "0031_routes.sql")
