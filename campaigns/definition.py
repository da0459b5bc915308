"""What a campaign is: a mandate with its text, senders, waves and routes, known by one hash."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

from campaigns import canonical, text
from campaigns.schedule import WavePlan
from campaigns.terms import Sender


class Class(Enum):
    """What a campaign is under Decree 91/2020; what follows from it stands in config/compliance.toml."""

    PUBLIC_INFORMATION = "public_information"  # social policy of a state body, article 3.1
    ADVERTISING = "advertising"  # introduces goods or services, paid or not


@dataclass(frozen=True, slots=True)
class Mandate:
    """The document that orders the text; all days are local."""

    number: str
    date: dt.date
    place: str
    issuer: str
    subject: str
    section: int
    addressee: str
    basis: str
    report_to: str
    report_before: dt.date  # the first day that is too late
    peak_from: dt.date
    peak_to: dt.date  # the last day of the peak period
    observance_day: dt.date

    @property
    def report_by(self) -> dt.date:
        """The last day on which the report is in time ("trước ngày 10/8" is 9/8)."""
        return self.report_before - dt.timedelta(1)


@dataclass(frozen=True, slots=True)
class Correction:
    """A proposed change of the mandated text; the approver takes it or leaves it."""

    found: str
    suggested: str
    reason: str


@dataclass(frozen=True, slots=True)
class TextVariant:
    """Another form of the text, approved on its own: without accents, shorter, or in a language of the province."""

    name: str  # khong-dau
    language: str  # of the words: vi, hmn, tdd ...
    text: str  # NFC
    vouched_by: str  # the person who answers for its wording


@dataclass(frozen=True, slots=True)
class Use:
    """Where a variant is sent: by carrier and area only. Nobody's people is known here, and nothing may ask for it."""

    variant: str
    carriers: tuple[str, ...]  # (): all
    units: tuple[int, ...]  # codes of areas; (): all


@dataclass(frozen=True, slots=True)
class MandatedText:
    """What the mandate orders to be sent, and the letter in which it stands; both NFC."""

    verbatim: str
    letter: str
    corrections: tuple[Correction, ...]
    hotlines: tuple[str, ...]
    class_: Class
    legal_basis: str
    ignores_opt_outs: str = ""  # why people who refused advertising get this all the same; "": they do not
    variants: tuple[TextVariant, ...] = ()
    use: tuple[Use, ...] = ()  # the first that fits a row names its text; where none fits, the mandated text is sent


@dataclass(frozen=True, slots=True)
class CarrierRoute:
    """Which accounts carry a network's numbers, in order of preference."""

    carrier: str
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One definition, whole; two with the same digest are the same."""

    name: str  # of its folder: 20-BCD-2024
    title: str
    zone: str
    mandate: Mandate
    text: MandatedText
    senders: tuple[Sender, ...]
    waves: tuple[WavePlan, ...]
    routes: tuple[CarrierRoute, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over the RFC 8785 form of `as_json`: the version of this definition, letter included."""
        return canonical.digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Everything, in JSON's own types; campaign.from_json gives an equal campaign back."""
        plain: dict[str, Any] = _plain(self)
        if not self.text.ignores_opt_outs:
            del plain["text"]["ignores_opt_outs"]  # a definition of before this key keeps its digest
        for key in ("variants", "use"):  # absent where there are none: definitions of before keep their digest
            if not plain["text"][key]:
                del plain["text"][key]
        return plain

    def sender(self, carrier: str) -> Sender | None:
        """The sender registered at a carrier."""
        return next((sender for sender in self.senders if sender.carrier == carrier), None)

    def wave(self, no: int) -> WavePlan | None:
        """The wave with this number."""
        return next((wave for wave in self.waves if wave.no == no), None)

    def accounts(self, carrier: str) -> tuple[str, ...]:
        """The accounts that carry a network's numbers, none when it has no route."""
        return next((route.accounts for route in self.routes if route.carrier == carrier), ())


class Variant(NamedTuple):
    """One text that an approver may choose."""

    text: str
    sha256: str


def variants(campaign: Campaign) -> dict[str, Variant]:
    """The texts between which the approver chooses: "verbatim", and "corrected" where corrections are proposed."""
    corrected = verbatim = campaign.text.verbatim
    for correction in campaign.text.corrections:
        corrected = corrected.replace(correction.found, correction.suggested)
    texts = {"verbatim": verbatim} | ({"corrected": corrected} if corrected != verbatim else {})
    return {name: Variant(each, text.sha256(each)) for name, each in texts.items()}


def all_texts(campaign: Campaign) -> dict[str, Variant]:
    """`variants`, and the variants that the definition names; each is approved on its own."""
    named = {each.name: Variant(each.text, text.sha256(each.text)) for each in campaign.text.variants}
    return variants(campaign) | named


def wording(use: Sequence[Mapping[str, Any]], carrier: str, unit: int) -> str:
    """Which variant a row gets by rules as a plan holds them, "" = the mandated text."""
    for rule in use:
        if (not rule["carriers"] or carrier in rule["carriers"]) and (not rule["units"] or unit in rule["units"]):
            return str(rule["variant"])
    return ""


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name.rstrip("_"): _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, dt.time):
        return value.strftime("%H:%M")
    return value.value if isinstance(value, Enum) else value
