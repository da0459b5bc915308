"""Twilio: the official SDK builds each request and checks each signature; receipts by signed form POST.

Sources: twilio.com/docs/api/errors (codes), docs/messaging/guides/outbound-message-status-in-status-callbacks
(statuses), docs/usage/webhooks/webhooks-security (signature). Twilio itself advises against hard logic on codes.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Final, NoReturn
from urllib.parse import parse_qsl, urlencode

from campaigns.terms import Answer, Callback, Capability, Outcome, Problem, Receipt
from providers.base import Doubt, ReceiptSink, Window
from providers.errors import Forged, Misconfigured, Unreadable
from providers.http import DEADLINE, HttpProvider, Request

# Error codes of a send: no to this number, or not now. An unknown code of a 4xx is refused: it was not created.
CODES: Final[dict[int, Outcome]] = {
    21211: Outcome.REFUSED,  # not a phone number
    21214: Outcome.REFUSED,  # cannot be reached
    21610: Outcome.REFUSED,  # opted out: never again
    21612: Outcome.REFUSED,  # no route from this sender to this number
    21614: Outcome.REFUSED,  # not a mobile
    20429: Outcome.DEFERRED,  # too many requests
    21611: Outcome.DEFERRED,  # the sender's queue is full
    30001: Outcome.DEFERRED,  # queue overflow
}
STOPS: Final[dict[int, str]] = {
    20003: "account: wrong account_sid or auth_token",
    20005: "account: not active",
    20404: "account: no such account or service",
    21212: "sender: not a valid From",
    21408: "account: this country is not permitted",
    21606: "sender: cannot send SMS",
    21603: "sender: From or messaging_service_sid is missing",
    21617: "text: longer than 1,600 characters",
    21705: "sender: messaging_service_sid is wrong",
}
STATUSES: Final[dict[str, Outcome]] = {
    "accepted": Outcome.ACCEPTED,
    "scheduled": Outcome.ACCEPTED,
    "queued": Outcome.ACCEPTED,
    "sending": Outcome.ACCEPTED,
    "sent": Outcome.ACCEPTED,
    "delivered": Outcome.DELIVERED,
    "read": Outcome.DELIVERED,
    "undelivered": Outcome.UNDELIVERED,
    "failed": Outcome.UNDELIVERED,
    "canceled": Outcome.UNDELIVERED,
}

SDK_BASE = "https://api.twilio.com"
SID = re.compile(r"(SM|MM)[0-9a-f]{32}", re.ASCII)
FIELD = re.compile(r"[A-Z][A-Za-z0-9]{1,40}", re.ASCII)
CLIENT_ERROR = 400
CLOCKS = 120.0  # seconds their clock may be behind ours
MOST_FOUND = 50  # messages to one number since an intent; more are not read, and then none is believed
SHUT = (401, 403)
MOST_FIELDS = 100
LONGEST_VALIDITY = 36_000  # seconds that Twilio keeps a message at most
FORM = "application/x-www-form-urlencoded"
NO_ENVIRONMENT = {"none": "none"}  # the SDK reads os.environ when this mapping is empty


class Twilio(HttpProvider):
    """One Twilio account; sends from the wave's sender, or from a messaging service when one is named."""

    name: ClassVar[str] = "twilio"
    capability: ClassVar[Capability] = Capability(
        client_ref="none",
        receipts="push",
        look_up="by_id",
        number_form="+84",
        finds=True,
        throttle_codes=frozenset({"~http429", "20429", "21611", "30001"}),
    )

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: str,
        messaging_service_sid: str = "",
        base_url: str = SDK_BASE,
        connections: int = 64,
        deadline: float = DEADLINE,
    ) -> None:
        super().__init__(base_url, connections=connections, deadline=deadline)
        if not re.fullmatch(r"AC[0-9a-f]{32}", account_sid):
            raise Problem("account_sid must be AC and 32 hex digits: copy it from the Twilio console")
        self._sid = account_sid
        self._token = auth_token
        self._service = messaging_service_sid
        self._sdk: Any = None

    async def open(self, sink: ReceiptSink) -> None:
        """Load the SDK (0.2 s) and make the session."""
        self._client()
        await super().open(sink)

    def request(self, window: Window, idx: int) -> Request:
        """Messages.create as the SDK writes it, with our address of the carrier."""
        sender = {"messaging_service_sid": self._service} if self._service else {"from_": window.sender}
        if url := window.callback_url(idx):
            sender["status_callback"] = url
        if window.validity:
            sender["validity_period"] = str(min(window.validity, LONGEST_VALIDITY))
        number = f"+{window.numbers[idx - window.lo]}"
        return self._drafted(lambda client: client.messages.create(to=number, body=window.text, **sender))

    def outcome(self, idx: int, status: int, body: bytes) -> Answer:
        """201 with a sid is accepted; a 4xx with a code was not created."""
        answer = _object(body)
        if status < CLIENT_ERROR:
            return Answer(idx, Outcome.ACCEPTED, str(answer["status"]), _sid(answer))
        code = int(answer["code"])
        if code in STOPS or status in SHUT:
            raise Misconfigured(str(code), STOPS.get(code, "account: see twilio.com/docs/api/errors"))
        return Answer(idx, CODES.get(code, Outcome.REFUSED), str(code), "")

    def verify(self, callback: Callback) -> None:
        """Refuse what Twilio's own key did not sign, field by field.

        The signature covers names and values run together, so a field boundary could be moved: each name must look
        like one of Twilio's, and the fields we read must be there once, with values of their own shape.
        """
        from twilio.request_validator import RequestValidator  # noqa: PLC0415 - callbacks only

        fields = _fields(callback, Forged)
        signature = callback.headers.get("x-twilio-signature", "")
        if not signature or not callback.url:
            raise Forged("~signature", "no X-Twilio-Signature, or no public URL configured to check it with")
        url = callback.url
        if callback.query and "?" not in url:
            url = f"{url}?{callback.query}"
        if not RequestValidator(self._token).validate(url, fields, signature):
            raise Forged("~signature", "X-Twilio-Signature does not fit")
        if fields.get("AccountSid") != self._sid:
            raise Forged("~account", "AccountSid is not ours")
        if not SID.fullmatch(fields.get("MessageSid", "")) or "MessageStatus" not in fields:
            raise Forged("~fields", "MessageSid or MessageStatus is missing")

    def receipts(self, callback: Callback) -> list[Receipt]:
        """One status; a code is "failed/30005", or "delivered" alone."""
        fields = _fields(callback, Unreadable)
        try:
            sid, status, number = fields["MessageSid"], fields["MessageStatus"], int(fields.get("To") or 0)
        except (KeyError, ValueError) as error:
            raise Unreadable("~fields", "MessageSid, MessageStatus or To") from error
        receipt = _receipt(status, fields.get("ErrorCode"), sid)
        return [receipt._replace(ref=callback.reference, number=number)] if receipt else []

    def question(self, provider_ref: str) -> Request:
        """The message resource, as the SDK asks for it."""
        return self._drafted(lambda client: client.messages(provider_ref).fetch())

    def told(self, provider_ref: str, status: int, body: bytes) -> Receipt | None:
        """None while Twilio does not know the sid."""
        if status >= CLIENT_ERROR:
            return None
        answer = _object(body)
        return _receipt(str(answer["status"]), answer.get("error_code"), provider_ref)

    def search(self, doubt: Doubt) -> Request:
        """The list of messages to one number since the day of the intent, as the SDK asks for it."""
        since = datetime.fromtimestamp(doubt.since - CLOCKS, UTC)
        return self._drafted(
            lambda client: client.messages.page(
                to=f"+{doubt.number}", date_sent_after=since.replace(hour=0, minute=0, second=0), page_size=MOST_FOUND
            )
        )

    def found(self, doubt: Doubt, status: int, body: bytes) -> Receipt:
        """The one message to this number with this text that is not older than the intent."""
        if status >= CLIENT_ERROR:
            return Receipt(Outcome.UNCERTAIN, f"~http{status}")
        answer = _object(body)
        meant = [each for each in answer["messages"] if _meant(each, doubt)]
        if len(meant) != 1 or answer.get("next_page_uri"):
            return Receipt(Outcome.UNCERTAIN, "~ambiguous" if meant else "~not-found")
        receipt = _receipt(str(meant[0]["status"]), meant[0].get("error_code"), _sid(meant[0]))
        return receipt or Receipt(Outcome.UNCERTAIN, "~unmapped")

    def _drafted(self, call: Callable[[Any], object]) -> Request:
        """The request the SDK would have sent."""
        try:
            call(self._client())
        except _Draft as draft:
            return draft.request
        raise RuntimeError("the SDK asked nothing")

    def _client(self) -> Any:
        if self._sdk is None:
            from twilio.rest import Client  # noqa: PLC0415 - the SDK costs 0.2 s of start-up

            self._sdk = Client(self._sid, self._token, http_client=_Drafter(self.base_url), environment=NO_ENVIRONMENT)
        return self._sdk


