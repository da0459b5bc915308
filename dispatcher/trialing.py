"""Accounts in trial, in words and as JSON: the same for command line, API and pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from campaigns.ledger.trials import WHY, Trial, Waiting
from dispatcher.words import Words


def why(words: Words, trial: Trial) -> str:
    """Why an account is in trial: a person's words, or the program's own."""
    return words.say(WHY[trial.reason]) if trial.reason in WHY else trial.reason


def trial_json(trial: Trial) -> dict[str, Any]:
    """One account in trial for programs."""
    return {"account": trial.account, "since": trial.since.isoformat(), "by": trial.by, "reason": trial.reason,
            "allowed": trial.allowed, "asked_by": trial.asked_by, "asked_why": trial.asked_why or None}  # fmt: skip


def planned_trials(words: Words, found: Sequence[Waiting]) -> list[str]:
    """What a plan's accounts in trial mean for its people, a sentence for each account."""
    said = []
    for account, next_, waiting, allowed in _summed(found):
        if next_:
            said.append(words.say(
                "account {account} is in trial: {allowed} people of its allow-list receive this by it, {rest} others"
                " by {next}", account=account, allowed=allowed, rest=waiting - allowed, next=next_,
            ))  # fmt: skip
        else:
            said.append(words.say(
                "account {account} is in trial: only {allowed} people of its allow-list will receive this, {rest}"
                " others wait until two persons let it go live", account=account, allowed=allowed,
                rest=waiting - allowed,
            ))  # fmt: skip
    return said


def seed_trials(words: Words, found: Sequence[Waiting]) -> list[str]:
    """Seed phones that accounts in trial leave out, so that the rest of the wave waits; a sentence for each account."""
    return [
        words.say("account {account} is in trial and {n} seed phones are not on its allow-list: they get nothing, so"
                  " the rest of the wave waits", account=account, n=waiting - allowed)
        for account, next_, waiting, allowed in _summed(found) if not next_ and waiting > allowed
    ]  # fmt: skip


def waiting_trials(words: Words, found: Sequence[Waiting]) -> list[str]:
    """What of a wave that was started waits because of accounts in trial."""
    said = []
    for account, next_, waiting, allowed in _summed(found):
        if waiting == allowed:
            continue
        if next_:
            said.append(words.say("account {account} is in trial: {n} messages go on by {next}", account=account,
                                  n=waiting - allowed, next=next_))  # fmt: skip
        else:
            said.append(words.say("account {account} is in trial: {n} messages wait until two persons let it go live"
                                  " (`dispatcher account go-live`)", account=account, n=waiting - allowed))  # fmt: skip
    return said


def waiting_json(found: Sequence[Waiting]) -> list[dict[str, Any]]:
    """The same for programs, by account and carrier."""
    return [each._asdict() for each in found]


def _summed(found: Sequence[Waiting]) -> list[tuple[str, str | None, int, int]]:
    """(account, next, waiting, allowed), carriers together."""
    sums: dict[tuple[str, str | None], tuple[int, int]] = {}
    for each in found:
        waiting, allowed = sums.get((each.account, each.next), (0, 0))
        sums[each.account, each.next] = (waiting + each.waiting, allowed + each.allowed)
    return [(account, next_, *figures) for (account, next_), figures in sums.items()]
