"""How fast a wave went, kept by the fold; and the record by person, act and subject."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """A row a wave and ten seconds; three indexes."""
    run_sql_file(op.get_bind(), "0028_pace.sql")
    run_sql_file(op.get_bind(), "0028_audit.sql")
