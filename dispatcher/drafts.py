"""What a person can do with a draft of a campaign: read it, foresee it, submit it, withdraw it.

A submission makes the definition and the plans by the acts that the command line and HTTP use; nothing here plans.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from campaigns import drafting, schedule, typed
from campaigns.definition import Campaign
from campaigns.drafting import BY_ORDERS, PLAIN, DraftState, Fields, Read
from campaigns.forecast import Forecast
from campaigns.ledger import draft_files, drafts, lists, orders, people, registry, waves
from campaigns.ledger.drafts import Draft
from campaigns.order import OrderState, Terms
from campaigns.rules import warnings
from campaigns.schedule import WavePlan
from campaigns.terms import Absent, Problem, Problems
from config.carriers import AccountSettings, load_accounts, load_carriers
from dispatcher import acts, foresight, seeding, standards
from dispatcher import orders as order_acts
from dispatcher.seeding import NONE, Seeds
from workers.house import House

CHOSEN_TEXT = {True: "corrected", False: "verbatim"}


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What one wave of a draft will cost, or why nothing can be said of it."""

    wave: WavePlan
    forecast: Forecast | None
    problem: Problem | None = None
    unrouted: tuple[str, ...] = ()


def carriers(house: House) -> dict[str, str]:
    """The carriers of this installation, id -> name, in their order."""
    return {each.id: each.name for each in load_carriers(house.settings.carriers_file)}


def read(house: House, fields: Fields) -> Read:
    """The definition that a draft makes, by the rules and accounts of this installation."""
    accounts = [account.name for account in load_accounts(house.settings.carriers_file)]
    return drafting.read(fields, carriers=list(carriers(house)), accounts=accounts, law=acts.law())


def ranked(house: House, carrier: str) -> list[AccountSettings]:
    """Accounts for a carrier's numbers: first those that carry them, real before simulated, enabled before not."""
    accounts = load_accounts(house.settings.carriers_file)
    return sorted(accounts, key=lambda each: (carrier not in each.carriers, each.simulated, not each.enabled))


def beginning(house: House) -> dict[str, str]:
    """What a new draft holds: the hotline of the letters so far, and each carrier's account."""
    found = {"hotlines": "111", "way": drafting.BY_LIST}
    for carrier in carriers(house):
        first = ranked(house, carrier)[0]
        if carrier in first.carriers and not first.simulated:
            found[f"route_{carrier}"] = first.name
    return found


def begin(house: House, person: people.Person, campaign: str = "") -> Draft:
    """A new draft, or one that begins with what a campaign's newest definition says."""
    with house.begin() as conn:
        fields = drafting.fields_of(registry.get_campaign(conn, campaign)[0]) if campaign else beginning(house)
        return drafts.begin(conn, person.login, fields)


# -- before it is submitted ------------------------------------------------------------------------------------------


def audience_of(conn: psycopg.Connection, campaign: Campaign, fields: Fields) -> lists.Audience | None:
    """The list that a draft names; None when it names none of this campaign."""
    said = fields.get("audience", "")
    try:
        found = lists.audience(conn, int(said)) if said.isdigit() and len(said) < 20 else None  # noqa: PLR2004 - 64 bits
    except Absent:
        return None
    return found if found and found.campaign == campaign.name else None


def foresee(house: House, campaign: Campaign, fields: Fields, *, rehearsal: bool) -> list[Foreseen]:
    """Each wave of a draft, by the list that it names."""
    with house.begin() as conn:
        audience = audience_of(conn, campaign, fields)
        by_carrier = lists.by_carrier(conn, audience.id) if audience else {}
    return [_foreseen(house, campaign, wave, by_carrier, rehearsal=rehearsal) for wave in campaign.waves]


def _foreseen(
    house: House, campaign: Campaign, wave: WavePlan, by_carrier: Mapping[str, int], *, rehearsal: bool
) -> Foreseen:
    try:
        draft = acts.draft_wave(house, campaign, 0, wave.no, 0, rehearsal=rehearsal, variant=variant_of(campaign))
    except Problem as problem:
        return Foreseen(wave, None, problem)
    unrouted = tuple(each for each in by_carrier if each not in draft.accounts)
    return Foreseen(wave, foresight.of_draft(house, draft, by_carrier), None, unrouted)


def variant_of(campaign: Campaign) -> str:
    """The variant that all of a draft's people get; "" where it is the mandated text."""
    return PLAIN if any(each.variant == PLAIN for each in campaign.text.use) else ""


def ahead(campaign: Campaign, *, rehearsal: bool) -> list[WavePlan]:
    """The waves that can still be planned; in a rehearsal all, they open now."""
    now = datetime.now(UTC)
    return [wave for wave in campaign.waves if rehearsal or not schedule.is_over(wave, now)]


def to_see(house: House, conn: psycopg.Connection, campaign: Campaign) -> list[Problem]:
    """What forbids nothing, but must have been looked at before it is submitted."""
    found = [
        each.values["reason"] if isinstance(each.values.get("reason"), Problem) else each
        for each in warnings(campaign)
    ]  # fmt: skip
    days = [wave.date for wave in ahead(campaign, rehearsal=False)]
    if days:
        found += standards.asks(conn, house.settings, campaign.text.hotlines, min(days))
    return [each for each in found if isinstance(each, Problem)]