class _Draft(Exception):
    """Carries one finished request out of the SDK; nothing went wrong."""

    def __init__(self, request: Request) -> None:
        super().__init__("draft")
        self.request = request


class _Drafter:
    """Stands where the SDK has its HTTP client: `HttpProvider` sends, so that its table of proofs holds."""

    is_async = False

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url

    def request(self, method: str, uri: str, **parts: Any) -> NoReturn:
        """Raises _Draft with the same request for our address of the carrier."""
        basic = b64encode(":".join(parts["auth"]).encode()).decode()
        headers = {**parts["headers"], "Authorization": f"Basic {basic}"}
        url = self._base_url + uri.removeprefix(SDK_BASE)
        if query := parts.get("params"):
            url = f"{url}?{urlencode(query)}"
        raise _Draft(Request(method, url, headers, urlencode(parts.get("data") or {}).encode()))


def _meant(message: dict[str, Any], doubt: Doubt) -> bool:
    made = parsedate_to_datetime(message["date_created"]).timestamp()
    same = (message["to"], message["body"]) == (f"+{doubt.number}", doubt.text)
    return same and made >= doubt.since - CLOCKS and message["direction"] != "inbound"


def _object(body: bytes) -> dict[str, Any]:
    answer = json.loads(body)
    if not isinstance(answer, dict):
        raise TypeError("not an object")
    return answer


def _sid(answer: dict[str, Any]) -> str:
    sid = str(answer["sid"])
    if not SID.fullmatch(sid):
        raise ValueError("not a message sid")
    return sid


def _fields(callback: Callback, error: type[Forged | Unreadable]) -> dict[str, str]:
    """The form of a callback, read strictly; raises `error` for anything that could be read in two ways."""
    if callback.method != "POST" or callback.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise error("~form", "a status callback is a form POST")
    try:
        pairs = parse_qsl(
            callback.body.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=MOST_FIELDS
        )
    except ValueError as wrong:
        raise error("~form", "the form cannot be read") from wrong
    fields = dict(pairs)
    if len(fields) != len(pairs) or not all(map(FIELD.fullmatch, fields)):
        raise error("~fields", "a field stands twice or has a strange name")
    return fields


def _receipt(status: str, error_code: object, sid: str) -> Receipt | None:
    outcome = STATUSES.get(status)
    if outcome is None:
        return None
    return Receipt(outcome, f"{status}/{error_code}" if error_code else status, provider_ref=sid)
