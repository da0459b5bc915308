"""How long a message is worth delivering, as carriers are told."""

from __future__ import annotations

import pytest

from providers import smpp_pdu as wire
from providers.simulator.smpp_text import Reader


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, b""), (3_600, b"000000010000000R"), (86_400 + 61, b"000001000101000R"), (90 * 86_400, b"000030000000000R")],
)
def test_a_relative_period_of_smpp(seconds: int, told: bytes) -> None:
    """YYMMDDhhmmss000R, or nothing at all: the SMSC's own (SMPP 3.4, 7.1.1)."""
    assert wire.relative(seconds) == told


@pytest.mark.parametrize("validity", [0, 7_200])
def test_the_rest_of_the_submission_is_read_as_before(validity: int) -> None:
    """With and without a period the simulated SMSC reads the same number, sender and text."""
    who = wire.Addresses("LAICHAU-SIM", 5, 0, 1, 1)
    pdu = bytes(wire.copies(wire.plain(who, wire.GSM7, b"goi 111", validity), 1, [84912345678]))
    assert (b"000000020000000R\0" in pdu) == (validity > 0)
    read = Reader().read(pdu[16:])
    assert read is not None
    number, letter = read
    assert (number, letter.sender, letter.receipt) == (b"84912345678", "LAICHAU-SIM", True)
