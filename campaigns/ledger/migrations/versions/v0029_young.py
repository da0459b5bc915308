"""Answers wait a moment for their receipts; windows know from which chunk on their lines can be."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """A column of chunks, one of windows, one parameter of the fold."""
    for name in ("young", "after"):
        run_sql_file(op.get_bind(), f"0029_{name}.sql")
