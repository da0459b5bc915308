"""The one pattern for usual receipts against the reader that goes field by field."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from campaigns.terms import Receipt
from providers import smpp_receipts
from providers.errors import Unreadable
from tests.providers.test_smpp_receipts import deliver

TEXT = "id:{} sub:001 dlvrd:001 submit date:2407010800 done date:2407010801 stat:{} err:{}{}"
WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=70)
STATES = st.sampled_from(["DELIVRD", "UNDELIV", "EXPIRED", "ENROUTE", "PERHAPS", "delivrd", ""])
TAILS = st.sampled_from(["", " ", " text:", " text:id:9 stat:DELIVRD", "\0", "x", " err:9"])
SOURCES = st.sampled_from(["84900000001", "+84900000001", "0900000001", "TINNHAN", ""])
TLVS = st.dictionaries(
    st.sampled_from([0x1E, 0x427, 0x424, 0x1D]), st.binary(max_size=12) | st.just(b"2a\0"), max_size=3
)


def read(body: bytes) -> list[Receipt] | None:
    try:
        return smpp_receipts.read(body)
    except Unreadable:
        return None


@given(WORDS, STATES, WORDS, TAILS, SOURCES, st.sampled_from([0, 4, 0x20, 0x24]), TLVS, st.data())
def test_what_the_pattern_reads_the_reader_reads_alike(
    ref: str, state: str, err: str, tail: str, source: str, esm_class: int, tlvs: dict[int, bytes], data: st.DataObject
) -> None:
    """Whole, and with any one octet replaced: where the pattern says something, it is what the reader says."""
    text = TEXT.format(ref, state, err, tail)[:254]
    body = deliver(text, source=source, esm_class=esm_class, tlvs=tlvs)
    at, octet = data.draw(st.integers(0, len(body) - 1)), data.draw(st.integers(0, 255))
    for each in (body, body[:at] + bytes((octet,)) + body[at + 1 :], body[:at], body + bytes((octet,))):
        said = smpp_receipts.usual(each)
        assert said is None or [said] == read(each)


def test_the_usual_form_is_read_by_the_pattern() -> None:
    """Else the test above would prove nothing."""
    for tlvs in ({}, {0x1E: b"2a\0"}, {0x427: b"\x02"}, {0x1E: b"2a\0", 0x427: b"\x02"}):
        body = deliver(TEXT.format("42", "DELIVRD", "000", " text:"), tlvs=tlvs)
        assert [smpp_receipts.usual(body)] == read(body)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3), st.sampled_from(["UNDELIV", "DELIVRD", "EXPIRED"]))
def test_what_looks_like_the_one_before_is_read_alike(at: int, octets: bytes, state: str) -> None:
    """The shape of the last one is known; wherever the next one differs, it is read as the reader reads it."""
    body = deliver(TEXT.format("2a", state, "000", " text:"), tlvs={0x1E: b"2a\0", 0x427: b"\x02"})
    assert [smpp_receipts.usual(body)] == read(body)
    place = at % (len(body) - len(octets))
    for each in (body[:place] + octets + body[place + len(octets) :], body.replace(b"2a", b"3b")):
        said = smpp_receipts.usual(each)
        assert said is None or [said] == read(each)
    assert smpp_receipts.usual(body.replace(b"2a", b"3b")) is not None
