"""What a carrier's receipts have become lately, and how its engineer tries the address for them; no number is whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from campaigns.ledger import inbox
from campaigns.ledger.inbox import Sealed
from campaigns.message import reference
from campaigns.sealing import mask
from campaigns.terms import Outcome, Problem, Receipt
from config.problem import Problem as ConfigProblem
from dispatcher.callbacks import TurnedCall, callback_secret
from providers.base import Provider
from workers import spool
from workers.house import House
from workers.matching import Matcher

GROUPS, ROWS = 15, 15
"""Groups of the inbox that are opened, and rows that are shown."""
KNOWN = {
    "matched": ("ok", "recognised"), "late-matched": ("ok", "recognised later"),
    "unknown": ("unk", "belongs to no message of ours"), "unreadable": ("bad", "cannot be read"),
    "ignored": ("off", "says nothing final"), "signature": ("bad", "wrong signature"),
    "address": ("bad", "wrong address"), "call": ("bad", "not taken: the call itself is wrong"),
    "full": ("bad", "not taken: no room here, the carrier comes again"),
}  # fmt: skip
"""Verdict -> (tag, a sentence of ours)."""
DOOR = {"forged": "signature", "unchecked": "signature", "no": "address", "spool": "full"}
"""First word of what the door noted -> verdict."""
EXAMPLES: Mapping[str, tuple[bool, str]] = {
    "esms": (True, ("curl -i '{url}?SMSID=TEST-1&RequestId={ref}&SendStatus=5&SendSuccess=1&SendFailed=0"
                   "&TotalReceiver=1&TotalSent=1&TotalPrice=0&TypeId=2&telcoid=1'")),
    "twilio": (True, ("curl -i '{url}' -H 'X-Twilio-Signature: …' -d MessageSid=SM00000000000000000000000000000000"
                     " -d MessageStatus=delivered")),
    "speedsms": (False, ("curl -i '{url}' -H 'Content-Type: application/json'"
                        " -d '{{\"type\":\"report\",\"tranId\":\"TEST-1\",\"phone\":\"84000000000\",\"status\":0}}'")),
}  # fmt: skip
"""Provider -> (whether the address holds our reference of one message, a call in the simulator's shape)."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One receipt, or one call that was turned away."""

    at: datetime
    verdict: str  # a key of KNOWN
    said: Receipt | None = None
    times: int = 1  # receipts of the same attempt that stand in the log

    @property
    def number(self) -> str:
        """Masked; "" when the carrier names none."""
        return mask(self.said.number) if self.said and self.said.number else ""


def lately(house: House, conn: psycopg.Connection, account: str, turned: Sequence[TurnedCall]) -> list[Seen]:
    """The newest first: what stands in the inbox, and what this process's door turned away since it began."""
    provider = _provider(house, account)
    stored = [
        seen for group in inbox.newest(conn, account, GROUPS) for seen in _events(house, account, provider, group)
    ]
    refused = [Seen(each.at, DOOR.get(each.why.partition(" ")[0], "call")) for each in turned]
    rows = sorted([*stored, *refused], key=lambda seen: seen.at, reverse=True)[:ROWS]
    return _counted(house, conn, account, rows)


def _provider(house: House, account: str) -> Provider | None:
    """Who reads its receipts; None for one that is switched off: its secrets are not fetched."""
    found = house.accounts.get(account)
    try:
        return house.build(found) if found and found.enabled else None
    except (Problem, ConfigProblem):
        return None


def _events(house: House, account: str, provider: Provider | None, group: Sealed) -> Iterable[Seen]:
    try:
        events = spool.opened(house.keyring.open(group.raw, account.encode()))[-ROWS:]
        read = provider.receipts_of(events) if provider else [[] for _ in events]
    except Exception:  # noqa: BLE001 - keys, settings and parsers of other days: the verdict is shown all the same
        return [Seen(group.at, group.verdict)]
    found: list[Sequence[Receipt | None]] = [told or [None] for told in reversed(read)]
    return [Seen(group.at, group.verdict, each) for told in found for each in told]


def _counted(house: House, conn: psycopg.Connection, account: str, rows: Sequence[Seen]) -> list[Seen]:
    """How often each recognised receipt's attempt was told of."""
    wanted = {seen.said for seen in rows if seen.said and seen.verdict in {"matched", "late-matched"}}
    places = Matcher(house).find(conn, account, wanted).places if wanted else {}
    times = inbox.told(conn, list(places.values()))
    return [Seen(seen.at, seen.verdict, seen.said, times.get(places[seen.said], 1))
            if seen.said in places else seen for seen in rows]  # fmt: skip


def outcome_word(seen: Seen, words: Mapping[Outcome, str]) -> str:
    """What the receipt says; "" when it says nothing that we read."""
    return words.get(seen.said.outcome, "") if seen.said else ""


def example(house: House, account: str, *, whole: bool) -> dict[str, Any] | None:
    """How to try the address: (url, call); None where receipts come over the carrier's own connection.

    The reference is of no message: a right call ends as "belongs to no message of ours" and changes nothing.
    """
    found = house.accounts.get(account)
    provider = found.provider if found else ""
    if provider == "smpp":
        return None
    of_message, call = EXAMPLES.get(provider, (False, "curl -i '{url}'"))
    ref = reference(0, 0, house.keyring.mac_key("reference"))
    last = (ref if of_message else callback_secret(house.keyring, account)) if whole else "…"
    url = f"{house.callback_base or house.settings.url}/cb/{account}/{last}"
    return {"url": url, "call": call.format(url=url, ref=ref if whole else "…"), "of_message": of_message,
            "signed": provider == "twilio"}  # fmt: skip
