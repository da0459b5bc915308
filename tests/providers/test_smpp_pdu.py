"""The codec: what we write is read by somebody else's codec, and no bytes make ours fall."""

from __future__ import annotations

import struct
from itertools import repeat

import pytest
import smpp34
from hypothesis import given
from hypothesis import strategies as st

from providers import smpp_pdu as wire

WHO = wire.Addresses("TINNHAN", 5, 0, 1, 1)
NUMBERS = [84900000001, 84900000002, 849000000033]
VIETNAMESE = "mua bán người ".encode("utf-16-be")


def cut(block: bytes) -> list[bytes]:
    """A block as its PDUs, by the length field alone."""
    found = []
    while block:
        (length,) = struct.unpack_from(">I", block)
        found.append(block[:length])
        block = block[length:]
    return found


def test_a_block_is_read_by_another_codec() -> None:
    """One write carries many submit_sm, each with its own sequence and destination, whatever its length."""
    read = [smpp34.decode(pdu) for pdu in cut(wire.block([wire.plain(WHO, 8, VIETNAMESE)], 41, NUMBERS, repeat(b"")))]
    assert [pdu.sequence_number for pdu in read] == [41, 42, 43]
    assert [pdu.destination_addr for pdu in read] == [str(number) for number in NUMBERS]
    for pdu in read:
        assert (pdu.source_addr, pdu.source_addr_ton, pdu.dest_addr_ton, pdu.dest_addr_npi) == ("TINNHAN", 5, 1, 1)
        assert (pdu.short_message, pdu.data_coding, pdu.registered_delivery, pdu.esm_class) == (VIETNAMESE, 8, 1, 0)


@given(numbers=st.lists(st.integers(10**6, 10**14), min_size=1, max_size=40), first=st.integers(1, 2**31 - 100))
def test_copies_are_the_block(numbers: list[int], first: int) -> None:
    """Filled in column by column or one by one, the same bytes leave, whatever the numbers' lengths."""
    template = wire.plain(WHO, 8, VIETNAMESE * 9)
    for some in (numbers, [10**11 + number % 10**11 for number in numbers]):
        assert wire.copies(template, first, some) == wire.block([template], first, some, repeat(b""))


@pytest.mark.parametrize(("coding", "longest"), [(8, 140), (0, 160)])
def test_a_text_longer_than_a_segment_goes_as_payload(coding: int, longest: int) -> None:
    """One segment stands in short_message; one octet more goes into message_payload, and short_message is empty."""
    for size, payload in ((longest, False), (longest + 2, True)):
        (pdu,) = cut(wire.block([wire.plain(WHO, coding, b"\0a" * (size // 2))], 1, NUMBERS[:1], [b""]))
        read = smpp34.decode(pdu)
        assert read.short_message == (b"" if payload else b"\0a" * (size // 2))
        assert [(tlv.tag, tlv.value) for tlv in read.tlvs] == [(0x0424, b"\0a" * (size // 2))] * payload


def test_chained_parts_carry_one_reference_and_ask_for_one_receipt() -> None:
    """Parts of one message share a reference, are numbered, and only the last one asks for a receipt."""
    texts = [VIETNAMESE, VIETNAMESE * 2, b"\0x"]
    pdus = cut(wire.block(wire.chained(WHO, 8, texts), 1, NUMBERS[:2], [b"\x07", b"\x08"]))
    read = [smpp34.decode(pdu) for pdu in pdus]
    assert [pdu.short_message[:6] for pdu in read[:3]] == [bytes((5, 0, 3, 7, 3, part)) for part in (1, 2, 3)]
    assert [pdu.short_message[3] for pdu in read[3:]] == [8, 8, 8]
    assert [pdu.short_message[6:] for pdu in read[:3]] == texts
    assert [pdu.registered_delivery for pdu in read[:3]] == [0, 0, 1]
    assert {pdu.esm_class for pdu in read} == {0x40}


def test_a_buffer_is_split_wherever_it_is_torn() -> None:
    """However the network tears a stream, the same PDUs come out and the rest waits."""
    stream = wire.answers(wire.SUBMIT_SM_RESP, 0, range(1, 6), b"abc\0") + wire.pdu(wire.ENQUIRE_LINK, 6)
    for at in range(len(stream)):
        first, used = wire.split(stream[:at])
        rest, _ = wire.split(stream[used:])
        assert [pdu[2] for pdu in first + rest] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("length", [0, 15, wire.LONGEST + 1, 0xFFFFFFFF])
def test_an_absurd_length_is_no_smpp(length: int) -> None:
    """A length no PDU can have is refused at once, not waited for."""
    with pytest.raises(wire.BadPdu):
        wire.split(struct.pack(">4I", length, wire.ENQUIRE_LINK, 0, 1))


@given(st.binary(max_size=300))
def test_garbage_never_falls_through(garbage: bytes) -> None:
    """Any bytes are either PDUs or BadPdu, for the stream and for a deliver_sm."""
    for read in (wire.split, wire.read_deliver):
        try:
            read(garbage)
        except wire.BadPdu:
            continue


def test_a_deliver_of_another_codec_is_read_and_every_truncation_refused() -> None:
    """Fields and TLVs of an independent encoder come out; a body cut anywhere never looks whole."""
    tlv = smpp34.Tlv(wire.RECEIPTED_MESSAGE_ID, b"77\0")
    pdu = smpp34.DeliverSm("84900000001", "TINNHAN", b"stat:DELIVRD", esm_class=4, tlvs=[tlv], data_coding=3)
    body = pdu.encode()[16:]
    read = wire.read_deliver(body)
    assert read == wire.Delivered("84900000001", 4, 3, b"stat:DELIVRD", {wire.RECEIPTED_MESSAGE_ID: b"77\0"})
    without_tlv = len(body) - 7
    for at in set(range(len(body))) - {without_tlv}:
        with pytest.raises(wire.BadPdu):
            wire.read_deliver(body[:at])


@pytest.mark.parametrize(
    ("body", "ref"),
    [
        (b"12ab\0", "12ab"),
        (b"a-b_c:1\0", "a-b_c:1"),
        (b"no-end", "no-end"),
        (b"", ""),
        (b"\0", ""),
        (b"x" * 64 + b"\0", "x" * 64),
        (b"x" * 65 + b"\0", ""),
        (b"two words\0", ""),
        (b"line\nfeed\0", ""),
        (b"\xff\xfe\0", ""),
    ],
)
def test_an_id_fits_a_journal_line_or_is_none(body: bytes, ref: str) -> None:
    """The carrier's id goes into line-based files: what could break a line is no id."""
    assert wire.message_id(body) == ref
