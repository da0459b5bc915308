"""eSMS.vn (ViHAT) and its resellers: one care message a request, receipts by unsigned GET.

Source: devesms/gitbook_esms_for_develop_v2 esms-api/*.md (send, callback, bang-ma-loi.md = the code table).
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from campaigns.terms import Answer, Callback, Capability, Outcome, Receipt
from providers.base import Window
from providers.errors import Forged, Misconfigured, Unreadable
from providers.http import DEADLINE, HttpProvider, Request

# CodeResult of a send (bang-ma-loi.md). 124 says this RequestId was seen within 24 h: the earlier request was taken.
# Whether we ever sent it is not known here: the worker takes it for acceptance where it sends a reference again.
CODES: Final[dict[str, Outcome]] = {
    "100": Outcome.ACCEPTED,  # queued; says nothing of delivery
    "124": Outcome.UNCERTAIN,
    "99": Outcome.REFUSED,  # number blocked on the system
    "108": Outcome.REFUSED,  # not a number
}
# They refuse us, not the number: every further message would meet the same.
STOPS: Final[dict[str, str]] = {
    "101": "account: wrong ApiKey or SecretKey",
    "102": "account: no price list",
    "103": "account: no balance",
    "140": "account: this address is not on its list",
    "143": "account: not activated or locked",
    "104": "sender: brandname unknown",
    "177": "sender: brandname not registered at this network",
    "146": "text: does not match the registered template",
    "201": "text: banned keyword",
    "118": "message type",
    "300": "message type",
    "301": "message type",
    "107": "batching: fewer than 30 numbers for the advertising type",
    "120": "batching: list too long",
    "163": "batching: one number a request for this type",
}
# Any other code is uncertain: only 100 is documented as taken, but a new code may mean "taken, pending", and asking
# again with the same RequestId within 24 h is harmless, while a refusal would be final.

CARE = "2"  # SmsType: customer care and notices
REFUSED_BY_REVIEW = "4"  # SendStatus; 5 (finished) is not success, the two counts decide
SEND = "/MainService.svc/json/SendMultipleMessage_V4_post_json/"
STATUS = "/MainService.svc/json/GetSendStatus"


class Esms(HttpProvider):
    """One eSMS account; `base_url` is the reseller's when there is one."""

    name: ClassVar[str] = "esms"
    capability: ClassVar[Capability] = Capability(
        client_ref="dedupe", receipts="push", look_up="by_id", number_form="84", dedupe_horizon=timedelta(hours=24),
        duplicate_codes=frozenset({"124"}),
    )  # fmt: skip

    def __init__(
        self,
        *,
        api_key: str,
        secret_key: str,
        base_url: str = "https://rest.esms.vn",
        connections: int = 64,
        deadline: float = DEADLINE,
    ) -> None:
        super().__init__(base_url, connections=connections, deadline=deadline)
        self._keys = {"ApiKey": api_key, "SecretKey": secret_key}

    def request(self, window: Window, idx: int) -> Request:
        """SendMultipleMessage_V4_post_json with our reference as RequestId."""
        fields = self._keys | {
            "Phone": str(window.numbers[idx - window.lo]),
            "Content": window.text,
            "Brandname": window.sender,
            "SmsType": CARE,
            "IsUnicode": "0" if window.text.isascii() else "1",
            "RequestId": window.reference(idx),
        }
        if url := window.callback_url(idx):
            fields["CallbackUrl"] = url
        body = json.dumps(fields, ensure_ascii=False).encode()
        return Request("POST", self.base_url + SEND, {"Content-Type": "application/json"}, body)

    def outcome(self, idx: int, status: int, body: bytes) -> Answer:  # noqa: ARG002 - the code stands in the body
        """CodeResult by the tables above."""
        answer = _object(body)
        code, sms_id = str(answer["CodeResult"]), str(answer.get("SMSID") or "")
        if code in STOPS:
            raise Misconfigured(code, STOPS[code])
        return Answer(idx, CODES.get(code, Outcome.UNCERTAIN), code, sms_id)

    def verify(self, callback: Callback) -> None:
        """Refuse what came to no message's own path: eSMS signs nothing, the path's MAC is the whole proof."""
        if not callback.reference:
            raise Forged("~path", "eSMS callbacks must carry our reference in the path")

    def receipts(self, callback: Callback) -> list[Receipt]:
        """The query of one GET; an aggregate over several messages names no single one and is left out."""
        query = dict(parse_qsl(callback.query, keep_blank_values=True))
        ref = query.get("RequestId") or callback.reference
        if callback.reference not in ("", ref):
            raise Unreadable("~reference", "RequestId and path name different messages")
        try:
            receipt = _receipt(query, ref)
        except (KeyError, ValueError) as error:
            raise Unreadable("~fields", "SMSID, SendStatus, SendSuccess or SendFailed") from error
        return [receipt] if receipt else []

    def question(self, provider_ref: str) -> Request:
        """GetSendStatus; eSMS answers it for 7 days."""
        return Request("GET", f"{self.base_url}{STATUS}?{urlencode({'RefId': provider_ref} | self._keys)}")

    def told(self, provider_ref: str, status: int, body: bytes) -> Receipt | None:  # noqa: ARG002 - as in outcome
        """None while the id is unknown or asked for too soon (105)."""
        answer = _object(body)
        if str(answer["CodeResponse"]) != "100":
            return None
        return _receipt({"SMSID": provider_ref} | {key: str(value) for key, value in answer.items()}, "")


def _object(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise TypeError("not an object")
    return answer


def _receipt(fields: dict[str, str], ref: str) -> Receipt | None:
    """Decide by the counts; raises KeyError or ValueError when one is missing or no number."""
    status, done, failed = fields["SendStatus"], int(fields["SendSuccess"]), int(fields["SendFailed"])
    if done + failed > 1 or min(done, failed) < 0:
        return None
    outcome = Outcome.DELIVERED if done else Outcome.UNDELIVERED if failed else Outcome.ACCEPTED
    if status == REFUSED_BY_REVIEW and not done:
        outcome = Outcome.UNDELIVERED
    return Receipt(outcome, f"{status}/{done}/{failed}", ref, fields["SMSID"], _number(fields.get("phonenumber", "")))


def _number(phone: str) -> int:
    """84912345678 from 0912345678 or 84912345678, 0 from nothing; raises ValueError."""
    return int("84" + phone.removeprefix("84").removeprefix("0")) if phone else 0
