"""Who writes the report and to whom: facts of an office, valid between two days (letterheads.toml)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from campaigns.terms import Problem

HERE = Path(__file__).parent / "letterheads.toml"


@dataclass(frozen=True, slots=True)
class Letterhead:
    """An office as its papers name it; the clerk fills in what is still empty."""

    parent: str  # "UBND tỉnh Lai Châu"
    body: str  # "Sở Thông tin và Truyền thông"
    symbol: str  # "BC-STTTT"
    place: str  # "Lai Châu"
    addressee: str  # after "Kính gửi:"
    copies: tuple[str, ...]  # Nơi nhận, between "Như trên" and "Lưu"
    archive: str  # "VT, TTBCXB"
    signer: tuple[str, ...]  # ("KT. GIÁM ĐỐC", "PHÓ GIÁM ĐỐC")
    signer_name: str = ""
    number: int | None = None
    dated: date | None = None


def letterhead_at(day: date, path: Path = HERE) -> Letterhead:
    """The office that answered for such campaigns on this day."""
    found = [row for row in tomllib.loads(path.read_text("utf-8"))["letterhead"] if _covers(row, day)]
    if len(found) != 1:
        raise Problem(
            "{file}: {count} letterheads are valid on {day}; make it one by `valid_from` and `valid_until`.",
            file=path.name,
            count=len(found),
            day=day.isoformat(),
        )
    return _letterhead(found[0])


def order_letterhead(day: date, body: str, place: str, path: Path = HERE) -> Letterhead:
    """The office that writes to carriers: as the file has it for this day and place, else as the mandate names it.

    An office that no file knows leaves symbol, receivers and archive to the clerk.
    """
    rows = tomllib.loads(path.read_text("utf-8"))["letterhead"]
    found = [row for row in rows if _covers(row, day) and row["place"] == place and "order" in row]
    if len(found) == 1:
        return _letterhead({**found[0], **found[0]["order"]})
    return office(body, place, "…………")


def office(body: str, place: str, symbol: str, addressee: str = "") -> Letterhead:
    """An office of which only name and place are known; the clerk fills in the rest."""
    return Letterhead(f"UBND tỉnh {place}", body, symbol, place, addressee, (), "VT, ……", ("GIÁM ĐỐC",))


def is_known(place: str, path: Path = HERE) -> bool:
    """Whether the file knows an office of this place at all."""
    return any(row["place"] == place for row in tomllib.loads(path.read_text("utf-8"))["letterhead"])


def _covers(row: dict[str, Any], day: date) -> bool:
    return bool(row["valid_from"] <= day <= row.get("valid_until", date.max))


def _letterhead(row: dict[str, Any]) -> Letterhead:
    names = ("parent", "body", "symbol", "place", "addressee", "archive")
    return Letterhead(**{name: row[name] for name in names}, copies=tuple(row["copies"]), signer=tuple(row["signer"]))
