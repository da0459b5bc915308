"""What a person can do, once for all faces: command line, HTTP and demo call the same functions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg

from campaigns import compliance, schedule, segments
from campaigns.audience import examine
from campaigns.campaign import load as load_definition
from campaigns.compliance import Rules
from campaigns.definition import Campaign, all_texts, variants
from campaigns.ledger import audiences, canaries, figures, lists, people, plans, registry
from campaigns.ledger.audiences import Import, Intake
from campaigns.ledger.budgets import Ceilings
from campaigns.ledger.plans import Draft
from campaigns.ledger.waves import Wave
from campaigns.numbers import NumberTable
from campaigns.sheets import open_sheet
from campaigns.terms import Absent, Problem, Problems
from campaigns.units import UnitTable, find
from config import data as shipped
from config.carriers import load_accounts, load_carriers
from config.settings import Settings
from dispatcher import standards, ways
from workers.house import House
from workers.queues import ring_account, ring_books

CHUNK = 20_000
"""Rows read, judged and stored at a time."""


def number_table() -> NumberTable:
    """Mobile prefixes and the conversion of 2018, from the shipped data."""
    return NumberTable.load(shipped.PREFIXES, shipped.PREFIX_CONVERSION)


def read_definition(settings: Settings, folder: Path) -> Campaign:
    """Read and check a definition against this installation's carriers and accounts."""
    file = settings.carriers_file
    return load_definition(
        folder,
        carriers=[carrier.id for carrier in load_carriers(file)],
        providers_accounts=[account.name for account in load_accounts(file)],
        law=law(),
    )


def units() -> UnitTable:
    """The province's administrative units, from the shipped data."""
    return UnitTable.load(shipped.LAI_CHAU)


def import_audience(
    house: House,
    conn: psycopg.Connection,
    audience: int,
    file: Path,
    campaign: str,
    *,
    name: str = "",
    column: str = "",
    sheet: str = "",
    seeds: bool = False,
) -> Iterator[Import]:
    """Import a file in the caller's transaction; yields progress. `column` and `sheet` as in sheets.open_sheet.

    `seeds`: our own phones, which the list of our own phones does not keep out, nor the cap.
    """
    table, intake = number_table(), intake_of(house, conn, campaign, seeds=seeds)
    with file.open("rb") as raw:
        digest = hashlib.file_digest(raw, "sha256").hexdigest()
    with open_sheet(file, column=column, sheet=sheet) as opened:
        chunks = examine(opened.entries(), table, CHUNK)
        progress = None
        for progress in audiences.import_file(conn, audience, name or file.name, digest, chunks, intake):
            yield progress
        if progress is None:
            raise Problem("{name} has no rows below its heading: nothing was imported", name=name or file.name)


def intake_of(house: House, conn: psycopg.Connection, campaign: str, *, seeds: bool = False) -> Intake:
    """What rows of a campaign's list are judged and sealed by; `seeds` as in import_audience."""
    lists, cap, day = _left_out(conn, campaign)
    if seeds:
        lists, cap = tuple(name for name in lists if name != plans.STAFF), None
    return Intake(house.keys(campaign), number_table().carriers, units().on(day), lists, cap)


