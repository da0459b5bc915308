"""Seed phones typed on a page: judged line by line, sealed as every list, in use from this plan on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import psycopg

from campaigns import typed
from campaigns.audience import examine
from campaigns.ledger import audiences, canaries, lists, people
from campaigns.sealing import CampaignKeys
from campaigns.sheets import Entry
from campaigns.terms import Problem, Problems
from dispatcher import acts
from workers.house import House

MOST = 100
"""Phones of one typing: they are our own."""
TOLD = 10
"""Lines that are told of at once."""


class Seeds(NamedTuple):
    """What a person wants of seed phones for a plan."""

    typed: str = ""  # one number a line; "": those in use
    use: bool = False  # seed phones first, also where none were typed
    name: str = ""  # of the list that typed ones make

    @property
    def wanted(self) -> bool:
        """Whether a canary goes first."""
        return self.use or bool(self.typed.strip())


NONE = Seeds()
"""No seed phones first."""


def take(house: House, conn: psycopg.Connection, person: people.Person, campaign: str, seeds: Seeds) -> None:
    """Make typed phones the campaign's seed phones; nothing where none were typed or just these are in use.

    In the caller's transaction. Raises Problem, or Problems with one a line that is no mobile number, stands there
    twice or may not be texted.
    """
    entries = [(no, line, "") for no, line in typed.lines(seeds.typed)]
    if not entries:
        return
    if len(entries) > MOST:
        raise Problem("{n} seed phones are too many: {most} at most, they are our own", n=len(entries), most=MOST)
    digest = _digest(entries, house.keys(campaign))
    if digest in _in_use(conn, campaign):
        return
    audience = audiences.create(conn, campaign, seeds.name, person.login)
    intake = acts.intake_of(house, conn, campaign, seeds=True)
    for _ in audiences.import_file(conn, audience, seeds.name, digest, examine(entries, acts.number_table()), intake):
        pass  # one chunk
    if fallen := lists.fallen(conn, audience, most=TOLD):
        raise Problems([Problem("line {line}, {cell}: {reason}", line=each.line, cell=each.cell or "–",
                                reason=Problem(lists.REASONS[each.reason])) for each in fallen])  # fmt: skip
    people.record(conn, person.login, "audience.import", str(audience), rows=len(entries))
    canaries.set_seeds(conn, campaign, audience, person.login)


def _digest(entries: Iterable[Entry], keys: CampaignKeys) -> str:
    """The same for the same phones, and a guess of them finds nothing; a line that is none changes it."""
    table = acts.number_table()
    numbers = [table.read(raw)[0] for _, raw, _ in entries]
    return hashlib.sha256(b"".join(sorted(keys.number_hashes(numbers)))).hexdigest()


def _in_use(conn: psycopg.Connection, campaign: str) -> list[str]:
    """The one file of the seed phones in use; none where there is none, or are several."""
    found = canaries.newest(conn, campaign)
    files = lists.audience(conn, found).files if found else []
    return [each.sha256 for each in files] if len(files) == 1 else []
