"""Our table and `phonenumbers` agree on every block of 0100 to 0999, but for the exceptions listed here."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import phonenumbers
from phonenumbers import PhoneNumberType, carrier

from campaigns.numbers import NumberTable
from campaigns.terms import Verdict

CONFIG = Path(__file__).parents[2] / "config"
TABLE = NumberTable.load(CONFIG / "prefixes.csv", CONFIG / "prefix_conversion_2018.csv")

ONLY_OURS = {
    *(f"055{d}" for d in "012345678"),  # Wintel: in use, unknown to it
    *(f"052{d}" for d in "0145679"),  # Vietnamobile
    *(f"089{d}" for d in "012345"),  # MobiFone
    "0992",  # Gmobile
}
ONLY_THEIRS = {
    *(f"095{d}" for d in range(10)),  # valid without an operator: nobody would carry it
    "0140",  # things, not people
    "0160",
}
PARTLY_THEIRS = {"0121"}  # 01210 to 01213 only: in no source of ours, most likely things; old 0121 has eleven digits
NAMES = {
    "Viettel": "viettel",
    "Vinaphone": "vinaphone",
    "MobiFone": "mobifone",
    "Vietnamobile": "vietnamobile",
    "G-Mobile": "gmobile",
}
OTHER_NETWORK = {
    **{f"087{d}": ("Vinaphone", "itel") for d in range(10)},  # it names the host
    "0559": ("Reddi", "wintel"),  # the former name
    "0775": ("MobiFone", "fpt_retail"),  # it names the host
    "0990": ("", "gmobile"),
    "0991": ("", "gmobile"),
    "0998": ("Indochina Telecom", "gmobile"),
    "0999": ("Indochina Telecom", "gmobile"),
}
BLOCKS = [f"{block:04d}" for block in range(100, 1000)]


def _theirs(block: str, tail: str) -> phonenumbers.PhoneNumber:
    return phonenumbers.parse(f"+84{block[1:]}{tail}")


def _is_their_mobile(block: str) -> bool:
    number = _theirs(block, "456789")
    return phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) == PhoneNumberType.MOBILE


def test_both_call_the_same_blocks_mobile() -> None:
    """Each difference is one of the blocks above: a new release of either side shows here."""
    ours = {block for block in BLOCKS if TABLE.classify(f"{block}456789").verdict is Verdict.ACCEPTED}
    theirs = {block for block in BLOCKS if _is_their_mobile(block)}
    assert ours - theirs == ONLY_OURS
    assert theirs - ours == ONLY_THEIRS


def test_both_name_the_same_network() -> None:
    """Where both accept a block they name one network, but for virtual operators and renamed ones."""
    different = {}
    for block in sorted(set(BLOCKS) - ONLY_OURS):
        ours = TABLE.classify(f"{block}456789")
        name = carrier.name_for_number(_theirs(block, "456789"), "en")
        if ours.number and NAMES.get(name) != ours.carrier:
            different[block] = (name, ours.carrier)
    assert different == OTHER_NETWORK


def test_every_landline_of_theirs_is_one_of_ours() -> None:
    """No geographic number is called invalid or mobile."""
    fixed = [block for block in BLOCKS if phonenumbers.is_valid_number(_theirs(block, "3456789")) and block < "0300"]
    assert len(fixed) > 70
    assert {TABLE.classify(f"{block}3456789").verdict for block in fixed} == {Verdict.LANDLINE}


def test_both_read_the_same_digits() -> None:
    """Of every block that both accept, the number itself comes out the same."""
    for block in BLOCKS:
        ours = TABLE.classify(f"{block}456789")
        if ours.number and block not in ONLY_OURS:
            theirs = phonenumbers.parse(f"{block}456789", "VN")
            assert phonenumbers.format_number(theirs, phonenumbers.PhoneNumberFormat.E164) == f"+{ours.number}"


FORMS = (
    "0{}", "84{}", "+84{}", "0084{}", "{}", "+84 {0[0]}{0[1]} {0[2]}{0[3]}{0[4]} {0[5]}{0[6]}{0[7]}{0[8]}",
    "0{0[0]}{0[1]}.{0[2]}{0[3]}{0[4]}.{0[5]}{0[6]}{0[7]}{0[8]}",
    "(0{0[0]}{0[1]}) {0[2]}{0[3]}{0[4]}-{0[5]}{0[6]}{0[7]}{0[8]}",
)  # fmt: skip
"""Spellings of nine national digits that both sides read."""


def disagreements(cases: int, seed: int = 1) -> Counter[str]:
    """Of so many generated numbers: block -> how often the two sides differ, but for the exceptions above."""
    dice, found = random.Random(seed), Counter[str]()  # noqa: S311 - a repeatable sample
    for case in range(cases):
        digits = f"{dice.randrange(10**8, 10**9)}"
        raw = FORMS[case % len(FORMS)].format(digits)
        ours = TABLE.classify(raw)
        theirs = phonenumbers.parse(raw, "VN")
        mobile = phonenumbers.is_valid_number(theirs) and phonenumbers.number_type(theirs) == PhoneNumberType.MOBILE
        same = mobile is (ours.verdict is Verdict.ACCEPTED)
        if same and mobile:
            same = ours.number == 84 * 10**9 + int(theirs.national_number or 0)
        block = f"0{digits[:3]}"
        if not same and block not in ONLY_OURS | ONLY_THEIRS | PARTLY_THEIRS:
            found[block] += 1
    return found


def test_both_agree_on_generated_numbers_in_every_spelling() -> None:
    """All prefixes, valid and not; 100,000 of them are counted in docs/audience.md."""
    assert disagreements(6_000) == {}
