"""One number's messages: a look that stands in the record with its reason, by people with a code; nothing is listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from starlette.responses import Response

from campaigns.ledger import lives, people, waves
from campaigns.ledger.lives import Event, Message
from campaigns.ledger.waves import Wave
from campaigns.sealing import mask
from campaigns.terms import Outcome, State
from config.carriers import load_carriers
from dispatcher import acts
from dispatcher.console.call import Call
from dispatcher.console.pages import show
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


@dataclass(frozen=True, slots=True)
class Found:
    """One message to the number, with its life."""

    wave: Wave
    message: Message
    events: Sequence[Event]


def search_page(call: Call) -> Response:
    """The form; it says that the look is kept."""
    return _page(call, "")


def _page(call: Call, wrong: str, status: int = 200, found: Sequence[Found] | None = None, shown: str = "") -> Response:
    named = {each.id: each.name for each in load_carriers(call.house.settings.carriers_file)}
    return show(call, "messages.html", status, wrong=wrong, found=found, shown=shown, carriers=named, chips=CHIPS,
                kinds=KINDS, outcomes=OUTCOMES, system=SYSTEM, why=call.form.get("reason", ""))  # fmt: skip


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
    return _page(call, "", found=found, shown=mask(judged.number))


def _messages(call: Call, conn: psycopg.Connection, number: int) -> list[Found]:
    every = waves.all_waves(conn)
    hashes = {name: call.house.keys(name).number_hash(number) for name in {wave.campaign for wave in every}}
    found = lives.of_number(conn, {wave.id: hashes[wave.campaign] for wave in every})
    return [Found(wave, found[wave.id], lives.life(conn, wave.id, found[wave.id].no))
            for wave in every if wave.id in found]  # fmt: skip
