"""Receipts as carriers write them, made by somebody else's codec."""

from __future__ import annotations

import pytest
import smpp34

from campaigns.terms import Callback, Outcome, Receipt
from providers.errors import Forged, Unreadable
from providers.smpp import Smpp
from tests.providers.scripted_smsc import SECRET


def deliver(
    text: str, *, source: str = "84900000001", esm_class: int = 4, tlvs: dict[int, bytes] | None = None
) -> bytes:
    """The body of a deliver_sm, written by somebody else's codec."""
    listed = [smpp34.Tlv(tag, value) for tag, value in (tlvs or {}).items()]
    pdu = smpp34.DeliverSm(source, "TINNHAN", text.encode("latin-1"), esm_class=esm_class, tlvs=listed)
    return pdu.encode()[16:]


def offline() -> Smpp:
    return Smpp(host="127.0.0.1", port=1, system_id="demo", password=SECRET)


FULL = "id:{} sub:001 dlvrd:001 submit date:2407010800 done date:2407010801 stat:{} err:{} text:stat:DELIVRD id:9"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (deliver(FULL.format("42", "DELIVRD", "000")), [(Outcome.DELIVERED, "DELIVRD/000", "42", 84900000001)]),
        *(
            (deliver(FULL.format("42", state, "027")), [(Outcome.UNDELIVERED, f"{state}/027", "42", 84900000001)])
            for state in ("EXPIRED", "DELETED", "UNDELIV", "REJECTD")
        ),
        (deliver(FULL.format("42", "ACCEPTD", "000")), [(Outcome.ACCEPTED, "ACCEPTD/000", "42", 84900000001)]),
        (deliver(FULL.format("42", "ENROUTE", "000"), esm_class=0x20), []),
        (deliver(FULL.format("42", "UNKNOWN", "000")), []),
        (deliver(FULL.format("42", "PERHAPS", "000")), []),
        (
            deliver("", source="0900000001", tlvs={0x1E: b"2a\0", 0x427: b"\x02"}),
            [(Outcome.DELIVERED, "DELIVRD", "2a", 84900000001)],
        ),
        (
            deliver(FULL.format("42", "UNDELIV", "1"), source="+84900000001", esm_class=0, tlvs={0x1E: b"2a\0"}),
            [(Outcome.UNDELIVERED, "UNDELIV/1", "2a", 84900000001)],
        ),
        (deliver("Id:42 Stat:delivrd", source="TINNHAN"), [(Outcome.DELIVERED, "DELIVRD", "42", 0)]),
        (deliver("", tlvs={0x1E: b"2a\0", 0x427: b"\x63"}), []),
        (deliver("KHONG", esm_class=0), []),
        (deliver("id:1 stat:DELIVRD", esm_class=0), []),
    ],
)
def test_receipts_are_read(body: bytes, found: list[tuple[Outcome, str, str, int]]) -> None:
    """Texts and TLVs of receipts become outcomes; what is not final, not known or from a phone gives nothing."""
    read = offline().receipts(Callback(body, method="SMPP"))
    assert read == [Receipt(outcome, code, "", ref, number) for outcome, code, ref, number in found]


@pytest.mark.parametrize("body", [b"", b"\0" * 5, b"\xff" * 40, deliver("nothing here"), deliver("stat:X")[:-3]])
def test_unreadable_receipts_say_so(body: bytes) -> None:
    """A body that is no deliver_sm, or a receipt without a state, is kept for a person, not dropped."""
    with pytest.raises(Unreadable):
        offline().receipts(Callback(body, method="SMPP"))


def test_a_receipt_by_http_is_forged() -> None:
    """Only what came over the bind is a receipt of this carrier."""
    with pytest.raises(Forged):
        offline().verify(Callback(deliver("id:1 stat:DELIVRD")))
