"""One call of a page: who calls, in which language, with which form."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from campaigns.ledger import logins
from campaigns.ledger.accounts import MAY_STEER
from campaigns.ledger.people import Person
from campaigns.terms import Problem
from config.carriers import load_carriers
from dispatcher.api.upload import Room
from dispatcher.words import Words
from workers.house import House

ROLES = ("officer", "approver", "engineer", "auditor", "operator")
COOKIE = "__Host-session"
"""The prefix makes a browser refuse it without Secure, with a Domain, or for a part of the site."""


@dataclass(frozen=True, slots=True)
class Call:
    """What a page is made from."""

    request: Request
    house: House
    words: Words
    rehearsal: bool
    person: Person | None
    word: str  # of the session; "" when nobody is signed in
    form: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)  # of a form that brings some; gone with the answer

    @property
    def file(self) -> Path | None:
        """The file of the field `file`."""
        return self.files.get("file")

    @property
    def who(self) -> Person:
        """The person signed in; routes that ask for a role have one."""
        if self.person is None:
            raise RuntimeError("a page without a role asked who calls")
        return self.person

    @property
    def address(self) -> str:
        """Of the caller: of the connection, or as a named proxy tells it (dispatcher/proxy.py)."""
        return self.request.client.host if self.request.client else ""

    @property
    def given(self) -> Mapping[str, str]:
        """The form as it was sent, for its fields to keep their values; "" for what was not in it."""
        return defaultdict(str, self.form)

    @property
    def mark(self) -> str:
        """What every form of this session carries: another site cannot know it."""
        return mark_of(self.word)

    @property
    def networks(self) -> dict[str, str]:
        """Carrier -> name, in the fixed order."""
        return {each.id: each.name for each in load_carriers(self.house.settings.carriers_file)}

    def wave(self) -> int:
        """The wave in the path. Raises Problem for what is no number."""
        return self.number("wave")

    def number(self, name: str) -> int:
        """An id in the path. Raises Problem for what is no number."""
        return id_of(str(self.request.path_params[name]))

    def has(self, *roles: str) -> bool:
        """Whether the person bears one of these roles."""
        return self.person is not None and bool(set(roles) & set(self.person.roles))


def id_of(text: str) -> int:
    """An id as it was typed or stands in an address. Raises Problem for what is no number."""
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**63)) and int(text) < 2**63):
        raise Problem("{id} is not an id: copy it as it was shown", id=text[:40])
    return int(text)


def place_of(text: str, digits: int) -> int:
    """A place in a list as an address names it, of so many digits at most; 0 for what is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= digits else 0


def mark_of(word: str) -> str:
    """The mark of a session's forms."""
    return hashlib.sha256(f"form:{word}".encode()).hexdigest() if word else ""


def same_mark(word: str, given: str) -> bool:
    """Whether a form belongs to this session."""
    return bool(word) and hmac.compare_digest(mark_of(word).encode(), given.encode())


def signed_in(house: House, request: Request) -> tuple[Person | None, str]:
    """The person of the cookie and its word; ended and idle sessions are nobody's."""
    word = request.cookies.get(COOKIE, "")
    if not word:
        return None, ""
    with house.begin() as conn:
        found = logins.session(conn, word)
    return (found.person, word) if found else (None, "")


def with_session(response: Response, word: str) -> Response:
    """Give the browser its word; it dies with the browser, and on our side earlier."""
    response.set_cookie(COOKIE, word, path="/", secure=True, httponly=True, samesite="lax")
    return response


def to(path: str) -> RedirectResponse:
    """After a form: the page to look at."""
    return RedirectResponse(path, 303)


Endpoint = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """One route: who may use it, with which verb, and what answers."""

    method: str
    path: str
    roles: frozenset[str]  # empty: everybody, signed in or not
    answer: Endpoint
    room: Callable[[House], Room] | None = None  # for the files that the form brings; None: it brings none


EVERYBODY: frozenset[str] = frozenset()
SIGNED_IN = frozenset(ROLES)
STAFF = frozenset({"officer", "approver", "auditor", "operator"})
"""Carriers' engineers see only what belongs to their carrier: none of these pages."""
HANDS = frozenset({"officer", "approver"})
STOPPERS = frozenset({"officer", "approver", "operator"})
"""Stopping is easier than starting."""
PRINCIPALS = frozenset({"approver"})
"""Approvers by their own right: they name deputies."""
APPROVERS = PRINCIPALS | {"deputy"}
"""Who approves plans and orders now; `deputy` is a role only while it lasts."""
SEEKERS = frozenset({"officer", "approver", "auditor"})
"""May look one number up, with a code and a reason."""
WATCHERS = frozenset({"approver", "auditor", "operator"})
"""See who did what."""
RECORDERS = frozenset({"auditor", "operator"})
"""May take the record out as a file, with a code and a reason."""
OPERATORS = frozenset({"operator"})
STEERERS = MAY_STEER
"""Steer accounts: trial, rate, hours, what a carrier's answer stopped; as on the command line."""
WORKBENCH = STAFF | {"engineer"}
"""See accounts; an engineer those he is tied to."""
