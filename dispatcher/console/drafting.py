"""Drafts on pages: begun, written step by step in any order, compared, deleted and taken back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns import drafting, text
from campaigns.drafting import STEPS, WRITTEN, DraftState, Fault, Fields
from campaigns.ledger import drafts, lists, people, registry
from campaigns.ledger.drafts import Draft, Overtaken
from campaigns.terms import Absent, Problem
from dispatcher import acts
from dispatcher import drafts as house_drafts
from dispatcher.console import draft_fields
from dispatcher.console.approving import word_changes
from dispatcher.console.call import Call, id_of, to
from dispatcher.console.draft_steps import FACTS
from dispatcher.console.pages import local, show

MOST_SIGNS = 40_000
"""Of one field: a letter of many pages."""
LONG = ("verbatim", "letter", "extract")
"""Fields in which only the words that differ are shown."""


def drafts_page(call: Call) -> Response:
    """Drafts that people write, those that were submitted, and those that can still be taken back."""
    with call.house.begin() as conn:
        found, known = drafts.all_drafts(conn), people.names(conn)
        campaigns = [registry.get_campaign(conn, name)[0] for name, *_ in registry.list_campaigns(conn)]
    open_ones = [(each, *_done(call, each)) for each in found if each.state is DraftState.OPEN]
    return show(
        call, "drafts.html", open_ones=open_ones, submitted=_in(found, DraftState.SUBMITTED),
        deleted=_in(found, DraftState.DELETED), people=known, campaigns=campaigns, name_of=name_of,
    )  # fmt: skip


def _in(found: Sequence[Draft], state: DraftState) -> list[Draft]:
    return [each for each in found if each.state is state]


def _done(call: Call, draft: Draft) -> tuple[int, str]:
    """How many of the written steps are whole, and the first that is not."""
    told = house_drafts.read(call.house, draft.fields)
    open_steps = [step for step in WRITTEN if told.of(step)]
    return len(WRITTEN) - len(open_steps), (open_steps or ["review"])[0]


def name_of(call: Call, draft: Draft) -> str:
    """What a draft is called in lists: its title, its letter's number, or that it has none yet."""
    fields = draft.fields
    return fields.get("title") or fields.get("number") or call.words.say("Draft without a name")


def begin(call: Call) -> Response:
    """A new draft; its author is sent to its first step."""
    draft = house_drafts.begin(call.house, call.who, call.form.get("campaign", "")[:100])
    return to(step_path(draft.id, "letter"))


def step_path(draft: int, step: str) -> str:
    """Where a step of a draft is written."""
    return f"/console/drafts/{draft}/steps/{step}"


def open_draft(call: Call) -> Response:
    """Where a draft goes on: its first step that is not whole, or what became of it."""
    draft = draft_of(call)
    if draft.state is DraftState.OPEN:
        return to(step_path(draft.id, _done(call, draft)[1]))
    return to(f"/console/drafts/{draft.id}/versions" if draft.state is DraftState.DELETED
              else step_path(draft.id, "review"))  # fmt: skip


def draft_of(call: Call) -> Draft:
    """The draft of the path."""
    with call.house.begin() as conn:
        return drafts.get(conn, call.number("draft"))


def step_page(call: Call) -> Response:
    """One step with what was typed so far."""
    return page(call, draft_of(call), step_of(call))


def step_of(call: Call) -> str:
    """The step of the path. Raises Absent."""
    step = str(call.request.path_params["step"])
    if step not in STEPS:
        raise Absent("there is no page at this address")
    return step


