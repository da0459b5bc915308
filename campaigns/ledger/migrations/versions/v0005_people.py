"""People who must not be texted, by list; who is in which wave; how often one person is texted a day."""

from __future__ import annotations

from alembic import op

from campaigns.ledger.schema import run_sql_file

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The one list of before becomes the list of personal requests; waves planned before keep what they have."""
    run_sql_file(op.get_bind(), "0005_people.sql")
