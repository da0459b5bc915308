"""What a carrier reports of its own sending (kết quả nhà mạng báo): one form, whichever way it came in."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from campaigns import canonical, text
from campaigns.order import OrderPlan
from campaigns.terms import Problem, Problems

COUNTS: Mapping[str, str] = {
    "subscribers": "Thuê bao",
    "messages": "Bản tin",
    "segments": "Tin nhắn quy đổi",
    "delivered": "Bản tin đã đến máy",
}
FAILURES: Mapping[str, str] = {
    "unreachable": "Tắt máy, ngoài vùng phủ sóng",
    "barred": "Bị chặn, khóa chiều nhận",
    "system": "Lỗi hệ thống",
    "other": "Lý do khác",
}
"""Why a message did not reach a phone -> the column's head."""
FIGURES = (*COUNTS, *FAILURES)
REQUIRED = ("subscribers", "messages", "segments")
"""Without these a row says nothing; the others may stay empty: the carrier does not state them."""
MOST = 2_000_000_000
ROWS = 2_000
"""A province has about 110 communes; three waves of them fit six times."""
WAYS = ("typed", "xlsx", "csv", "link", "api")


@dataclass(frozen=True, slots=True)
class Figures:
    """One row of figures; None: the carrier does not state it."""

    subscribers: int
    messages: int
    segments: int
    delivered: int | None = None
    unreachable: int | None = None
    barred: int | None = None
    system: int | None = None
    other: int | None = None

    @property
    def failed(self) -> int | None:
        """All failures with a reason, None when no reason is stated."""
        stated = [n for name in FAILURES if (n := getattr(self, name)) is not None]
        return sum(stated) if stated else None

    def as_json(self) -> dict[str, int | None]:
        """Names and figures."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class ReturnRow:
    """The figures of one wave, on one day, in one unit; `unit` is "" for the whole area."""

    wave: int
    day: dt.date | None
    unit: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Return:
    """A carrier's whole statement."""

    total: Figures
    rows: tuple[ReturnRow, ...]
    document: str  # "Công văn số 312/VTLC ngày 02/8/2024"
    method: str  # how the carrier chose the subscribers of the area, in its own words

    @property
    def digest(self) -> str:
        """SHA-256 over the RFC 8785 form: the same statement twice is one."""
        return canonical.digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Everything, in JSON's own types; `return_from_json` reads it back."""
        rows = [
            {"wave": row.wave, "day": row.day.isoformat() if row.day else None, "unit": row.unit,
             **row.figures.as_json()}
            for row in self.rows
        ]  # fmt: skip
        return {"document": self.document, "method": self.method, "total": self.total.as_json(), "rows": rows}


# -- reading -----------------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where a figure stood: a sheet's cell, a line of a CSV, a field of a form."""

    row: str  # "Báo cáo!" or "dòng 7, " ...
    column: Callable[[str], str]  # name of the figure -> what follows

    def of(self, name: str) -> str:
        """The place of one figure."""
        return f"{self.row}{self.column(name)}"


class RawRow(NamedTuple):
    """A row as somebody wrote it: values are numbers, text or None; "" and None are not stated."""

    place: Place
    cells: Mapping[str, Any]


_GROUPED = re.compile(r"\d{1,3}(?:([. \u00a0\u202f,])\d{3})(?:\1\d{3})*")


