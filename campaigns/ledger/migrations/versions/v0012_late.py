"""A wave whose hours passed while nothing could send asks a person, and may get new hours."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """New tables and columns; the fold spares waves that ask."""
    run_sql_file(op.get_bind(), "0012_late.sql")