def take_list(
    house: House,
    person: people.Person,
    campaign: str,
    name: str,
    path: Path,
    *,
    seeds: bool = False,
    drafted: bool = False,
) -> tuple[int, bool]:
    """Import a file as a new audience; (audience, whether it is new): the same file of a campaign is there once.

    All of its rows or none, in one transaction. `drafted`: the campaign may be one that is only a draft so far.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with house.begin() as conn:
        if not drafted:
            registry.get_campaign(conn, campaign)
        known = lists.audience_of_file(conn, campaign, digest, seeds=seeds)
        if known is not None:
            return known, False
        audience = audiences.create(conn, campaign, name, person.login)
        for _ in import_audience(house, conn, audience, path, campaign, seeds=seeds):
            pass  # nobody can see its progress
        if seeds:
            canaries.set_seeds(conn, campaign, audience, person.login)
        people.record(conn, person.login, "audience.import", str(audience), file=path.name, sha256=digest)
        return audience, True


def law() -> tuple[Rules, ...]:
    """What the law asks of each class of campaigns, from the shipped data."""
    return compliance.load(shipped.COMPLIANCE)


def _left_out(conn: psycopg.Connection, name: str) -> tuple[tuple[str, ...], tuple[datetime, int] | None, date]:
    """Which lists a campaign obeys, the cap at the opening of its next wave (none in rehearsals), and its first day.

    A campaign that is not loaded yet obeys every list.
    """
    try:
        campaign, _ = registry.get_campaign(conn, name)
    except Absent:
        return compliance.LISTS, None, datetime.now(schedule.ZONE).date()
    now = datetime.now(UTC)
    coming = [schedule.windows(wave)[0].opens_at for wave in campaign.waves if not schedule.is_over(wave, now)]
    opens = max(now, min(coming, default=now))
    rules = compliance.rules_on(law(), campaign.text.class_, opens.astimezone(schedule.ZONE).date())
    rehearsal = figures.installation(conn).rehearsal
    cap = None if rehearsal else (opens, rules.most_a_day)
    return compliance.obeyed(rules, campaign), cap, min(wave.date for wave in campaign.waves)


def draft_wave(
    house: House,
    campaign: Campaign,
    version: int,
    no: int,
    audience: int,
    *,
    rehearsal: bool,
    now: datetime | None = None,
    carriers: Sequence[str] = (),
    areas: Sequence[str] = (),
    variant: str = "",
    budget: Ceilings | None = None,
    calls: Mapping[str, int] | None = None,
    again: bool = False,
    canary: bool = False,
) -> Draft:
    """The plan's ingredients of one wave of a definition; a rehearsal is open now and uses simulated accounts.

    `again`: of a wave that may be over, for some of its people: in its daily hours, from today or tomorrow on.
    """
    now = now or datetime.now(UTC)
    wave = campaign.wave(no)
    if wave is None:
        raise Problem("campaign {name} has no wave {no}", name=campaign.name, no=no)
    if rehearsal:
        wave = schedule.rehearse(wave, now)
    elif again:
        wave = schedule.again(wave, now)
    elif schedule.is_over(wave, now):
        raise Problem("wave {no} of {name} ended on {day}: its window has passed", no=no, name=campaign.name,
                      day=wave.until.strftime("%d/%m/%Y"))  # fmt: skip
    spans = schedule.windows(wave)
    day = spans[0].opens_at.astimezone(schedule.ZONE).date()
    rules = compliance.rules_on(law(), campaign.text.class_, wave.date)
    settings = house.settings
    with house.begin() as conn:
        prices = standards.prices(conn, house.accounts, day)
        way = ways.of(house, conn, campaign, day, rehearsal=rehearsal)
    return Draft(
        campaign=campaign.name,
        version=version,
        campaign_digest=campaign.digest,
        no=no,
        name=f"{wave.name} ({variant})" if variant else wave.name,
        rehearsal=rehearsal,
        audience=audience,
        opens_at=spans[0].opens_at,
        closes_at=spans[-1].closes_at,
        day_opens=wave.opens,
        day_closes=wave.closes,
        texts=_texts(campaign, variant),
        senders=way.senders,
        routes=way.routes,
        accounts=way.accounts,
        prices={carrier: max(prices[name] for name in names) for carrier, names in way.routes.items()},
        batch_size=settings.batch_size,
        approvals_due=1 if rehearsal else rules.approvals,
        compliance=compliance.facts(rules, campaign, rehearsal=rehearsal),
        carriers=_known_carriers(house, carriers),
        units=_units_named(areas, min(each.date for each in campaign.waves)),
        wording=_wording(campaign, variant),
        budget=budget or {},
        calls=calls or {},
        canary={each.id: each.receipts for each in load_carriers(settings.carriers_file)} if canary else {},
        cool_down=timedelta(0) if rehearsal else timedelta(seconds=settings.cool_down),
    )


def _known_carriers(house: House, wanted: Sequence[str]) -> tuple[str, ...]:
    known = [carrier.id for carrier in load_carriers(house.settings.carriers_file)]
    for carrier in wanted:
        if carrier not in known:
            raise Problem("there is no carrier {carrier}; known are {known}", carrier=carrier, known=", ".join(known))
    return tuple(sorted(set(wanted)))


def _units_named(areas: Sequence[str], day: date) -> tuple[int, ...]:
    codes = units().on(day)
    for area in areas:
        if not find(codes, area):
            raise Problem("there is no area {area} in the list of administrative units", area=repr(area))
    return tuple(sorted({find(codes, area) for area in areas}))


def _texts(campaign: Campaign, variant: str) -> dict[str, dict[str, object]]:
    """The mandated text's two forms, or the one text of a variant."""
    known = {each.variant for each in campaign.text.use}
    if variant and variant not in known:
        raise Problem("no rule of {name} sends the text {variant}; its rules send {known}", name=campaign.name,
                      variant=variant, known=", ".join(sorted(known)) or "-")  # fmt: skip
    chosen = {variant: all_texts(campaign)[variant]} if variant else variants(campaign)
    return {choice: _text(one.text, one.sha256) for choice, one in chosen.items()}


