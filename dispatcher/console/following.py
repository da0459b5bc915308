"""After a wave: a correction, or its text again, for exactly whom it concerns; looked at, then planned as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import psycopg
from starlette.responses import Response

from campaigns import text
from campaigns.forecast import Forecast
from campaigns.ledger import figures, resends, waves
from campaigns.ledger.plans import Draft
from campaigns.ledger.resends import CORRECTION, FAILED, REST, Relation
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, State
from dispatcher import foresight, resending
from dispatcher.console.call import Call, to
from dispatcher.console.finding import CHIPS
from dispatcher.console.pages import show
from dispatcher.console.snapshots import Snapshots

MOST_WORDS = 2_000
"""Characters of a correction, as the API takes them."""
TITLES = {CORRECTION: "Correct {name}", FAILED: "Send {name} again to whom no carrier took it",
          REST: "Send {name} to those whose turn never came"}  # fmt: skip
REACHED = {CORRECTION: "people whose phones may have got the text would get the correction",
           FAILED: "people whom no carrier took before tries or hours ran out would get the text again",
           REST: "people whose turn never came would get the text"}  # fmt: skip
STATES = {CORRECTION: (State.UNCERTAIN, State.ACCEPTED, State.DELIVERED), FAILED: (State.EXPIRED,),
          REST: (State.CANCELLED,)}  # fmt: skip
"""Of which states each kind is, as resend_states() in the ledger has it; a test holds the two together."""


class After(NamedTuple):
    """What a wave's page tells of the waves around it."""

    relations: list[Relation]
    reach: Mapping[str, int]  # kind -> people by the counters; none: it may still send, or never began


def after(conn: psycopg.Connection, wave: Wave) -> After:
    """From counters only: no message is read for it."""
    found = resends.relations(conn, wave.id)
    if wave.started_at is None or wave.state not in {"cancelled", "finished"}:
        return After(found, {})
    there = {each.kind for each in found if not each.before}
    standing = figures.standing(conn, wave.id)
    reach = {kind: sum(each.counts.get(state, 0) for each in standing for state in states)
             for kind, states in STATES.items() if kind not in there}  # fmt: skip
    return After(found, {kind: n for kind, n in reach.items() if n})


def correct_page(call: Call) -> Response:
    """Whom a correction reaches and a text to begin with; a wave that may still send is stopped for good first."""
    return _page(call, CORRECTION, "")


def resend_page(call: Call) -> Response:
    """Whom the same text would reach, for `to` in the address."""
    return _page(call, _kind(call.request.query_params.get("to", FAILED)), "")


def _kind(said: str) -> str:
    if said not in {FAILED, REST}:
        raise Problem("{value} is nobody: say --to failed or --to rest", value=said[:20])
    return said


def _page(call: Call, kind: str, wrong: str, status: int = 200, *, changed: bool = False) -> Response:
    with call.house.begin() as conn:
        wave = waves.get(conn, call.wave())
        there = next((each for each in resends.relations(conn, wave.id) if each.kind == kind and not each.before), None)
        waits = _waits(conn, wave, kind)
    facts: dict[str, Any] = {"offer": None, "draft": None, "foreseen": None, "snap": None, "said": "", "waits": waits}
    if wave.started_at and wave.state not in {"cancelled", "finished"}:
        facts |= {"snap": Snapshots(call.house).of(wave.id), "waits": None}  # of this moment: its count is to be typed
    elif not there and waits is None:
        found, problem = _offered(call, wave, kind)
        facts |= found
        if problem and not wrong:
            wrong, status = call.words.problem(problem), 422
    named = call.networks
    return show(
        call, "follow.html", status, wave=wave, kind=kind, there=there, wrong=wrong, changed=changed, carriers=named,
        title=call.words.say(TITLES[kind], name=wave.name), reached=REACHED[kind], chips=CHIPS, then=kind,
        most=MOST_WORDS, **facts,
    )  # fmt: skip


def _waits(conn: psycopg.Connection, wave: Wave, kind: str) -> Problem | None:
    """Why nothing can follow now."""
    try:
        resends.must_be_over(conn, wave, kind)
    except Problem as problem:
        return problem
    return None


def _offered(call: Call, wave: Wave, kind: str) -> tuple[dict[str, Any], Problem | None]:
    """Reach, text as a phone shows it, segments and cost; and what is wrong with the words, if anything."""
    offer = resending.offer(call.house, wave.id, kind)
    said = call.form["text"][:MOST_WORDS] if "text" in call.form else offer.text
    try:
        draft, foreseen = _drafted(call, wave, kind, said, offer.chosen.carriers)
    except Problem as problem:
        return {"offer": offer, "said": said}, problem
    return {"offer": offer, "said": said, "draft": draft, "foreseen": foreseen}, None


def _drafted(call: Call, wave: Wave, kind: str, said: str, carriers: Mapping[str, int]) -> tuple[Draft, Forecast]:
    draft = resending.draft(call.house, wave.id, kind, said)
    return draft, foresight.of_draft(call.house, draft, carriers)


def correct(call: Call) -> Response:
    """Show the words as a phone shows them; plan them once they are those that were shown."""
    if call.form.get("act") != "plan":
        return _page(call, CORRECTION, "")
    if text.sha256(_words(call).strip()) != call.form.get("seen", ""):
        return _page(call, CORRECTION, "", changed=True)
    return _planned(call, CORRECTION, _words(call))


def _words(call: Call) -> str:
    return call.form.get("text", "").replace("\r\n", "\n")[:MOST_WORDS]


def resend(call: Call) -> Response:
    """Plan the same text again, for `to` of the form."""
    return _planned(call, _kind(call.form.get("to", "")), "")


def _planned(call: Call, kind: str, words: str) -> Response:
    try:
        made = resending.plan(call.house, call.wave(), kind, call.who, words)
    except Problem as problem:
        return _page(call, kind, call.words.problem(problem), 422)
    return to(f"/console/waves/{made.id}/approve")
