"""Administrative units as lists spell them: by the era in which a campaign falls (config/units).

The three-tier units ended on 30/6/2025; a code of theirs may name another unit since (03388 was Quyết Tiến and is Đoàn
Kết). So a unit of the new era is its code and 100,000; a district or an old commune its code alone; 0 is none.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from campaigns.headings import plain
from campaigns.terms import Problem

NEW_ERA = date(2025, 7, 1)  # Resolution 1670/NQ-UBTVQH15; the table's own word is its column `era`
_NEW = 100_000
_SHORT = {"thành phố": "tp", "huyện": "h", "thị trấn": "tt", "phường": "p", "xã": "x"}


@dataclass(frozen=True, slots=True)
class Unit:
    """One row of the table."""

    id: int
    name: str
    kind: str  # "xã", "huyện"
    new: bool
    district: str  # of 2024, "" for a district
    successor: int  # id in the new era when it went over whole, else 0


@dataclass(frozen=True, slots=True)
class UnitTable:
    """All units of a province, of both eras."""

    units: tuple[Unit, ...]

    @classmethod
    def load(cls, path: Path) -> UnitTable:
        """Read the table. Raises Problem naming the file."""
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                return cls(tuple(_unit(row) for row in csv.DictReader(file) if row["level"] in {"district", "commune"}))
        except (OSError, KeyError, ValueError) as error:
            raise Problem("{file}: cannot be read ({error}). Restore the file.", file=path.name, error=error) from error

    @property
    def names(self) -> dict[int, str]:
        """What a unit is called."""
        return {unit.id: unit.name for unit in self.units}

    def on(self, day: date) -> dict[str, int]:
        """Spelling -> unit, for a campaign of that day; look into it with `find`.

        Since July 2025 old names still find their unit: the new one where the old went over whole, else the old one.
        A bare name means the district; one that several communes share means none of them.
        """
        found: dict[str, int] = {}
        if day >= NEW_ERA:
            _enter(found, [(unit, unit.id) for unit in self.units if unit.new])
        _enter(found, [(unit, (day >= NEW_ERA and unit.successor) or unit.id) for unit in self.units if not unit.new])
        _enter_unaccented(found)
        return found


def find(codes: Mapping[str, int], area: str) -> int:
    """The unit of an area, however it is written; 0 for none. Nậm Cha and Nậm Chà are two: accents go first."""
    return codes.get(_tidy(area)) or codes.get(plain(area), 0)


def _tidy(name: str) -> str:
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFC", name.lower())))


def _enter_unaccented(found: dict[str, int]) -> None:
    """The same without accents, where that means one unit only."""
    meant: dict[str, set[int]] = {}
    for spelling, id_ in found.items():
        meant.setdefault(plain(spelling), set()).add(id_)
    for spelling, ids in meant.items():
        if len(ids) == 1:
            found.setdefault(spelling, *ids)


def _unit(row: dict[str, str]) -> Unit:
    new = row["era"].startswith("from")
    went = row["new_codes"] if row["partly_split"] == "no" and ";" not in row["new_codes"] else ""
    return Unit(
        id=int(row["code"]) + (_NEW if new else 0), name=row["name"], kind=_tidy(row["type"]), new=new,
        district=row["district_2024_name"] if row["level"] == "commune" else "",
        successor=int(went) + _NEW if went else 0,
    )  # fmt: skip


def _enter(found: dict[str, int], units: list[tuple[Unit, int]]) -> None:
    """Full names first, then short ones where nothing stands yet: districts before communes, shared ones nowhere."""
    for unit, id_ in units:
        for spelling in _full(unit):
            found.setdefault(spelling, id_)
    bare = [(_tidy(unit.name).removeprefix(f"{unit.kind} "), unit, id_) for unit, id_ in units]
    for short, unit, id_ in bare:
        if not unit.district:
            found.setdefault(short, id_)
    for short, _, id_ in bare:
        if {other for name, _, other in bare if name == short} == {id_}:
            found.setdefault(short, id_)


def _full(unit: Unit) -> Iterator[str]:
    name = _tidy(unit.name)
    short = name.removeprefix(unit.kind).strip()
    for spelling in (name, f"{_SHORT.get(unit.kind, unit.kind)} {short}"):
        yield spelling
        if unit.district:
            district = _tidy(unit.district)
            yield f"{spelling} {district}"
            yield f"{spelling} {district.removeprefix('huyện ').removeprefix('thành phố ')}"
