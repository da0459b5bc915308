"""A campaign while people write it: fields as they were typed, step by step, and what they make so far. Pure.

Whatever was typed is kept; reading it gives a definition, with an empty value where none could be read, and every
fault at its field. A draft without faults is a definition like one from a folder, down to its hash.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, time
from enum import Enum
from typing import Any, Final, NamedTuple

from campaigns import rules, schedule, text, typed
from campaigns.compliance import Rules
from campaigns.compliance import faults as unlawful
from campaigns.definition import (
    Campaign,
    CarrierRoute,
    Class,
    Correction,
    Mandate,
    MandatedText,
    TextVariant,
    Use,
    variants,
)
from campaigns.schedule import WavePlan
from campaigns.terms import Problem, Sender

Fields = Mapping[str, str]
"""Name -> as typed; what is empty is absent."""


class DraftState(Enum):
    """Where a draft stands."""

    OPEN = "open"  # people write
    SUBMITTED = "submitted"  # its waves or orders wait for an approval, or went further
    DELETED = "deleted"  # for KEPT_DAYS it can be taken back


TRANSITIONS: Mapping[DraftState, tuple[DraftState, ...]] = {
    DraftState.OPEN: (DraftState.SUBMITTED, DraftState.DELETED),
    DraftState.SUBMITTED: (DraftState.OPEN,),
    DraftState.DELETED: (DraftState.OPEN,),
}
"""Which state may follow which; the database refuses the rest."""

KEPT_DAYS: Final = 30
"""Days in which a deleted draft can be taken back; the trigger of draft_event holds the same."""

LETTER, TEXT, PEOPLE, SCHEDULE = WRITTEN = ("letter", "text", "people", "schedule")
STEPS = (*WRITTEN, "forecast", "review")
DAYS = ("date", "report_before", "peak_from", "peak_to", "observance_day")
LINES = ("number", "place", "issuer", "subject", "addressee", "basis", "report_to")
OF_LETTER = ("title", *LINES, "section", *DAYS, "name", "letter")
CORRECTIONS, WAVES = 4, 8
"""The most that a form holds."""
CORRECTION_PARTS, WAVE_PARTS = ("found", "suggested", "choice", "reason"), ("name", "date", "until", "opens", "closes")
OF_TEXT = ("verbatim", "hotlines", "class", "legal_basis", "form", "vouched_by", "extract",
           *(f"c{no}_{part}" for no in range(1, CORRECTIONS + 1) for part in CORRECTION_PARTS))  # fmt: skip
OF_PEOPLE = ("way", "audience", "sender", "area", "contact", "deadline", "why_corrected")
OF_SCHEDULE = tuple(f"w{no}_{part}" for no in range(1, WAVES + 1) for part in WAVE_PARTS)
BY_LIST, BY_ORDERS = "list", "orders"
PLAIN = "khong-dau"
"""The variant of a text that goes out without accents."""
FIX, PLAIN_FORM = "fix", "plain"
FORGET = "kept"
"""A field that no form shows: what a definition holds beyond the forms, so that nothing of it is lost."""


def names(step: str, carriers: Collection[str]) -> tuple[str, ...]:
    """The fields that a step's form brings."""
    fixed = {LETTER: OF_LETTER[:-1], TEXT: OF_TEXT, PEOPLE: OF_PEOPLE, SCHEDULE: OF_SCHEDULE}[step]
    if step != PEOPLE:
        return fixed
    return (*fixed, *(f"{kind}_{each}" for each in carriers for kind in ("route", "sender", "order")))


class Fault(NamedTuple):
    """One thing to mend before this can be submitted."""

    step: str
    field: str
    problem: Problem
    missing: bool = False  # nothing is written there yet: no reason to stay on the page


@dataclass(slots=True)
class Read:
    """What a draft makes so far."""

    campaign: Campaign
    faults: list[Fault] = field(default_factory=list)

    def of(self, step: str) -> list[Fault]:
        """The faults of one step."""
        return [each for each in self.faults if each.step == step]


