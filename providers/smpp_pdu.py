"""SMPP 3.4 on the wire: bytes in, bytes out, many PDUs at once (SMPP v3.4 Issue 1.2, sections 3.2, 4 and 5).

One PDU is a header of four 32-bit integers (length, command, status, sequence) and a body. Nothing here connects.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Final, NamedTuple

# section 5.1.2.1: command identifiers; an answer is its request with the top bit set
GENERIC_NACK: Final = 0x80000000
BIND_RECEIVER: Final = 0x00000001
BIND_TRANSMITTER: Final = 0x00000002
SUBMIT_SM: Final = 0x00000004
SUBMIT_SM_RESP: Final = 0x80000004
DELIVER_SM: Final = 0x00000005
DELIVER_SM_RESP: Final = 0x80000005
UNBIND: Final = 0x00000006
UNBIND_RESP: Final = 0x80000006
BIND_TRANSCEIVER: Final = 0x00000009
BIND_TRANSCEIVER_RESP: Final = 0x80000009
ENQUIRE_LINK: Final = 0x00000015
ENQUIRE_LINK_RESP: Final = 0x80000015
ANSWER: Final = 0x80000000

# section 5.1.3: the statuses that we or the simulated SMSC say
ROK: Final = 0x00
RINVCMDID: Final = 0x03
RINVBNDSTS: Final = 0x04
RSYSERR: Final = 0x08
RINVDSTADR: Final = 0x0B
RINVPASWD: Final = 0x0E
RINVSYSID: Final = 0x0F
RMSGQFUL: Final = 0x14
RTHROTTLED: Final = 0x58

# section 5.3.2: optional parameters
RECEIPTED_MESSAGE_ID: Final = 0x001E
MESSAGE_PAYLOAD: Final = 0x0424
MESSAGE_STATE: Final = 0x0427

GSM7: Final = 0  # data_coding (5.2.19): the SMSC's default alphabet
UCS2: Final = 8
UDH_INDICATOR: Final = 0x40  # esm_class (5.2.12)
RECEIPT_MASK: Final = 0x3C  # esm_class bits 5-2: the message type
RECEIPT_TYPES: Final = frozenset({0x04, 0x20})  # SMSC delivery receipt, intermediate notification

HEADER: Final = struct.Struct(">4I")
LONGEST: Final = 70_000  # bytes: a message_payload of 65,535 with every other field full; more is garbage
LAST_SEQUENCE: Final = 0x7FFFFFFF  # section 3.2

Pdu = tuple[int, int, int, bytes]
"""(command, status, sequence, body): a bare tuple, for there are 100,000 of them a second."""


class BadPdu(Exception):
    """Bytes that are no SMPP: the link they came over cannot be read any further."""


def split(buffer: bytes) -> tuple[list[Pdu], int]:
    """The complete PDUs at a buffer's beginning, and how many bytes they took; raises BadPdu when it begins with none.

    What stands before an impossible length is still given: those answers count.
    """
    pdus: list[Pdu] = []
    at, end, unpack = 0, len(buffer), HEADER.unpack_from
    while end - at >= HEADER.size:
        length, command, status, sequence = unpack(buffer, at)
        if not HEADER.size <= length <= LONGEST:
            if pdus:
                break
            raise BadPdu(f"a PDU of {length} bytes")
        if length > end - at:
            break
        pdus.append((command, status, sequence, buffer[at + 16 : at + length]))
        at += length
    return pdus, at


def pdu(command: int, sequence: int, body: bytes = b"", status: int = ROK) -> bytes:
    """One PDU."""
    return HEADER.pack(HEADER.size + len(body), command, status, sequence) + body


def answers(command: int, status: int, sequences: Iterable[int], body: bytes = b"") -> bytes:
    """The same answer to many requests, for one write."""
    pack, length = HEADER.pack, HEADER.size + len(body)
    return b"".join([pack(length, command, status, sequence) + body for sequence in sequences])


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """Body of a bind (4.1.1); interface_version 0x34, no address range: the SMSC knows what is ours."""
    texts = (system_id, password, system_type)
    return b"".join(text.encode("ascii") + b"\0" for text in texts) + b"\x34\0\0\0"


class Addresses(NamedTuple):
    """Who sends and what kind of numbers these are (TON and NPI: 5.2.5, 5.2.6)."""

    source: str
    source_ton: int
    source_npi: int
    dest_ton: int
    dest_npi: int


class Template(NamedTuple):
    """One submit_sm part of one text: everything but length, sequence, destination and UDH reference."""

    size: int  # bytes without the destination and the reference
    head: bytes  # up to the destination
    middle: bytes  # from the destination's NUL up to the UDH reference, or to the end
    tail: bytes  # behind the UDH reference


def _template(
    who: Addresses,
    coding: int,
    middle: bytes,
    tail: bytes = b"",
    *,
    esm_class: int = 0,
    receipt: int = 1,
    validity: int = 0,
) -> Template:
    head = b"\0" + bytes((who.source_ton, who.source_npi)) + who.source.encode("ascii") + b"\0"
    head += bytes((who.dest_ton, who.dest_npi))
    # protocol_id, priority, schedule (empty), validity, registered_delivery, replace, coding, default message
    flags = bytes((0, esm_class, 0, 0, 0)) + relative(validity) + bytes((0, receipt, 0, coding, 0))
    middle = flags + middle
    return Template(HEADER.size + len(head) + len(middle) + len(tail), head, middle, tail)


def relative(seconds: int) -> bytes:
    """A validity_period from now on, YYMMDDhhmmss000R (section 7.1.1); empty for 0: the SMSC's own."""
    if seconds <= 0:
        return b""
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return b"0000%02d%02d%02d%02d000R" % (min(days, 30), hour, minute, second)


