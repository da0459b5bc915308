"""Refusals as JSON: one shape, a status chosen by kind, the sentence in the caller's language.

`{"error": {"message", "template", "values"}}`: the message is for people, the template with its values for programs.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from sqlalchemy.exc import OperationalError as NoConnection
from starlette.exceptions import HTTPException

from campaigns.terms import Absent, Problem, Problems
from config.problem import Problem as ConfigProblem
from dispatcher import words
from dispatcher.auth import NotAllowed, Stranger, TooManyTries
from workers.house import House

log = logging.getLogger(__name__)

Headers = dict[str, str]
SAFE_INTEGER = 2**53
"""Above it JavaScript loses digits: our ids go as text."""


class Clash(Problem):
    """It contradicts what is there now: 409."""


class TooLarge(Problem):
    """More than the settings allow: 413."""


class NotReadable(Problem):
    """The request itself makes no sense: 400."""


KINDS: Mapping[type[Problem], tuple[int, Headers]] = {
    TooManyTries: (429, {"Retry-After": "60"}),
    Stranger: (401, {"WWW-Authenticate": "Bearer"}),
    NotAllowed: (403, {}),
    Absent: (404, {}),
    Clash: (409, {}),
    TooLarge: (413, {}),
    NotReadable: (400, {}),
}
OF_LOWER_FLOORS: Mapping[str, int] = {
    "campaign {name} has no wave {no}": 404,
    "{login} is not an approver": 403,
    "the list of the police is kept by an operator: the key of '{login}' does not allow 'admin'": 403,
    "{login} planned this wave and may not approve it: another person must": 403,
    "wave {wave} is {state}: only a planned wave can be approved": 409,
    "wave {wave} is {state}: it cannot be started": 409,
    "wave {wave} has {n} of {due} approvals of this plan: it cannot be started": 409,
    "the approvers chose different texts ({choices}): plan the wave again": 409,
    "wave {wave} is {state}: it cannot be changed by '{act}'": 409,
    "{login} gave this wave new hours and may not approve them: another person must": 403,
    "the hours of wave {wave} passed while the system was down: give it new hours, which are approved anew, or"
    " cancel it": 409,
    "wave {wave} is {state} and does not ask: only a wave whose hours passed while the system was down gets new"
    " hours": 409,
    "{login} and {author} are deputy and principal now, so {login} may not approve what {author} made": 403,
    "{person} has approved this plan, and is deputy or principal of {login}: the two give one approval, another person"
    " must give the next": 403,
    "only {principal}, {person} or an operator withdraws this": 403,
    "the plan has changed since it was shown: look at it again": 409,
    "typed {typed} recipients, the plan has {n}: look at the plan again": 409,
    "{login} drafted this order and may not approve it: another person must": 403,
    "the order has another hash than the one that was shown: look at it again": 409,
    "order {order} is {state}: '{act}' cannot be done with it": 409,
    "order {order} is {state}: it takes no return": 409,
    "the return of {carrier} has been accepted: it cannot be changed any more": 409,
    "this order was issued as {number} of {day}: it keeps that number": 409,
    "this audience is frozen by a planned wave: make a new one for more files": 409,
}
"""They know no HTTP, so their sentences are sorted here; any other Problem is 422. A test finds one that changed."""


def answer_errors(api: FastAPI) -> None:
    """Give every failure of the API its shape."""
    api.add_exception_handler(Problem, _problem)
    api.add_exception_handler(ConfigProblem, _problem)
    api.add_exception_handler(RequestValidationError, _unfit)
    api.add_exception_handler(HTTPException, _plain)
    api.add_exception_handler(NoConnection, _database_away)
    api.add_exception_handler(OperationalError, _database_away)
    api.add_exception_handler(Exception, _broken)


def language(request: Request) -> str:
    """The first of ours that Accept-Language names by weight, else the installation's."""
    house: House = request.app.state.house
    asked: list[tuple[float, int, str]] = []
    for one in request.headers.get("accept-language", "")[:200].split(","):
        tag, _, weight = one.strip().partition(";q=")
        if (spoken := tag.split("-")[0].lower()) in words.LANGUAGES:
            asked.append((-_weight(weight), len(asked), spoken))
    return min(asked)[2] if asked else house.settings.language


def _weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


def status_of(problem: Problem | ConfigProblem) -> tuple[int, Headers]:
    """The HTTP status of a refusal; what is wrong with this installation is 500."""
    if isinstance(problem, ConfigProblem):
        return 500, {}
    known = next((found for kind, found in KINDS.items() if isinstance(problem, kind)), None)
    return known or (OF_LOWER_FLOORS.get(problem.template, 422), {})


def refusal(request: Request, problem: Problem | ConfigProblem, status: int, headers: Headers) -> JSONResponse:
    """The answer to a refused request."""
    chosen = language(request)
    error = _told(words.speak(chosen), problem)
    return JSONResponse({"error": error}, status, {"Content-Language": chosen, "Vary": "Accept-Language", **headers})


def told(request: Request, problem: Problem) -> dict[str, Any]:
    """A problem as part of an answer that is no refusal, in the caller's language."""
    return _told(words.speak(language(request)), problem)


def _told(spoken: words.Words, problem: Problem | ConfigProblem) -> dict[str, Any]:
    values = {name: _id_as_text(value) for name, value in problem.values.items()}
    told: dict[str, Any] = {"message": spoken.say(problem.template, **values), "template": problem.template,
            "values": {name: _plainly(value) for name, value in values.items()}}  # fmt: skip
    if isinstance(problem, Problems):
        told["found"] = [_told(spoken, one) for one in problem.found]
    return told


def _id_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and abs(value) > SAFE_INTEGER else value


def _plainly(value: object) -> object:
    return value if isinstance(value, str | int | float | None) else str(value)


async def _problem(request: Request, problem: Exception) -> JSONResponse:
    if not isinstance(problem, Problem | ConfigProblem):
        raise problem
    if isinstance(problem, ConfigProblem):
        log.error("this installation: %s", problem)
    return refusal(request, problem, *status_of(problem))


async def _unfit(request: Request, error: Exception) -> JSONResponse:
    """A body, path or query of another shape; what was sent is not repeated, it may hold numbers."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(one["type"] == "json_invalid" for one in found):
        return refusal(request, NotReadable("the body is not JSON"), 400, {})
    faults = "; ".join(f"{'.'.join(str(place) for place in one['loc'])}: {one['msg']}" for one in found[:10])
    return refusal(request, Problem("the request does not fit the API: {faults}", faults=faults), 422, {})


async def _plain(request: Request, error: Exception) -> JSONResponse:
    """What the framework itself refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 400
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    return refusal(request, _of_status(status, request), status, headers)


def _of_status(status: int, request: Request) -> Problem:
    match status:
        case HTTPStatus.NOT_FOUND:
            return Problem("there is nothing at this address: see /docs")
        case HTTPStatus.METHOD_NOT_ALLOWED:
            return Problem("this address does not take {method}: see /docs", method=request.method)
        case HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return Problem("the request is too large")
    return Problem("the request cannot be read")


async def _database_away(request: Request, error: Exception) -> JSONResponse:
    log.error("the database does not answer: %s", type(error).__name__)
    return refusal(request, Problem("the database does not answer: try again soon"), 503, {"Retry-After": "5"})


async def _broken(request: Request, _error: Exception) -> JSONResponse:
    """Starlette raises it again after this answer, so that its traceback is in the log."""
    return refusal(request, Problem("something broke here: the operator finds it in the log"), 500, {})
