"""eSMS: the request as its pages write it, receipts by their counts, callbacks by their path."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from campaigns.terms import Callback, Outcome, Receipt
from providers.errors import Forged, Unreadable
from providers.esms import Esms
from tests.providers.gates import window

REF = "0123456789abcdef0123456789abcdef"
ESMS = Esms(api_key="simulated-key", secret_key="simulated-secret")
FIELDS = {"SMSID": "id-1", "RequestId": REF, "SendStatus": "5", "SendSuccess": "1", "SendFailed": "0",
          "TotalReceiver": "1", "TypeId": "2", "telcoid": "1", "phonenumber": "0900000001"}  # fmt: skip


def called(**changes: str) -> Callback:
    """One GET of eSMS; a change to "-" leaves the field out."""
    fields = {key: value for key, value in (FIELDS | changes).items() if value != "-"}
    return Callback(body=b"", method="GET", query=urlencode(fields), reference=REF)


RECEIPTS = {
    "delivered": ({}, Outcome.DELIVERED, "5/1/0"),
    "finished with nothing delivered": ({"SendSuccess": "0", "SendFailed": "1"}, Outcome.UNDELIVERED, "5/0/1"),
    "finished, and both counts zero, is no success": ({"SendSuccess": "0"}, Outcome.ACCEPTED, "5/0/0"),
    "waiting for the network": ({"SendStatus": "7", "SendSuccess": "0"}, Outcome.ACCEPTED, "7/0/0"),
    "refused by review": ({"SendStatus": "4", "SendSuccess": "0"}, Outcome.UNDELIVERED, "4/0/0"),
}


@pytest.mark.parametrize("name", RECEIPTS)
def test_receipts_are_decided_by_the_counts(name: str) -> None:
    """SendSuccess and SendFailed decide, not SendStatus."""
    changes, outcome, code = RECEIPTS[name]
    assert ESMS.receipts(called(**changes)) == [Receipt(outcome, code, REF, "id-1", 84900000001)]


def test_an_aggregate_names_nobody() -> None:
    """A callback over several messages is no message's receipt."""
    assert ESMS.receipts(called(SendSuccess="40", SendFailed="2", phonenumber="-")) == []


def test_a_callback_without_phone_is_found_by_its_reference() -> None:
    """RequestId or, without it, the path names the message."""
    assert ESMS.receipts(called(phonenumber="-", RequestId="-"))[0][2:] == (REF, "id-1", 0)


@pytest.mark.parametrize(
    "changes", [{"SendSuccess": "-"}, {"SendFailed": "many"}, {"SMSID": "-"}, {"RequestId": "f" * 32}]
)
def test_what_makes_no_sense_is_unreadable(changes: dict[str, str]) -> None:
    """Missing counts, and a RequestId that contradicts the path, are kept and reported, never guessed."""
    with pytest.raises(Unreadable):
        ESMS.receipts(called(**changes))


def test_only_a_path_with_our_reference_is_believed() -> None:
    """As eSMS signs nothing, a callback without a checked reference is refused."""
    ESMS.verify(called())
    with pytest.raises(Forged):
        ESMS.verify(replace(called(), reference=""))


@pytest.mark.parametrize(("text", "unicode"), [("Canh giac", "0"), ("Cảnh giác", "1")])
def test_the_request(text: str, unicode: str) -> None:
    """Every field of the page, the text as it is, our reference as RequestId."""
    w = window([84900000001], text, sender="LAICHAU")
    w.callback_url = lambda idx: f"https://example.vn/cb/{idx}"
    request = ESMS.request(w, 0)
    assert request.url == "https://rest.esms.vn/MainService.svc/json/SendMultipleMessage_V4_post_json/"
    assert json.loads(request.body) == {
        "ApiKey": "simulated-key", "SecretKey": "simulated-secret", "Phone": "84900000001", "Content": text,
        "Brandname": "LAICHAU", "SmsType": "2", "IsUnicode": unicode, "RequestId": f"{0:032x}",
        "CallbackUrl": "https://example.vn/cb/0",
    }  # fmt: skip
