"""Who calls: keys of persons, the scopes on them, and a brake on guessing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from campaigns.ledger import people
from campaigns.ledger.engineers import ENGINEER
from campaigns.ledger.people import Person
from campaigns.terms import Problem
from workers.house import House

BEARER = HTTPBearer(auto_error=False, bearerFormat="dk_...", description="A person's key; see `dispatcher person key`.")
WRONG_KEYS = 20
"""Wrong keys an address may show in a minute."""
MINUTE = 60.0
ADDRESSES = 10_000
"""Addresses remembered at once: a flood from many forgets the oldest, and costs no memory."""


class Stranger(Problem):
    """No key, or none that is valid: 401."""


class TooManyTries(Stranger):
    """Wrong keys too often: 429."""


class NotAllowed(Problem):
    """A valid key without the scope: 403."""


@dataclass(slots=True)
class WrongKeys:
    """Wrong keys by address, in this process: 256 random bits are not guessed, so this spares log and database only.

    A valid key always passes, however often others failed from its address: behind a proxy or one office's router a
    broken script must not take the STOP from an approver.
    """

    _seen: dict[str, deque[float]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def add(self, address: str, now: float) -> bool:
        """Note one; whether the address has had too many within the last minute."""
        with self._lock:
            times = self._seen.pop(address, None) or deque(maxlen=WRONG_KEYS)
            self._seen[address] = times  # the youngest stands last
            if len(self._seen) > ADDRESSES:
                del self._seen[next(iter(self._seen))]
            full = len(times) == WRONG_KEYS and now - times[0] < MINUTE
            times.append(now)
            return full


def the_house(request: Request) -> House:
    """The house of this application."""
    house: House = request.app.state.house
    return house


def who_calls(
    request: Request,
    house: Annotated[House, Depends(the_house)],
    given: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Person:
    """The person of the key; cookies are never looked at, so no other site can make a browser speak for a person."""
    key = given.credentials if given else ""
    person = None
    if key.startswith(people.KEY_PREFIX):
        with house.begin() as conn:
            person = people.who(conn, key)
    if person is None:
        wrong: WrongKeys = request.app.state.wrong_keys
        if given and wrong.add(request.client.host if request.client else "", time.monotonic()):
            raise TooManyTries("too many wrong keys from this address: wait a minute")
        raise Stranger("show a valid key: Authorization: Bearer dk_...")
    return person


def needs(*scopes: str) -> Callable[[Person], Person]:
    """A dependency: the person of the key, which must bear one of these scopes.

    Whoever is only a carrier's engineer passes nowhere: no route is about one account alone.
    """

    def allowed(person: Annotated[Person, Depends(who_calls)]) -> Person:
        if set(person.roles) <= {ENGINEER}:
            raise NotAllowed("a carrier's engineer sees the page of his carrier only: {path}", path="/console/carriers")
        if not set(scopes) & set(person.scopes):
            raise NotAllowed("this key may not do that: it lacks the scope {scopes}", scopes=" / ".join(scopes))
        return person

    allowed.scopes = scopes  # type: ignore[attr-defined]  # what the walk over all routes reads
    return allowed


HouseOf = Annotated[House, Depends(the_house)]
Reader = Annotated[Person, Depends(needs("read"))]
Writer = Annotated[Person, Depends(needs("write"))]
Approver = Annotated[Person, Depends(needs("approve"))]
Starter = Annotated[Person, Depends(needs("write", "approve"))]
"""Who may start and stop: whoever drafts and whoever approves; STOP belongs to both."""
Exporter = Annotated[Person, Depends(needs("export"))]
