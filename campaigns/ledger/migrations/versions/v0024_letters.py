"""Letters that ask for an approval."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Addresses of persons, and one letter a plan and person."""
    run_sql_file(op.get_bind(), "0024_letters.sql")