def page(
    call: Call, draft: Draft, step: str, *, fields: Fields | None = None, wrong: Sequence[tuple[str, str]] = (),
    status: int = 200, theirs: Mapping[str, Any] | None = None,
) -> Response:  # fmt: skip
    """A step's page; `fields` replace what is stored, `wrong` are (field, sentence) for the summary."""
    said = draft.fields if fields is None else fields
    told = house_drafts.read(call.house, said)
    carriers = house_drafts.carriers(call.house)
    with call.house.begin() as conn:
        known = people.names(conn)
    return show(
        call, f"draft_{step}.html", status, draft=draft, step=step, said=said, told=told, wrong=wrong, theirs=theirs,
        carriers=carriers, people=known, steps=_steps(told.faults, draft), label=lambda name: draft_fields.label(
            call.words, name, carriers), echo=lambda name: draft_fields.echo(call.words, name, said),
        faults=_by_field(call, told.of(step)), writes=call.has("officer", "approver")
        and draft.state is DraftState.OPEN, back=call.request.query_params.get("back", call.form.get("back", "")),
        next_step=STEPS[min(STEPS.index(step) + 1, len(STEPS) - 1)], name=name_of(call, draft),
        **FACTS[step](call, draft, told, said),
    )  # fmt: skip


def _by_field(call: Call, faults: Sequence[Fault]) -> dict[str, str]:
    """What stands at each field; what is only missing is said at the check, not while somebody writes."""
    found: dict[str, str] = {}
    for each in faults:
        if not each.missing:
            found.setdefault(each.field, call.words.problem(each.problem))
    return found


def _steps(faults: Sequence[Fault], draft: Draft) -> list[tuple[str, str, str]]:
    """(step, its name, its mark): done, wrong, or open."""
    wrong = {each.step for each in faults if not each.missing}
    lacking = {each.step for each in faults}
    lacking |= {"forecast"} if lacking & {drafting.TEXT, drafting.PEOPLE, drafting.SCHEDULE} else set()
    lacking |= set() if draft.state is DraftState.SUBMITTED else {"review"}
    return [
        (step, name, "bad" if step in wrong else "off" if step in lacking else "ok")
        for step, name in draft_fields.STEP_NAMES.items()
    ]


# -- saving ----------------------------------------------------------------------------------------------------------


def save_step(call: Call) -> Response:
    """Save what the form brings as the next version, whatever it is; then on, home, or back to what is wrong."""
    step = step_of(call)
    if step not in WRITTEN:
        raise Absent("there is no page at this address")
    names = drafting.names(step, house_drafts.carriers(call.house))
    typed = {name: _clean(call.form.get(name, "")) for name in names}
    saved = saved_or_page(call, step, drafting.without_empty_waves(typed) if step == drafting.SCHEDULE else typed)
    return saved if isinstance(saved, Response) else _onward(call, saved, step)


def saved_or_page(call: Call, step: str, changes: Mapping[str, str]) -> Draft | Response:
    """The draft with one more version, or the page on which both persons' words stand side by side."""
    try:
        with call.house.begin() as conn:
            return drafts.save(conn, call.number("draft"), id_of(call.form.get("base", "")), step, changes,
                               call.who.login)  # fmt: skip
    except Overtaken as other:
        return _compared(call, step, changes, other)


def _clean(typed: str) -> str:
    return text.normal(typed.replace("\r\n", "\n")).strip()[:MOST_SIGNS]


def _onward(call: Call, draft: Draft, step: str) -> Response:
    go = call.form.get("go", "")
    if go == "later":
        return to("/console/drafts")
    if go == "stay":
        return to(step_path(draft.id, step) + "?more=1")
    faults = [each for each in house_drafts.read(call.house, draft.fields).of(step) if not each.missing]
    if faults:
        return page(call, draft, step, wrong=told(call, faults), status=422)
    on = "review" if call.form.get("back") == "review" else STEPS[STEPS.index(step) + 1]
    return to(step_path(draft.id, on))


def told(call: Call, faults: Sequence[Fault]) -> list[tuple[str, str]]:
    """(field, sentence) of each fault, once."""
    carriers = house_drafts.carriers(call.house)
    return list(dict.fromkeys((each.field, draft_fields.told(call.words, each, carriers)) for each in faults))


