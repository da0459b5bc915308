"""Phone numbers as people write them, read into 84912345678 and a guess of the network, by our own prefix table.

`phonenumbers` is asked only about numbers of other countries: it refuses blocks that are in use and names host
networks for virtual ones (docs/decisions/005-numbers-and-sealing.md). The network is a guess:
numbers are portable.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple

from campaigns.terms import Problem, Verdict

COUNTRY = 84_000_000_000  # country code 84 before nine national digits
MOBILE_DIGITS = 9  # of a mobile number without its leading 0, since 2018
KEPT_DIGITS = 7  # the subscriber's digits that the conversion of 2018 left as they were


class Reason(Enum):
    """Why a row has its verdict: key, verdict, the sentence a person reads (also the gettext message id)."""

    OK = ("ok", Verdict.ACCEPTED, "mobile number")
    CONVERTED = ("converted_2018", Verdict.ACCEPTED, "old 11-digit number, converted as in 2018")
    EMPTY = ("empty", Verdict.INVALID, "no number in this row")
    LETTERS = ("letters", Verdict.INVALID, "letters or signs that no phone number has")
    SEVERAL = ("several", Verdict.INVALID, "several numbers in one cell: give each its own row")
    ROUNDED = ("rounded", Verdict.INVALID, "the spreadsheet rounded this number: format the column as text")
    TOO_SHORT = ("too_short", Verdict.INVALID, "too few digits")
    TOO_LONG = ("too_long", Verdict.INVALID, "too many digits")
    SHORT_NUMBER = ("short_number", Verdict.INVALID, "a short number or hotline, not a subscriber")
    SERVICE_NUMBER = ("service_number", Verdict.INVALID, "a 1800 or 1900 service number, not a subscriber")
    UNKNOWN_PREFIX = ("unknown_prefix", Verdict.INVALID, "no mobile network has this prefix")
    UNASSIGNED = ("unassigned", Verdict.INVALID, "this prefix is not assigned to an operator")
    NO_SMS = ("no_sms", Verdict.INVALID, "no SMS gateway serves this network")
    NEVER_CONVERTED = ("never_converted", Verdict.INVALID, "11 digits, but not a prefix converted in 2018")
    FOREIGN_WRONG = ("foreign_wrong", Verdict.INVALID, "begins like a foreign number, but no country has such a number")
    LANDLINE = ("landline", Verdict.LANDLINE, "landline")
    MINISTRY = ("ministry_069", Verdict.LANDLINE, "fixed network 069 of the defence and police ministries")
    FOREIGN = ("foreign", Verdict.FOREIGN, "number of another country")

    def __init__(self, key: str, verdict: Verdict, sentence: str) -> None:
        self.key = key
        self.verdict = verdict
        self.sentence = sentence


OK, CONVERTED = Reason.OK, Reason.CONVERTED  # module names: member look-up on the class is slow in Python 3.11

Reading = tuple[int, int, Reason]
"""(number, carrier as index into NumberTable.carriers, reason); (0, 0, reason) unless accepted."""


class Judged(NamedTuple):
    """One number, read and explained."""

    number: int  # 84912345678, 0 unless accepted
    carrier: str  # operator_id of the prefix table, "" unless accepted
    verdict: Verdict
    reason: Reason
    converted: bool  # by the table of 2018


@dataclass(frozen=True, slots=True)
class _Block:
    """A mobile prefix of the table."""

    prefix: str  # national digits without the 0: "91", "775"
    operator: str  # "" when unassigned
    host: str  # the network a virtual operator rides on
    gateway: bool  # some gateway has a code for this operator

    @property
    def refusal(self) -> Reason | None:
        """Why numbers of this block are not accepted."""
        if not self.operator:
            return Reason.UNASSIGNED
        return None if self.host or self.gateway else Reason.NO_SMS


class NumberTable:
    """Mobile prefixes and the conversion of 2018, compiled for reading files at full speed.

    `carriers` are the operator ids in alphabetical order; `hosts` maps virtual operators to the network that carries
    them; `prefixes` maps operator ids to national prefixes without the 0; `old_prefixes` maps new to old ones.
    """

    def __init__(self, blocks: list[_Block], conversions: dict[str, str]) -> None:
        served = [block for block in blocks if not block.refusal]
        self.carriers = tuple(sorted({block.operator for block in served}))
        self.hosts = {block.operator: block.host for block in served if block.host}
        self.prefixes = {c: tuple(b.prefix for b in served if b.operator == c) for c in self.carriers}
        self.old_prefixes = {new: old for old, new in conversions.items()}
        self._conversions = conversions
        self._refused = {b.prefix: b.refusal for b in blocks if b.refusal}
        index = {carrier: i for i, carrier in enumerate(self.carriers)}
        self._networks = {three: index[block.operator] for three, block in _by_three_digits(served)}

    @classmethod
    def load(cls, prefixes: Path, conversions: Path) -> NumberTable:
        """Read the two tables. Raises Problem naming file and row."""
        blocks = [_block(prefixes, line, row) for line, row in _rows(prefixes)]
        return cls(blocks, dict(_conversion(conversions, line, row) for line, row in _rows(conversions)))

    def read(self, raw: str) -> Reading:
        """Read one cell; more than a million clean cells a second."""
        clean = _CLEAN(raw)
        if clean:
            digits = clean[1]
            network = self._networks.get(digits[:3])
            if network is not None:
                return COUNTRY + int(digits), network, OK
        else:
            spaced = _SPACED(raw)
            if spaced:
                digits = spaced[1] + spaced[3] + spaced[4]
                network = self._networks.get(digits[:3])
                if network is not None and len(digits) == MOBILE_DIGITS:
                    return COUNTRY + int(digits), network, OK
        return self._read_slowly(raw)

    def classify(self, raw: str) -> Judged:
        """Read one cell and say everything about it."""
        number, carrier, reason = self.read(raw)
        name = self.carriers[carrier] if number else ""
        return Judged(number, name, reason.verdict, reason, reason is CONVERTED)

    def carrier_of(self, number: int) -> str:
        """The network of 84912345678 by its prefix. Raises KeyError for anything but an accepted number."""
        return self.carriers[self._networks[str(number)[2:5]]]

    def _read_slowly(self, raw: str) -> Reading:
        digits = _digits(_tidy(raw))
        if isinstance(digits, Reason):
            return 0, 0, digits
        national = _national(digits)
        return self._judge(national) if national else (0, 0, _judge_foreign(digits))

    def _judge(self, national: str) -> Reading:
        """National digits without the leading 0, of any length."""
        new = self._conversions.get(national[:-KEPT_DIGITS])
        mobile = new + national[-KEPT_DIGITS:] if new else national
        network = self._networks.get(mobile[:3])
        if network is not None and len(mobile) == MOBILE_DIGITS:
            return COUNTRY + int(mobile), network, CONVERTED if new else OK
        return 0, 0, self._refusal(national)

    def _refusal(self, national: str) -> Reason:
        for pattern, reason in _NOT_MOBILE:
            if pattern(national):
                return reason
        if len(national) != MOBILE_DIGITS:
            return Reason.TOO_SHORT if len(national) < MOBILE_DIGITS else Reason.TOO_LONG
        return self._refused.get(national[:2]) or self._refused.get(national[:3]) or Reason.UNKNOWN_PREFIX


_digits_only = partial(re.compile, flags=re.ASCII)
_NOT_MOBILE = (
    # geographic numbers have 02 and eight or nine more digits (ten national digits since 2017)
    (_digits_only(r"2\d{8,9}").fullmatch, Reason.LANDLINE),
    # 069 and four to seven digits (the letter's own contact is 069 and seven)
    (_digits_only(r"69\d{4,7}").fullmatch, Reason.MINISTRY),
    # 1800 and 1900, then four to six digits
    (_digits_only(r"1[89]00\d{1,6}").fullmatch, Reason.SERVICE_NUMBER),
    (_digits_only(r"\d{2,4}").fullmatch, Reason.SHORT_NUMBER),
    (_digits_only(r"1\d{9}").fullmatch, Reason.NEVER_CONVERTED),
)
# the spellings nearly all rows have: an optional 0, 84, +84 or 0084, then nine digits
_CLEAN = _digits_only(r"(?:0|(?:\+|00)?84)?([1-9]\d{8})").fullmatch
# and those that are written in three groups with one sign between them: 0912 345 678, +84 91-234-5678, 0912.345.678.
# Two signs at least: with one, 91234567.0 is a spreadsheet's number and not a group.
_SPACED = _digits_only(r"(?:0|(?:\+|00)?84[ .-]?)?([1-9]\d{1,2})([ .-])(\d{3,4})\2(\d{3,4})").fullmatch
_EXACT = _digits_only(r"(\d+)[.,]0+").fullmatch  # 912345678.0
_PLUS_AND_DIGITS = _digits_only(r"\+?\d+").fullmatch
_EXPONENT = _digits_only(r"(\d)(?:[.,](\d+))?E\+?(\d{1,2})", flags=re.ASCII | re.IGNORECASE).fullmatch
_SEPARATORS = re.compile(r"[\s.,()\-‐-―−·_]+")
_BETWEEN_NUMBERS = re.compile(r"[/;,|&\n]|\s-\s")


def _by_three_digits(blocks: list[_Block]) -> Iterator[tuple[str, _Block]]:
    """Each block spread over its first three national digits, longer prefixes last so that they win."""
    for block in sorted(blocks, key=lambda block: len(block.prefix)):
        if len(block.prefix) == 3:  # noqa: PLR2004 - "775", a block of its own
            yield block.prefix, block
        else:
            yield from ((f"{block.prefix}{digit}", block) for digit in range(10))


def _tidy(raw: str) -> str:
    """Full-width digits, hard spaces, invisible marks and the apostrophe of spreadsheets made plain."""
    text = raw
    if not raw.isascii():
        text = "".join(c for c in unicodedata.normalize("NFKC", raw) if unicodedata.category(c) != "Cf")
    return text.strip().lstrip("'’`").strip()


def _digits(text: str) -> str | Reason:
    """The digits of a tidy cell, with a leading + where it has one, or why there are none."""
    exact = _EXACT(text)
    if exact:
        return exact[1]
    exponent = _EXPONENT(text)
    if exponent:
        return _from_exponent(exponent)
    bare = _SEPARATORS.sub("", text)
    if not bare:
        return Reason.EMPTY
    if _several(text):
        return Reason.SEVERAL
    return bare if _PLUS_AND_DIGITS(bare) else Reason.LETTERS


def _several(text: str) -> bool:
    """Whether two or more pieces of this cell are long enough to be numbers of their own."""
    pieces = _BETWEEN_NUMBERS.split(text)
    return len(pieces) > 1 and sum(sum(map(str.isdigit, piece)) >= MOBILE_DIGITS for piece in pieces) > 1


def _from_exponent(found: re.Match[str]) -> str | Reason:
    """9.12345678E8, but not 9.12E8: a missing digit is somebody else's phone."""
    digits = found[1] + (found[2] or "")
    return digits if len(digits) == int(found[3]) + 1 else Reason.ROUNDED


