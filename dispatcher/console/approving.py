"""Approval on one page: who asks, how many, what, since when changed, when, at what price; then a count and a code."""

from __future__ import annotations

import difflib
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.doubts import doubts
from campaigns.ledger import audiences, canaries, deputies, late, lists, people, registry, suppression, waves
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, Verdict
from dispatcher import foresight
from dispatcher.auth import NotAllowed
from dispatcher.console import trials
from dispatcher.console.call import APPROVERS, Call, to
from dispatcher.console.pages import show
from dispatcher.console.signing import check_code
from dispatcher.console.snapshots import Snapshots
from dispatcher.console.steering import plain_count
from dispatcher.going import planned_budget, planned_calls, planned_canary

RETURNED = "returned: {reason}"


def approve_page(call: Call) -> Response:
    """The decision on one screen of a phone, in the order of a leader's questions; evidence is folded below it."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200, *, at: str = "count") -> Response:
    """The page; `at` is the field that `wrong` speaks of."""
    with call.house.begin() as conn:
        wave = waves.get(conn, call.wave())
        campaign, _ = registry.get_campaign(conn, wave.campaign, wave.version)
        given, known = waves.approvals(conn, wave), people.names(conn)
        able, before = people.approvers(conn, wave.author, wave.reopened_by), _before(conn, wave)
        facts, apart = _facts(conn, wave, before), _apart(call, conn, wave)
        seeds = canaries.phones(conn, wave.id, call.house.keys(wave.campaign))
        principal = deputies.stands_for(conn, call.who.login)
    return show(
        call, "approve.html", status, wave=wave, campaign=campaign, approvals=given, people=known, wrong=wrong,
        why_not=_why_not(call, wave, [each.person for each in given], apart), able=able, apart=apart,
        principal=principal, differs=differs(wave), approved={each.choice for each in given},
        doubts=doubts(campaign.text),
        budget=[*planned_budget(call.words, wave.plan), *planned_calls(call.words, wave.plan)],
        canary=planned_canary(call.words, wave.plan), seeds=seeds,
        foreseen=foresight.of_longest(call.house, wave),
        choices=_choices(wave), code=wave.plan_hash, ceiling=wave.plan["ceiling"], picked=call.form.get("choice", ""),
        why=call.form.get("reason", ""), at=at, trials=trials.notes(call, wave),
        carriers=call.networks, **facts,
    )  # fmt: skip


def _facts(conn: psycopg.Connection, wave: Wave, before: Wave | None) -> dict[str, Any]:
    """What the page holds of the list, what has changed and why, and who got this text before."""
    counted = {Verdict(name): n for name, n in audiences.verdict_counts(conn, wave.audience).items() if n}
    audience, changed = lists.audience(conn, wave.audience), changes(before, wave)
    if before and (was := lists.audience(conn, before.audience).name) != audience.name:
        changed.insert(0, ("the list", was, audience.name))
    return {
        "audience": audience,
        "verdicts": list(counted.items()),
        "left_out": [(verdict, n) for verdict, n in counted.items() if verdict is not Verdict.ACCEPTED],
        "changes": changed,
        "why_changed": waves.reason(conn, before.id) if before else "",
        "again": suppression.repeats(conn, wave.id) if wave.state == "planned" else [],
    }


def _choices(wave: Wave) -> list[tuple[str, dict[str, Any], int]]:
    """(choice, text, its dong): the proposed correction first, as it must be looked at."""
    most = max(int(text["segments"]) for text in wave.plan["texts"].values())
    dong = int(wave.plan["ceiling"]["dong"])
    order = sorted(
        [wave.choice] if wave.choice else wave.plan["texts"],
        key=lambda choice: {"corrected": 0, "verbatim": 1}.get(choice, 2),
    )
    return [(choice, wave.plan["texts"][choice], dong * int(wave.plan["texts"][choice]["segments"]) // most)
            for choice in order]  # fmt: skip


def _apart(call: Call, conn: psycopg.Connection, wave: Wave) -> str:
    """Why a deputy or a principal may not approve this; "" for everybody else."""
    try:
        waves.must_be_apart(conn, wave, call.who)
    except Problem as problem:
        return call.words.problem(problem)
    return ""


def _why_not(call: Call, wave: Wave, given: list[str], apart: str) -> str:
    """Why this person has no form here; "" when there is one."""
    if wave.state != "planned":
        return "decided"
    if not call.has(*APPROVERS):
        return "role"
    if call.who.login in {wave.author, wave.reopened_by}:
        return "own"
    if call.who.login in given:
        return "given"
    return "apart" if apart else ""


def _before(conn: psycopg.Connection, wave: Wave) -> Wave | None:
    """The plan of the same wave that was returned or cancelled last."""
    found = [each for each in waves.all_waves(conn) if each.campaign == wave.campaign and each.no == wave.no]
    return next((each for each in found if each.planned_at < wave.planned_at), None)


def changes(before: Wave | None, wave: Wave) -> list[tuple[str, str, str]]:
    """(what, before, now) of everything that an approver would ask about."""
    if before is None:
        return []
    found = []
    for choice, text in wave.plan["texts"].items():
        old = before.plan["texts"].get(choice, {}).get("text", "")
        found += [("the text", *pair) for pair in word_changes(old, text["text"])]
    for what, place, name in (("people", "audience", "n"), ("opens", "window", "opens"), ("dong", "ceiling", "dong")):
        old, new = before.plan[place][name], wave.plan[place][name]
        found += [(what, old, new)] if old != new else []
    return list(dict.fromkeys(found))


def differs(wave: Wave) -> tuple[int, list[tuple[str, str]]]:
    """How many words of the ordered text are corrected, and which; (0, []) where there is only one text."""
    texts = wave.plan["texts"]
    if not {"verbatim", "corrected"} <= set(texts):
        return 0, []
    pairs = word_changes(texts["verbatim"]["text"], texts["corrected"]["text"])
    return sum(max(len(old.split()), len(new.split())) for old, new in pairs), pairs


def word_changes(old: str, new: str) -> list[tuple[str, str]]:
    """The words that differ, with what stood in their place."""
    was, now = old.split(), new.split()
    matched = difflib.SequenceMatcher(a=was, b=now, autojunk=False).get_opcodes()
    return [(" ".join(was[a:b]), " ".join(now[c:d])) for tag, a, b, c, d in matched if tag != "equal"]


def approve(call: Call) -> Response:
    """Approve exactly what was read: the hash travels in the form, the count is typed, the code is good once."""
    with call.house.begin() as conn:
        waves.must_be_apart(conn, _may_decide(conn, call), call.who)
        unsaid = _lacks_reason(call)
        wrong = unsaid or check_code(call, conn)
    if wrong:
        return _page(call, wrong, 422, at="why-choice" if unsaid else "code")
    try:
        with call.house.begin() as conn:
            foresight.approve(
                call.house, conn, call.wave(), call.who, typed=plain_count(call.form.get("count", "")),
                choice=call.form.get("choice", ""), reason=call.form.get("reason", "")[:500],
                plan_hash=call.form.get("hash", ""),
            )  # fmt: skip
    except Problem as problem:
        return _page(call, call.words.problem(problem), 409)
    return to(f"/console/waves/{call.wave()}")


def _lacks_reason(call: Call) -> str:
    if call.form.get("choice") == "corrected" and not call.form.get("reason", "").strip():
        return call.words.say("write why the ordered text is corrected: the report cites it")
    return ""


def _may_decide(conn: psycopg.Connection, call: Call) -> Wave:
    """Before a code is looked at: it is not used up by a form that is refused anyway."""
    wave = waves.get(conn, call.wave())
    if wave.author == call.who.login:
        raise NotAllowed("{login} planned this wave and may not approve it: another person must", login=call.who.login)
    if wave.reopened_by == call.who.login:
        raise NotAllowed("{login} gave this wave new hours and may not approve them: another person must",
                         login=call.who.login)  # fmt: skip
    if wave.state != "planned":
        raise Problem("wave {wave} is {state}: only a planned wave can be approved", wave=wave.id, state=wave.state)
    return wave


def send_back(call: Call) -> Response:
    """Return a plan to its author with a reason; a changed one is a new plan with a new hash."""
    reason = call.form.get("why", "").strip()[:500]
    if not reason:
        return _page(call, call.words.say("write why it is returned: the author must know what to change"), 422,
                     at="why")  # fmt: skip
    with call.house.begin() as conn:
        wave = _may_decide(conn, call)
        if call.form.get("hash", "") != wave.plan_hash:
            raise Problem("the plan has changed since it was shown: look at it again")
        if wave.started_at:
            late.ask_again(conn, wave.id)  # part of it has left: its question stands again
        else:
            waves.move(conn, wave.id, call.who.login, "cancel", call.words.say(RETURNED, reason=reason))
        people.record(conn, call.who.login, "wave.return", str(wave.id), reason=reason, plan_hash=wave.plan_hash)
    snapshots: Snapshots = call.request.app.state.snapshots
    snapshots.forget(wave.id)
    return to(f"/console/waves/{wave.id}")
