"""Reads one table of a definition and notes each fault with its file and key, so that all are told at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time
from enum import Enum
from typing import Any, TypeVar

from campaigns import text
from campaigns.terms import Problem

E = TypeVar("E", bound=Enum)
_ABSENT = object()
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(r"\d\d:\d\d(:00)?")


class Reader:
    """One table, read key by key; a faulty value is noted in `found` and replaced by an empty one of its type.

    Places are named as in the file: `waves[2].date` is the second [[waves]]. Dates and times may be TOML's own or
    ISO strings, so that a stored JSON reads like the file it came from.
    """

    def __init__(self, table: Mapping[str, Any], file: str, found: list[Problem], where: str = "") -> None:
        self._table = table
        self._file = file
        self._where = where
        self._found = found
        self._known: set[str] = set()
        self.sound = True  # nothing was wrong in this very table

    def key(self, name: str) -> str:
        """A key with its place in the file."""
        return f"{self._where}.{name}" if self._where else name

    def fault(self, name: str, reason: Problem) -> None:
        """Note what is wrong with a key."""
        self.sound = False
        self._found.append(Problem("{file}: {key}: {reason}", file=self._file, key=self.key(name), reason=reason))

    def text(self, name: str, default: str | None = None) -> str:
        """A string that is not empty, as NFC: the same letters give the same hash however they were typed."""
        value = self._take(name, default)
        if value == default == "":
            return ""
        if isinstance(value, str) and value.strip():
            return text.normal(value)
        self._wrong(name, value, Problem("a text, not empty"))
        return ""

    def maybe_text(self, name: str) -> str:
        """A string that may be left out, as NFC; "" then."""
        return self.text(name) if name in self._table else self._take(name, "")

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number from 1 on, or the default."""
        value = self._take(name, default)
        if type(value) is int and (value >= 1 or value == default):
            return value
        self._wrong(name, value, Problem("a whole number from 1 on"))
        return 0

    def day(self, name: str, default: date | None = None) -> date:
        """A day without a clock time or a zone."""
        value = self._take(name, default)
        if isinstance(value, str) and _DATE.fullmatch(value):
            value = _parsed(date.fromisoformat, value)
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        self._wrong(name, value, Problem("a day of the calendar, written 2024-07-30"))
        return date.min

    def clock(self, name: str) -> time:
        """A clock time of the day, to the minute."""
        value = self._take(name)
        if isinstance(value, str) and _TIME.fullmatch(value):
            value = _parsed(time.fromisoformat, value)
        if isinstance(value, time) and value == value.replace(second=0, microsecond=0, tzinfo=None):
            return value
        self._wrong(name, value, Problem('a time of the day, written "08:00"'))
        return time.min

    def one_of(self, name: str, enum: type[E]) -> E:
        """A value of this enum."""
        value = self._take(name)
        for member in enum:
            if member.value == value:
                return member
        self._wrong(name, value, Problem("one of {known}", known=", ".join(member.value for member in enum)))
        return next(iter(enum))

    def texts(self, name: str, *, needed: bool = True) -> tuple[str, ...]:
        """A list of strings, none twice, at least one where it is needed."""
        value = self._take(name, None if needed else [])
        if value == [] and not needed:
            return ()
        sound = isinstance(value, list) and value and all(isinstance(each, str) and each.strip() for each in value)
        if sound and len(set(value)) == len(value):
            return tuple(value)
        self._wrong(name, value, Problem("a list of texts, at least one, none twice"))
        return ()

    def integers(self, name: str, *, needed: bool = True) -> tuple[int, ...]:
        """A list of whole numbers from 1 on, at least one where it is needed."""
        value = self._take(name, None if needed else [])
        sound = isinstance(value, list) and all(type(each) is int and each >= 1 for each in value)
        if sound and (value or not needed):
            return tuple(value)
        self._wrong(name, value, Problem("a list of whole numbers from 1 on"))
        return ()

    def flag(self, name: str, default: bool | None = None) -> bool:  # noqa: FBT001 - TOML's own kind of value
        """True or false, as TOML writes them."""
        value = self._take(name, default)
        if isinstance(value, bool):
            return value
        self._wrong(name, value, Problem("true or false"))
        return False

    def table(self, name: str) -> Reader:
        """A table inside this one."""
        value = self._take(name)
        if not isinstance(value, Mapping):
            self._wrong(name, value, Problem("a table [{key}]", key=self.key(name)))
            return Reader({}, self._file, [], self.key(name))  # its own absence is fault enough
        return Reader(value, self._file, self._found, self.key(name))

    def tables(self, name: str, *, needed: bool = True) -> Iterator[Reader]:
        """The tables of a list, in order."""
        value = self._take(name, None if needed else [])
        if not isinstance(value, list) or (needed and not value) or not all(isinstance(v, Mapping) for v in value):
            self._wrong(name, value, Problem("tables [[{key}]]", key=self.key(name)))
            return
        for place, table in enumerate(value, 1):
            yield Reader(table, self._file, self._found, f"{self.key(name)}[{place}]")

    def close(self) -> None:
        """Note each key nobody asked for."""
        for name in self._table:
            if name not in self._known:
                close = difflib.get_close_matches(name, self._known - set(self._table), 1) or sorted(self._known)
                self.fault(name, Problem("is not known here; known are {known}", known=", ".join(close)))

    def _take(self, name: str, default: object = None) -> Any:
        self._known.add(name)
        return self._table.get(name, _ABSENT if default is None else default)

    def _wrong(self, name: str, value: object, wanted: Problem) -> None:
        if value is _ABSENT:
            self.fault(name, Problem("is missing; write {wanted}", wanted=wanted))
        else:
            self.fault(name, Problem("is {value}; write {wanted}", value=_shown(value), wanted=wanted))


def _shown(value: object) -> str:
    return str(value) if isinstance(value, date | time) else repr(value)


def _parsed(parse: Callable[[str], object], value: str) -> Any:
    """What it means, or as it stands when it means nothing, so that the refusal can show it."""
    try:
        return parse(value)
    except ValueError:
        return value
