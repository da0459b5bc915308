"""Rows of data with a validity: first and last day, the day they were last verified, and where they come from."""

from __future__ import annotations

import datetime as dt
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from campaigns.reading import Reader
from campaigns.terms import Problem, Problems

ALWAYS, NEVER = dt.date.min, dt.date.max


class Dated(Protocol):
    """A row that holds from one day to another, both included."""

    @property
    def valid_from(self) -> dt.date:
        """The first day."""
        ...

    @property
    def valid_to(self) -> dt.date:
        """The last day."""
        ...


Row = TypeVar("Row", bound=Dated)
Read = TypeVar("Read")


def rows(path: Path, table: str, read: Callable[[Reader], Read]) -> tuple[Read, ...]:
    """Every `[[table]]` of a TOML file in its order; raises Problem or Problems naming file, row and key."""
    found: list[Problem] = []
    root = Reader(_document(path), path.name, found)
    made = []
    for each in root.tables(table):
        made.append(read(each))
        each.close()
    root.close()
    if found:
        raise Problems(found)
    return tuple(made)


def on(day: dt.date, among: Sequence[Row]) -> Iterator[Row]:
    """The rows that hold on a day."""
    return (row for row in among if row.valid_from <= day <= row.valid_to)


def overlap(one: Dated, two: Dated) -> bool:
    """Whether both hold on some day."""
    return one.valid_from <= two.valid_to and two.valid_from <= one.valid_to


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise Problem("{file} cannot be read: {error}", file=str(path), error=error.strerror) from error
    except ValueError as error:
        raise Problem("{file} is not TOML: {error}", file=str(path), error=error) from error
