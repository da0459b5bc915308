"""Hours that end at midnight do end there."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """The function that says when open hours end."""
    run_sql_file(op.get_bind(), "0019_midnight.sql")
