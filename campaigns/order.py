"""A carrier order (yêu cầu nhắn tin): what a carrier is asked to send to its own subscribers, known by one hash."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, NamedTuple

from campaigns import canonical, segments, text
from campaigns.definition import Campaign, all_texts
from campaigns.schedule import WavePlan
from campaigns.terms import Problem


class OrderState(Enum):
    """How far an order has come. "Overdue" is none of them: a clock says it, nobody decides it (see `Standing`)."""

    DRAFTED = "drafted"
    APPROVED = "approved"
    ISSUED = "issued"
    ACKNOWLEDGED = "acknowledged"
    RUNNING = "running"
    RETURNED = "returned"
    ACCEPTED = "accepted"
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        """As English sentences name it; dispatcher/words.py has the words of each language."""
        return self.value


O = OrderState  # noqa: E741 - one letter, as the message's S

TRANSITIONS: Mapping[OrderState, tuple[OrderState, ...]] = {
    O.DRAFTED: (O.APPROVED, O.CANCELLED),
    O.APPROVED: (O.ISSUED, O.CANCELLED),
    O.ISSUED: (O.ACKNOWLEDGED, O.RUNNING, O.RETURNED, O.CANCELLED),
    O.ACKNOWLEDGED: (O.RUNNING, O.RETURNED, O.CANCELLED),
    O.RUNNING: (O.RETURNED, O.CANCELLED),
    O.RETURNED: (O.ACCEPTED, O.CANCELLED),
    O.ACCEPTED: (),
    O.CANCELLED: (),
}
"""Which state may follow which; the database refuses the rest."""

ACTS: Mapping[str, OrderState] = {
    "approve": O.APPROVED,
    "issue": O.ISSUED,
    "ack": O.ACKNOWLEDGED,
    "run": O.RUNNING,
    "return": O.RETURNED,
    "accept": O.ACCEPTED,
    "cancel": O.CANCELLED,
}
"""What is done with an order -> where it leads."""

OPEN = frozenset({O.ISSUED, O.ACKNOWLEDGED, O.RUNNING, O.RETURNED})
"""A return is taken from the issue to the acceptance."""
SILENT = frozenset({O.ISSUED})
"""Issued, and not a word from the carrier."""
AWAITED = frozenset({O.ISSUED, O.ACKNOWLEDGED, O.RUNNING})
"""Issued, and no figures yet."""


def guard_sql(transitions: Mapping[Any, tuple[Any, ...]] = TRANSITIONS) -> str:
    """The condition under which the database refuses a next state, generated from a table of enums; an order's here."""
    arms = " ".join(
        f"WHEN '{was.value}' THEN new.state IN ({', '.join(repr(each.value) for each in nexts)})"
        for was, nexts in transitions.items()
        if nexts
    )
    return f"was <> new.state AND NOT (CASE was {arms} ELSE false END)"


AUDIENCE = "toàn bộ thuê bao đang hoạt động hai chiều tại thời điểm nhắn tin"
"""No number is handed over: the carrier knows its subscribers (Telecom Law 24/2023, article 6.4)."""
SMS = "sms"
MEDIA: Mapping[str, str] = {
    SMS: "tin nhắn SMS",
    "precall": "âm thanh thông báo trước cuộc gọi",
    "zalo": "tin nhắn Zalo OA",
    "loudspeaker": "loa truyền thanh cơ sở",
}
"""By what way the text reaches people -> as papers write it."""


@dataclass(frozen=True, slots=True)
class OrderedText:
    """The text byte for byte as it must be sent, with what it costs."""

    text: str
    sha256: str
    nfc: bool
    encoding: str
    units: int
    segments: int


@dataclass(frozen=True, slots=True)
class OrderedWave:
    """One wave that the carrier is to send; dates and hours are local."""

    no: int
    name: str
    date: dt.date
    until: dt.date
    opens: dt.time
    closes: dt.time


class Terms(NamedTuple):
    """What the officer says beside the campaign."""

    area: str  # "tỉnh Lai Châu"
    contact: str  # who answers the carrier's questions, with a telephone number
    deadline: dt.date  # the last day on which the figures are in time
    choice: str = "verbatim"
    reason: str = ""  # why the mandated text is corrected
    medium: str = SMS
    published: int | None = None  # subscribers of this carrier in the area, as published somewhere
    published_source: str = ""


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """All that an approval is bound to."""

    campaign: str
    version: int
    campaign_digest: str
    rehearsal: bool
    carrier: str  # "viettel"
    carrier_name: str  # "Viettel"
    area: str
    audience: str
    medium: str
    sender: str
    choice: str
    reason: str
    text: OrderedText
    waves: tuple[OrderedWave, ...]
    contact: str
    deadline: dt.date
    legal_basis: str
    published: int | None
    published_source: str

    @property
    def digest(self) -> str:
        """SHA-256 over the RFC 8785 form of `as_json`: what is approved, and what the return form bears."""
        return canonical.digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Everything, in JSON's own types; `plan_from_json` gives an equal plan back."""
        plain: dict[str, Any] = _plain(self)
        return plain

    def wave(self, no: int) -> OrderedWave | None:
        """The wave with this number."""
        return next((wave for wave in self.waves if wave.no == no), None)


