"""For rehearsals: an older copy of the database takes its place while everybody works, as a lagging standby would.

Nothing is marked and nobody is asked: that the database went back in time is for the workers to find out.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import psycopg

from campaigns.ledger import copies
from config import servers
from dispatcher import archives, dump
from dispatcher.assemble import Site
from dispatcher.backup import DATABASE

AS_OWNER = "SET ROLE dispatcher_owner;\n"
CUT = f"RESET ROLE; {copies.END_SESSIONS} COMMIT;"
"""All lines are cut before anybody sees the older state, as when a server dies."""


def fail_over(site: Site, backup: Path) -> None:
    """Put the database of a backup in the place of the embedded one."""
    if not site.rehearsal:
        raise ValueError("only a rehearsal's database may be set back")
    archive = archives.opened(backup)
    url = servers.superuser(site.settings.data)
    with psycopg.connect(url) as conn:
        major = copies.server_version(conn)
    with tempfile.TemporaryDirectory(dir=backup.parent) as place:
        file = Path(place) / DATABASE
        archive.copy(DATABASE, file)
        dump.pour(url, file, before=copies.END_SESSIONS + copies.BEFORE + AS_OWNER, after=CUT, version=major)