@dataclass(slots=True)
class _Desk:
    """Reads fields one by one and notes what is wrong with each."""

    said: Fields
    step: str = LETTER
    found: list[Fault] = field(default_factory=list)

    def line(self, name: str, *, needed: bool = True) -> str:
        value = " ".join(text.normal(self.said.get(name, "")).split())
        if needed and not value:
            self.fault(name, Problem("is not written yet"), missing=True)
        return value

    def read(self, name: str, reader: Callable[[str], Any], empty: Any) -> Any:
        if not self.line(name):
            return empty
        try:
            return reader(self.said[name])
        except Problem as problem:
            self.fault(name, problem)
            return empty

    def fault(self, name: str, problem: Problem, *, missing: bool = False) -> None:
        self.found.append(Fault(self.step, name, problem, missing))


def read(said: Fields, *, carriers: Sequence[str], accounts: Collection[str], law: Sequence[Rules] = ()) -> Read:
    """The definition that a draft makes, and all that keeps it from being one; by the rules of a folder's."""
    desk = _Desk(said)
    campaign = Campaign(
        name="", title=desk.line("title"), zone=schedule.ZONE_NAME, mandate=_mandate(desk), text=_text(desk),
        senders=_senders(desk, carriers), waves=_waves(desk), routes=_routes(desk, carriers),
    )  # fmt: skip
    campaign = _named(desk, campaign, carriers)
    _people(desk)
    desk.found += map(_placed, rules.check(campaign, carriers=carriers, accounts=accounts))
    if not desk.found:
        desk.found += map(_placed, unlawful(law, campaign))
    order = {step: place for place, step in enumerate(STEPS)}
    return Read(campaign, sorted(desk.found, key=lambda each: order[each.step]))


def _mandate(desk: _Desk) -> Mandate:
    lines: dict[str, Any] = {name: desk.line(name) for name in LINES}
    days = {name: desk.read(name, typed.day, date.min) for name in DAYS}
    return Mandate(**lines, **days, section=desk.read("section", typed.whole, 0))


def _text(desk: _Desk) -> MandatedText:
    desk.step = TEXT
    verbatim = text.normal(desk.said.get("verbatim", "")).replace("\r\n", "\n").strip("\n")
    if not verbatim.strip():
        desk.fault("verbatim", Problem("is not written yet"), missing=True)
    letter = letter_of(desk.said)
    if not letter.strip():
        desk.fault("extract", Problem("is not written yet"), missing=True)
    return MandatedText(
        verbatim=verbatim, letter=letter, corrections=tuple(_corrections(desk)), class_=_class(desk),
        hotlines=tuple(dict.fromkeys(re.split(r"[,;\s]+", desk.line("hotlines").strip(" ,;")))),
        legal_basis=desk.line("legal_basis"), **_kept(desk.said),
    )  # fmt: skip


def letter_of(said: Fields) -> str:
    """The letter's words: of its file, else the paragraphs that somebody typed; as `campaign.read_text` has a file."""
    found = said.get("letter", "") or said.get("extract", "")
    return text.normal(found.replace("\r\n", "\n").removesuffix("\n"))


def _class(desk: _Desk) -> Class:
    said = desk.said.get("class", "")
    return next((each for each in Class if each.value == said), Class.PUBLIC_INFORMATION)


def _corrections(desk: _Desk) -> Iterator[Correction]:
    for no in range(1, CORRECTIONS + 1):
        found, suggested, choice = (desk.said.get(f"c{no}_{part}", "") for part in CORRECTION_PARTS[:3])
        if choice != FIX or not found:
            continue
        if not suggested.strip():
            desk.fault(f"c{no}_suggested", Problem("write what stands in its place"))
        yield Correction(found, suggested, desk.line(f"c{no}_reason"))