def _compared(call: Call, step: str, mine: Mapping[str, str], other: Overtaken) -> Response:
    """What both have typed, side by side; the form holds mine where I changed something, else theirs."""
    was, now = other.base.fields, other.now.fields
    rows = [
        (name, was.get(name, ""), now.get(name, ""), value)
        for name, value in mine.items()
        if now.get(name, "") not in {was.get(name, ""), value}
    ]
    merged = {name: value if value != was.get(name, "") else now.get(name, "") for name, value in mine.items()}
    with call.house.begin() as conn:
        known = people.names(conn)
    who = known.get(other.now.newest.person, other.now.newest.person)
    sentence = call.words.say("{name} has changed this page at {clock}: compare, then save once more", name=who,
                              clock=call.words.time(local(other.now.newest.at)))  # fmt: skip
    return page(call, other.now, step, fields={**now, **merged}, wrong=[("theirs", sentence)], status=409,
                theirs={"rows": rows, "who": who, "at": other.now.newest.at})  # fmt: skip


def take_list(call: Call) -> Response:
    """Read a list for a draft's campaign; every row gets its verdict as on the page of lists."""
    draft = draft_of(call)
    name = house_drafts.read(call.house, draft.fields).campaign.name
    wrong = ""
    if not name:
        wrong = call.words.say("write number and day of the letter first: the list is sealed with its campaign's key")
    elif call.file is None:
        wrong = call.words.say("choose a file first: .xlsx or .csv")
    if wrong or call.file is None:
        return page(call, draft, "people", wrong=[("file", wrong)], status=422)
    try:
        audience, _ = acts.take_list(call.house, call.who, name, call.form.get("called", "").strip()[:200]
                                     or call.file.name, call.file, drafted=True)  # fmt: skip
    except Problem as problem:
        return page(call, draft, "people", wrong=[("file", call.words.problem(problem))], status=422)
    saved = saved_or_page(call, "people", {"way": drafting.BY_LIST, "audience": str(audience)})
    return saved if isinstance(saved, Response) else to(step_path(draft.id, "people"))


# -- versions, deleting ------------------------------------------------------------------------------------------------


def versions_page(call: Call) -> Response:
    """Every version with what it changed."""
    draft = draft_of(call)
    carriers = house_drafts.carriers(call.house)
    with call.house.begin() as conn:
        found, known = drafts.versions(conn, draft.id), people.names(conn)
        said = [_with_names(conn, each.fields) for each in found]
    pairs = zip(found, said, [*said[1:], {}], strict=True)
    rows = [(each, _changes(call, before, after, carriers)) for each, after, before in pairs]
    return show(call, "draft_versions.html", draft=draft, rows=rows, people=known, name=name_of(call, draft),
                step_names=draft_fields.STEP_NAMES, state=DraftState)  # fmt: skip


def _with_names(conn: psycopg.Connection, fields: Fields) -> Fields:
    """A list by its name: its id tells nobody anything."""
    chosen = fields.get("audience", "")
    return {**fields, "audience": lists.audience(conn, id_of(chosen)).name} if chosen.isdigit() else fields


def _changes(call: Call, before: Fields, after: Fields, carriers: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(label, was, is) of each field that differs; of long texts the words that do."""
    found = []
    for name in dict.fromkeys([*after, *before]):
        was, now = before.get(name, ""), after.get(name, "")
        if was == now or name == drafting.FORGET:
            continue
        pairs = word_changes(was, now)[:10] if name in LONG else [(was, now)]
        named = draft_fields.label(call.words, name, carriers)
        said = [tuple(draft_fields.shown(call.words, name, each)[:300] for each in pair) for pair in pairs]
        found += [(named, old, new) for old, new in said]
    return found


def delete(call: Call) -> Response:
    """Into "Deleted", from where it can be taken back."""
    _move(call, DraftState.DELETED)
    return to("/console/drafts")


def restore(call: Call) -> Response:
    """Back among the drafts, with all of its versions."""
    _move(call, DraftState.OPEN)
    return to(f"/console/drafts/{call.number('draft')}")


def _move(call: Call, state: DraftState) -> None:
    with call.house.begin() as conn:
        found = drafts.get(conn, call.number("draft"))
        if state is DraftState.OPEN and found.state is not DraftState.DELETED:
            raise Problem("this draft is {state}: nothing was saved", state=found.state)
        drafts.move(conn, found.id, id_of(call.form.get("base", "")), state, call.who.login)
