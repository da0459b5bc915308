"""What a letter seems to order: each value beside the line it was read from. A person accepts, nobody else."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from campaigns import text
from campaigns.text import Slip


@dataclass(frozen=True, slots=True)
class Found:
    """One value with its place in the letter."""

    value: str  # days as 2024-07-30
    line: int  # from 1
    source: str  # that line, whole


@dataclass(frozen=True, slots=True)
class Proposal:
    """All that was found, the likeliest first; an empty list means: not found, write it yourself."""

    number: tuple[Found, ...]
    date: tuple[Found, ...]
    place: tuple[Found, ...]
    issuer: tuple[Found, ...]
    subject: tuple[Found, ...]
    basis: tuple[Found, ...]
    text: tuple[Found, ...]  # quoted passages that could be the message; `line` is where the quotation begins
    hotlines: tuple[Found, ...]
    deadlines: tuple[Found, ...]  # "trước ngày 10/8/2024": the first day that is too late
    periods: tuple[Found, ...]  # 2024-07-01/2024-09-30
    days: tuple[Found, ...]  # every other day it names
    slips: tuple[Slip, ...]  # of the first proposed text against the letter

    def as_json(self) -> dict[str, Any]:
        """For programs: lists of {value, line, source}, and the slips."""
        plain = {name: [asdict(each) for each in getattr(self, name)] for name in LISTS}
        return plain | {"slips": [slip._asdict() for slip in self.slips], "accepted": False}


LISTS = (
    "number", "date", "place", "issuer", "subject", "basis", "text", "hotlines", "deadlines", "periods", "days",
)  # fmt: skip


class _Letter(NamedTuple):
    """The letter as one string without marks of its layout, and where each of its lines begins."""

    whole: str
    lines: tuple[str, ...]

    def found(self, value: str, at: int) -> Found:
        line = self.whole.count("\n", 0, at)
        return Found(" ".join(value.split()).strip(" ;,"), line + 1, " ".join(self.lines[line].split()))

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        return pattern.finditer(self.whole)


_DAY = r"(?:ngày\s+)?(\d{1,2})[/.-](\d{1,2})(?:[/.-](\d{4}))?"
_NUMBER = re.compile(r"(?<!\w)Số:?\s*(\d+\s*/\s*[\wĐ.-]+)")
_DATED = re.compile(r"^[\s*]*([^\W\d][\w ]+?),\s*ngày\s+(\d{1,2})\s+tháng\s+(\d{1,2})\s+năm\s+(\d{4})", re.MULTILINE)
_SUBJECT = re.compile(r"(?<!\w)(V/v.+?)(?=\n\s*\n|\nKính gửi)", re.DOTALL)
_BASIS = re.compile(r"(?:Thực hiện|Căn cứ)\s+((?:[^\W\d][\w ]*?)\s+số\s+[^;\n]+?)(?=;|\s+về\s|\n\s*\n)", re.DOTALL)
_ISSUER = re.compile(r";\s*((?:Ban|Sở|Ủy ban|UBND|Công an|Bộ)[^;()]+?)\s*\(gọi tắt")
_SIGNED = re.compile(r"(?:TM|KT|TL)\.\s*([^\n*]+)")
_QUOTED = re.compile('“([^“”]{30,})”|«([^«»]{30,})»|"([^"]{30,})"')
_MESSAGE = re.compile(r"nội dung(?: tin nhắn)?(?:\s+như sau)?\s*:\s*$|tin nhắn\s*:\s*$", re.IGNORECASE)
_HOTLINE = re.compile(
    r"(?:tổng đ[àạ]i|đường dây nóng|số điện thoại|hotline|điện thoại)[^\d\n]{0,40}?(\d[\d. ]{1,13}\d)(?![\d/])",
    re.IGNORECASE,
)
_DEADLINE = re.compile(rf"(?:trước|chậm nhất(?:\s+là)?|không quá)\s+{_DAY}", re.IGNORECASE)
_PERIOD = re.compile(rf"từ\s+{_DAY}\s+(?:đến|tới)\s+(?:hết\s+)?{_DAY}", re.IGNORECASE)
_ANY_DAY = re.compile(rf"(?<![\d/.-]){_DAY}(?![\d/])")


def propose(content: str) -> Proposal:
    """Read a letter (NFC or not, as letter.read gives it); finds, never decides."""
    letter = _letter(content)
    dated = _DATED.search(letter.whole)
    year = int(dated[4]) if dated else 0
    quoted = _texts(letter)
    taken: set[tuple[str, int]] = set()
    deadlines = _days(letter, _DEADLINE, year, taken)
    periods = _periods(letter, year, taken)
    return Proposal(
        number=_all(letter, _NUMBER, lambda match: re.sub(r"\s*/\s*", "/", match[1])),
        date=(letter.found(_iso(dated[2], dated[3], dated[4], 0) or "", dated.start(2)),) if dated else (),
        place=(letter.found(dated[1], dated.start(1)),) if dated else (),
        issuer=(*_all(letter, _ISSUER), *_all(letter, _SIGNED)),
        subject=_all(letter, _SUBJECT),
        basis=_all(letter, _BASIS),
        text=quoted,
        hotlines=_once(_all(letter, _HOTLINE, lambda match: match[1].strip())),
        deadlines=deadlines,
        periods=periods,
        days=_once(_days(letter, _ANY_DAY, year, taken)),
        slips=tuple(text.slips(quoted[0].value, letter.whole)) if quoted else (),
    )


def _letter(content: str) -> _Letter:
    """Marks of emphasis are blanked, character for character, so that places stay what they were."""
    plain = re.sub(r"[*_#]", " ", text.normal(content).replace("\r", ""))
    return _Letter(plain, tuple(plain.split("\n")))


def _all(
    letter: _Letter, pattern: re.Pattern[str], value: Callable[[re.Match[str]], str] = lambda match: match[1]
) -> tuple[Found, ...]:
    return tuple(letter.found(value(match), match.start(1)) for match in letter.matches(pattern))


def _once(found: tuple[Found, ...]) -> tuple[Found, ...]:
    """The first place of each value."""
    first: dict[str, Found] = {}
    for each in found:
        first.setdefault(each.value, each)
    return tuple(first.values())


def _texts(letter: _Letter) -> tuple[Found, ...]:
    """Quotations: those that the letter calls the message first, then the longer ones."""
    ranked = []
    for match in letter.matches(_QUOTED):
        group = next(no for no in (1, 2, 3) if match[no] is not None)
        called = bool(_MESSAGE.search(letter.whole[max(0, match.start() - 60) : match.start()]))
        ranked.append((not called, -len(match[group]), letter.found(match[group], match.start())))
    return _once(tuple(each for _, _, each in sorted(ranked, key=lambda one: one[:2])))


def _days(letter: _Letter, pattern: re.Pattern[str], year: int, taken: set[tuple[str, int]]) -> tuple[Found, ...]:
    found = []
    for match in letter.matches(pattern):
        day = _iso(match[1], match[2], match[3], year)
        if day and (day, match.start(1)) not in taken:
            taken.add((day, match.start(1)))
            found.append(letter.found(day, match.start(1)))
    return tuple(found)


def _periods(letter: _Letter, year: int, taken: set[tuple[str, int]]) -> tuple[Found, ...]:
    found = []
    for match in letter.matches(_PERIOD):
        last = _iso(match[4], match[5], match[6], year)
        first = _iso(match[1], match[2], match[3] or match[6], year)
        if first and last:
            taken |= {(first, match.start(1)), (last, match.start(4))}
            found.append(letter.found(f"{first}/{last}", match.start(1)))
    return _once(tuple(found))


def _iso(day: str, month: str, year: str | None, default: int) -> str | None:
    try:
        return dt.date(int(year or default), int(month), int(day)).isoformat()
    except ValueError:  # 72/138 is no day, nor is 30/7 of a letter without a year
        return None
