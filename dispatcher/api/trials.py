"""Accounts in trial over the API: whom they may reach, and how they go live."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from campaigns.ledger import trials
from campaigns.ledger.people import Person
from dispatcher import exclusions
from dispatcher.api.shapes import Given, Name, Reason, Taken
from dispatcher.auth import HouseOf, Reader, Starter, Writer

router = APIRouter(prefix="/accounts", tags=["control"])


class TrialGiven(Given):
    """One account in trial: since when, why, and who has said that it may go live."""

    account: str
    since: datetime
    by: str  # a person, or `dispatcher`: the account is new
    reason: str
    allowed: int  # numbers of its allow-list
    asked_by: str | None  # a second person, an approver, has to say the same
    asked_why: str


class Now(Given):
    """Whether an account sends to its allow-list only."""

    account: str
    trial: bool


class NumbersTaken(Taken):
    """Numbers of our own phones; only hashes are stored."""

    numbers: Annotated[list[Annotated[str, Field(max_length=30)]], Field(min_length=1, max_length=trials.MOST)]


class ListChanged(Given):
    """What became of an allow-list; no number is told."""

    account: str
    changed: int  # numbers that are new on it, or off it
    given: int  # different numbers
    unreadable: list[int]  # positions, from 1, of what is no mobile number


@router.get("/trial")
def list_trials(house: HouseOf, _person: Reader) -> list[TrialGiven]:
    """Accounts in trial; all others may send to everybody."""
    with house.begin() as conn:
        return [TrialGiven.model_validate(each) for each in trials.current(conn)]


@router.post("/{account}/trial")
def enter_trial(account: Name, given: Reason, house: HouseOf, person: Starter) -> Now:
    """Put an account back into trial: one person does that alone."""
    with house.begin() as conn:
        trials.enter(conn, account, person, given.reason)
    return Now(account=account, trial=True)


@router.post("/{account}/live")
def go_live(account: Name, given: Reason, house: HouseOf, person: Starter) -> Now:
    """Say that an account may send to everybody: the first asks, the second, an approver, lets it go live."""
    with house.begin() as conn:
        return Now(account=account, trial=not trials.go_live(conn, account, person, given.reason))


@router.post("/{account}/allow")
def allow_numbers(account: Name, given: NumbersTaken, house: HouseOf, person: Writer) -> ListChanged:
    """Put numbers on the allow-list of an account, 100 at most."""
    return _change(house, account, given, person, add=True)


@router.post("/{account}/disallow")
def disallow_numbers(account: Name, given: NumbersTaken, house: HouseOf, person: Writer) -> ListChanged:
    """Take numbers off the allow-list of an account; in force at once."""
    return _change(house, account, given, person, add=False)


def _change(house: HouseOf, account: str, given: NumbersTaken, person: Person, *, add: bool) -> ListChanged:
    change = trials.allow if add else trials.disallow
    done = exclusions.in_cells(house, lambda conn, hashes: change(conn, account, hashes, person),
                               enumerate(given.numbers, 1), called="numbers")  # fmt: skip
    return ListChanged(account=account, changed=done.changed, given=done.given, unreadable=list(done.unreadable))
