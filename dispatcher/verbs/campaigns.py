"""`dispatcher campaign`: definitions on the disk and in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from campaigns import compliance, facts
from campaigns.campaign import load as load_definition
from campaigns.definition import Campaign
from campaigns.facts import CampaignFacts, WaveFacts
from campaigns.terms import Problem
from config import data
from config.carriers import load_accounts, load_carriers
from config.settings import Settings
from dispatcher.verbs import letters
from dispatcher.verbs.desk import Desk, Login, desk_of
from dispatcher.verbs.guide import Verb, group
from dispatcher.verbs.texts import bubble

SHIPPED = Path(__file__).parents[2] / "campaigns" / "definitions"
FolderName = Annotated[str, typer.Argument(metavar="NAME", help="a shipped campaign, or the folder of a definition")]

app = group("campaigns, and what their letter demands of them")


@app.command("list", cls=Verb, help="campaigns that ship with the program, and those in the ledger")
def names(context: typer.Context) -> None:
    """Print each campaign once."""
    desk = desk_of(context)
    found: dict[str, int | None] = {path.parent.name: None for path in sorted(SHIPPED.glob("*/campaign.toml"))}
    found |= _in_ledger(desk)
    table = Table(box=None, pad_edge=False)
    for title in ("campaign", "version in the ledger"):
        table.add_column(desk.words.say(title))
    for name, version in found.items():
        table.add_row(name, str(version) if version else desk.words.say("not loaded"))
    desk.out.print(table)
    desk.answer(campaigns=[{"name": name, "version": version} for name, version in found.items()])


def _in_ledger(desk: Desk) -> Mapping[str, int]:
    """Campaigns of a ledger that runs; nothing is started for a look."""
    from campaigns.ledger import registry  # noqa: PLC0415 - `check` and `show` need no database
    from config.servers import connect_existing  # noqa: PLC0415 - as above

    settings = desk.settings()
    if not settings.database_url and connect_existing(settings.data) is None:
        return {}
    with desk.house(start=False) as house, house.begin() as conn:
        return {name: version for name, version, _, _ in registry.list_campaigns(conn)}


@app.command("check", cls=Verb, help="read a definition and tell everything that is wrong with it")
def check(context: typer.Context, name: FolderName) -> None:
    """Read and check; nothing is stored."""
    desk = desk_of(context)
    campaign = _read(desk.settings(), name)
    found = _facts(desk.settings(), campaign)
    for warning in found.warnings:
        desk.say("note: {problem}", problem=warning, style="yellow")
    desk.say(
        "{name} is sound: {n} waves, version {digest}",
        name=campaign.name,
        n=len(campaign.waves),
        digest=campaign.digest[:12],
    )
    warnings = [desk.words.problem(warning) for warning in found.warnings]
    desk.answer(name=campaign.name, digest=campaign.digest, waves=len(campaign.waves), warnings=warnings)


@app.command("show", cls=Verb, help="the mandate, the texts, the waves and the routes of a definition")
def show(context: typer.Context, name: FolderName) -> None:
    """Print what the letter demands."""
    desk = desk_of(context)
    found = _facts(desk.settings(), _read(desk.settings(), name))
    _mandate(desk, found)
    for choice, text in found.texts.items():
        under = desk.words.say(
            "{segments} segments a message · SHA-256 {digest}", segments=text.measure.segments, digest=text.sha256[:12]
        )
        bubble(desk, text.text, choice, under)
    for slip in found.slips:
        desk.say("“{words}” stands at {place}; elsewhere the letter writes “{suggested}”", words=slip.found,
                 place=slip.position, suggested=slip.suggested)  # fmt: skip
    desk.out.print(_waves(desk, found))
    routes = " · ".join(f"{carrier} → {', '.join(accounts)}" for carrier, accounts in found.routes.items())
    desk.say("routes: {routes}", routes=routes)
    if found.unrouted:
        desk.say("without a route: {carriers}", carriers=list(found.unrouted))
    desk.answer(**_as_json(found))


@app.command("load", cls=Verb, help="store a definition in the ledger as its next version")
def load(context: typer.Context, name: FolderName, login: Login) -> None:
    """Store; the same definition twice stays one version."""
    from campaigns.ledger import registry  # noqa: PLC0415 - as above

    desk = desk_of(context)
    with desk.house() as house:
        person = desk.person(house, login, "write")
        campaign = _read(house.settings, name)
        with house.begin() as conn:
            version = registry.load_campaign(conn, campaign, person.login)
    desk.say("{name}, version {version}", name=campaign.name, version=str(version))
    desk.answer(campaign=campaign.name, version=version, digest=campaign.digest)


app.command("letter", cls=Verb, help="what a letter seems to order, each value beside its source line")(
    letters.read_letter
)


def _read(settings: Settings, name: str) -> Campaign:
    folder = Path(name) if Path(name).is_dir() else SHIPPED / Path(name).name
    if not folder.is_dir():
        shipped = ", ".join(sorted(path.parent.name for path in SHIPPED.glob("*/campaign.toml")))
        raise Problem("there is no definition {name}: give its folder, or one of {known}", name=name, known=shipped)
    file = settings.carriers_file
    return load_definition(
        folder,
        carriers=[carrier.id for carrier in load_carriers(file)],
        providers_accounts=[account.name for account in load_accounts(file)],
        law=compliance.load(data.COMPLIANCE),
    )


def _facts(settings: Settings, campaign: Campaign) -> CampaignFacts:
    carriers = [carrier.id for carrier in load_carriers(settings.carriers_file)]
    return facts.of_campaign(campaign, datetime.now(UTC), carriers)


def _mandate(desk: Desk, found: CampaignFacts) -> None:
    mandate = found.mandate
    desk.out.print(found.title, style="bold", soft_wrap=True)
    desk.say("{number}, {day}: {subject}", number=mandate.number, day=mandate.date, subject=mandate.subject)
    desk.say("report to {whom}, by the end of {day}", whom=mandate.report_to, day=mandate.report_by)


def _waves(desk: Desk, found: CampaignFacts) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("wave", "days", "hours", "standing"):
        table.add_column(desk.words.say(title))
    for wave in found.waves:
        table.add_row(wave.plan.name, _days(desk, wave), f"{wave.plan.opens:%H:%M}–{wave.plan.closes:%H:%M}",
                      desk.words.say(wave.standing.value))  # fmt: skip
    return table


def _days(desk: Desk, wave: WaveFacts) -> str:
    first, last = desk.words.date(wave.plan.date), desk.words.date(wave.plan.until)
    return first if first == last else f"{first}–{last}"


def _as_json(found: CampaignFacts) -> dict[str, object]:
    return {
        "name": found.name,
        "title": found.title,
        "digest": found.digest,
        "texts": {choice: {"text": text.text, **text.as_json()} for choice, text in found.texts.items()},
        "slips": [slip._asdict() for slip in found.slips],
        "waves": [
            {
                "no": wave.plan.no,
                "name": wave.plan.name,
                "standing": wave.standing.value,
                "windows": [[window.opens_at.isoformat(), window.closes_at.isoformat()] for window in wave.windows],
            }
            for wave in found.waves
        ],
        "senders": found.senders,
        "routes": found.routes,
        "unrouted": found.unrouted,
    }
