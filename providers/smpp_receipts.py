"""What a deliver_sm says of a message: the usual form by one pattern, whatever differs field by field."""

from __future__ import annotations

import re
from typing import Final

from campaigns.terms import Outcome, Receipt
from providers import smpp_pdu as wire
from providers.errors import Unreadable

# message states (5.2.28) and their words in a receipt's text (appendix B); the missing ones say nothing final
_STATE_WORDS: Final = ("", "ENROUTE", "DELIVRD", "EXPIRED", "DELETED", "UNDELIV", "ACCEPTD", "UNKNOWN", "REJECTD")
_STATES: Final = {
    "DELIVRD": Outcome.DELIVERED,
    "ACCEPTD": Outcome.ACCEPTED,
    "EXPIRED": Outcome.UNDELIVERED,
    "DELETED": Outcome.UNDELIVERED,
    "UNDELIV": Outcome.UNDELIVERED,
    "REJECTD": Outcome.UNDELIVERED,
}
_FIELD: Final = re.compile(r"\b(id|stat|err):(\S{0,64})", re.IGNORECASE)

# A whole deliver_sm as most centres write it: a receipt in plain letters, in appendix B's order, with or without its
# two TLVs (5.3.2.12, 5.3.2.35). What it matches, `read` reads to the same; a test holds the two against each other.
_USUAL: Final = re.compile(
    rb"[^\0]*\0..(84\d{1,18})\0"  # service_type, source
    rb"..[^\0]*\0"  # destination
    rb"[\x04\x20]..[^\0]*\0[^\0]*\0"  # esm_class: a receipt; schedule, validity
    rb"..[\0\x01\x03].(.)"  # a coding of one byte a letter; length of the text
    rb"(id:([!-~]{1,64}) sub:\d* dlvrd:\d* submit date:\d* done date:\d* stat:([A-Z]{7}) err:([0-9A-Za-z]{1,8})"
    rb"(?: [^\0]*)?)"
    rb"(?:\x00\x1e\x00(.)([!-~]{1,64})\0)?(?:\x04\x27\x00\x01.)?",
    re.DOTALL,
)
_VIETNAM: Final = b"84"
_codes: dict[tuple[bytes, bytes], tuple[Outcome, str]] = {}
_MOST_CODES: Final = 10_000


_Shape = tuple[bytes, int, int, int, bytes, bytes, int, int, bytes, tuple[Outcome, str]]
_shapes: dict[int, _Shape] = {}
"""Length -> the last deliver_sm of it: most of the next ones differ in their number and their id only."""
_MOST_SHAPES: Final = 100
_receipt = tuple.__new__


def usual(body: bytes) -> Receipt | None:
    """The receipt of a deliver_sm of the usual form; None: let `read` look."""
    shape = _shapes.get(len(body))
    if shape is not None:
        head, end, start, stop, first, second, again, over, tail, said = shape
        ref = body[start:stop]
        if (
            body[again:over] == ref
            and body[over:] == tail
            and body[stop:again] == second
            and body[end:start] == first
            and body.startswith(head)
            and body[len(head) : end].isdigit()
            and ref.isalnum()
        ):
            number = int(body[len(head) - len(_VIETNAM) : end])
            return _receipt(Receipt, (said[0], said[1], "", ref.decode("ascii"), number))
    return _matched(body)


def _matched(body: bytes) -> Receipt | None:
    """By the pattern; what is between number and ids is remembered."""
    found = _USUAL.fullmatch(body)
    if found is None:
        return None
    source, length, text, ref, state, err, tlv_length, tlv = found.groups()
    if length[0] != len(text):
        return None
    if tlv is not None:
        if tlv_length[0] != len(tlv) + 1:
            return None
        ref = tlv
    said = _codes.get((state, err)) or _said(state, err)
    if said is None:
        return None
    if tlv is not None and found[4] == tlv:
        _remember(body, found, said)
    return Receipt(said[0], said[1], "", ref.decode("ascii"), int(source))


def _remember(body: bytes, found: re.Match[bytes], said: tuple[Outcome, str]) -> None:
    if len(_shapes) >= _MOST_SHAPES:
        _shapes.clear()
    (begin, end), (start, stop), (again, over) = found.span(1), found.span(4), found.span(8)
    head, first, second = body[: begin + len(_VIETNAM)], body[end:start], body[stop:again]
    _shapes[len(body)] = head, end, start, stop, first, second, again, over, body[over:], said


def _said(state: bytes, err: bytes) -> tuple[Outcome, str] | None:
    """Outcome and code of a state and an error, made once each."""
    word = state.decode("ascii")
    if word not in _STATES:
        return None
    if len(_codes) > _MOST_CODES:
        _codes.clear()
    said = _codes[state, err] = (_STATES[word], f"{word}/{err.decode('ascii')}")
    return said


def read(body: bytes) -> list[Receipt]:
    """Translate one deliver_sm; a message from a phone gives nothing. Raises Unreadable."""
    try:
        said = wire.read_deliver(body)
    except wire.BadPdu as error:
        raise Unreadable("~deliver_sm", str(error)) from error
    tlv_id = said.tlvs.get(wire.RECEIPTED_MESSAGE_ID, b"")
    if said.esm_class & wire.RECEIPT_MASK not in wire.RECEIPT_TYPES and not tlv_id:
        return []
    fields = {key.lower(): value for key, value in reversed(_FIELD.findall(_readable(said)))}
    state = fields.get("stat", "").upper() or _state_word(said.tlvs.get(wire.MESSAGE_STATE, b""))
    # the TLV repeats the id of submit_sm_resp; the text's may be the same in another base (vietnam 2.2)
    ref = wire.message_id(tlv_id) or wire.message_id(fields.get("id", "").encode("ascii", "replace"))
    if not state:
        raise Unreadable("~receipt", "a receipt without a state")
    if state not in _STATES:
        return []
    code = "/".join(filter(None, (state, fields.get("err", ""))))
    return [Receipt(_STATES[state], code, provider_ref=ref, number=_number(said.source))]


def _readable(said: wire.Delivered) -> str:
    return said.text.decode("utf-16-be" if said.coding == wire.UCS2 else "latin-1", "replace")


def _state_word(tlv: bytes) -> str:
    """The word of a message_state TLV; "" when there is none, "?" for a state of no name."""
    if not tlv:
        return ""
    return _STATE_WORDS[tlv[0]] if 0 < tlv[0] < len(_STATE_WORDS) else "?"


def _number(address: str) -> int:
    digits = address.removeprefix("+")
    if not digits.isdecimal():
        return 0
    return int(f"84{digits[1:]}" if digits.startswith("0") else digits)
