"""Lists as departments send them, invented: good rows in many spellings, and everything that goes wrong in real ones.

Nobody's list: names are drawn from common names, subscriber digits from a seeded generator, and no number is taken
from anywhere. Vietnam reserves no numbers for examples, so a drawn number may happen to be in use: samples are for
rehearsals and tests, which can only reach simulated accounts (ledger: section 12).
"""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from campaigns.numbers import KEPT_DIGITS, NumberTable
from campaigns.terms import Problem, Verdict

# Shares of all rows. The rest is accepted, of which `_OLD` are spelled with eleven digits.
_BAD = {"duplicate": 0.02, "landline": 0.01, "foreign": 0.003, "garbage": 0.015, "empty": 0.005}
_CARRIERS = {
    "viettel": 55,
    "vinaphone": 22,
    "mobifone": 15,
    "vietnamobile": 4,
    "gmobile": 2,
    "itel": 1,
    "wintel": 1,
}  # percent of subscribers, near the published shares of the market
_OLD = 0.03
_FAMILY = (
    "Nguyễn", "Trần", "Lê", "Phạm", "Lò", "Vàng", "Giàng", "Tẩn", "Sùng", "Lý", "Hoàng", "Đỗ", "Mùa", "Thào", "Chẻo",
)  # fmt: skip
_MIDDLE = ("Văn", "Thị", "Thị Thu", "Minh", "A", "Đức", "Thị Mỹ", "Quang", "Ngọc", "Hữu", "Xuân", "Thanh")
_GIVEN = (
    "An", "Bình", "Chung", "Dung", "Giang", "Hạnh", "Hương", "Khoa", "Lan", "Mai", "Pánh", "Phượng", "Tuyết", "Yến",
)  # fmt: skip
_HEADER = ("STT", "Họ và tên", "Số điện thoại", "Đơn vị")

Cell = str | int | float
Row = tuple[int, str, Cell, str]

