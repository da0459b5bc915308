"""People who must not be texted, as the command line and the API change and tell the lists: never one by one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


def of_file(house: House, act: str, name: str, file: Path, person: Person, *, column: str, sheet: str) -> Change:
    """Add to a list, or remove from it, the numbers of a .csv or .xlsx; only hashes are stored. Raises Problem."""
    with open_sheet(file, column=column, sheet=sheet) as opened:
        cells = ((line, raw) for line, raw, _ in opened.entries())
        return of_cells(house, act, name, cells, person, called=file.name)


def of_cells(
    house: House, act: str, name: str, cells: Iterable[tuple[int, str]], person: Person, *, called: str
) -> Change:
    """The same of (line, number) pairs; each number counts once. Nothing is changed where no line holds one."""
    table, numbers, bad = acts.number_table(), set(), []
    for line, raw in cells:
        number, _, _ = table.read(raw)
        if number:
            numbers.add(number)
        else:
            bad.append(line)
    if not numbers:
        raise Problem("{file} holds no mobile number: nothing was changed", file=called)
    hashes = house.keyring.installation_hashes(sorted(numbers))
    change = suppression.add if act == "add" else suppression.remove
    with house.begin() as conn:
        return Change(change(conn, name, hashes, person), len(hashes), tuple(bad))
