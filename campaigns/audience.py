"""Rows of an uploaded list -> one verdict each, with counts that sum to the rows (features: F-B1 to F-B3).

Pure: whoever stores an audience decides duplicates by the database's constraint, and suppression and the frequency
cap by its tables; `check_file` decides duplicates inside one file, for a look before anything is stored.
"""

from __future__ import annotations

import csv
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from campaigns.numbers import NumberTable, Reason
from campaigns.reports.files import whole_file
from campaigns.sealing import mask
from campaigns.seen import Seen
from campaigns.sheets import Entry, open_sheet
from campaigns.terms import Problem, Verdict

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\0")  # OWASP ASVS 1.2.10
_SHOWN = 40  # characters of a cell that is no number; the rest helps nobody find the row


Say = Callable[[str | Verdict], str]
"""A sentence of ours, or a verdict, in a person's language."""


@dataclass(slots=True)
class Chunk:
    """Verdicts of some consecutive rows: parallel arrays of the candidates, and the rest."""

    rows: int = 0
    lines: array[int] = field(default_factory=lambda: array("I"))
    numbers: array[int] = field(default_factory=lambda: array("Q"))  # 84912345678, perhaps twice
    carriers: array[int] = field(default_factory=lambda: array("B"))  # indexes into NumberTable.carriers
    units: list[str] = field(default_factory=list)  # "" where the list has no area
    converted: int = 0  # of the candidates, by the table of 2018
    rest: list[tuple[int, Verdict, Reason]] = field(default_factory=list)  # (line, verdict, reason)
    cells: list[str] = field(default_factory=list)  # of the rest: what the cell said, its digits covered


@dataclass(frozen=True, slots=True)
class Check:
    """What a file would give: each row has exactly one verdict."""

    rows: int
    verdicts: dict[str, int]  # all seven, 0 where there is none
    by_carrier: dict[str, int]  # of the accepted, by the prefix's operator
    reasons: dict[str, int]  # Reason.key of the rows that are not accepted and not duplicate
    converted: int  # of the accepted and duplicate, by the table of 2018


def examine(entries: Iterable[Entry], table: NumberTable, chunk: int = 20_000) -> Iterator[Chunk]:
    """Judge (line, number, area) entries, at most `chunk` rows at a time; memory stays that of one chunk."""
    stream = iter(entries)
    while taken := _examine(islice(stream, chunk), table):
        yield taken


def _examine(entries: Iterable[Entry], table: NumberTable) -> Chunk | None:
    done, rows, read, converted = Chunk(), 0, table.read, Reason.CONVERTED
    for line, raw, unit in entries:  # a million rows pass here: no call a row but `read`
        rows += 1
        number, carrier, reason = read(raw)
        if not number:
            done.rest.append((line, reason.verdict, reason))
            done.cells.append(mask_text(raw))
            continue
        done.lines.append(line)
        done.numbers.append(number)
        done.carriers.append(carrier)
        done.units.append(unit)
        if reason is converted:
            done.converted += 1
    done.rows = rows
    return done if rows else None


def check_file(path: Path, table: NumberTable, *, column: str = "", sheet: str = "") -> Check:
    """Judge a file without storing anything; duplicates are those inside this file. Raises Problem."""
    tally = _Tally()
    with open_sheet(path, column=column, sheet=sheet) as opened:
        for chunk in examine(opened.entries(), table):
            tally.add(chunk)
    return tally.check(table)


@dataclass(slots=True)
class _Tally:
    rows: int = 0
    candidates: int = 0
    converted: int = 0
    fresh: int = 0
    seen: Seen = field(default_factory=Seen)
    carriers: Counter[int] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)

    def add(self, chunk: Chunk) -> None:
        self.rows += chunk.rows
        self.candidates += len(chunk.numbers)
        self.converted += chunk.converted
        self.reasons.update(reason for _, _, reason in chunk.rest)
        self.carriers.update(self._fresh(chunk))

    def _fresh(self, chunk: Chunk) -> Iterator[int]:
        """The carriers of numbers not seen before."""
        for at in self.seen.fresh(chunk.numbers):
            self.fresh += 1
            yield chunk.carriers[at]

    def check(self, table: NumberTable) -> Check:
        verdicts = {verdict.value: 0 for verdict in Verdict}
        for reason, count in self.reasons.items():
            verdicts[reason.verdict.value] += count
        verdicts[Verdict.ACCEPTED.value] = self.carriers.total()
        verdicts[Verdict.DUPLICATE.value] = self.candidates - self.fresh
        if sum(verdicts.values()) != self.rows:
            raise RuntimeError(f"{self.rows} rows, but verdicts {verdicts}: a row has none or two")
        by_carrier = {table.carriers[index]: count for index, count in sorted(self.carriers.items())}
        reasons = {reason.key: self.reasons[reason] for reason in Reason if self.reasons[reason]}
        return Check(self.rows, verdicts, by_carrier, reasons, self.converted)


def _plainly(words: str | Verdict) -> str:
    return words.value if isinstance(words, Verdict) else words


def explain(
    path: Path, out: Path, table: NumberTable, *, column: str = "", sheet: str = "", say: Say = _plainly
) -> None:
    """Write line, number (masked), verdict and reason of every row of a file as CSV; `say` puts words into a language.

    Raises Problem.
    """
    if out.exists():
        raise Problem("{file} is there already: name another file for the reasons", file=out.name)
    seen = Seen()
    with (
        open_sheet(path, column=column, sheet=sheet) as opened,
        whole_file(out) as draft,
        draft.open("w", encoding="utf-8-sig", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow([say(title) for title in ("line", "number", "verdict", "reason")])
        for line, raw, _ in opened.entries():
            number, _, reason = table.read(raw)
            verdict, sentence = reason.verdict, reason.sentence
            if number and not any(True for _ in seen.fresh((number,))):
                verdict, sentence = Verdict.DUPLICATE, "already in this file, further up"
            writer.writerow((line, shown(number, raw), say(verdict), say(sentence)))


def shown(number: int, raw: str) -> str:
    """A number masked, or the cell that holds none."""
    return mask(number) if number else plain_cell(mask_text(raw))


def mask_text(raw: str) -> str:
    """A cell that is no accepted number, shortened; of its digits only the first four and the last three are shown."""
    text = " ".join(raw.split())[:_SHOWN]
    places = [at for at, sign in enumerate(text) if sign.isdigit()]
    covered = set(places[4:-3])
    return "".join("•" if at in covered else sign for at, sign in enumerate(text))


def plain_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula (reliability: T9)."""
    return f"'{text}" if text.startswith(_FORMULA_SIGNS) else text