_SPELLINGS: dict[Callable[[str], Cell], int] = {
    lambda n: f"0{n}": 78,
    lambda n: f"84{n}": 4,
    lambda n: f"+84 {n[:3]} {n[3:6]} {n[6:]}": 4,
    lambda n: f"0{n[:3]} {n[3:6]} {n[6:]}": 4,
    lambda n: f"0{n[:3]}.{n[3:6]}.{n[6:]}": 3,
    lambda n: f"0{n[:2]}-{n[2:5]}-{n[5:]}": 1,
    int: 4,  # the spreadsheet ate the 0
    float: 1,
    lambda n: f"{n[0]}.{n[1:]}E+8": 1,
}  # what becomes of nine national digits, percent of rows
_GARBAGE = (
    "không có",
    "mất số",
    "?",
    "09{}",  # a digit short
    "0912{}9",  # one too many
    "041{}",  # no such prefix
    "0951{:.6}",  # not assigned
    "113",
    "1900{:.4}",
    "9.12E+08",  # rounded by the spreadsheet: somebody else's phone
    "038{}/098{}",  # two in one cell
    "0130{}",  # eleven digits, never converted
    "045{}12",  # an identity number
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a generated file holds, known from its making and not from reading it."""

    rows: int
    verdicts: dict[str, int]  # all seven, as audience.Check.verdicts
    by_carrier: dict[str, int]  # of the accepted


def write_sample(
    path: Path,
    *,
    seed: int,
    table: NumberTable,
    rows: int = 0,
    recipients: int = 0,
    units: Sequence[str] = (),
) -> Sample:
    """Write a list of `rows` rows, or one of which exactly `recipients` are accepted; .xlsx by its suffix, else CSV.

    The same arguments give the same list. `units` are names of districts or communes for the last column.
    """
    if (rows > 0) == (recipients > 0):
        raise Problem("Give either the number of rows or the number of recipients, at least 1.")
    total = rows or round(recipients / (1 - sum(_BAD.values())))
    counts = {kind: round(share * total) for kind, share in _BAD.items()}
    counts["good"] = recipients or rows - sum(counts.values())
    maker = _Maker(random.Random(seed), table, units)  # noqa: S311 - a repeatable sample, nothing secret
    write = _write_xlsx if path.suffix.lower() == ".xlsx" else _write_csv
    write(path, _HEADER if units else _HEADER[:-1], maker.rows(counts))
    return _truth(counts, maker.by_carrier)


def _truth(counts: dict[str, int], by_carrier: Counter[str]) -> Sample:
    verdicts = {verdict.value: 0 for verdict in Verdict}
    verdicts |= {kind: counts[kind] for kind in ("duplicate", "landline", "foreign")}
    verdicts |= {"accepted": counts["good"], "invalid": counts["garbage"] + counts["empty"]}
    return Sample(sum(counts.values()), verdicts, dict(sorted(by_carrier.items())))


class _Maker:
    """Draws rows; national numbers are nine digits without the 0."""

    def __init__(self, dice: random.Random, table: NumberTable, units: Sequence[str]) -> None:
        self.by_carrier: Counter[str] = Counter()
        self._dice = dice
        self._units = units or ("",)
        self._old = table.old_prefixes
        self._prefixes = {name: table.prefixes[name] for name in _CARRIERS if name in table.prefixes}
        self._weights = [_CARRIERS[name] for name in self._prefixes]
        self._long_prefixes = {prefix for group in table.prefixes.values() for prefix in group if len(prefix) > 2}  # noqa: PLR2004 - operators own two digits, or more
        self._used: list[str] = []  # national numbers in the order of their making
        self._taken: set[str] = set()
        self._numbers: dict[str, Callable[[], Cell]] = {
            "good": self._good,
            "duplicate": self._duplicate,
            "landline": self._landline,
            "foreign": self._foreign,
            "garbage": self._garbage,
            "empty": lambda: "",
        }

    def rows(self, counts: dict[str, int]) -> Iterator[Row]:
        """All rows in a shuffled order that begins with a good one, which duplicates can repeat."""
        kinds = [kind for kind, count in counts.items() for _ in range(count)]
        self._dice.shuffle(kinds)
        first = kinds.index("good")
        kinds[0], kinds[first] = kinds[first], kinds[0]
        pick = self._dice.choice
        for order, kind in enumerate(kinds, 1):
            name = f"{pick(_FAMILY)} {pick(_MIDDLE)} {pick(_GIVEN)}"
            yield order, name, self._numbers[kind](), pick(self._units)

    def _good(self) -> Cell:
        carrier = self._dice.choices(list(self._prefixes), self._weights)[0]
        old = self._dice.random() < _OLD
        prefixes = self._prefixes[carrier]
        if old:
            prefixes = tuple(prefix for prefix in prefixes if prefix in self._old) or prefixes
        national = self._unused(prefixes)
        self._used.append(national)
        self.by_carrier[carrier] += 1
        return self._spell_old(national) if old else self._spell(national)

    def _unused(self, prefixes: Sequence[str]) -> str:
        """Nine national digits that no other row has and no longer prefix of another operator claims."""
        while True:
            prefix = self._dice.choice(prefixes)
            national = f"{prefix}{self._figures(9 - len(prefix))}"
            claimed = national[:3] in self._long_prefixes and national[:3] != prefix
            if national not in self._taken and not claimed:
                self._taken.add(national)
                return national

    def _duplicate(self) -> Cell:
        national = self._dice.choice(self._used)
        return self._spell_old(national) if self._dice.random() < _OLD else self._spell(national)

    def _spell(self, national: str) -> Cell:
        return self._dice.choices(list(_SPELLINGS), list(_SPELLINGS.values()))[0](national)

    def _spell_old(self, national: str) -> str:
        """As before 2018, where the prefix was another then."""
        old = self._old.get(national[:-KEPT_DIGITS], national[:-KEPT_DIGITS])
        return f"0{old}{national[-KEPT_DIGITS:]}"

    def _landline(self) -> str:
        form = self._dice.choice(("0213 3{}", "02133{}", "+84 213 3{}", "024 38{}"))
        return form.format(self._figures(6))

    def _foreign(self) -> str:
        """A mobile number of China or Laos, across Lai Châu's borders."""
        form = self._dice.choice(("+86 138 {}", "0086139{}", "+85620 5{}"))
        return form.format(self._figures(7 if "856" in form else 8))

    def _garbage(self) -> str:
        form = self._dice.choice(_GARBAGE)
        return form.format(self._figures(7), self._figures(7))

    def _figures(self, count: int) -> str:
        return f"{self._dice.randrange(10**count):0{count}d}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # the mark lets spreadsheets read the accents
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(row[: len(header)] for row in rows)


def _write_xlsx(path: Path, header: Sequence[str], rows: Iterable[Row]) -> None:
    import xlsxwriter  # noqa: PLC0415 - 40 ms, and most samples are CSV

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(path, options) as book:
        sheet = book.add_worksheet("Danh sách")
        sheet.write_row(0, 0, header)
        for at, row in enumerate(rows, 1):
            sheet.write_row(at, 0, row[: len(header)])