# -- submitted -------------------------------------------------------------------------------------------------------


def submit(
    house: House,
    draft: int,
    version: int,
    person: people.Person,
    chosen: list[int],
    *,
    rehearsal: bool,
    seeds: Seeds = NONE,
) -> Draft:
    """Define the campaign and plan its waves or draft its orders, all or nothing; then another person decides."""
    with house.begin() as conn:
        found = drafts.locked(conn, draft)
        told = read(house, found.fields)
        if told.faults:
            raise Problems([each.problem for each in told.faults])
        campaign = told.campaign
        _refuse_other_letter(conn, campaign)
        made = registry.load_campaign(conn, campaign, person.login)
        if found.fields.get("way") == BY_ORDERS:
            planned, ordered = [], _order(house, conn, campaign, found.fields, person.login, rehearsal=rehearsal)
        else:
            ordered = []
            seeding.take(house, conn, person, campaign.name, seeds)
            planned = _plan(house, conn, campaign, made, found.fields, person.login, chosen, rehearsal=rehearsal,
                            canary=seeds.wanted)  # fmt: skip
        files = draft_files.of_draft(conn, draft)
        paper = {"file": files[0].name, "sha256": files[0].sha256} if files else {}  # to compare the text with
        return drafts.move(conn, draft, version, DraftState.SUBMITTED, person.login, campaign=campaign.name,
                           campaign_version=made, waves=planned, orders=ordered, **paper)  # fmt: skip


def _refuse_other_letter(conn: psycopg.Connection, campaign: Campaign) -> None:
    """Two letters of one number and year are two campaigns, though their short names would be one."""
    try:
        known, _ = registry.get_campaign(conn, campaign.name)
    except Absent:
        return
    if (known.mandate.number, known.mandate.date) != (campaign.mandate.number, campaign.mandate.date):
        raise Problem("the short name {name} belongs to letter {number} of {day}: give this campaign another one",
                      name=campaign.name, number=known.mandate.number, day=known.mandate.date)  # fmt: skip


def _plan(
    house: House, conn: psycopg.Connection, campaign: Campaign, version: int, fields: Fields, login: str,
    chosen: list[int], *, rehearsal: bool, canary: bool,
) -> list[str]:  # fmt: skip
    audience = audience_of(conn, campaign, fields)
    if audience is None:
        raise Problem("the list belongs to another campaign: choose it again or read the file once more")
    wanted = [wave.no for wave in ahead(campaign, rehearsal=rehearsal) if wave.no in chosen]
    if not wanted:
        raise Problem("choose one wave at least that is not gone by")
    made = [
        acts.draft_wave(
            house, campaign, version, no, audience.id, rehearsal=rehearsal, variant=variant_of(campaign), canary=canary
        )
        for no in wanted
    ]
    return [str(acts.plan_in(house, conn, each, login).id) for each in made]


def _order(
    house: House, conn: psycopg.Connection, campaign: Campaign, fields: Fields, login: str, *, rehearsal: bool
) -> list[str]:
    wanted = [each for each in carriers(house) if fields.get(f"order_{each}")]
    found = order_acts.draft_in(house, conn, campaign.name, wanted, terms_of(campaign, fields), login,
                                rehearsal=rehearsal)  # fmt: skip
    return [str(each.id) for each in found]


def terms_of(campaign: Campaign, fields: Fields) -> Terms:
    """What a draft tells the carriers that send themselves."""
    corrected = bool(campaign.text.corrections)
    choice = variant_of(campaign) or CHOSEN_TEXT[corrected]
    reason = "; ".join(each.reason for each in campaign.text.corrections) or campaign.text.legal_basis
    return Terms(fields.get("area", ""), fields.get("contact", ""), typed.day(fields["deadline"]), choice,
                 reason if choice != "verbatim" else "")  # fmt: skip


def deadline(campaign: Campaign) -> str:
    """The day that is proposed to carriers for their figures, as it would be typed."""
    return drafting.written(campaign.mandate.report_before - timedelta(order_acts.DAYS_TO_WRITE))


# -- withdrawn -------------------------------------------------------------------------------------------------------


def withdraw(house: House, draft: int, version: int, person: people.Person, why: str) -> Draft:
    """Take a submission back while nobody has decided; what it made is cancelled, and the draft can be changed again.

    Raises Problem when an approval was given. A plan that was returned is cancelled already.
    """
    with house.begin() as conn:
        made = drafts.submission(conn, draft)
        for wave in drafts.withdrawable(conn, [int(each) for each in made.get("waves", ())]):
            waves.move(conn, wave, person.login, "cancel", why)
        for order in made.get("orders", ()):
            _take_back(conn, int(order), person, why)
        return drafts.move(conn, draft, version, DraftState.OPEN, person.login)


def _take_back(conn: psycopg.Connection, order: int, person: people.Person, why: str) -> None:
    """Cancelled first, which holds it: an approval that came before is then seen, and none can come after."""
    if orders.get(conn, order).state is OrderState.CANCELLED:
        return
    found = orders.move(conn, order, person.login, "cancel", words=why)
    if orders.approvers(conn, found):
        raise Problem("{name} is decided already: pause or cancel it on its own page", name=found.plan.carrier_name)