def _kept(said: Fields) -> dict[str, Any]:
    """Variants, their use and an exception of the definition that a draft began with."""
    stored = json.loads(said.get(FORGET, "") or "{}")
    return {
        "variants": tuple(TextVariant(**each) for each in stored.get("variants", ())),
        "use": tuple(Use(each["variant"], tuple(each["carriers"]), tuple(each["units"]))
                     for each in stored.get("use", ())),
        "ignores_opt_outs": stored.get("ignores_opt_outs", ""),
    }  # fmt: skip


def _senders(desk: _Desk, carriers: Sequence[str]) -> tuple[Sender, ...]:
    """Of each carrier that is sent through or asked to send."""
    desk.step = PEOPLE
    wanted = [each for each in carriers if desk.said.get(f"route_{each}") or desk.said.get(f"order_{each}")]
    common = desk.line("sender", needed=any(not desk.said.get(f"sender_{each}") for each in wanted))
    return tuple(Sender(carrier=each, name=desk.line(f"sender_{each}", needed=False) or common) for each in wanted)


def _routes(desk: _Desk, carriers: Sequence[str]) -> tuple[CarrierRoute, ...]:
    desk.step = PEOPLE
    found = [(each, desk.line(f"route_{each}", needed=False)) for each in carriers]
    routes = tuple(CarrierRoute(each, tuple(accounts.split())) for each, accounts in found if accounts)
    if not routes:
        desk.fault("route_" + next(iter(carriers)), Problem("choose an account for one carrier at least"), missing=True)
    return routes


def _waves(desk: _Desk) -> tuple[WavePlan, ...]:
    desk.step = SCHEDULE
    found = tuple(wave for no in wave_numbers(desk.said) if (wave := _wave(desk, no)))
    if not wave_numbers(desk.said):
        desk.fault("w1_date", Problem("is not written yet"), missing=True)
    return found


def wave_numbers(said: Fields) -> list[int]:
    """The waves that have a day or a name."""
    return [no for no in range(1, WAVES + 1) if said.get(f"w{no}_date") or said.get(f"w{no}_name")]


def without_empty_waves(typed: Fields) -> dict[str, str]:
    """A row of which only the proposed hours are left is no row."""
    kept = wave_numbers(typed)
    return {name: value if int(name[1 : name.index("_")]) in kept else "" for name, value in typed.items()}


def _wave(desk: _Desk, no: int) -> WavePlan | None:
    name, first = desk.line(f"w{no}_name"), desk.read(f"w{no}_date", typed.day, None)
    until = desk.read(f"w{no}_until", typed.day, None) if desk.said.get(f"w{no}_until") else first
    opens, closes = (desk.read(f"w{no}_{part}", typed.clock, None) for part in ("opens", "closes"))
    if None in {first, until, opens, closes}:
        return None
    return WavePlan(no, name, first, until, opens, closes)


def _people(desk: _Desk) -> None:
    desk.step = PEOPLE
    if desk.said.get("way") == BY_ORDERS:
        if not any(name.startswith("order_") and value for name, value in desk.said.items()):
            desk.fault("way", Problem("choose the carriers that are asked to send"), missing=True)
        for name in ("area", "contact"):
            desk.line(name)
        desk.read("deadline", typed.day, None)
    elif not desk.said.get("audience"):
        desk.fault("audience", Problem("no list is chosen yet"), missing=True)


def _named(desk: _Desk, campaign: Campaign, carriers: Sequence[str]) -> Campaign:
    """With its name, and where it was asked for, its form without accents as the one that everybody gets."""
    desk.step = LETTER
    name = desk.line("name", needed=False) or name_of(campaign.mandate)
    if name and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        desk.fault("name", Problem("{value} is no short name: letters without accents, digits, - _ .", value=name))
    words = campaign.text
    if desk.said.get("form") == PLAIN_FORM and words.verbatim:
        desk.step = TEXT
        plain = text.unaccent([each.text for each in variants(campaign).values()][-1])
        variant = TextVariant(PLAIN, "vi", plain, desk.line("vouched_by"))
        words = replace(words, variants=(variant,), use=(Use(PLAIN, tuple(carriers), ()),))
    return replace(campaign, name=name, text=words)


