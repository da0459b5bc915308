"""SpeedSMS: one message a request, receipts by JSON POST to an address registered with the account.

Sources: speedsms.vn/sms-api; alexzvn/speedsms-api. 60 requests in 60 s, then HTTP 429: the licence says so too.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import ClassVar, Final

from campaigns.terms import Answer, Callback, Capability, Outcome, Receipt
from providers.base import Window
from providers.errors import Misconfigured, Unreadable
from providers.http import DEADLINE, HttpProvider, Request

# `code` of an answer (speedsms.vn/sms-api). 500 is their inner error and proves nothing; nor does an unknown code.
CODES: Final[dict[str, Outcome]] = {
    "00": Outcome.ACCEPTED,
    "105": Outcome.REFUSED,  # phone
    "500": Outcome.UNCERTAIN,
}
STOPS: Final[dict[str, str]] = {
    "007": "account: this address is not on its list",
    "008": "account: blocked",
    "009": "account: not allowed",
    "300": "account: no balance",
    "101": "parameters",
    "110": "text: encoding",
    "113": "text: too long",
}
DELIVERED = 0  # `status` of a report; no other value is confirmed, so others are left out

BRANDNAME = 3  # sms_type


class SpeedSms(HttpProvider):
    """One SpeedSMS account."""

    name: ClassVar[str] = "speedsms"
    capability: ClassVar[Capability] = Capability(client_ref="none", receipts="push", look_up="none", number_form="84")

    def __init__(
        self,
        *,
        access_token: str,
        base_url: str = "https://api.speedsms.vn",
        connections: int = 4,
        deadline: float = DEADLINE,
    ) -> None:
        super().__init__(base_url, connections=connections, deadline=deadline)
        basic = b64encode(f"{access_token}:x".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}

    def request(self, window: Window, idx: int) -> Request:
        """One number, though the interface takes a hundred: an answer for many does not say which were taken."""
        fields = {
            "to": [str(window.numbers[idx - window.lo])],
            "content": window.text,
            "sms_type": BRANDNAME,
            "sender": window.sender,
        }
        return Request("POST", f"{self.base_url}/index.php/sms/send", self._headers, json.dumps(fields).encode())

    def outcome(self, idx: int, status: int, body: bytes) -> Answer:  # noqa: ARG002 - the code stands in the body
        """`code` by the tables above."""
        answer = json.loads(body)
        code = str(answer["code"])
        if code in STOPS:
            raise Misconfigured(code, STOPS[code])
        ref = str(answer["data"]["tranId"]) if code == "00" else ""
        return Answer(idx, CODES.get(code, Outcome.UNCERTAIN), code, ref)

    def receipts(self, callback: Callback) -> list[Receipt]:
        """A report of one phone; messages that come in (`content`) are no receipts."""
        try:
            report = json.loads(callback.body)
            if report["type"] != "report" or int(report["status"]) != DELIVERED:
                return []
            number = int("84" + str(report["phone"]).removeprefix("84").removeprefix("0"))
            return [Receipt(Outcome.DELIVERED, "0", provider_ref=str(report["tranId"]), number=number)]
        except (ValueError, LookupError, TypeError) as error:
            raise Unreadable("~fields", "type, tranId, phone or status") from error
