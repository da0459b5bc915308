"""Changes of the settings that two persons agreed on."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Proposals and what became of them."""
    run_sql_file(op.get_bind(), "0025_settings.sql")
