"""A draft's last step: submitted by the acts of every face, withdrawn while nobody has decided."""

from __future__ import annotations

from starlette.responses import Response

from campaigns.ledger.drafts import Draft
from campaigns.terms import Problem
from dispatcher import drafts as house_drafts
from dispatcher.console import drafting, planning
from dispatcher.console.call import Call, id_of, to
from dispatcher.console.draft_steps import seen_mark


def submit(call: Call) -> Response:
    """Define, plan or order; nothing is left half. Each warning must have been ticked."""
    draft = drafting.draft_of(call)
    told = house_drafts.read(call.house, draft.fields)
    if told.faults:
        return drafting.page(call, draft, "review", wrong=drafting.told(call, told.faults), status=422)
    with call.house.begin() as conn:
        unseen = [each for each in house_drafts.to_see(call.house, conn, told.campaign)
                  if not call.form.get(seen_mark(each))]  # fmt: skip
    if unseen:
        wrong = [(seen_mark(each), call.words.say("not ticked yet: {problem}", problem=each)) for each in unseen]
        return drafting.page(call, draft, "review", wrong=wrong, status=422)
    chosen = [wave.no for wave in told.campaign.waves if call.form.get(f"wave_{wave.no}")]
    try:
        house_drafts.submit(call.house, draft.id, id_of(call.form.get("base", "")), call.who, chosen,
                            rehearsal=call.rehearsal, seeds=planning.seeds_of(call))  # fmt: skip
    except Problem as problem:
        return _refused(call, draft, problem)
    return to(drafting.step_path(draft.id, "review"))


def withdraw(call: Call) -> Response:
    """Take the submission back: its plans or orders are cancelled, the draft is open again."""
    draft = drafting.draft_of(call)
    try:
        house_drafts.withdraw(call.house, draft.id, id_of(call.form.get("base", "")), call.who,
                              call.words.say("withdrawn to be changed"))  # fmt: skip
    except Problem as problem:
        return _refused(call, draft, problem)
    return to(drafting.step_path(draft.id, "review"))


def _refused(call: Call, draft: Draft, problem: Problem) -> Response:
    at = planning.SEEDS if call.given[planning.SEEDS] else "review"
    return drafting.page(call, draft, "review", wrong=[(at, call.words.problem(each)) for each in problem.each()],
                         status=409)  # fmt: skip
