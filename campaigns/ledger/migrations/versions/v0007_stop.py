"""The kill switch, lifted by two persons."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """New tables only; nothing that is there is touched."""
    run_sql_file(op.get_bind(), "0007_stop.sql")