def plain(who: Addresses, coding: int, text: bytes, validity: int = 0) -> Template:
    """The text in short_message, or in the TLV message_payload where it is longer than one segment."""
    if len(text) <= (140 if coding == UCS2 else 160):
        return _template(who, coding, bytes((len(text),)) + text, validity=validity)
    return _template(who, coding, b"\0" + struct.pack(">HH", MESSAGE_PAYLOAD, len(text)) + text, validity=validity)


def chained(who: Addresses, coding: int, texts: Sequence[bytes], validity: int = 0) -> tuple[Template, ...]:
    """The parts of a text under user data headers (3GPP TS 23.040, 9.2.3.24.1); only the last asks for a receipt."""
    total = len(texts)
    return tuple(
        _template(
            who,
            coding,
            bytes((6 + len(text),)) + b"\x05\x00\x03",
            bytes((total, part)) + text,
            esm_class=UDH_INDICATOR,
            receipt=int(part == total),
            validity=validity,
        )
        for part, text in enumerate(texts, 1)
    )


def block(templates: Sequence[Template], first: int, numbers: Iterable[int], references: Iterable[bytes]) -> bytes:
    """The submit_sm PDUs of many messages, their sequences counted from `first`; a reference is one byte or none."""
    pieces: list[bytes] = []
    pack, add, sequence = HEADER.pack, pieces.extend, first
    for number, reference in zip(numbers, references, strict=False):
        dest = b"%d" % number
        grown = len(dest) + len(reference)
        for size, head, middle, tail in templates:
            add((pack(size + grown, SUBMIT_SM, ROK, sequence), head, dest, middle, reference, tail))
            sequence += 1
    return b"".join(pieces)


def copies(template: Template, first: int, numbers: Sequence[int]) -> bytes | bytearray:
    """As `block` for texts of one part: one PDU, copied, whose sequences and numbers are filled in column by column."""
    count = len(numbers)
    digits = b"%d" * count % tuple(numbers)
    width = len(digits) // count
    if not 10 ** (width - 1) <= min(numbers) <= max(numbers) < 10**width:  # of several lengths
        return block((template,), first, numbers, repeat(b""))
    size, head, middle, tail = template
    one = HEADER.pack(size + width, SUBMIT_SM, ROK, 0) + head + bytes(width) + middle + tail
    pdus, sequences = bytearray(one * count), struct.pack(f">{count}I", *range(first, first + count))
    for column in range(4):
        pdus[12 + column :: size + width] = sequences[column::4]
    for column in range(width):
        pdus[HEADER.size + len(head) + column :: size + width] = digits[column::width]
    return pdus


class Delivered(NamedTuple):
    """What a deliver_sm says (4.6.1)."""

    source: str
    esm_class: int
    coding: int
    text: bytes
    tlvs: dict[int, bytes]


def read_deliver(body: bytes) -> Delivered:
    """The body of a deliver_sm; raises BadPdu when its fields do not fit into it."""
    try:
        return _read_deliver(body)
    except (ValueError, IndexError, struct.error) as error:
        raise BadPdu(f"a deliver_sm of {len(body)} bytes") from error


def _read_deliver(body: bytes) -> Delivered:
    source_at = body.index(0) + 3
    source_end = body.index(0, source_at)
    esm_at = body.index(0, source_end + 3) + 1
    schedule_end = body.index(0, esm_at + 3)
    flags_at = body.index(0, schedule_end + 1) + 1
    _, _, coding, _, length = body[flags_at : flags_at + 5]
    text_at = flags_at + 5
    if text_at + length > len(body):
        raise ValueError(length)
    tlvs = _read_tlvs(body, text_at + length)
    text = tlvs.get(MESSAGE_PAYLOAD) or body[text_at : text_at + length]
    return Delivered(body[source_at:source_end].decode("ascii"), body[esm_at], coding, text, tlvs)


def _read_tlvs(body: bytes, at: int) -> dict[int, bytes]:
    tlvs = {}
    while at < len(body):
        tag, length = struct.unpack_from(">HH", body, at)
        if at + 4 + length > len(body):
            raise ValueError(length)
        tlvs[tag] = body[at + 4 : at + 4 + length]
        at += 4 + length
    return tlvs


def message_id(body: bytes) -> str:
    """The id in a submit_sm_resp (4.4.2), "" when there is none or it could not stand in a line of a journal."""
    raw = body[:-1]
    if raw.isalnum() and len(raw) <= 64 and body[-1] == 0:  # noqa: PLR2004 - as below
        return raw.decode("ascii")
    raw = body.partition(b"\0")[0]
    if len(raw) > 64:  # noqa: PLR2004 - 65 octets with its NUL, section 5.2.23
        return ""
    if raw.isalnum():
        return raw.decode("ascii")
    readable = raw.isascii() and raw.decode("ascii").isprintable() and b" " not in raw
    return raw.decode("ascii") if readable else ""
