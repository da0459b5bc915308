"""How a wave goes, in words and as JSON: the same for command line and API."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

from campaigns.ledger.budgets import Line
from campaigns.ledger.calls import Calls
from campaigns.ledger.canaries import Standing
from campaigns.ledger.late import TOO_LATE
from campaigns.ledger.progress import Going
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome
from dispatcher.words import Words


def advice(words: Words, outcome: Outcome) -> str:
    """What such an answer means, and what is to be done."""
    return {
        Outcome.UNCERTAIN: words.say("no answer came: may have arrived, is asked about and never blindly sent again;"
                                     " if it goes on, call the carrier"),
        Outcome.NOT_SENT: words.say("did not leave: tried again by itself; if it goes on, check line and account"),
        Outcome.DEFERRED: words.say("the carrier says not now: slower and tried again by itself; if it goes on, ask the"
                                    " carrier for the true speed"),
        Outcome.REFUSED: words.say("refused for good: ask the carrier what this code means; mend sender, text or list,"
                                   " then plan a new wave"),
        Outcome.UNDELIVERED: words.say("the phone was not reached: off, full or no longer in use; nothing to do unless"
                                       " there are many"),
    }.get(outcome, "")  # fmt: skip


CANARY = {
    "waiting": "is on its way",
    "arrived": "has arrived: look at the phones, then say that the text is right, or wrong",
    "failed": "has failed: nothing else leaves to this carrier",
    "right": "is right: the rest goes out",
    "wrong": "is wrong: nothing else leaves to this carrier",
}
"""What a canary stands at, and what follows."""


def say_canary(words: Words, each: Standing, carrier: str) -> str:
    """One carrier's canary, and who took the carrier over without one."""
    said = words.say("canary, {carrier}: {arrived} of {n} arrived; it {state}", carrier=carrier, arrived=each.arrived,
                     n=each.n, state=words.say(CANARY[each.state]))  # fmt: skip
    return "; ".join([said, *unseen(words, each)])


def unseen(words: Words, each: Standing) -> list[str]:
    """What nobody has looked at on a phone: accounts that took a carrier over after its canary."""
    if not each.others:
        return []
    return [words.say("account {accounts} took over since: nobody has looked at its text on a phone",
                      accounts=", ".join(each.others))]  # fmt: skip


def canary_json(each: Standing) -> dict[str, Any]:
    """The same for programs."""
    return {"carrier": each.carrier, "n": each.n, "arrived": each.arrived, "failed": each.failed, "state": each.state,
            "despite": each.despite, "others": list(each.others)}  # fmt: skip


SCOPES = {"wave": "the whole wave", "day": "a day"}
"""What a ceiling is for."""


def say_budget(words: Words, line: Line) -> str:
    """How much of a ceiling is used."""
    return words.say(
        "budget, {scope}: {used} of {ceiling} {unit}, {part} %", scope=words.say(SCOPES[line.scope]), used=line.used,
        ceiling=line.ceiling, unit=words.say(line.unit), part=int(100 * line.part),
    )  # fmt: skip


def planned_budget(words: Words, plan: Mapping[str, Any]) -> list[str]:
    """What a plan says of its ceilings, a sentence each."""
    return [
        words.say("budget, {scope}: stops at {ceiling} {unit}", scope=words.say(SCOPES[scope]), ceiling=most,
                  unit=words.say(unit))
        for scope in SCOPES for unit, most in plan.get("budget", {}).get(scope, {}).items()
    ]  # fmt: skip


def planned_canary(words: Words, plan: Mapping[str, Any]) -> list[str]:
    """What a plan says of its canary."""
    found = plan.get("canary", {}).get("by_carrier", {})
    if not found:
        return []
    return [words.say("first {n} seed phones ({carriers}); the rest of a carrier waits for a person's word",
                      n=sum(found.values()), carriers=", ".join(found))]  # fmt: skip


def planned_calls(words: Words, plan: Mapping[str, Any]) -> list[str]:
    """How a wave is slowed down for its hotlines, in a sentence; none when it is not."""
    calls = plan.get("calls")
    if not calls:
        return []
    return [words.say("at most {n} messages an hour: hotlines are to get no more than {calls} calls an hour, and"
                      " {part} are expected of a thousand messages", n=calls["messages_an_hour"],
                      calls=calls["most_an_hour"], part=calls["per_100_000"] / 100)]  # fmt: skip


def say_calls(words: Words, calls: Calls) -> str:
    """What a wave has done to its hotlines in the last hour."""
    return words.say("for the hotlines: {n} messages left in the last hour, {expected} calls expected of them, {most}"
                     " at most", n=calls.last_hour, expected=calls.expected, most=calls.most_an_hour)  # fmt: skip


def calls_json(calls: Calls | None) -> dict[str, int] | None:
    """The same for programs."""
    return calls._asdict() | {"expected": calls.expected} if calls else None


def budget_json(line: Line) -> dict[str, Any]:
    """One ceiling for programs."""
    return {"scope": line.scope, "unit": line.unit, "ceiling": line.ceiling, "used": line.used,
            "part": round(line.part, 4), "alert": line.alert}  # fmt: skip


def why_paused(words: Words, reason: str) -> str:
    """A pause's reason; one that the program gave itself in the language."""
    if spent := re.fullmatch(r"budget: (\d+) wait, (wave|day) (messages|segments|dong) (\d+)", reason):
        return words.say("the budget is reached ({scope}: {ceiling} {unit}), {n} messages not sent: change it with"
                         " `dispatcher wave budget`, resume on another day where it is the day's, or cancel",
                         scope=words.say(SCOPES[spent[2]]), ceiling=int(spent[4]), unit=words.say(spent[3]),
                         n=int(spent[1]))  # fmt: skip
    if reason == TOO_LATE:
        return words.say("its hours passed while the system was down: give it new hours, which are approved anew, or"
                         " cancel it")  # fmt: skip
    found = re.fullmatch(r"auto-pause: (\d+) of (\d+) (failed|uncertain)", reason)
    if not found:
        return reason
    if found[3] == "failed":
        return words.say("by itself, {part} of the last {n} messages failed: look at the errors below, then resume or"
                         " cancel", part=found[1], n=found[2])  # fmt: skip
    return words.say("by itself, {part} of the last {n} messages are uncertain: ask the carrier, then resume or cancel",
                     part=found[1], n=found[2])  # fmt: skip


def segments_of(wave: Wave) -> int:
    """Of one message of the wave."""
    return int(wave.plan["texts"][wave.choice]["segments"]) if wave.choice else 1


def as_json(each: Going, segments: int) -> dict[str, Any]:
    """One account; the age of the workers' word stands beside their figures."""
    eta = each.eta(segments)
    return {
        "account": each.account, "carriers": each.carriers, "workers": each.workers, "on_wire": each.on_wire,
        "speed": round(each.speed, 1), "rate": each.rate, "licence": each.licence, "waiting": each.waiting,
        "eta_seconds": None if eta is None else round(eta),
        "told_seconds_ago": None if each.told is None else round(max(0.0, time.time() - each.told), 2),
    }  # fmt: skip