def number(value: Any, place: str, notes: list[str]) -> int | None:
    """A whole number of nought or more; None for an empty cell. Raises Problem naming the place.

    Figures grouped by one sign in threes ("412.345", "412 345") are read, and the reading is noted: nothing is mended
    in silence.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    found = _spelled(value, place, notes) if isinstance(value, str) else _typed(value, place)
    if not 0 <= found <= MOST:
        raise Problem("{place}: {value} is no possible count", place=place, value=repr(value))
    return found


def _typed(value: Any, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem("{place}: {value} is no number; type digits only", place=place, value=repr(value))
    if isinstance(value, float) and not value.is_integer():
        raise Problem(
            "{place}: {value} is not a whole number; a thousands sign was read as a decimal sign, type digits only",
            place=place,
            value=repr(value),
        )
    return int(value)


def _spelled(value: str, place: str, notes: list[str]) -> int:
    said = value.strip()
    if said.isascii() and said.isdigit() and len(said) < len(str(MOST)) + 1:
        return int(said)
    if _GROUPED.fullmatch(said) and len(said) < 2 * len(str(MOST)):
        found = int(re.sub(r"\D", "", said))
        notes.append(f"{place}: “{said}” được đọc là {found}")
        return found
    raise Problem("{place}: {value} is no number; type digits only", place=place, value=repr(value[:40]))


def assemble(
    plan: OrderPlan, total: RawRow | None, rows: Sequence[RawRow], *, document: str, method: str
) -> tuple[Return, list[str]]:
    """The return that these cells make, and notes on how they were read; raises Problems with all that is wrong."""
    found: list[Problem] = []
    notes: list[str] = []
    if total is None:
        raise Problem("the return has no row of totals; fill it in")
    if len(rows) > ROWS:
        raise Problem("the return has {n} rows, at most {most} are read", n=len(rows), most=ROWS)
    whole = _figures(total, found, notes)
    lines = [line for raw in rows if (line := _row(plan, raw, found, notes))]
    if not lines and not found:
        found.append(Problem("the return has no row beside its totals; give at least one row for each wave"))
    for name, value in (("document", document), ("method", method)):
        if not value.strip():
            found.append(Problem("the return does not say its {kind}", kind=name))
    if found:
        raise found[0] if len(found) == 1 else Problems(found)
    if whole is None:
        raise RuntimeError("no totals, and no fault in them")
    return Return(whole, tuple(lines), text.normal(document.strip()), text.normal(method.strip())), notes


def _figures(raw: RawRow, found: list[Problem], notes: list[str]) -> Figures | None:
    values: dict[str, int | None] = {}
    for name in FIGURES:
        try:
            values[name] = number(raw.cells.get(name), raw.place.of(name), notes)
        except Problem as problem:
            found.append(problem)
            values[name] = 0
    missing = [name for name in REQUIRED if values[name] is None]
    found.extend(Problem("{place}: a figure is missing", place=raw.place.of(name)) for name in missing)
    return None if missing else Figures(**values)  # type: ignore[arg-type]  # the required ones are numbers here


def _row(plan: OrderPlan, raw: RawRow, found: list[Problem], notes: list[str]) -> ReturnRow | None:
    figures = _figures(raw, found, notes)
    try:
        wave = number(raw.cells.get("wave"), raw.place.of("wave"), notes)
        day = _day(raw.cells.get("day"), raw.place.of("day"))
    except Problem as problem:
        found.append(problem)
        return None
    if wave is None or plan.wave(wave) is None:
        known = ", ".join(str(each.no) for each in plan.waves)
        found.append(Problem("{place}: the order has no wave {wave}; its waves are {known}",
                             place=raw.place.of("wave"), wave="-" if wave is None else wave, known=known))  # fmt: skip
        return None
    unit = text.normal(str(raw.cells.get("unit") or "").strip())[:100]
    return ReturnRow(wave, day, unit, figures) if figures else None


_DAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})")


def _day(value: Any, place: str) -> dt.date | None:
    """A date, or 30/7/2024, or 2024-07-30."""
    if isinstance(value, dt.datetime):
        return value.date()
    if value is None or isinstance(value, dt.date):
        return value
    said = str(value).strip()
    if not said:
        return None
    try:
        if found := _DAY.fullmatch(said):
            day, month, year = map(int, found.groups())
            return dt.date(year, month, day)
        return dt.date.fromisoformat(said[:10])
    except ValueError:
        raise Problem("{place}: {value} is no day; write it as 30/7/2024", place=place, value=repr(said[:40])) from None


def from_mapping(plan: OrderPlan, given: Mapping[str, Any], *, spoken: bool = False) -> tuple[Return, list[str]]:
    """A return from JSON or a form: {"document", "method", "total": {...}, "rows": [{...}, ...]}.

    Places are named as JSON has them, or when `spoken` as a person sees them on the form.
    """
    total, rows = given.get("total"), given.get("rows") or []
    if not isinstance(rows, Sequence) or not all(isinstance(row, Mapping) for row in rows):
        raise Problem("the rows of the return must be a list of rows")
    known = {*FIGURES, "wave", "day", "unit"}
    for row in [total or {}, *rows]:
        if strange := sorted(set(row) - known):
            raise Problem("the return has an unknown figure {name}; known are {known}",
                          name=strange[0], known=", ".join(sorted(known)))  # fmt: skip
    first, each, name = ("Dòng tổng, ", "Dòng {}, ", _spoken) if spoken else ("total.", "rows[{}].", str)
    whole = RawRow(Place(first, name), total) if isinstance(total, Mapping) else None
    lines = [RawRow(Place(each.format(at), name), row) for at, row in enumerate(rows, 1)]
    return assemble(
        plan, whole, lines, document=str(given.get("document") or ""), method=str(given.get("method") or "")
    )


def _spoken(name: str) -> str:
    return {**COUNTS, **FAILURES, "wave": "Đợt", "day": "Ngày gửi", "unit": "Đơn vị"}[name]


def return_from_json(stored: Mapping[str, Any]) -> Return:
    """The return whose `as_json` this is."""
    rows = tuple(
        ReturnRow(
            row["wave"],
            dt.date.fromisoformat(row["day"]) if row["day"] else None,
            row["unit"],
            Figures(**{name: row[name] for name in FIGURES}),
        )
        for row in stored["rows"]
    )
    return Return(Figures(**stored["total"]), rows, stored["document"], stored["method"])
