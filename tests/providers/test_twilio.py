"""Twilio: requests as its SDK writes them, signatures as its SDK checks them, and no way round either."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

import pytest
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from campaigns.terms import Callback, Outcome, Problem
from providers.errors import Forged, Misconfigured, Unreadable
from providers.simulator.twilio import signature
from providers.twilio import Twilio
from tests.providers.gates import window

SID, TOKEN, REF = "AC" + "0" * 32, "simulated-token", "0123456789abcdef0123456789abcdef"
URL = f"https://campaign.example.vn/cb/twilio/{REF}.mac"
FIELDS = {"MessageSid": "SM" + "1" * 32, "MessageStatus": "delivered", "To": "+84900000001", "From": "LAICHAU",
          "AccountSid": SID, "ApiVersion": "2010-04-01", "NewField": "chào"}  # fmt: skip


def twilio(service: str = "") -> Twilio:
    """An adapter that is not open."""
    return Twilio(account_sid=SID, auth_token=TOKEN, messaging_service_sid=service)


def called(body: bytes = b"", *, sign: str = TOKEN, url: str = URL, **changes: str) -> Callback:
    """A status callback, signed as it left Twilio; `body` replaces what arrived. "-" leaves a field out."""
    fields = {key: value for key, value in (FIELDS | changes).items() if value != "-"}
    headers = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": signature(sign, url, fields)}
    return Callback(body or urlencode(fields).encode(), "POST", url, "", headers, REF)


def test_the_official_validator_agrees_with_the_simulated_signature() -> None:
    """The simulator computes the signature by itself; the SDK, an independent peer, accepts it."""
    assert RequestValidator(TOKEN).validate(URL, FIELDS, signature(TOKEN, URL, FIELDS))


def test_a_signed_callback_passes() -> None:
    """Fields that are new to us do not matter while they are signed; so with a query in the URL."""
    twilio().verify(called())
    twilio().verify(replace(called(url=URL + "?a=b"), url=URL, query="a=b"))


BODY = urlencode(FIELDS).encode()
FORGED = {
    "signed with another token": called(sign="other"),
    "no signature": replace(called(), headers={"content-type": "application/x-www-form-urlencoded"}),
    "signature that is no ASCII": replace(called(), headers=called().headers | {"x-twilio-signature": "é" * 28}),
    "another URL": replace(called(), url=URL + "x"),
    "no public URL configured": replace(called(), url=""),
    "changed value": called(BODY.replace(b"delivered", b"failed")),
    "field twice": called(BODY + b"&MessageStatus=delivered"),
    "field boundary moved": called(BODY.replace(b"MessageStatus=delivered", b"MessageStatusdeliver=ed")),
    "boundary moved into a strange name": called(BODY.replace(b"To=%2B84900000001", b"To%2B=84900000001")),
    "JSON": replace(called(), headers=called().headers | {"content-type": "application/json"}),
    "GET": replace(called(), method="GET"),
    "not UTF-8": called(b"MessageSid=\xff\xfe&MessageStatus=\xff"),
    "no form": called(b"\0\0\0"),
    "too many fields": called(b"&".join(b"A%d=1" % at for at in range(101))),
    "another account": called(AccountSid="AC" + "1" * 32),
    "no MessageSid": called(MessageSid="-"),
    "strange MessageSid": called(MessageSid="SM1"),
    "no status": called(MessageStatus="-"),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_callback_is_refused(name: str) -> None:
    """Whatever is wrong, the answer is Forged, never another error."""
    with pytest.raises(Forged):
        twilio().verify(FORGED[name])


STATUSES = {
    "delivered": Outcome.DELIVERED, "read": Outcome.DELIVERED, "undelivered": Outcome.UNDELIVERED,
    "failed": Outcome.UNDELIVERED, "canceled": Outcome.UNDELIVERED, "sent": Outcome.ACCEPTED,
    "queued": Outcome.ACCEPTED, "a status of tomorrow": None,
}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_statuses(status: str) -> None:
    """Each status has one meaning; one we do not know is left out."""
    found = twilio().receipts(called(MessageStatus=status))
    assert [receipt.outcome for receipt in found] == ([STATUSES[status]] if STATUSES[status] else [])


def test_a_receipt_keeps_twilios_own_code() -> None:
    """Status and ErrorCode together are the code; number and both references are there."""
    receipt = twilio().receipts(called(MessageStatus="undelivered", ErrorCode="30005"))[0]
    assert receipt == (Outcome.UNDELIVERED, "undelivered/30005", REF, FIELDS["MessageSid"], 84900000001)


def test_an_unreadable_callback_says_so() -> None:
    """What cannot be translated raises Unreadable."""
    with pytest.raises(Unreadable):
        twilio().receipts(called(b"A=1"))


@pytest.mark.parametrize(("service", "sender"), [("", {"From": "LAICHAU"}), ("MG0", {"MessagingServiceSid": "MG0"})])
def test_the_request(service: str, sender: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own request, to our address, unmoved by the environment the SDK would read."""
    monkeypatch.setenv("TWILIO_EDGE", "elsewhere")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    w = window([84900000001], "Cảnh giác & 100%", sender="LAICHAU")
    w.callback_url = lambda idx: f"https://example.vn/cb/{idx}"
    request = twilio(service).request(w, 0)
    assert request.url == f"https://api.twilio.com/2010-04-01/Accounts/{SID}/Messages.json"
    wanted = {"To": "+84900000001", "Body": "Cảnh giác & 100%", "StatusCallback": "https://example.vn/cb/0"}
    assert dict(parse_qsl(request.body.decode())) == wanted | sender


def answer(code: object, status: int) -> bytes:
    """An error resource."""
    return json.dumps({"code": code, "message": "no", "status": status}).encode()


def test_an_unknown_code_behind_a_shut_door_stops_the_account() -> None:
    """401 and 403 are about us, whatever the code."""
    with pytest.raises(Misconfigured, match="29999"):
        twilio().outcome(0, 403, answer(29999, 403))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"sid": "SM1", "status": "queued"}', b'{"sid": null}', answer(None, 400)]
)
def test_an_answer_without_a_sid_or_a_code_is_never_believed(body: bytes) -> None:
    """A 201 without a whole sid and a 400 without a code make no sense: the index will be uncertain."""
    with pytest.raises((ValueError, LookupError, TypeError)):
        twilio().outcome(0, 400 if b"code" in body else 201, body)


def test_a_wrong_account_sid_is_found_at_once() -> None:
    """The error names the key."""
    with pytest.raises(Problem, match="account_sid"):
        Twilio(account_sid="AC12", auth_token=TOKEN)
