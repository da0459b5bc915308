"""A lost password or phone: two operators end what a person signs in with."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """What was asked and agreed, and the end of passwords and authenticators."""
    run_sql_file(op.get_bind(), "0030_reset.sql")
