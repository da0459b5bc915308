"""From a list to a wave that waits for approval: choose, look at the forecast, submit; and at the end the report."""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns import schedule
from campaigns.definition import Campaign
from campaigns.ledger import audiences, canaries, lists, registry
from campaigns.ledger.lists import Audience
from campaigns.ledger.plans import Draft
from campaigns.sealing import mask
from campaigns.terms import Problem, Verdict
from dispatcher import acts, foresight, seeding
from dispatcher.console.call import Call, id_of, to
from dispatcher.console.pages import HEADERS, show
from dispatcher.seeding import Seeds

SEEDS = "seeds"
"""The field of seed phones."""
DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def plan_page(call: Call) -> Response:
    """Which wave, which list; once both are chosen, what it will cost and when it will be done."""
    return _page(call, call.request.query_params.get("wave", ""), call.request.query_params.get("list", ""), "")


def _page(call: Call, no: str, chosen: str, wrong: str, status: int = 200, *, at: str = "wave") -> Response:
    """The page; `at` is the field that `wrong` speaks of."""
    name = str(call.request.path_params["name"])
    with call.house.begin() as conn:
        campaign, version = registry.get_campaign(conn, name)
        found, seeds = _usable(conn, name), seeds_in_use(call, conn, name)
    facts: dict[str, Any] = {"foreseen": None, "draft": None, "reach": 0, "over": False, "unrouted": []}
    if no and chosen and (not wrong or at == SEEDS):
        try:
            facts |= _forecast(call, campaign, version, no, chosen)
        except Problem as problem:
            wrong, status, at = call.words.problem(problem), 422, "wave"
    return show(call, "plan.html", status, campaign=campaign, lists=found, no=no, chosen=chosen, wrong=wrong,
                carriers=call.networks, is_over=_is_over(call), at=at, seeds=seeds, **facts)  # fmt: skip


def seeds_in_use(call: Call, conn: psycopg.Connection, campaign: str) -> list[str]:
    """The campaign's seed phones, masked."""
    there = canaries.newest(conn, campaign)
    return [mask(each) for each in audiences.numbers_of(conn, there, call.house.keys(campaign))] if there else []


def seeds_of(call: Call) -> Seeds:
    """What the form says of seed phones."""
    return Seeds(call.form.get(SEEDS, ""), "canary" in call.form, call.words.say("Seed phones"))


def _is_over(call: Call) -> Any:
    """Whether a wave of the definition is gone by; in a rehearsal none is, it opens now."""
    now = datetime.now(UTC)
    return lambda wave: not call.rehearsal and schedule.is_over(wave, now)


def _usable(conn: psycopg.Connection, campaign: str) -> list[tuple[Audience, int]]:
    """Lists with people to text, newest first."""
    found = [(each, audiences.verdict_counts(conn, each.id)[Verdict.ACCEPTED.value])
             for each in lists.of_campaign(conn, campaign)]  # fmt: skip
    return [(each, n) for each, n in found if n]


def _drafted(call: Call, campaign: Campaign, version: int, no: str, chosen: str, *, canary: bool = False) -> Draft:
    if not (no.isascii() and no.isdigit() and len(no) < 4):  # noqa: PLR2004 - a campaign has a few waves
        raise Problem("campaign {name} has no wave {no}", name=campaign.name, no=no[:10])
    audience = id_of(chosen)
    with call.house.begin() as conn:
        if lists.audience(conn, audience).campaign != campaign.name:
            raise Problem("there is no audience {audience}", audience=audience)
    return acts.draft_wave(call.house, campaign, version, int(no), audience, rehearsal=call.rehearsal, canary=canary)


def _forecast(call: Call, campaign: Campaign, version: int, no: str, chosen: str) -> dict[str, Any]:
    draft = _drafted(call, campaign, version, no, chosen)
    with call.house.begin() as conn:
        by_carrier = lists.by_carrier(conn, draft.audience)
    foreseen = foresight.of_draft(call.house, draft, by_carrier)
    return {"draft": draft, "foreseen": foreseen, "reach": sum(by_carrier.values()),
            "unrouted": [each for each in by_carrier if each not in draft.accounts]}  # fmt: skip


def plan(call: Call) -> Response:
    """Plan the wave and submit it: from now on only another person's word is missing."""
    name, no, chosen = str(call.request.path_params["name"]), call.form.get("wave", ""), call.form.get("list", "")
    with call.house.begin() as conn:
        campaign, version = registry.get_campaign(conn, name)
    seeds = seeds_of(call)
    try:
        draft = _drafted(call, campaign, version, no, chosen, canary=seeds.wanted)
        with call.house.begin() as conn:
            seeding.take(call.house, conn, call.who, name, seeds)
            wave = acts.plan_in(call.house, conn, draft, call.who.login)
    except Problem as problem:
        wrong = "; ".join(call.words.problem(each) for each in problem.each())
        return _page(call, no, chosen, wrong, 422, at=SEEDS if seeds.wanted else "wave")
    return to(f"/console/waves/{wave.id}/approve")


def report(call: Call) -> Response:
    """The report on a wave as a letter: totals only, no number in it."""
    from dispatcher import papers  # noqa: PLC0415 - python-docx is 0.1 s that other pages need not wait for

    wave = call.wave()
    folder = call.house.folder("incoming") / secrets.token_hex(8)
    folder.mkdir(mode=0o700)
    try:
        path = papers.write_report(call.house, wave, folder, call.who.login)["docx"]
        return Response(path.read_bytes(), 200,
                        HEADERS | {"Content-Disposition": f'attachment; filename="{path.name}"'}, DOCX)  # fmt: skip
    finally:
        shutil.rmtree(folder)
