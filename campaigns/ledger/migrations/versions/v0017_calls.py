"""Expected calls to a hotline stay under a figure of the plan."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """One index, one function."""
    run_sql_file(op.get_bind(), "0017_calls.sql")
