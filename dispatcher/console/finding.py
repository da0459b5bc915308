"""One number's messages: a look that stands in the record with its reason, by people with a code; nothing is listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from starlette.responses import Response

from campaigns.ledger import audit, lives, people, waves
from campaigns.ledger.audit import Entry
from campaigns.ledger.lives import Event, Message
from campaigns.ledger.waves import Wave
from campaigns.sealing import mask
from campaigns.terms import Outcome, State
from dispatcher import acts
from dispatcher.console.call import Call
from dispatcher.console.pages import clock, local, show
from dispatcher.console.signing import check_code

CHIPS = {
    State.DELIVERED: "ok", State.ACCEPTED: "acc", State.UNCERTAIN: "unk", State.REFUSED: "bad",
    State.UNDELIVERED: "bad", State.EXPIRED: "bad", State.QUEUED: "off", State.SUPPRESSED: "off",
    State.CANCELLED: "off",
}  # fmt: skip
KINDS = {
    "sent": "handed to the carrier", "left out": "left out: this person is not texted",
    "answer": "the carrier answered", "receipt": "the carrier's receipt", "look-up": "asked again",
    "closed": "nothing came back",
}  # fmt: skip
"""Kind of an event -> a sentence of ours."""
OUTCOMES = {
    Outcome.SKIPPED: "never tried", Outcome.UNCERTAIN: "uncertain", Outcome.NOT_SENT: "did not reach the carrier",
    Outcome.DEFERRED: "not now", Outcome.REFUSED: "refused", Outcome.ACCEPTED: "taken, not yet on the phone",
    Outcome.UNDELIVERED: "not delivered", Outcome.DELIVERED: "delivered",
}  # fmt: skip
SYSTEM = frozenset({"sent", "left out", "closed"})
TAKEN = frozenset({Outcome.ACCEPTED, Outcome.UNDELIVERED, Outcome.DELIVERED})
FATES = {
    State.DELIVERED: "{wave}, by {carrier}: on the phone at {at}",
    State.ACCEPTED: "{wave}, by {carrier}: the carrier took it at {at}; whether it reached the phone is not known",
    State.UNCERTAIN: "{wave}, by {carrier}: handed over at {at}; it is not certain that the carrier took it",
    State.REFUSED: "{wave}, by {carrier}: the carrier refused it at {at}",
    State.UNDELIVERED: "{wave}, by {carrier}: the carrier took it, and said at {at} that it did not reach the phone",
    State.EXPIRED: "{wave}, by {carrier}: the carrier did not take it before the time was over",
    State.QUEUED: "{wave}, by {carrier}: it waits; the carrier has not taken it",
    State.SUPPRESSED: "{wave}, by {carrier}: not sent, for this person is not texted",
    State.CANCELLED: "{wave}, by {carrier}: not sent, for the wave was cancelled before its turn",
}
"""State -> what became of a message, as a sentence without its end."""


@dataclass(frozen=True, slots=True)
class Found:
    """One message to the number, with its life."""

    wave: Wave
    message: Message
    events: Sequence[Event]

    @property
    def state(self) -> State:
        """What is known now: the log may be some seconds ahead of the message's own state."""
        known = [each.outcome for each in self.events if each.outcome is not None and each.outcome in TAKEN]
        if known:
            return State(int(max(known)))
        on_its_way = self.message.state is State.QUEUED and bool(self.events) and self.events[-1].kind == "sent"
        return State.UNCERTAIN if on_its_way else self.message.state

    @property
    def handed(self) -> int:
        """How often it was handed to the carrier."""
        return sum(each.kind == "sent" for each in self.events)

    @property
    def taken(self) -> int:
        """How many of these the carrier took."""
        return len({each.attempt for each in self.events if each.outcome in TAKEN})

    @property
    def at(self) -> datetime | None:
        """When what is known of it was told; without evidence when it was handed over."""
        strongest = [each.at for each in self.events if each.outcome == int(self.state)]
        return next(iter(strongest), self.events[-1].at if self.events else None)

    @property
    def text(self) -> Mapping[str, Any] | None:
        """The text that an approver chose, with its number of segments."""
        return self.wave.plan["texts"][self.wave.choice] if self.wave.choice else None


