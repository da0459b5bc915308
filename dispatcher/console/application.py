"""The console as one ASGI application: one table of routes and roles, one door that holds it."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import anyio.to_thread
from psycopg import OperationalError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from campaigns import letter
from campaigns.keeping import MOST_BYTES
from campaigns.terms import Problem
from config.problem import Problem as ConfigProblem
from dispatcher.api.errors import status_of
from dispatcher.api.upload import Room, received
from dispatcher.auth import NotAllowed
from dispatcher.callbacks import TurnedCall
from dispatcher.console import (
    approving,
    auditing,
    carrying,
    changing,
    deputizing,
    desk,
    drafting,
    finding,
    following,
    lettering,
    listing,
    ordering,
    persons,
    planning,
    proposing,
    provincial,
    routing,
    signing,
    steering,
    stopping,
    submitting,
    timing,
    trials,
    waving,
)
from dispatcher.console.call import (
    APPROVERS,
    EVERYBODY,
    HANDS,
    OPERATORS,
    PRINCIPALS,
    RECORDERS,
    SEEKERS,
    SIGNED_IN,
    STAFF,
    STEERERS,
    STOPPERS,
    WATCHERS,
    WORKBENCH,
    Call,
    Rule,
    same_mark,
    signed_in,
    to,
)
from dispatcher.console.pages import show, static, theme_and_language
from dispatcher.console.snapshots import Snapshots
from dispatcher.province import Province
from dispatcher.words import LANGUAGES, speak
from workers.house import House

log = logging.getLogger(__name__)

FORM_BYTES = 65_536
SETTINGS = "/console/settings"
CARRIER = "/console/carriers/{account}"
ACCOUNT = f"{trials.PLACE}/{{account}}"
CAMPAIGN = "/console/campaigns/{name}"
DRAFT = "/console/drafts/{draft}"
ORDER = "/console/orders/{order}"
WAVE = "/console/waves/{wave}"
RULES = (
    Rule("GET", "/", EVERYBODY, lambda _call: to("/console")),
    Rule("GET", "/console/static/{name}", EVERYBODY, static),
    Rule("POST", "/console/look", EVERYBODY, theme_and_language),
    Rule("GET", "/console/sign-in", EVERYBODY, signing.sign_in_page),
    Rule("POST", "/console/sign-in", EVERYBODY, signing.sign_in),
    Rule("GET", "/console/sign-in/province", EVERYBODY, provincial.leave),
    Rule("GET", provincial.BACK, EVERYBODY, provincial.come_back),
    Rule("GET", "/console/invitation/{word}", EVERYBODY, signing.invitation_page),
    Rule("POST", "/console/invitation/{word}", EVERYBODY, signing.accept_invitation),
    Rule("GET", "/console", SIGNED_IN, desk.home),
    Rule("GET", "/console/me", SIGNED_IN, signing.me_page),
    Rule("POST", "/console/me/authenticator", SIGNED_IN, signing.new_authenticator),
    Rule("POST", "/console/me/authenticator/confirm", SIGNED_IN, signing.confirm_authenticator),
    Rule("POST", "/console/sign-out", SIGNED_IN, signing.sign_out),
    Rule("GET", "/console/campaigns", STAFF, desk.campaigns_page),
    Rule("GET", "/console/campaigns/{name}", STAFF, desk.campaign_page),
    Rule("GET", f"{CAMPAIGN}/lists", STAFF, listing.lists_page),
    Rule("POST", f"{CAMPAIGN}/lists", HANDS, listing.upload, lambda house: Room(house.settings.upload_bytes)),
    Rule("GET", "/console/lists/{audience}", STAFF, listing.list_page),
    Rule("GET", "/console/lists/{audience}/verdicts.csv", STAFF, listing.verdicts),
    Rule("GET", f"{CAMPAIGN}/plan", HANDS, planning.plan_page),
    Rule("POST", f"{CAMPAIGN}/plan", HANDS, planning.plan),
    Rule("GET", "/console/drafts", STAFF, drafting.drafts_page),
    Rule("POST", "/console/drafts", HANDS, drafting.begin),
    Rule("GET", DRAFT, STAFF, drafting.open_draft),
    Rule("GET", f"{DRAFT}/versions", STAFF, drafting.versions_page),
    Rule("GET", f"{DRAFT}/steps/{{step}}", STAFF, drafting.step_page),
    Rule("POST", f"{DRAFT}/steps/{{step}}", HANDS, drafting.save_step),
    Rule(
        "POST",
        f"{DRAFT}/letter",
        HANDS,
        lettering.take_letter,
        lambda house: Room(min(house.settings.upload_bytes, letter.MOST_BYTES)),
    ),
    Rule("GET", f"{DRAFT}/files/{{file}}", STAFF, lettering.letter_file),
    Rule("POST", f"{DRAFT}/list", HANDS, drafting.take_list, lambda house: Room(house.settings.upload_bytes)),
    Rule("POST", f"{DRAFT}/delete", HANDS, drafting.delete),
    Rule("POST", f"{DRAFT}/restore", HANDS, drafting.restore),
    Rule("POST", f"{DRAFT}/submit", HANDS, submitting.submit),
    Rule("POST", f"{DRAFT}/withdraw", HANDS, submitting.withdraw),
    Rule("GET", "/console/approvals", STAFF, desk.approvals_page),
    Rule("GET", WAVE, STAFF, waving.wave_page),
    Rule("GET", f"{WAVE}/live", STAFF, waving.live),
    Rule("GET", f"{WAVE}/report.docx", STAFF, planning.report),
    Rule("POST", f"{WAVE}/start", HANDS, steering.start),
    Rule("POST", f"{WAVE}/pause", STOPPERS, steering.pause),
    Rule("POST", f"{WAVE}/resume", HANDS, steering.resume),
    Rule("POST", f"{WAVE}/reopen", HANDS, steering.reopen),
    Rule("GET", f"{WAVE}/cancel", HANDS, steering.cancel_page),
    Rule("POST", f"{WAVE}/cancel", HANDS, steering.cancel),
    Rule("POST", f"{WAVE}/canary/right", HANDS, steering.canary_right),
    Rule("POST", f"{WAVE}/canary/wrong", STOPPERS, steering.canary_wrong),
    Rule("GET", f"{WAVE}/correct", HANDS, following.correct_page),
    Rule("POST", f"{WAVE}/correct", HANDS, following.correct),
    Rule("GET", f"{WAVE}/resend", HANDS, following.resend_page),
    Rule("POST", f"{WAVE}/resend", HANDS, following.resend),
    Rule("GET", f"{WAVE}/approve", STAFF, approving.approve_page),
    Rule("POST", f"{WAVE}/approve", APPROVERS, approving.approve),
    Rule("POST", f"{WAVE}/return", APPROVERS, approving.send_back),
    Rule("GET", "/console/orders", STAFF, ordering.orders_page),
    Rule("GET", ORDER, STAFF, ordering.order_page),
    Rule("POST", f"{ORDER}/approve", APPROVERS, ordering.approve),
    Rule("POST", f"{ORDER}/issue", HANDS, ordering.issue),
    Rule("POST", f"{ORDER}/move", HANDS, ordering.move),
    Rule(
        "POST",
        f"{ORDER}/return",
        HANDS,
        ordering.take_return,
        lambda _house: Room(MOST_BYTES, files=("file", "paper"), parts=2_000),
    ),
    Rule("POST", f"{ORDER}/accept", HANDS, ordering.accept),
    Rule("GET", "/console/messages", SEEKERS, finding.search_page),
    Rule("POST", "/console/messages", SEEKERS, finding.search),
    Rule("GET", "/console/audit", WATCHERS, auditing.audit_page),
    Rule("POST", "/console/audit/export", RECORDERS, auditing.export),
    Rule("GET", "/console/stop", STAFF, stopping.stop_page),
    Rule("POST", "/console/stop", STOPPERS, stopping.stop),
    Rule("POST", "/console/stop/lift", STOPPERS, stopping.lift),
    Rule("GET", "/console/carriers", WORKBENCH, carrying.carriers_page),
    Rule("GET", CARRIER, WORKBENCH, carrying.carrier_page),
    Rule("POST", f"{CARRIER}/open", STEERERS, carrying.reopen),
    Rule("POST", f"{CARRIER}/engineers", OPERATORS, carrying.tie),
    Rule("GET", "/console/deputies", STAFF, deputizing.deputies_page),
    Rule("POST", "/console/deputies", PRINCIPALS, deputizing.name),
    Rule("POST", "/console/deputies/{deputy}/withdraw", STOPPERS, deputizing.withdraw),
    Rule("GET", trials.PLACE, STAFF, trials.accounts_page),
    Rule("GET", ACCOUNT, STAFF, trials.account_page),
    Rule("POST", f"{ACCOUNT}/live", STEERERS, trials.go_live),
    Rule("POST", f"{ACCOUNT}/trial", STEERERS, trials.enter),
    Rule("POST", f"{ACCOUNT}/allow", STEERERS, trials.allow),
    Rule("POST", f"{ACCOUNT}/disallow", STEERERS, trials.disallow),
    Rule("GET", SETTINGS, STAFF, proposing.settings_page),
    Rule("GET", f"{SETTINGS}/hotlines", STAFF, proposing.hotlines_page),
    Rule("POST", f"{SETTINGS}/hotlines", OPERATORS, proposing.propose_hotline),
    Rule("GET", f"{SETTINGS}/prices", STAFF, proposing.prices_page),
    Rule("POST", f"{SETTINGS}/prices", OPERATORS, proposing.propose_price),
    Rule("GET", f"{SETTINGS}/changes/{{change}}", STAFF, changing.change_page),
    Rule("POST", f"{SETTINGS}/changes/{{change}}/agree", OPERATORS, changing.agree),
    Rule("POST", f"{SETTINGS}/changes/{{change}}/drop", OPERATORS, changing.drop),
    Rule("GET", f"{SETTINGS}/hours", STAFF, timing.hours_page),
    Rule("POST", f"{SETTINGS}/hours", STEERERS, timing.set_hours),
    Rule("POST", f"{SETTINGS}/hours/maintenance", STEERERS, timing.close_for),
    Rule("POST", f"{SETTINGS}/hours/maintenance/off", STEERERS, timing.call_off),
    Rule("GET", f"{SETTINGS}/routes", STAFF, routing.routes_page),
    Rule("POST", f"{SETTINGS}/routes", OPERATORS, routing.propose_route),
    Rule("GET", f"{SETTINGS}/senders", STAFF, routing.senders_page),
    Rule("POST", f"{SETTINGS}/senders", OPERATORS, routing.propose_sender),
    Rule("GET", f"{SETTINGS}/limits", STAFF, routing.limits_page),
    Rule("GET", "/console/people", OPERATORS, persons.people_page),
    Rule("POST", "/console/people/invite", OPERATORS, persons.invite),
    Rule("POST", "/console/people/address", OPERATORS, persons.set_address),
    Rule("POST", "/console/people/switch", OPERATORS, persons.switch),
    Rule("POST", "/console/people/reset", OPERATORS, persons.ask_reset),
    Rule("POST", "/console/people/reset/{reset}/agree", OPERATORS, persons.agree_reset),
    Rule("POST", "/console/people/reset/{reset}/drop", OPERATORS, persons.drop_reset),
)
"""Every route of the console with the roles that may use it; a test walks it, role by role."""

Door = Callable[[Request], Awaitable[Response]]


def open_console(
    house: House, *, rehearsal: bool, turned: Mapping[str, Sequence[TurnedCall]] | None = None
) -> Starlette:
    """The console of a house; `turned`: calls that the door for receipts did not take, by account."""
    routes = [Route(rule.path, _door(rule), methods=[rule.method]) for rule in RULES]
    console = Starlette(routes=routes, exception_handlers={404: _nowhere, 405: _nowhere})
    console.state.house, console.state.rehearsal = house, rehearsal
    console.state.turned = turned or {}
    console.state.snapshots, console.state.province = Snapshots(house), Province(house.settings)
    console.state.imports = asyncio.Semaphore(1)
    return console


def _door(rule: Rule) -> Door:
    """What stands before each page: origin, session, role and form, in this order."""

    async def door(request: Request) -> Response:
        form: Mapping[str, str] = {}
        if rule.method == "POST":
            if not own_origin(request):
                return Response("origin", 403)
            if rule.room:
                return await _with_files(request, rule, rule.room)
            if not _small(request):
                return Response("too large", 413)
            given = await request.form(max_files=0, max_fields=60, max_part_size=FORM_BYTES)
            form = {name: value for name, value in given.items() if isinstance(value, str)}
        return await anyio.to_thread.run_sync(_answered, rule, request, form)

    return door


async def _with_files(request: Request, rule: Rule, room: Callable[[House], Room]) -> Response:
    """A form with a file: session and role are looked at before a byte of it is kept."""
    house: House = request.app.state.house
    refused = await anyio.to_thread.run_sync(_refused, rule, request)
    if refused is not None:
        return refused
    try:
        async with received(request, house.folder("incoming"), room(house)) as upload:
            one_at_a_time: asyncio.Semaphore = request.app.state.imports
            async with one_at_a_time:
                return await anyio.to_thread.run_sync(_answered, rule, request, upload.fields, upload.files)
    except Problem as problem:
        told = problem
        return await anyio.to_thread.run_sync(lambda: _told(_call(request, {}), told, status_of(told)[0]))


def _refused(rule: Rule, request: Request) -> Response | None:
    call = _call(request, {})
    if call.person is None:
        return to("/console/sign-in")
    if not call.has(*rule.roles):
        problem = _not_yours(rule, call)
        return _told(call, problem, status_of(problem)[0])
    return None


def _not_yours(rule: Rule, call: Call) -> NotAllowed:
    return NotAllowed("this page belongs to: {roles}", roles=[call.words.say(role) for role in sorted(rule.roles)])


def own_origin(request: Request) -> bool:
    """Whether a form was sent by a page of ours: browsers name the origin of each POST, and no script can change it."""
    origin = request.headers.get("origin", "")
    return bool(origin) and urlsplit(origin).netloc == request.headers.get("host", "")


def _small(request: Request) -> bool:
    """A form says its size; a body without one is none of a browser's."""
    size = request.headers.get("content-length", "")
    return size.isdigit() and int(size) <= FORM_BYTES


