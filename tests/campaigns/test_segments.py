"""Segments: our counting against an independent GSM 03.38 codec and against figures published for real messages."""

from itertools import pairwise

import gsm0338
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.segments import measure, parts

CODEC = gsm0338.Codec()
EXTENSION = "\f^{}\\[~]|€"
# Each character of the reference codec, without the bare escape, which is no character.
GSM = "".join(char for char in map(chr, range(0x20AD)) if char != "\x1b" and CODEC.encode(char, "ignore")[0])


@pytest.mark.parametrize(
    ("text", "encoding", "units", "count"),
    [
        ("", "GSM-7", 0, 0),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("€" * 80, "GSM-7", 160, 1),
        ("a" * 159 + "€", "GSM-7", 161, 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),  # the escape does not fit the first part's last septet
        ("đ" * 70, "UCS-2", 70, 1),
        ("đ" * 71, "UCS-2", 71, 2),
        ("đ" * 134, "UCS-2", 134, 2),
        ("đ" * 135, "UCS-2", 135, 3),
        ("đ" * 66 + "😀" + "đ" * 66, "UCS-2", 134, 3),  # the pair does not fit the first part's last unit
        ("😀" * 35, "UCS-2", 70, 1),
        ("đ" + "€" * 69, "UCS-2", 70, 1),  # no escape costs anything in UCS-2
        ("`", "UCS-2", 1, 1),
        ("ç", "UCS-2", 1, 1),
        ("Ç\r\n", "GSM-7", 3, 1),
        ("\x1b", "UCS-2", 1, 1),
        ("á" * 353, "UCS-2", 353, 6),  # Hải Dương, February 2021: announced as six messages a subscriber
    ],
)
def test_limits(text: str, encoding: str, units: int, count: int) -> None:
    """Encoding, units and parts are right on both sides of every limit."""
    assert measure(text)[:3] == (encoding, units, count)
    assert len(parts(text)) == count


def test_costly_characters_are_each_named_once_in_order() -> None:
    assert measure("đi đâu à`").costly == ("đ", "â", "`")
    assert measure("[abc] €").costly == ()


def test_alphabet_is_the_reference_codecs() -> None:
    """Every character of the reference codec is GSM-7 with us, at the same number of septets, and no other is."""
    assert len(GSM) == 127 + len(EXTENSION)
    for char in map(chr, range(0x3000)):
        if char in GSM:
            assert measure(char)[:2] == ("GSM-7", len(CODEC.encode(char)[0])), f"U+{ord(char):04X}"
        else:
            assert measure(char).encoding == "UCS-2", f"U+{ord(char):04X}"


@given(st.text(st.sampled_from(GSM), min_size=100, max_size=500))
def test_gsm_parts(text: str) -> None:
    """GSM-7 parts join to the text, none exceeds its room, and none begins or ends inside an escape."""
    septets = len(CODEC.encode(text)[0])
    cut = parts(text)
    assert measure(text)[:3] == ("GSM-7", septets, len(cut))
    assert "".join(cut) == text
    encoded = [CODEC.encode(part)[0] for part in cut]
    assert all(len(part) <= (160 if len(cut) == 1 else 153) for part in encoded)
    assert all(not part.endswith(b"\x1b") for part in encoded)
    assert (len(cut) == 1) == (1 <= septets <= 160)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=50, max_size=250).map(lambda text: text + "đ"))
def test_ucs2_parts(text: str) -> None:
    """UCS-2 parts join to the text, none exceeds its room, and each decodes by itself: no pair was cut."""
    units = len(text.encode("utf-16-be")) // 2
    cut = parts(text)
    assert measure(text)[:3] == ("UCS-2", units, len(cut))
    assert "".join(cut) == text
    assert all(len(part.encode("utf-16-be")) // 2 <= (70 if len(cut) == 1 else 67) for part in cut)
    assert (len(cut) == 1) == (units <= 70)


@given(st.text(st.sampled_from(GSM + "đế😀"), min_size=100, max_size=400))
def test_parts_are_as_full_as_they_can_be(text: str) -> None:
    """No part but the last leaves room for the character that follows it."""
    cut = parts(text)
    for part, after in pairwise(cut):
        longer = part + after[0]
        if measure(text).encoding == "GSM-7":
            assert len(CODEC.encode(longer)[0]) > 153
        else:
            assert len(longer.encode("utf-16-be")) // 2 > 67
