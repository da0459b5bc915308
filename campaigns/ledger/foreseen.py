"""What was foreseen of a wave when it was approved, beside what the wave has done."""

from __future__ import annotations

from datetime import datetime
from typing import cast

import psycopg

from campaigns.forecast import Compared, compared
from campaigns.ledger.waves import Wave
from campaigns.message import SENT

# The newest approval of this plan that holds a forecast of the text that is sent. The audit log holds acts of people,
# some thousands; its rows are read once.
FORESEEN = """
SELECT details -> 'forecast', at FROM audit
WHERE act = 'wave.approve' AND subject = %(wave)s AND details ->> 'plan_hash' = %(plan)s
    AND details -> 'forecast' IS NOT NULL AND (%(choice)s::text IS NULL OR details ->> 'choice' = %(choice)s)
ORDER BY id DESC LIMIT 1
"""
# Plan at 1 M messages: wave_count (63 rows) is read whole, no message is.
TAKEN = """
SELECT c.name, sum(wc.n)::bigint FROM wave_count wc JOIN carrier c ON c.id = wc.carrier
WHERE wc.wave = %s AND wc.state = ANY(%s) GROUP BY c.name
"""


def beside(conn: psycopg.Connection, wave: Wave) -> Compared | None:
    """Forecast and fact of a wave; None when no approval of it holds a forecast."""
    asked = {"wave": str(wave.id), "plan": wave.plan_hash, "choice": wave.choice}
    row = conn.execute(FORESEEN, asked).fetchone()
    if row is None:
        return None
    taken = {str(name): int(n) for name, n in conn.execute(TAKEN, (wave.id, [state.value for state in SENT]))}
    over = wave.state == "cancelled" or wave.finished_at is not None
    return compared(row[0], row[1], taken, _times(conn, wave.id), over=over)


def _times(conn: psycopg.Connection, wave: int) -> tuple[datetime | None, datetime | None]:
    """When the first and the last window began."""
    row = conn.execute("SELECT min(at), max(at) FROM send_window WHERE wave = %s", (wave,)).fetchone()
    return cast("tuple[datetime | None, datetime | None]", row)