def _national(digits: str) -> str:
    """The digits after country code and leading 0, "" for another country's number."""
    bare = digits.removeprefix("+").removeprefix("00")
    international = bare != digits
    if bare.startswith("84") and (international or len(bare) > MOBILE_DIGITS):
        return bare[2:].removeprefix("0") or "0"  # +84 (0)912 345 678
    if international and not bare.startswith("0"):
        return ""
    return bare.removeprefix("0") or "0"


def _judge_foreign(digits: str) -> Reason:
    import phonenumbers  # noqa: PLC0415 - 0.1 s to import, needed by three rows in a thousand

    try:
        number = phonenumbers.parse("+" + digits.removeprefix("+").removeprefix("00"), None)
    except phonenumbers.NumberParseException:
        return Reason.FOREIGN_WRONG
    return Reason.FOREIGN if phonenumbers.is_valid_number(number) else Reason.FOREIGN_WRONG


def _rows(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            for row in reader:
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError) as error:
        raise Problem("{file}: cannot be read ({error}). Restore the file.", file=path.name, error=error) from error


def _column(path: Path, line: int, row: dict[str, str], name: str, pattern: str) -> str:
    value = row.get(name)
    if value is None or not re.fullmatch(pattern, value, re.ASCII):
        sentence = "{file}, line {line}: column {column} holds {value}, which is not of the form {pattern}. Correct it."
        raise Problem(sentence, file=path.name, line=line, column=name, value=repr(value), pattern=pattern)
    return value


_GATEWAY_CODES = ("viettel_bulk_telco_code", "esms_telcoid", "incom_network_code")


def _block(path: Path, line: int, row: dict[str, str]) -> _Block:
    prefix = _column(path, line, row, "prefix", r"0\d{2,3}")
    operator = _column(path, line, row, "operator_id", r"[a-z0-9_]*")
    host = _column(path, line, row, "host_operator_id", r"[a-z0-9_]*")
    _column(path, line, row, "national_length", str(MOBILE_DIGITS + 1))
    return _Block(prefix[1:], operator, host, any(row.get(code) for code in _GATEWAY_CODES))


def _conversion(path: Path, line: int, row: dict[str, str]) -> tuple[str, str]:
    old = _column(path, line, row, "old_prefix", r"01\d\d")
    new = _column(path, line, row, "new_prefix", r"0\d\d")
    _column(path, line, row, "kept_digits", str(KEPT_DIGITS))
    return old[1:], new[1:]
