"""Signing in by the accounts of the province."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Subjects of an issuer, and the way a session began."""
    run_sql_file(op.get_bind(), "0027_province.sql")
