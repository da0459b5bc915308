"""Lists of recipients on pages: a file comes in, each row gets a verdict, and the sum is on the page."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from campaigns.ledger import audiences, lists, people, registry
from campaigns.terms import Problem, Verdict
from dispatcher import acts
from dispatcher.console.call import Call, place_of, to
from dispatcher.console.pages import HEADERS, show

ROWS = 50
"""Rows that were not accepted, on one page."""


def lists_page(call: Call) -> Response:
    """The lists of a campaign, and the form for one more."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200) -> Response:
    name = str(call.request.path_params["name"])
    with call.house.begin() as conn:
        campaign, _ = registry.get_campaign(conn, name)
        found = [(each, audiences.verdict_counts(conn, each.id)) for each in lists.of_campaign(conn, name, seeds=True)]
        known = people.names(conn)
    return show(call, "lists.html", status, campaign=campaign, lists=found, people=known, wrong=wrong,
                called=call.form.get("name", ""), most=call.house.settings.upload_bytes // 1_000_000)  # fmt: skip


def upload(call: Call) -> Response:
    """Take a file in, all of its rows or none; the page then shows what became of each."""
    if call.file is None:
        return _page(call, call.words.say("choose a file first: .xlsx or .csv"), 422)
    campaign, name = str(call.request.path_params["name"]), call.form.get("name", "").strip()[:200]
    try:
        audience, _ = acts.take_list(call.house, call.who, campaign, name or call.file.name, call.file)
    except Problem as problem:
        return _page(call, call.words.problem(problem), 422)
    return to(f"/console/lists/{audience}")


def list_page(call: Call) -> Response:
    """One list: how many may be texted, and why not the others, row by row."""
    wanted = call.number("audience")
    after = _after(call)
    with call.house.begin() as conn:
        found, counted = lists.audience(conn, wanted), audiences.verdict_counts(conn, wanted)
        rows = lists.fallen(conn, wanted, most=ROWS + 1, after=after)
        carriers, known = lists.by_carrier(conn, wanted), people.names(conn)
    named = call.networks
    return show(
        call, "list.html", found=found, counted={Verdict(name): n for name, n in counted.items()},
        whole=sum(counted.values()), valid=counted[Verdict.ACCEPTED.value], rows=rows[:ROWS], after=after,
        more=len(rows) > ROWS, each_page=ROWS, carriers={named.get(each, each): n for each, n in carriers.items()},
        people=known, verdict=Verdict, why=lambda key: lists.REASONS.get(key, key),
    )  # fmt: skip


def _after(call: Call) -> int:
    return place_of(call.request.query_params.get("after", ""), len(str(2**31)))


def verdicts(call: Call) -> Response:
    """Each row of the files as file, line, verdict, reason: what to mend, without a number in it."""
    wanted = call.number("audience")
    with call.house.begin() as conn:
        lists.audience(conn, wanted)
        people.record(conn, call.who.login, "audience.verdicts", str(wanted))
    name = f'attachment; filename="verdicts-{wanted}.csv"'
    return StreamingResponse(_lines(call, wanted), 200, HEADERS | {"Content-Disposition": name},
                             "text/csv; charset=utf-8")  # fmt: skip


def _lines(call: Call, wanted: int) -> Iterator[bytes]:
    with call.house.begin() as conn:
        yield from lists.verdict_lines(conn, wanted)
