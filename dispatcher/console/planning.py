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
from campaigns.ledger import audiences, lists, registry
from campaigns.ledger.lists import Audience
from campaigns.ledger.plans import Draft
from campaigns.terms import Problem, Verdict
from config.carriers import load_carriers
from dispatcher import acts, foresight
from dispatcher.console.call import Call, id_of, to
from dispatcher.console.pages import HEADERS, show

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def plan_page(call: Call) -> Response:
    """Which wave, which list; once both are chosen, what it will cost and when it will be done."""
    return _page(call, call.request.query_params.get("wave", ""), call.request.query_params.get("list", ""), "")


def _page(call: Call, no: str, chosen: str, wrong: str, status: int = 200) -> Response:
    name = str(call.request.path_params["name"])
    with call.house.begin() as conn:
        campaign, version = registry.get_campaign(conn, name)
        found = _usable(conn, name)
    facts: dict[str, Any] = {"foreseen": None, "draft": None, "reach": 0, "over": False, "unrouted": []}
    if no and chosen and not wrong:
        try:
            facts |= _forecast(call, campaign, version, no, chosen)
        except Problem as problem:
            wrong, status = call.words.problem(problem), 422
    named = {each.id: each.name for each in load_carriers(call.house.settings.carriers_file)}
    return show(call, "plan.html", status, campaign=campaign, lists=found, no=no, chosen=chosen, wrong=wrong,
                carriers=named, is_over=_is_over(call), **facts)  # fmt: skip


def _is_over(call: Call) -> Any:
    """Whether a wave of the definition is gone by; in a rehearsal none is, it opens now."""
    now = datetime.now(UTC)
    return lambda wave: not call.rehearsal and schedule.is_over(wave, now)


def _usable(conn: psycopg.Connection, campaign: str) -> list[tuple[Audience, int]]:
    """Lists with people to text, newest first."""
    found = [(each, audiences.verdict_counts(conn, each.id)[Verdict.ACCEPTED.value])
             for each in lists.of_campaign(conn, campaign)]  # fmt: skip
    return [(each, n) for each, n in found if n]


def _drafted(call: Call, campaign: Campaign, version: int, no: str, chosen: str) -> Draft:
    if not (no.isascii() and no.isdigit() and len(no) < 4):  # noqa: PLR2004 - a campaign has a few waves
        raise Problem("campaign {name} has no wave {no}", name=campaign.name, no=no[:10])
    audience = id_of(chosen)
    with call.house.begin() as conn:
        if lists.audience(conn, audience).campaign != campaign.name:
            raise Problem("there is no audience {audience}", audience=audience)
    return acts.draft_wave(call.house, campaign, version, int(no), audience, rehearsal=call.rehearsal)


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
    try:
        wave = acts.plan_wave(call.house, _drafted(call, campaign, version, no, chosen), call.who.login)
    except Problem as problem:
        return _page(call, no, chosen, call.words.problem(problem), 422)
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
