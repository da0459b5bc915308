"""What the house says to people, in their language: the one place that translates and that writes figures.

Lower floors raise `Problem(template, **values)` in English; the template is the gettext message id. Catalogues are read
as .po files, once a process and language: there is nothing to compile, and nothing compiled to forget.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from campaigns.drafting import DraftState
from campaigns.order import OrderState
from campaigns.terms import Problem as CampaignProblem
from campaigns.terms import Problems, State, Verdict
from config.problem import Problem as ConfigProblem

LOCALE = Path(__file__).parent / "locale"
LANGUAGES = ("vi", "en")  # the first is the house's own
UNGROUPED = frozenset({"port", "year", "pid", "code", "line", "wave", "audience", "no", "version"})
"""Names, not amounts: 8710, never 8.710."""

TOLD = frozenset({"state", "act", "kind"})  # fields whose text is a word of ours, to be said in the language
WORDS = ("planned", "running", "paused", "cancelled", "finished", "pause", "resume", "cancel")  # a wave's, in TOLD
WEEKDAYS = ("Thứ Hai", "Thứ Ba", "Thứ Tư", "Thứ Năm", "Thứ Sáu", "Thứ Bảy", "Chủ nhật")
ORDER_WORDS = (
    "draft", "approve", "issue", "ack", "run", "return", "accept", "link", "revoke", "refuse",  # acts, in TOLD
    "area", "contact", "document", "method",  # what an order or a return may lack, in TOLD
)  # fmt: skip
NAMES: dict[type[Enum], dict[Any, str]] = {  # one thing has one name in the whole product (console.md, section 2)
    State: {
        State.QUEUED: "queued",
        State.UNCERTAIN: "uncertain",
        State.REFUSED: "refused",
        State.ACCEPTED: "accepted by the carrier",
        State.UNDELIVERED: "not delivered",
        State.DELIVERED: "delivered",
        State.SUPPRESSED: "suppressed",
        State.CANCELLED: "cancelled before its turn",
        State.EXPIRED: "expired",
    },
    OrderState: {
        OrderState.DRAFTED: "drafted",
        OrderState.APPROVED: "approved",
        OrderState.ISSUED: "issued",
        OrderState.ACKNOWLEDGED: "acknowledged",
        OrderState.RUNNING: "the carrier sends",
        OrderState.RETURNED: "reported",
        OrderState.ACCEPTED: "return accepted",
        OrderState.CANCELLED: "withdrawn",
    },
    DraftState: {
        DraftState.OPEN: "being written",
        DraftState.SUBMITTED: "submitted",
        DraftState.DELETED: "deleted",
    },
    Verdict: {
        Verdict.ACCEPTED: "valid",
        Verdict.DUPLICATE: "duplicate",
        Verdict.INVALID: "not a number",
        Verdict.LANDLINE: "landline",
        Verdict.FOREIGN: "foreign number",
        Verdict.SUPPRESSED: "has opted out",
        Verdict.CAPPED: "over the frequency cap",
    },
}


def choose(flag: str | None, env: Mapping[str, str]) -> str:
    """The language asked for: --lang, else DISPATCHER_LANG, else LANG, else Vietnamese. Raises Problem."""
    for asked in (flag, env.get("DISPATCHER_LANG")):
        if asked:
            return _known(asked)
    return "en" if env.get("LANG", "").startswith("en") else "vi"


def _known(asked: str) -> str:
    if asked not in LANGUAGES:
        raise ConfigProblem("language {value} is not spoken here; choose {allowed}",
                            value=asked, allowed=" / ".join(LANGUAGES))  # fmt: skip
    return asked


@cache
def speak(language: str) -> Words:
    """The words of a language, read once a process. Raises Problem for a language that is not spoken here."""
    return Words(_known(language))


class Words:
    """One language: its sentences, its figures, its dates."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._sentences = {} if language == "en" else catalogue(language)
        self._writer = _Writer(self)
        self._writers: tuple[tuple[type | tuple[type, ...], Callable[[Any], str]], ...] = (
            (Enum, self._named),
            ((bool, str, bytes), str),
            ((int, float, Decimal), self.number),
            (timedelta, self.lasting),
            (datetime, self._moment),
            (date, self.date),
            (time, self.time),
            ((list, tuple, set, frozenset), self._list),
            ((CampaignProblem, ConfigProblem), self.problem),
            (object, str),
        )

    def say(self, template: str, /, **values: object) -> str:
        """The sentence in this language with its values written as this language writes them."""
        return self._writer.vformat(self._sentences.get(template, template), (), values)

    def problem(self, problem: CampaignProblem | ConfigProblem) -> str:
        """What is wrong, for a person; several problems stand one a line under their count."""
        said = self.say(problem.template, **problem.values)
        if isinstance(problem, Problems):
            return "\n".join([said, *(self.problem(one) for one in problem.found)])
        return said

    def number(self, value: float | Decimal, places: int | None = None) -> str:
        """412.345 and 98,6 in Vietnamese; `places` after the decimal mark, by default those the value has."""
        return self._marks(f"{value:,}" if places is None else f"{value:,.{places}f}")

    def day_in_words(self, value: date) -> str:
        """Thứ Ba, 30 tháng 7 năm 2024: whoever typed the month first sees it."""
        if self.language == "en":
            return f"{value:%A}, {value.day} {value:%B} {value.year}"
        return f"{WEEKDAYS[value.weekday()]}, {value.day} tháng {value.month} năm {value.year}"

    def date(self, value: date) -> str:
        """30/7/2024, the day first in both languages."""
        return f"{value.day}/{value.month}/{value.year}"

    def time(self, value: datetime | time) -> str:
        """08:42, 24 hours."""
        return f"{value:%H:%M}"

    def lasting(self, value: timedelta) -> str:
        """3 giờ 13 phút; the two largest units that are not nought."""
        left = round(value.total_seconds())
        amounts = {"{n} d": left // 86_400, "{n} h": left // 3_600 % 24, "{n} min": left // 60 % 60, "{n} s": left % 60}
        parts = [self.say(unit, n=amount) for unit, amount in amounts.items() if amount]
        return " ".join(parts[:2]) or self.say("{n} s", n=0)

    def value(self, value: Any) -> str:
        """Any value of a sentence as this language writes it."""
        return next(write(value) for kinds, write in self._writers if isinstance(value, kinds))

    def _named(self, value: Enum) -> str:
        named = NAMES.get(type(value), {}).get(value)
        return self.say(named) if named else str(value.value)

    def _moment(self, value: datetime) -> str:
        return f"{self.time(value)} {self.date(value)}"

    def _list(self, values: Collection[Any]) -> str:
        return ", ".join(self.value(one) for one in values)

    def _marks(self, written: str) -> str:
        return written if self.language == "en" else written.translate(str.maketrans(",.", ".,"))


class _Writer(string.Formatter):
    """str.format whose plain fields are written by the language; a field with a format of its own keeps it."""

    def __init__(self, words: Words) -> None:
        self._words = words

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        value, used = super().get_field(field_name, args, kwargs)
        if field_name in UNGROUPED and isinstance(value, int):
            value = str(value)
        elif field_name in TOLD and isinstance(value, str):
            value = self._words.say(value) if "{" not in value else value
        return value, used

    def format_field(self, value: Any, format_spec: str) -> str:
        if not format_spec:
            return self._words.value(value)
        written: str = super().format_field(value, format_spec)
        return self._words._marks(written) if isinstance(value, int | float | Decimal) else written  # noqa: SLF001 - one language, two classes


def catalogue(language: str) -> dict[str, str]:
    """English template -> sentence, from the language's .po files: one for the whole program, one for its pages."""
    from babel.messages.pofile import read_po  # noqa: PLC0415 - English needs no catalogue, nor its reader

    found: dict[str, str] = {}
    for path in sorted((LOCALE / language / "LC_MESSAGES").glob("*.po")):
        with path.open("rb") as file:
            entries = read_po(file, locale=language)
        found |= {str(entry.id): str(entry.string) for entry in entries if entry.id and entry.string}
    return found