def name_of(mandate: Mandate) -> str:
    """The short name by which commands know a letter's campaign: 20/BCĐ of 2024 is 20-BCD-2024; "" before that."""
    short = re.sub(r"[^A-Za-z0-9]+", "-", text.unaccent(mandate.number)).strip("-")
    return f"{short}-{mandate.date.year}" if short and mandate.date != date.min else ""


# -- places of what the rules say ------------------------------------------------------------------------------------

_WAVE_KEY = re.compile(r"waves \(no\. (\d+)\)\.(\w+)")
_NUMBERED = re.compile(r"text\.corrections\[(\d+)\]")


def _placed(problem: Problem) -> Fault:
    """A rule speaks of a file's key; a form has fields."""
    key, reason = str(problem.values.get("key", "")), problem.values.get("reason", problem)
    shown = reason if isinstance(reason, Problem) else problem
    if match := _WAVE_KEY.fullmatch(key):
        return Fault(SCHEDULE, f"w{match[1]}_{match[2]}", shown)
    if match := _NUMBERED.match(key):
        return Fault(TEXT, f"c{match[1]}_found", shown)
    if key.startswith(("senders", "routes")):
        return Fault(PEOPLE, "sender", shown)
    if key.startswith("mandate."):
        return Fault(LETTER, key.removeprefix("mandate."), shown)
    return Fault(TEXT, "extract" if key == "text.file" else "verbatim", shown)


# -- from a definition -----------------------------------------------------------------------------------------------


def fields_of(campaign: Campaign) -> dict[str, str]:
    """A definition as somebody would have typed it; `read` makes the same one of it, with the same hash."""
    mandate, words = campaign.mandate, campaign.text
    found = {name: getattr(mandate, name) for name in LINES} | {name: written(getattr(mandate, name)) for name in DAYS}
    common = Counter(each.name for each in campaign.senders).most_common(1)
    found |= {
        "title": campaign.title, "name": campaign.name, "section": str(mandate.section), "letter": words.letter,
        "verbatim": words.verbatim, "hotlines": ", ".join(words.hotlines), "class": words.class_.value,
        "legal_basis": words.legal_basis, "sender": common[0][0] if common else "", "way": BY_LIST,
    }  # fmt: skip
    for no, each in enumerate(words.corrections, 1):
        found |= {f"c{no}_found": each.found, f"c{no}_suggested": each.suggested, f"c{no}_choice": FIX,
                  f"c{no}_reason": each.reason}  # fmt: skip
    for wave in campaign.waves:
        found |= {f"w{wave.no}_{part}": written(getattr(wave, part)) for part in WAVE_PARTS}
        if wave.until == wave.date:
            del found[f"w{wave.no}_until"]
    found |= {f"route_{each.carrier}": " ".join(each.accounts) for each in campaign.routes}
    found |= {f"sender_{each.carrier}": each.name for each in campaign.senders if each.name != found["sender"]}
    return {name: value for name, value in (found | _beyond(campaign)).items() if value}


def _beyond(campaign: Campaign) -> dict[str, str]:
    plain = campaign.as_json()["text"]
    beyond = {key: plain[key] for key in ("variants", "use", "ignores_opt_outs") if plain.get(key)}
    return {FORGET: json.dumps(beyond, ensure_ascii=False)} if beyond else {}


def written(value: object) -> str:
    """A day as 30/7/2024 and an hour as 08:00; a text as it is."""
    if isinstance(value, date):
        return f"{value.day}/{value.month}/{value.year}"
    return f"{value:%H:%M}" if isinstance(value, time) else str(value)