def _call(request: Request, form: Mapping[str, str], files: Mapping[str, Path] | None = None) -> Call:
    house: House = request.app.state.house
    person, word = signed_in(house, request)
    chosen = request.cookies.get("lang", "")
    words = speak(chosen if chosen in LANGUAGES else house.settings.language)
    return Call(request, house, words, request.app.state.rehearsal, person, word, form, files or {})


def _answered(
    rule: Rule, request: Request, form: Mapping[str, str], files: Mapping[str, Path] | None = None
) -> Response:
    call = None
    try:
        call = _call(request, form, files)
        return _let_in(rule, call)
    except (Problem, ConfigProblem) as problem:
        if call is None:
            raise
        return _told(call, problem, status_of(problem)[0])
    except OperationalError as error:
        log.error("the database does not answer: %s", type(error).__name__)  # noqa: TRY400 - its text may hold rows
        return Response("Cơ sở dữ liệu chưa trả lời, thử lại sau ít giây. / The database does not answer.", 503)
    except Exception:
        code = secrets.token_hex(4)
        log.exception("fault %s at %s %s", code, rule.method, rule.path)
        if call is None:
            raise
        return _told(call, Problem("something broke here: give the operator the code {code}", code=code), 500)


def _let_in(rule: Rule, call: Call) -> Response:
    if rule.roles:
        if call.person is None:
            back = call.request.url.path if rule.method == "GET" and not rule.path.endswith("/live") else ""
            return to(f"/console/sign-in?next={quote(back)}" if back else "/console/sign-in")
        if not call.has(*rule.roles):
            raise _not_yours(rule, call)
        if rule.method == "POST" and not same_mark(call.word, call.form.get("mark", "")):
            raise NotAllowed("this form is of another session: open the page again and send it once more")
    answer: Response = rule.answer(call)
    return answer


def _told(call: Call, problem: Problem | ConfigProblem, status: int) -> Response:
    return show(call, "problem.html", status, sentence=call.words.problem(problem), number_of=status)


async def _nowhere(request: Request, _error: Exception) -> Response:
    def page() -> Response:
        return _told(_call(request, {}), Problem("there is no page at this address"), 404)

    return await anyio.to_thread.run_sync(page)
