"""Letters' own files stay with their drafts."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """A table that only grows."""
    run_sql_file(op.get_bind(), "0032_letter_files.sql")
