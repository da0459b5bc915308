"""An installation of its own whose wave was sent already: every answer is in the log and folded, receipts may come."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns.ledger import audiences, plans, registry, waves
from campaigns.ledger.people import Person, add_person
from campaigns.samples import write_sample
from config.servers import Servers
from config.settings import Settings
from dispatcher import acts, assemble
from dispatcher.assemble import Site
from workers.books import Books
from workers.house import House

CAMPAIGN = "20-BCD-2024"
AUTHOR, APPROVER = Person("an", "Nguyễn Văn An", ("officer",)), Person("binh", "Trần Thị Bình", ("approver",))
WINDOW = 1_000

# One window a thousand messages of each batch, and an answer "taken" with an id for each of its indexes.
SENT = """
INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal, closed)
SELECT (random() * 4e18)::bigint, b.wave, 'first', b.seq, 1, g.lo, least(g.lo + {window}, b.hi), '', b.account,
    'none', now()
FROM batch b, generate_series(b.lo, b.hi - 1, {window}) g (lo) WHERE b.wave = {wave};
UPDATE batch SET cursor = hi WHERE wave = {wave};
"""
ANSWERED = """
WITH c AS (INSERT INTO chunk (wave) VALUES ({wave}) RETURNING id)
INSERT INTO log_{wave} (chunk, "window", idx, kind, outcome, provider_code, provider_ref)
SELECT c.id, w.id, i, 'answer', 5, '0', 'm' || lpad(i::text, 10, '0')
FROM c, send_window w, generate_series(w.lo, w.hi - 1) i WHERE w.wave = {wave} AND w.lo >= {lo} AND w.lo < {hi}
"""


class Window(NamedTuple):
    """A committed window."""

    id: int
    lo: int
    hi: int


@contextmanager
def site_of(settings: Settings) -> Iterator[tuple[Site, Servers]]:
    """Servers and schema of a rehearsal in a folder of its own."""
    with Servers(settings.data) as servers:
        urls = servers.start()
        site = Site(settings, urls.owner, urls.app, urls.redis, rehearsal=True)
        assemble.prepare(site)
        yield site, servers


def sent_wave(site: Site, house: House, account: str, n: int) -> int:
    """Plan, approve and start a wave of `n` people over one account, and write down that all were taken; its id."""
    wave = _running(house, account, n)
    with psycopg.connect(site.owner, autocommit=True) as owner:
        owner.execute(SENT.format(wave=wave, window=WINDOW))
        row = owner.execute("SELECT max(hi) FROM batch WHERE wave = %s", (wave,)).fetchone()
        for lo in range(0, row[0] if row else 0, 20 * WINDOW):
            owner.execute(ANSWERED.format(wave=wave, lo=lo, hi=lo + 20 * WINDOW))
        books = Books(house)
        while books.fold():
            pass
        for table in (f"log_{wave}", f"message_{wave}", "send_window", "chunk"):
            owner.execute(f"VACUUM ANALYZE {table}")
    return wave


def _running(house: House, account: str, n: int) -> int:
    campaign = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
    file = house.settings.data / "list.csv"
    write_sample(file, seed=1, table=acts.number_table(), recipients=n, units=())
    with house.begin() as conn:
        for person in (AUTHOR, APPROVER):
            add_person(conn, person.login, person.name, list(person.roles))
        version = registry.load_campaign(conn, campaign, AUTHOR.login)
        audience = audiences.create(conn, CAMPAIGN, "list", AUTHOR.login)
    with house.begin() as conn:
        for _ in acts.import_audience(house, conn, audience, file, CAMPAIGN):
            pass
    draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True, now=datetime.now(UTC))
    draft = replace(draft, accounts=dict.fromkeys(draft.accounts, account))
    with house.begin() as conn:
        wave = plans.plan(conn, draft, AUTHOR.login, house.keys(CAMPAIGN))
        waves.approve(conn, wave.id, APPROVER, typed=wave.n, choice="corrected", reason="measured")
        waves.start(conn, wave.id, APPROVER)
    return wave.id


def windows_of(house: House, wave: int) -> list[Window]:
    """The wave's windows, in the order of their indexes."""
    with house.begin() as conn:
        rows = conn.execute("SELECT id, lo, hi FROM send_window WHERE wave = %s ORDER BY lo", (wave,)).fetchall()
    return [Window(*row) for row in rows]


def cpu_of(pid: int) -> float:
    """Seconds of processor time of a process, of its children and of those that ended."""
    total = 0
    for each in family(pid):
        try:
            fields = Path(f"/proc/{each}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11 : 15 if each == pid else 13])
    return total / 100  # USER_HZ


def family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [pid, *(int(word) for t in threads for word in (t / "children").read_text(encoding="ascii").split())]
    except OSError:
        return []


def seconds_since(began: float) -> str:
    """For progress lines."""
    return f"{time.monotonic() - began:.1f} s"