def _wording(campaign: Campaign, variant: str) -> dict[str, object]:
    """The whole rule in each of its plans: no two of them can hold the same row."""
    if not campaign.text.use:
        return {}
    return {"variant": variant, "use": [
        {"variant": each.variant, "carriers": sorted(each.carriers), "units": sorted(each.units)}
        for each in campaign.text.use
    ]}  # fmt: skip


def _text(text: str, sha256: str) -> dict[str, object]:
    measured = segments.measure(text)
    return {"text": text, "sha256": sha256, "encoding": measured.encoding, "units": measured.units,
            "segments": measured.segments}  # fmt: skip


def plan_wave(house: House, draft: Draft, author: str) -> Wave:
    """Plan a wave; a second approval is due above the configured reach."""
    with house.begin() as conn:
        return plan_in(house, conn, draft, author)


def plan_in(house: House, conn: psycopg.Connection, draft: Draft, author: str) -> Wave:
    """The same in the caller's transaction."""
    n = audiences.verdict_counts(conn, draft.audience)["accepted"]
    due = 2 if not draft.rehearsal and n > house.settings.second_approval_above else 1
    wave = plans.plan(
        conn, replace(draft, approvals_due=max(due, draft.approvals_due)), author, house.keys(draft.campaign)
    )
    _refuse_long(house, wave)
    return wave


def _refuse_long(house: House, wave: Wave) -> None:
    """No wave whose text a carrier of its people would refuse; raises Problems for each, and nothing is planned."""
    table, day = standards.limits(house.settings), wave.opens_at.astimezone(schedule.ZONE).date()
    class_, carriers = (
        wave.plan["compliance"].get("class", "public_information"),
        list(wave.plan["audience"]["by_carrier"]),
    )
    found = [each for one in wave.plan["texts"].values() for each in table.refusals(one["text"], carriers, class_, day)]
    if found:
        raise Problems(found)


def ask_first(house: House, conn: psycopg.Connection, wave: Wave, login: str, why: str) -> None:
    """Before a wave starts: raise Problems for hotlines not made sure of and senders that are gone, unless told why.

    Rehearsals ask nothing: nobody is told to call.
    """
    if wave.rehearsal:
        return
    campaign, _ = registry.get_campaign(conn, wave.campaign, wave.version)
    day = max(wave.opens_at, datetime.now(UTC)).astimezone(schedule.ZONE).date()
    found = standards.asks(conn, house.settings, campaign.text.hotlines, day)
    gone = ways.asks(house, conn, wave)
    if (found or gone) and not why.strip():
        raise Problems([*found, *gone])
    if gone:
        people.record(conn, login, "sender.gone", str(wave.id), reason=why, asked=[str(each) for each in gone])
    if found:
        people.record(conn, login, "hotline.unverified", str(wave.id), reason=why, asked=[str(each) for each in found])


def ring(house: House, wave: Wave) -> None:
    """Wake the workers of a wave at once; the sweeper would do it within seconds."""
    for account in set(wave.plan["accounts"].values()):
        ring_account(house.redis, account)
    ring_books(house.redis)
