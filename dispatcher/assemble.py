"""The one place that puts everything together: settings, servers, keys and accounts become a House."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.ledger import registry, schema
from campaigns.sealing import Keyring
from campaigns.terms import Account, Problem
from config import servers
from config.carriers import AccountSettings, load_accounts, load_carriers
from config.settings import Settings
from providers import catalog
from providers.base import Provider
from workers.house import House, Times

REHEARSAL_TIMES = Times(share=2.0, retry_slot=1.0, segment_age=0.1, hold=0.5, ring=0.5, breaker=4.0, job=30.0)
"""A rehearsal waits less; its ledger, journal and gates are the same."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where this installation's servers are, and what kind of installation it is."""

    settings: Settings
    owner: str  # "" when only the program's role is known
    app: str
    redis: str
    rehearsal: bool
    overrides: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # account -> settings found at run time
    callback_base: str = ""
    times: Times | None = None  # None: those of its kind


@contextmanager
def site(settings: Settings, *, rehearsal: bool, start: bool) -> Iterator[Site]:
    """The servers of the settings: real ones when their URLs are set, else our own, started when `start`."""
    if settings.database_url and settings.redis_url:
        yield Site(settings, settings.database_owner_url or "", settings.database_url, settings.redis_url, rehearsal)
        return
    if settings.database_url or settings.redis_url:
        raise Problem("DATABASE_URL and REDIS_URL belong together: set both for real servers, or neither")
    running = servers.connect_existing(settings.data)
    if running is not None:
        yield Site(settings, running.owner, running.app, running.redis, rehearsal)
        return
    if not start:
        raise Problem("nothing runs on {data}: start `dispatcher up` (or `make demo`) first", data=settings.data)
    with servers.Servers(settings.data) as own:
        urls = own.start()
        yield Site(settings, urls.owner, urls.app, urls.redis, rehearsal)


def prepare(site: Site) -> None:
    """Bring the database to the newest schema, enter carriers and accounts; an account's wrong key is told now."""
    for account in accounts(site).values():
        if account.enabled:
            build(account)
    if site.owner:
        schema.migrate(site.owner, rehearsal=site.rehearsal)
    file = site.settings.carriers_file
    engine = schema.open_engine(site.app)
    with schema.begin(engine) as conn:
        registry.enter_carriers(conn, [carrier.id for carrier in load_carriers(file)])
        registry.enter_accounts(conn, accounts(site).values())
    engine.dispose()


def accounts(site: Site) -> dict[str, Account]:
    """The accounts of carriers.toml; secrets are fetched for enabled ones only."""
    return {each.name: _account(each, site) for each in load_accounts(site.settings.carriers_file)}


def _account(each: AccountSettings, site: Site) -> Account:
    keywords = each.keywords(os.environ) if each.enabled else {}
    keywords |= site.overrides.get(each.name, {})
    return Account(
        each.name, each.provider, each.simulated, each.enabled, each.licence, each.carriers, each.price, keywords
    )


def house(site: Site) -> House:
    """A House for this process; connects when it is used."""
    from redis import Redis  # noqa: PLC0415 - 0.1 s that looking up a text needs not

    return House(
        settings=site.settings,
        database=site.app,
        engine=schema.open_engine(site.app),
        redis=Redis.from_url(site.redis),
        keyring=Keyring.create(site.settings.data / "keys"),
        accounts=accounts(site),
        build=build,
        callback_base=site.callback_base,
        times=site.times or (REHEARSAL_TIMES if site.rehearsal else Times(ring=site.settings.sweeper)),
    )


def build(account: Account) -> Provider:
    """The provider of an account."""
    return catalog.build(account.provider, account.settings, account.name)


def definitions() -> Path:
    """Where the campaign definitions that ship with the program lie."""
    import campaigns  # noqa: PLC0415 - only for its folder

    return Path(campaigns.__file__).parent / "definitions"
