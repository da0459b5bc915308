"""People who must not be texted, as the command line and the API change and tell the lists: never one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from campaigns.ledger import suppression
from campaigns.ledger.people import Person
from campaigns.sheets import open_sheet
from campaigns.terms import Problem
from dispatcher import acts
from workers.house import House

LIST_NAMES = {
    "request": "people who asked never to be texted",
    "police": "people whom the police name",
    "staff": "our own test phones",
    "opt_out": "people who refused advertising",
    "do_not_call": "the national do-not-call list",
}
"""What a list is called; a wave's plan names its lists."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of a list: how many people are new on it, or off it, and the lines that hold no mobile number."""

    changed: int
    given: int
    unreadable: tuple[int, ...]  # lines


Changing = Callable[[psycopg.Connection, Sequence[bytes]], int]
"""Puts hashes of numbers on a list, or takes them off; how many were new or there."""


def changing(act: str, name: str, person: Person) -> Changing:
    """What adds to a list, or removes from it."""
    change = suppression.add if act == "add" else suppression.remove
    return lambda conn, hashes: change(conn, name, hashes, person)


def in_file(house: House, change: Changing, file: Path, *, column: str, sheet: str) -> Change:
    """Give the numbers of a .csv or .xlsx to what changes a list; only hashes are stored. Raises Problem."""
    with open_sheet(file, column=column, sheet=sheet) as opened:
        cells = ((line, raw) for line, raw, _ in opened.entries())
        return in_cells(house, change, cells, called=file.name)


def in_cells(house: House, change: Changing, cells: Iterable[tuple[int, str]], *, called: str) -> Change:
    """The same of (line, number) pairs; each number counts once. Nothing is changed where no line holds one."""
    numbers, bad = numbers_in(cells)
    if not numbers:
        raise Problem("{file} holds no mobile number: nothing was changed", file=called)
    hashes = house.keyring.installation_hashes(numbers)
    with house.begin() as conn:
        return Change(change(conn, hashes), len(hashes), bad)


def numbers_in(cells: Iterable[tuple[int, str]]) -> tuple[list[int], tuple[int, ...]]:
    """(different numbers, lines that hold none) of (line, number) pairs."""
    table, numbers, bad = acts.number_table(), set(), []
    for line, raw in cells:
        number, _, _ = table.read(raw)
        if number:
            numbers.add(number)
        else:
            bad.append(line)
    return sorted(numbers), tuple(bad)
