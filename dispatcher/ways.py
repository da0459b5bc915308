"""Which account carries a network in a wave, who may take over, and the name that phones show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

import psycopg

from campaigns import schedule
from campaigns.definition import Campaign
from campaigns.ledger.waves import Wave
from campaigns.terms import Account, Problem
from config.carriers import load_accounts
from dispatcher import standards
from providers import routes
from workers.house import House

Registered = Mapping[str, Mapping[str, str]]
"""Account -> carrier -> the sender name registered there."""


class Ways(NamedTuple):
    """How a plan reaches the networks; each by carrier."""

    routes: dict[str, tuple[str, ...]]  # the account that carries it, then those that may take over as the same sender
    senders: dict[str, str]

    @property
    def accounts(self) -> dict[str, str]:
        """Who carries it."""
        return {carrier: names[0] for carrier, names in self.routes.items()}


def of(house: House, conn: psycopg.Connection, campaign: Campaign, day: date, *, rehearsal: bool) -> Ways:
    """The ways on a day: the definition's routes, over them what was agreed on; a rehearsal's are simulated.

    Raises Problem when no account may carry the campaign, and for a sender that no account of its route has.
    """
    registered, table = senders(house, conn, day), _table(house, conn, campaign, day, rehearsal=rehearsal)
    if not any(name in house.accounts and house.accounts[name].enabled for names in table.values() for name in names):
        raise Problem("no account of this campaign's routes is enabled: configure a carrier in carriers.toml and"
                      " set enabled = true")  # fmt: skip
    usable = routes.usable(table, house.accounts)
    if rehearsal:
        named = {carrier: registered[each[0].name][carrier] for carrier, each in usable.items()}
    else:
        named = {each.carrier: each.name for each in campaign.senders}
    found = Ways({}, named)
    for carrier, among in usable.items():
        same = [each for each in among if registered[each.name].get(carrier) == named.get(carrier)]
        if not same:
            raise _no_sender(carrier, named.get(carrier, ""), among, registered)
        found.routes[carrier] = tuple(each.name for each in same)
    return found


def senders(house: House, conn: psycopg.Connection, day: date) -> Registered:
    """The sender names of every account on a day."""
    return standards.senders(conn, load_accounts(house.settings.carriers_file), day)


def asks(house: House, conn: psycopg.Connection, wave: Wave) -> list[Problem]:
    """What changed since a wave was planned: senders that its accounts no longer have. Nothing of a rehearsal's."""
    if wave.rehearsal:
        return []
    day = max(wave.opens_at, datetime.now(UTC)).astimezone(schedule.ZONE).date()
    registered, plan = senders(house, conn, day), wave.plan
    return [
        Problem("{carrier}: the sender {sender} of this plan is no longer registered for the account {account}",
                carrier=carrier, sender=plan["senders"][carrier], account=account)
        for carrier, account in plan["accounts"].items()
        if registered.get(account, {}).get(carrier) != plan["senders"][carrier]
    ]  # fmt: skip


def _table(
    house: House, conn: psycopg.Connection, campaign: Campaign, day: date, *, rehearsal: bool
) -> dict[str, Sequence[str]]:
    """Carrier -> account names, the first choice first. An agreed route adds no network to a campaign."""
    agreed = standards.routes(conn, day)
    if not rehearsal:
        return {each.carrier: agreed.get(each.carrier, each.accounts) for each in campaign.routes}
    ours = {name: each for name, each in house.accounts.items() if each.simulated and each.enabled}
    found: dict[str, Sequence[str]] = {}
    for carrier in dict.fromkeys(carrier for each in ours.values() for carrier in each.carriers):
        standing = [name for name, each in ours.items() if carrier in each.carriers]
        found[carrier] = [name for name in agreed.get(carrier, ()) if name in standing] or standing
    return found


def _no_sender(carrier: str, wanted: str, usable: Sequence[Account], registered: Registered) -> Problem:
    """Nothing is sent under a name that the carrier does not know, nor under another than the campaign's."""
    return Problem(
        "{carrier}: the campaign sends as {sender}, which no account of its route has registered ({known}): register it"
        " and enter it under Settings, Senders, or change the campaign's sender",
        carrier=carrier, sender=wanted or "-",
        known=", ".join(f"{each.name}: {registered[each.name].get(carrier, '-')}" for each in usable),
    )  # fmt: skip