def search_page(call: Call) -> Response:
    """The form; it says that the look is kept."""
    return _page(call, "")


def _page(
    call: Call, wrong: str, status: int = 200, found: Sequence[Found] | None = None, shown: str = "",
    entry: Entry | None = None,
) -> Response:  # fmt: skip
    named = call.networks
    return show(call, "messages.html", status, wrong=wrong, found=found, shown=shown, carriers=named, chips=CHIPS,
                kinds=KINDS, outcomes=OUTCOMES, system=SYSTEM, why=call.form.get("reason", ""), entry=entry,
                typed=call.form.get("number", "")[:60], answer=_answer(call, found or [], shown),
                told=[_told(call, each, named) for each in found or []])  # fmt: skip


def _answer(call: Call, found: Sequence[Found], shown: str) -> str:
    """How many messages went to the number, what is uncertain counted apart."""
    say = call.words.say
    if not found:
        return say("No message of any wave went to {number}, and none waits.", number=shown)
    states = [each.state for each in found]
    taken = sum(int(state) in TAKEN for state in states)
    unsure = states.count(State.UNCERTAIN)
    parts = [say("{n} messages were sent to {number}", n=taken, number=shown)]
    parts += [say("of {n} it is not certain that the carrier took them", n=unsure)] if unsure else []
    rest = len(states) - taken - unsure
    parts += [say("{n} were not taken or not sent", n=rest)] if rest else []
    return "; ".join(parts) + "."


def _told(call: Call, found: Found, named: Mapping[str, str]) -> str:
    """What became of one message, and how often it was tried."""
    say, at, carrier = call.words.say, found.at, found.message.carrier
    moment = say("{clock} on {day}", clock=clock(at), day=call.words.date(local(at))) if at else "–"
    told = say(FATES[found.state], wave=found.wave.name, carrier=named.get(carrier, carrier), at=moment)
    if found.handed == 1:
        told += "; " + say("never sent again")
    elif found.handed:
        told += "; " + say("handed over {n} times, {taken} of them taken", n=found.handed, taken=found.taken)
    if found.wave.rehearsal:
        told += "; " + say("a rehearsal: its phones are simulated")
    return f"{told}."


def search(call: Call) -> Response:
    """Look one number up in every wave; the record keeps who, when and why, and a keyed hash instead of the number."""
    judged = acts.number_table().classify(call.form.get("number", "")[:60])
    reason = call.form.get("reason", "").strip()[:500]
    if not judged.number:
        why = call.words.say(judged.reason.sentence)
        return _page(call, call.words.say("this is no mobile number: {why}", why=why), 422)
    if not reason:
        return _page(call, call.words.say("write why you look this number up: it is kept"), 422)
    with call.house.begin() as conn:
        wrong = check_code(call, conn)
    if wrong:
        return _page(call, wrong, 422)
    with call.house.begin() as conn:
        found = _messages(call, conn, judged.number)
        digest = call.house.keyring.installation_hash(judged.number).hex()
        people.record(conn, call.who.login, "message.search", digest, reason=reason, found=len(found))
        entry = audit.newest(conn, ["message.search"], digest)
    return _page(call, "", found=found, shown=mask(judged.number), entry=entry)


def _messages(call: Call, conn: psycopg.Connection, number: int) -> list[Found]:
    every = waves.all_waves(conn)
    hashes = {name: call.house.keys(name).number_hash(number) for name in {wave.campaign for wave in every}}
    found = lives.of_number(conn, {wave.id: hashes[wave.campaign] for wave in every})
    return [Found(wave, found[wave.id], lives.life(conn, wave.id, found[wave.id].no))
            for wave in every if wave.id in found]  # fmt: skip
