"""A simulated Twilio: Messages.json, status callbacks signed by the published algorithm, look-ups.

Sources: twilio.com/docs/messaging/api/message-resource, docs/usage/webhooks/webhooks-security.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from providers.simulator.faults import Faults
from providers.simulator.http import DELIVERED, Call, HttpCarrier, Ready, Record, Submission, serve_carrier, text_sha
from providers.simulator.truth import Taken

VERSION = "2010-04-01"
SHUT = {"20003": 401, "20404": 404, "20429": 429}  # codes whose HTTP status is not 400
BAD_KEY, BAD_NUMBER, NO_BODY, NO_SENDER, NOT_MOBILE, UNKNOWN = "20003", "21211", "21602", "21603", "21614", "20404"
LANDLINE = "30006"  # the error code of an undelivered message


class TwilioCarrier(HttpCarrier):
    """Twilio's message resource."""

    def __init__(self, truth: Path, faults: Faults, odd: str, account_sid: str, auth_token: str) -> None:
        self._sid = account_sid
        self._token = auth_token
        self._auth = "Basic " + base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._base = f"/{VERSION}/Accounts/{account_sid}/Messages"
        self._texts_file = truth.with_suffix(".texts")  # the truth holds only their hashes
        self._texts = _read_texts(self._texts_file)
        self._taken: dict[str, list[Taken]] = {}
        super().__init__(truth, faults, odd)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """POST and GET Messages.json, and GET Messages/{sid}.json."""
        if not hmac.compare_digest(request.headers.get("Authorization", ""), self._auth):
            return self.coded(BAD_KEY)
        if request.method == "POST" and request.path == f"{self._base}.json":
            return await self._send(request)
        if request.path == f"{self._base}.json":
            return self._list(request.query.get("To", "").removeprefix("+"), request.query.get("DateSent>", ""))
        sid = request.path.removeprefix(f"{self._base}/").removesuffix(".json")
        record = self.records.get(sid)
        return _json(200, self._resource(record)) if record else self.coded(UNKNOWN)

    async def _send(self, request: web.BaseRequest) -> web.StreamResponse:
        form = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        number, text = form.get("To", ""), form.get("Body", "")
        sender = form.get("MessagingServiceSid") or form.get("From", "")
        if not number.startswith("+") or not number[1:].isdecimal():
            return self.coded(BAD_NUMBER)
        if not text or not sender:
            return self.coded(NO_SENDER if text else NO_BODY)
        self._keep_text(text)
        return await self.submit(request, Submission(number[1:], text, "", form.get("StatusCallback", ""), sender))

    def _keep_text(self, text: str) -> None:
        if text_sha(text) not in self._texts:
            self._texts[text_sha(text)] = text
            with self._texts_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(text) + "\n")

    def remember(self, taken: Taken) -> None:
        """By number, for the list."""
        self._taken.setdefault(taken.number, []).append(taken)

    def _list(self, number: str, since: str) -> web.Response:
        """What was taken for a number since a day, newest first."""
        after = datetime.fromisoformat(since).replace(tzinfo=UTC).timestamp() if since else 0.0
        taken = [each for each in reversed(self._taken.get(number, [])) if each.at >= after]
        listed = [
            self._resource(self.records[each.message_id])
            | {
                "body": self._texts[each.whole_sha],
                "direction": "outbound-api",
                "date_created": formatdate(each.at),
                "date_sent": formatdate(each.at),
            }
            for each in taken
        ]
        return _json(200, {"messages": listed, "next_page_uri": None, "page": 0})

    def new_id(self) -> str:
        """A message sid."""
        return f"SM{secrets.token_hex(16)}"

    def accepted(self, record: Record) -> web.Response:
        """201 with the new resource."""
        return _json(201, self._resource(record))

    def coded(self, code: str) -> web.Response:
        """An error resource."""
        code = code or NOT_MOBILE
        status = SHUT.get(code, 400)
        return _json(status, {"code": int(code), "message": "simulated", "more_info": "", "status": status})

    def call(self, record: Record) -> Call:
        """POST of a form, signed over the URL and every field."""
        fields = {
            "MessageSid": record.message_id,
            "SmsSid": record.message_id,
            "MessageStatus": record.outcome,
            "SmsStatus": record.outcome,
            "To": f"+{record.number}",
            "AccountSid": self._sid,
            "ApiVersion": VERSION,
        }
        if record.outcome != DELIVERED:
            fields["ErrorCode"] = LANDLINE
        headers = {
            "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
            "X-Twilio-Signature": signature(self._token, record.callback_url, fields),
        }
        return Call("POST", record.callback_url, headers, urlencode(fields).encode())

    def _resource(self, record: Record) -> dict[str, object]:
        failed = record.outcome not in ("", DELIVERED)
        return {
            "sid": record.message_id,
            "account_sid": self._sid,
            "to": f"+{record.number}",
            "status": record.outcome or "queued",
            "error_code": int(LANDLINE) if failed else None,
        }


def signature(token: str, url: str, fields: dict[str, str]) -> str:
    """X-Twilio-Signature: base64 of HMAC-SHA1 over the URL, then each name and value in order of names."""
    signed = url + "".join(name + fields[name] for name in sorted(fields))
    return base64.b64encode(hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()).decode()


def _read_texts(file: Path) -> dict[str, str]:
    texts = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return {text_sha(text): text for text in texts}


def _json(status: int, fields: dict[str, object]) -> web.Response:
    return web.Response(status=status, body=json.dumps(fields).encode(), content_type="application/json")


async def serve(
    host: str,
    port: int,
    truth: Path,
    faults: Faults,
    *,
    account_sid: str,
    auth_token: str,
    odd: str = "",
    ready: Ready | None = None,
) -> None:
    """Run until cancelled; `odd` as in `read_odd`."""
    await serve_carrier(TwilioCarrier(truth, faults, odd, account_sid, auth_token), host, port, ready)
