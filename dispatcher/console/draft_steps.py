"""What each step's page of a draft shows beside its fields."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import psycopg

from campaigns import drafting, facts, letter, proposals, text
from campaigns.definition import Campaign, variants
from campaigns.doubts import doubts
from campaigns.drafting import CORRECTIONS, WAVES, Fields, Read
from campaigns.facts import TextFacts
from campaigns.ledger import audiences, draft_files, drafts, lists, orders, waves
from campaigns.ledger.drafts import Draft
from campaigns.letter import PICTURES
from campaigns.preview import Preview, costs, preview
from campaigns.proposals import Proposal
from campaigns.schedule import ZONE
from campaigns.terms import Problem, Verdict
from dispatcher import acts, standards
from dispatcher import drafts as house_drafts
from dispatcher.console import draft_fields, months
from dispatcher.console.call import Call
from dispatcher.console.pages import local
from dispatcher.console.planning import seeds_in_use

Facts = dict[str, Any]
PLACES = 5
"""Of a list, the places with the most people: a list of the wrong district is seen by them."""
FEWER = 20
"""Percent by which a list may differ from the one before it without a word."""


def today() -> date:
    """The day in the province."""
    return local(datetime.now(UTC)).date()


# -- letter ------------------------------------------------------------------------------------------------------------


def letter_facts(call: Call, draft: Draft, _told: Read, said: Fields) -> Facts:
    """What the letter's own words suggest for each field, with the line it was read from; and its files."""
    with call.house.begin() as conn:
        files = draft_files.of_draft(conn, draft.id)
    found = proposals.propose(said["letter"]) if said.get("letter") else None
    return {"suggested": _suggested(found) if found else {}, "fill": "fill" in call.request.query_params,
            "lines": said.get("letter", "").count("\n") + 1, "papers": files, "pictures": PICTURES,
            "kinds": draft_fields.KINDS,
            "most": min(call.house.settings.upload_bytes, letter.MOST_BYTES) // 1_000_000}  # fmt: skip


def _suggested(found: Proposal) -> dict[str, tuple[str, int, str]]:
    """Field -> (value as it would be typed, line, that line)."""
    firsts = {name: getattr(found, name)[0] for name in ("number", "date", "place", "issuer", "subject", "basis")
              if getattr(found, name)}  # fmt: skip
    told = {name: (each.value, each.line, each.source) for name, each in firsts.items()}
    if found.deadlines:
        told["report_before"] = (found.deadlines[0].value, found.deadlines[0].line, found.deadlines[0].source)
    for each in found.periods[:1]:
        first, _, last = each.value.partition("/")
        told |= {"peak_from": (first, each.line, each.source), "peak_to": (last, each.line, each.source)}
    return {name: (_typed(value), line, source[:160]) for name, (value, line, source) in told.items()}


def _typed(value: str) -> str:
    """A day of a proposal as people write it."""
    try:
        return drafting.written(date.fromisoformat(value))
    except ValueError:
        return value


# -- text --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Form:
    """The text in one of its two forms."""

    key: str  # accented | plain
    text: TextFacts
    phones: list[list[Preview]]  # carriers that show the same stand together
    dong: int  # for the list, or for one person; 0: no price is known
    people: int  # of the list; 0: none is chosen


def text_facts(call: Call, _draft: Draft, told: Read, said: Fields) -> Facts:
    """Both forms as phones show them, what they cost, and what looks misspelt."""
    content = _as_sent(told.campaign)
    with call.house.begin() as conn:
        by_carrier = _by_carrier(conn, told.campaign, said)
    both = {"accented": content, "plain": text.unaccent(content)} if content else {}
    forms = [_form(call, told, said, key, form, by_carrier) for key, form in both.items()]
    quoted = proposals.propose(said["letter"]).text[:3] if said.get("letter") and not said.get("verbatim") else ()
    return {
        "forms": forms, "costly": costs(content)[:12], "corrections": _corrections(told.campaign, said),
        "quoted": quoted, "classes": draft_fields.CLASSES, "plain_form": drafting.PLAIN_FORM,
        "numbers": told.campaign.text.hotlines, "vouched": said.get("vouched_by") or call.who.name,
    } | _taken(call, quoted)  # fmt: skip


def _taken(call: Call, quoted: Any) -> Facts:
    """The quotation that somebody wants to begin with; it is saved by the form alone."""
    at = call.request.query_params.get("take", "")
    return {"take": quoted[int(at)].value if at.isdecimal() and int(at[:2]) < len(quoted) else ""}


def _as_sent(campaign: Campaign) -> str:
    """The text with its corrections, as the preview shows it."""
    return list(variants(campaign).values())[-1].text


def _form(call: Call, told: Read, said: Fields, key: str, content: str, by_carrier: Mapping[str, int]) -> Form:
    campaign = told.campaign
    senders = {each.carrier: each.name for each in campaign.senders} or dict.fromkeys(
        house_drafts.carriers(call.house), said.get("sender", "")
    )
    limits = standards.limits(call.house.settings)
    found = preview(content, senders, limits, campaign.text.class_.value, today())
    same: dict[tuple[str, str, int, str], list[Preview]] = {}
    for each in found:
        same.setdefault((each.sender, each.label, each.billed.segments, str(each.refusal)), []).append(each)
    prices = _prices(call, said)
    paid = by_carrier or dict.fromkeys(list(prices)[:1], 1)
    billed = {each.carrier: each.billed.segments for each in found}
    dong = sum(n * billed.get(carrier, 0) * prices.get(carrier, 0) for carrier, n in paid.items())
    return Form(key, facts.of_text(content), list(same.values()), dong, sum(by_carrier.values()))


def _prices(call: Call, said: Fields) -> dict[str, int]:
    """Carrier -> dong a segment by the account that was chosen for it; in a rehearsal by the simulated one."""
    accounts = call.house.accounts
    found = {}
    for carrier in house_drafts.carriers(call.house):
        names = said.get(f"route_{carrier}", "").split()
        ours = [each for each in accounts.values() if each.simulated and carrier in each.carriers]
        chosen = ours if call.rehearsal else [accounts[name] for name in names if name in accounts]
        if chosen:
            found[carrier] = max(each.price for each in chosen)
    return found


def _corrections(campaign: Campaign, said: Fields) -> list[dict[str, Any]]:
    """Rows of the form: what was decided, then each suspect that was not, then one row to write in."""
    rows: list[dict[str, Any]] = [
        {part: said.get(f"c{no}_{part}", "") for part in drafting.CORRECTION_PARTS}
        for no in range(1, CORRECTIONS + 1)
        if said.get(f"c{no}_found")
    ]
    known = {row["found"] for row in rows}
    suspects = doubts(campaign.text)
    lines = {each.found: each for each in suspects}
    rows += [{"found": each.found, "suggested": each.suggested, "choice": "", "reason": each.reason}
             for each in suspects if each.found not in known]  # fmt: skip
    rows.append({"found": "", "suggested": "", "choice": "", "reason": ""})
    return [
        row | {"no": no, "doubt": lines.get(row["found"]), "free": not row["found"]}
        for no, row in enumerate(rows[:CORRECTIONS], 1)
    ]


# -- people ------------------------------------------------------------------------------------------------------------


def people_facts(call: Call, _draft: Draft, told: Read, said: Fields) -> Facts:
    """The lists of this campaign, the chosen one with its verdicts and places, and who could carry each carrier."""
    with call.house.begin() as conn:
        chosen = house_drafts.audience_of(conn, told.campaign, said)
        known = lists.of_campaign(conn, told.campaign.name) if told.campaign.name else []
        counted = [(each, audiences.verdict_counts(conn, each.id)) for each in known]
        places = _places(conn, chosen.id) if chosen else []
    valid = {each.id: n[Verdict.ACCEPTED.value] for each, n in counted}
    return {
        "lists": [(each, valid[each.id]) for each in known], "chosen": chosen, "places": places,
        "verdicts": {Verdict(name): n for each, found in counted if chosen and each.id == chosen.id
                     for name, n in found.items()},
        "differs": _differs(chosen, valid), "ways": draft_fields.WAYS, "verdict": Verdict,
        "accounts": {each: house_drafts.ranked(call.house, each) for each in house_drafts.carriers(call.house)},
        "most": call.house.settings.upload_bytes // 1_000_000, "area": said.get("area") or _area(told.campaign),
        "deadline": said.get("deadline") or _deadline(told.campaign),
    }  # fmt: skip


def _area(campaign: Campaign) -> str:
    return f"tỉnh {campaign.mandate.place}" if campaign.mandate.place else ""


def _deadline(campaign: Campaign) -> str:
    return house_drafts.deadline(campaign) if campaign.mandate.report_before != date.min else ""


def _places(conn: psycopg.Connection, audience: int) -> list[tuple[str, int]]:
    """The places with the most people; rows without an area are none."""
    names = acts.units().names
    counted: dict[int, int] = {}
    for _, unit, n in lists.tags(conn, audience):
        counted[unit] = counted.get(unit, 0) + n
    ranked = sorted(counted.items(), key=lambda each: -each[1])
    return [(names.get(unit, ""), n) for unit, n in ranked[:PLACES]]


def _differs(chosen: lists.Audience | None, valid: Mapping[int, int]) -> int:
    """Percent by which the chosen list is larger (smaller: negative) than the one before it; 0 within FEWER."""
    older = list(valid)
    if chosen is None or chosen.id not in older or older[-1] == chosen.id:
        return 0
    before = valid[older[older.index(chosen.id) + 1]]
    percent = round(100 * (valid[chosen.id] - before) / before) if before else 0
    return percent if abs(percent) > FEWER else 0


def _by_carrier(conn: psycopg.Connection, campaign: Campaign, said: Fields) -> dict[str, int]:
    chosen = house_drafts.audience_of(conn, campaign, said)
    return lists.by_carrier(conn, chosen.id) if chosen and said.get("way") != drafting.BY_ORDERS else {}


# -- schedule ----------------------------------------------------------------------------------------------------------


def schedule_facts(call: Call, _draft: Draft, told: Read, said: Fields) -> Facts:
    """Rows of the form, and the months and the day that picture them."""
    day = months.day_of(call.request.query_params.get("day", "")) or next(
        (each.date for each in told.campaign.waves), None
    )
    with call.house.begin() as conn:
        there = [each for each in waves.all_waves(conn) if each.state != "cancelled"]
    rows, more = drafting.wave_numbers(said), "more" in call.request.query_params
    suggested = {} if rows else months.suggested(told.campaign, today())
    filled = suggested if "suggest" in call.request.query_params else {}
    used = rows or sorted({int(name[1]) for name in filled})
    return {
        "months": months.months(told.campaign, there, today()), "filled": filled, "suggested": suggested,
        "numbers": ([*used, max(used, default=0) + 1] if more or not used else used)[:WAVES], "quiet": months.QUIET,
        "day_shown": months.one_day(told.campaign, there, day, today()) if day else None,
    }  # fmt: skip


# -- forecast and check ------------------------------------------------------------------------------------------------


def forecast_facts(call: Call, _draft: Draft, told: Read, said: Fields) -> Facts:
    """What each wave will cost and when it will be done."""
    with call.house.begin() as conn:
        chosen = house_drafts.audience_of(conn, told.campaign, said)
    by_orders = said.get("way") == drafting.BY_ORDERS
    reckoned = chosen and not by_orders
    found = house_drafts.foresee(call.house, told.campaign, said, rehearsal=call.rehearsal) if reckoned else []
    sums = [each.forecast for each in found if each.forecast]
    return {
        "foreseen": found, "chosen": chosen, "by_orders": by_orders, "dong": sum(each.dong for each in sums),
        "segments": sum(each.segments for each in sums), "people_n": max((each.recipients for each in sums), default=0),
        "asked": [name for each, name in house_drafts.carriers(call.house).items() if said.get(f"order_{each}")],
    }  # fmt: skip


def seen_mark(problem: Problem) -> str:
    """The name of the tick of one warning; a warning with other figures is another one."""
    return "seen_" + hashlib.sha256(str(problem).encode()).hexdigest()[:12]


def review_facts(call: Call, draft: Draft, told: Read, said: Fields) -> Facts:
    """Everything on one page, what must have been seen, and what became of a submission."""
    with call.house.begin() as conn:
        seen = house_drafts.to_see(call.house, conn, told.campaign) if not told.faults else []
        made = drafts.submission(conn, draft.id) if draft.state is not drafting.DraftState.OPEN else {}
        planned = [waves.get(conn, int(each)) for each in made.get("waves", ())]
        ordered = [orders.get(conn, int(each)) for each in made.get("orders", ())]
        lacks = waves.lacking(conn)
        seeds = seeds_in_use(call, conn, told.campaign.name) if told.campaign.name else []
        decided = any(waves.approvals(conn, each) or each.started_at for each in planned)
    return forecast_facts(call, draft, told, said) | {
        "lacking": told.faults, "to_see": seen, "seen_mark": seen_mark, "made": made, "planned": planned,
        "lacking_approval": lacks, "ordered": ordered,
        "decided": decided, "say_fault": lambda each: draft_fields.told(
            call.words, each, house_drafts.carriers(call.house)),
        "ahead": house_drafts.ahead(told.campaign, rehearsal=call.rehearsal), "states": drafting.DraftState,
        "plain": house_drafts.variant_of(told.campaign), "sent": _as_sent(told.campaign), "zone": ZONE,
        "measured": facts.of_text(_as_sent(told.campaign)), "seeds": seeds,
    }  # fmt: skip


FACTS: Mapping[str, Callable[[Call, Draft, Read, Fields], Facts]] = {
    "letter": letter_facts, "text": text_facts, "people": people_facts, "schedule": schedule_facts,
    "forecast": forecast_facts, "review": review_facts,
}  # fmt: skip