def make_plan(
    campaign: Campaign, version: int, carrier: str, carrier_name: str, terms: Terms, *, rehearsal: bool
) -> OrderPlan:
    """An order to one carrier from a campaign; raises Problem with what is missing or contradicts it."""
    sender = campaign.sender(carrier)
    if sender is None:
        raise Problem("no sender name is registered for carrier {carrier}", carrier=carrier)
    _check(terms, campaign)
    return OrderPlan(
        campaign=campaign.name,
        version=version,
        campaign_digest=campaign.digest,
        rehearsal=rehearsal,
        carrier=carrier,
        carrier_name=carrier_name,
        area=text.normal(terms.area.strip()),
        audience=AUDIENCE,
        medium=terms.medium,
        sender=sender.name,
        choice=terms.choice,
        reason=text.normal(terms.reason.strip()),
        text=_ordered_text(all_texts(campaign)[terms.choice].text),
        waves=tuple(map(_wave, campaign.waves)),
        contact=text.normal(terms.contact.strip()),
        deadline=terms.deadline,
        legal_basis=campaign.text.legal_basis,
        published=terms.published,
        published_source=text.normal(terms.published_source.strip()),
    )


def _check(terms: Terms, campaign: Campaign) -> None:
    texts = all_texts(campaign)
    if terms.choice not in texts:
        raise Problem("choose the text: {choices}", choices=", ".join(texts))
    if terms.choice != "verbatim" and not terms.reason.strip():
        raise Problem("say why the ordered text is corrected; the letter and the report cite it")
    if terms.medium not in MEDIA:
        raise Problem("there is no way {medium} to reach people; take one of {known}",
                      medium=repr(terms.medium), known=", ".join(MEDIA))  # fmt: skip
    for name, value in (("area", terms.area), ("contact", terms.contact)):
        if not value.strip():
            raise Problem("the order lacks its {kind}; the carrier must know it", kind=name)
    first = min(wave.date for wave in campaign.waves)
    if terms.deadline < first:
        raise Problem("the figures are due on {day}, before the first wave ({first})", day=terms.deadline, first=first)
    if terms.published is not None and terms.published < 1:
        raise Problem("a published number of subscribers is at least 1, not {n}", n=terms.published)


def _ordered_text(words: str) -> OrderedText:
    words = text.normal(words)
    measured = segments.measure(words)
    return OrderedText(
        words,
        text.sha256(words),
        nfc=True,  # by text.normal above; told to the carrier, whose systems may decompose it
        encoding=measured.encoding,
        units=measured.units,
        segments=measured.segments,
    )


def _wave(wave: WavePlan) -> OrderedWave:
    return OrderedWave(wave.no, wave.name, wave.date, wave.until, wave.opens, wave.closes)


# -- stored form -----------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    if isinstance(value, OrderPlan | OrderedText | OrderedWave):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    return value.strftime("%H:%M") if isinstance(value, dt.time) else value


def plan_from_json(stored: Mapping[str, Any]) -> OrderPlan:
    """The plan whose `as_json` this is."""
    return OrderPlan(
        **{
            **stored,
            "text": OrderedText(**stored["text"]),
            "waves": tuple(map(_stored_wave, stored["waves"])),
            "deadline": dt.date.fromisoformat(stored["deadline"]),
        }
    )


def _stored_wave(stored: Mapping[str, Any]) -> OrderedWave:
    return OrderedWave(
        stored["no"],
        stored["name"],
        dt.date.fromisoformat(stored["date"]),
        dt.date.fromisoformat(stored["until"]),
        dt.time.fromisoformat(stored["opens"]),
        dt.time.fromisoformat(stored["closes"]),
    )


# -- the clock -------------------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """What a list says of an order today."""

    days_left: int  # until the end of the deadline's day; negative once it has passed
    overdue: bool  # figures are awaited and the deadline has passed
    silent: bool  # issued, and the carrier has not said a word
    chase: bool  # somebody should call the carrier now


CHASE_DAYS = 3
"""A carrier whose figures are due within so many days is called."""
ANSWER_DAYS = 2
"""So many days after the issue a carrier that has not acknowledged is called."""


def standing(state: OrderState, deadline: dt.date, issued: dt.date | None, today: dt.date) -> Standing:
    """How an order stands on this day, in the province's calendar."""
    left = (deadline - today).days
    awaited, silent = state in AWAITED, state in SILENT
    long_silent = silent and issued is not None and (today - issued).days >= ANSWER_DAYS
    return Standing(left, awaited and left < 0, silent, awaited and (left <= CHASE_DAYS or long_silent))
