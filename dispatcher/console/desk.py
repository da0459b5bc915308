"""Home, campaigns, and the list of what waits for an approval."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from starlette.responses import Response

from campaigns import segments
from campaigns.alerts import Alert, sentence
from campaigns.definition import variants
from campaigns.ledger import alerts, draft_files, lists, people, registry, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Absent
from dispatcher.console.board import duties
from dispatcher.console.call import STAFF, Call, place_of, to
from dispatcher.console.pages import local, now, show
from dispatcher.console.snapshots import Snapshot, Snapshots, bar
from dispatcher.console.waving import APPROVED, TAGS, begins_at, planned_tag, tag_of

MOVING = ("running", "paused")
MOST_WAVES = 5
"""Of them at home; the rest behind a link that counts them."""
WAVES_A_PAGE, DIGITS = 50, 5
SHOWN = frozenset({"asks", "approval", "test"})
"""Alerts that the home page has in a place of their own."""


def home(call: Call) -> Response:
    """What must be done, by when, and who holds it; what is being sent; the way to stop."""
    if not call.has(*STAFF):
        return to("/console/carriers")
    today = local(now()).date()
    with call.house.begin() as conn:
        found = waves.all_waves(conn)
        campaigns = [registry.get_campaign(conn, name)[0] for name, *_ in registry.list_campaigns(conn)]
        told = [each for each in alerts.latest(conn) if each.kind not in SHOWN]
        lacking, mine = waves.lacking(conn), waves.lacking(conn, call.who.login)
    board = [each for campaign in campaigns for each in duties(campaign, _of(campaign.name, found), today, lacking)]
    snapshots: Snapshots = call.request.app.state.snapshots
    in_motion = sorted((wave for wave in found if wave.state in MOVING), key=lambda wave: wave.state != "running")
    some = in_motion if call.request.query_params.get("waves") == "all" else in_motion[:MOST_WAVES]
    moving = _moving(call, [snapshots.of(wave.id) for wave in some])
    asking = [snapshots.of(wave.id) for wave in found if wave.asks]
    called = _called(call, found)
    told_here = [(f"{local(each.began_at):%H:%M %d/%m}", _told(each, called, call.words.language)) for each in told]
    return show(call, "home.html", board=board, moving=moving, more=len(in_motion) - len(some), called=called,
                current=[duty for duty in board if not duty.over], over=[duty for duty in board if duty.over],
                asking=asking, bar=bar, today=today, campaigns=campaigns,
                next=next((wave for wave in found if wave.id in mine), None), alerts=told_here)  # fmt: skip


def _moving(call: Call, snaps: list[Snapshot]) -> list[tuple[Snapshot, datetime | None, tuple[str, str]]]:
    """Each with when it begins, and the tag of its state."""
    with call.house.begin() as conn:
        given = [waves.approvals(conn, snap.wave) for snap in snaps]
    begins = [begins_at(snap, some, now()) for snap, some in zip(snaps, given, strict=True)]
    return [(snap, at, tag_of(call, snap, some, at)) for snap, some, at in zip(snaps, given, begins, strict=True)]


def _called(call: Call, found: list[Wave]) -> dict[int, str]:
    """Wave -> name, reach and list: names of waves repeat."""
    with call.house.begin() as conn:
        listed = lists.names(conn, [wave.audience for wave in found])
    return {wave.id: " · ".join((wave.name, call.words.say("{n} people", n=wave.n), listed[wave.audience]))
            for wave in found}  # fmt: skip


def _told(alert: Alert, called: Mapping[int, str], language: str) -> str:
    """An alert's sentence, its wave named as everywhere on the page."""
    title = called.get(int(alert.about)) if alert.about.isdecimal() and "name" in alert.facts else None
    return sentence(alert._replace(facts={**alert.facts, "name": title}) if title else alert, language)


def _of(campaign: str, found: list[Wave]) -> list[Wave]:
    return [wave for wave in found if wave.campaign == campaign]


def campaigns_page(call: Call) -> Response:
    """Every campaign in its newest version."""
    with call.house.begin() as conn:
        rows = registry.list_campaigns(conn)
        found = [(registry.get_campaign(conn, name)[0], version, author) for name, version, _, author in rows]
        counted = waves.of_campaigns(conn)
    return show(call, "campaigns.html", campaigns=found, counted=counted)


def campaign_page(call: Call) -> Response:
    """One campaign: its letter, its texts as a phone shows them, its waves."""
    name = str(call.request.path_params["name"])
    with call.house.begin() as conn:
        campaign, version = registry.get_campaign(conn, name)
        found = [wave for wave in waves.all_waves(conn) if wave.campaign == name]
        known, lacking = people.names(conn), waves.lacking(conn)
        papers = draft_files.of_campaign(conn, name)
    last = max(1, -(-len(found) // WAVES_A_PAGE))
    page = min(max(1, place_of(call.request.query_params.get("page", ""), DIGITS)), last)
    some = found[(page - 1) * WAVES_A_PAGE : page * WAVES_A_PAGE]
    texts = [(choice, one, segments.measure(one.text)) for choice, one in variants(campaign).items()]
    if not campaign.waves:
        raise Absent("there is no campaign {name}: load its definition first", name=name)
    tags = [APPROVED if each.state == "planned" and each.id not in lacking else TAGS[each.state] for each in some]
    return show(call, "campaign.html", campaign=campaign, version=version, waves=some, texts=texts, people=known,
                page=page, last=last, tags=tags, papers=papers)  # fmt: skip


def approvals_page(call: Call) -> Response:
    """Waves that wait for an approval."""
    with call.house.begin() as conn:
        found = [(wave, waves.approvals(conn, wave)) for wave in waves.all_waves(conn) if wave.state == "planned"]
        known = people.names(conn)
    tagged = [(wave, given, planned_tag(call, wave, given)) for wave, given in found]
    return show(call, "approvals.html", waiting_waves=tagged, people=known)
