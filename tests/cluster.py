"""A real installation for tests: its house, invented audiences, waves planned and started as persons would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from campaigns.definition import Campaign
from campaigns.ledger import audiences, plans, registry, waves
from campaigns.ledger.people import Person, add_person
from campaigns.ledger.plans import Draft
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from config.settings import load
from dispatcher import acts, assemble
from dispatcher.assemble import Site
from workers import marks
from workers.house import House
from workers.spool import OPEN, READY

AUTHOR = Person("an", "Nguyễn Văn An", ("officer",))
APPROVER = Person("binh", "Trần Thị Bình", ("approver",))
SECOND = Person("chung", "Lò Văn Chung", ("approver", "officer"))
CAMPAIGN = "20-BCD-2024"


@contextmanager
def started_site(folder: Path) -> Iterator[Site]:
    """An installation for rehearsals in a folder of its own, its servers running and migrated."""
    chosen = load({"DISPATCHER_LISTEN_PORT": "0"}, data=folder / "var", profile="drill")
    with assemble.site(chosen, rehearsal=True, start=True) as running:
        assemble.prepare(running)
        yield running


@contextmanager
def open_house(site: Site) -> Iterator[House]:
    """A House of the site with its three persons; at the end its new waves are put to rest and its lines closed."""
    house = assemble.house(site)
    with house.begin() as conn:
        for person in (AUTHOR, APPROVER, SECOND):
            add_person(conn, person.login, person.name, list(person.roles))
        before = all_of_them(conn)
    try:
        yield house
    finally:
        put_to_rest(site, before)
        (site.settings.data / "journals" / marks.FILE).unlink(missing_ok=True)
        forget_receipts(site)
        house.redis.flushdb()
        house.redis.close()
        house.engine.dispose()


def forget_receipts(site: Site) -> None:
    """What nobody has read yet speaks of people of this seed: it would settle what a later test leaves uncertain."""
    for kind in (OPEN, READY):
        for segment in (site.settings.data / "spool").glob(f"**/*{kind}"):
            segment.unlink(missing_ok=True)
    with psycopg.connect(site.owner) as conn:
        conn.execute("UPDATE inbox SET verdict = 'ignored' WHERE verdict = 'unknown'")


def all_of_them(conn: psycopg.Connection) -> list[int]:
    """Every wave, canaries too."""
    return [int(row[0]) for row in conn.execute("SELECT id FROM wave")]


def end_waves(conn: psycopg.Connection, ended: list[int]) -> None:
    """End waves, whatever they were at, with their windows, and what was stopped, locked or shared for them."""
    conn.execute(
        "UPDATE wave SET state = 'cancelled', finished_at = coalesce(finished_at, now()) WHERE id = ANY(%s)"
        " AND state <> 'finished'",
        (ended,),
    )
    conn.execute("UPDATE send_window SET closed = now() WHERE closed IS NULL AND wave = ANY(%s)", (ended,))
    conn.execute("DELETE FROM halt")  # before the lock: while the kill switch is on nothing takes its line away
    conn.execute("UPDATE installation SET locked_reason = '', restoring_since = NULL")
    conn.execute("DELETE FROM share")


def put_to_rest(site: Site, before: list[int]) -> None:
    """End what a test left open: waves beyond `before`, their windows and chunks, and what holds for all waves."""
    with psycopg.connect(site.owner) as conn:
        new = [wave for wave in all_of_them(conn) if wave not in before]
        end_waves(conn, new)
        # no receipt of a later test is for them: the same seed means the same people
        long_ago = "started_at = started_at - interval '2 years', finished_at = finished_at - interval '2 days'"
        conn.execute(f"UPDATE wave SET {long_ago} WHERE id = ANY(%s)", (new,))
        # and no worker of a later test asks about what they left uncertain, and no cap counts them
        conn.execute(
            "UPDATE send_window SET account = 'at-rest', at = at - interval '2 days' WHERE wave = ANY(%s)", (new,)
        )
        conn.execute("UPDATE chunk SET folded = true WHERE NOT folded AND wave = ANY(%s)", (new,))
        # nor does a later plan find that its people had the same text before
        conn.execute("DELETE FROM wave_person WHERE wave = ANY(%s)", (new,))
        conn.execute("UPDATE carrier_order SET state = 'cancelled' WHERE state <> 'cancelled'")
        conn.execute("DELETE FROM suppression_entry")
        conn.execute("DELETE FROM route_stop")
        conn.execute("DELETE FROM account_trial")
        conn.execute("DELETE FROM trial_number")
        conn.execute("DELETE FROM sending_hours")
        conn.execute("DELETE FROM maintenance")
        conn.execute("DELETE FROM outage")
        conn.execute("DELETE FROM account_seen")


def letter(house: House) -> tuple[Campaign, int]:
    """The shipped letter's campaign, loaded, and its version there."""
    campaign = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
    with house.begin() as conn:
        return campaign, registry.load_campaign(conn, campaign, AUTHOR.login)


@dataclass(frozen=True, slots=True)
class Planned:
    """Plans waves of the shipped campaign from invented lists."""

    house: House
    folder: Path

    def audience(self, *, n: int = 40, seed: int = 1, units: tuple[str, ...] = ()) -> int:
        """An audience of `n` accepted rows; the same seed gives the same people."""
        file = self.folder / f"{seed}-{n}.csv"
        write_sample(file, seed=seed, table=acts.number_table(), recipients=n, units=units)
        with self.house.begin() as conn:
            audience = audiences.create(conn, CAMPAIGN, f"seed {seed}", AUTHOR.login)
        self.take(audience, file)
        return audience

    def take(self, audience: int, file: Path) -> audiences.Import:
        """Import one more file into an audience, in a transaction of its own."""
        with self.house.begin() as conn:
            *_, last = acts.import_audience(self.house, conn, audience, file, CAMPAIGN)
        return last

    def draft(self, audience: int, *, no: int = 1, account: str = "", **changes: Any) -> Draft:
        """A rehearsal's draft, all carriers on one account when it is named; `changes` replace fields."""
        campaign, version = letter(self.house)
        now = datetime.now(UTC)
        draft = acts.draft_wave(self.house, campaign, version, no, audience, rehearsal=True, now=now)
        if account:
            draft = replace(draft, accounts=dict.fromkeys(draft.accounts, account))
        return replace(draft, **changes)

    def __call__(
        self, *, n: int = 40, seed: int = 1, account: str = "", units: tuple[str, ...] = (), **changes: Any
    ) -> Wave:
        """Plan a wave of `n` messages."""
        draft = self.draft(self.audience(n=n, seed=seed, units=units), account=account, **changes)
        with self.house.begin() as conn:
            return plans.plan(conn, draft, AUTHOR.login, self.house.keys(CAMPAIGN))


@dataclass(frozen=True, slots=True)
class Started:
    """Plans, approves and starts."""

    planned: Planned

    def __call__(self, *, choice: str = "corrected", **wanted: Any) -> Wave:
        """A running wave; the keywords are those of `planned`."""
        return start(self.planned.house, self.planned(**wanted), choice=choice)


def start(house: House, wave: Wave, *, choice: str = "corrected") -> Wave:
    """Approve a planned wave as a person who is not its author, and start it."""
    with house.begin() as conn:
        waves.approve(conn, wave.id, APPROVER, typed=wave.n, choice=choice, reason="tested")
        return waves.start(conn, wave.id, APPROVER)
