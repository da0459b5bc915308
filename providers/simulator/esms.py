"""A simulated eSMS.vn: takes care messages, remembers RequestIds for 24 h, calls back by unsigned GET.

Source: devesms/gitbook_esms_for_develop_v2 esms-api/*.md.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web

from providers.simulator.faults import Faults
from providers.simulator.http import (
    DELIVERED,
    UNDELIVERED,
    Call,
    HttpCarrier,
    Ready,
    Record,
    Submission,
    serve_carrier,
    text_sha,
)
from providers.simulator.truth import Taken

DEDUPE = 24 * 3600  # seconds a RequestId is remembered
TAKEN, BLOCKED, BAD_NUMBER, BAD_KEY, BAD_SENDER, BAD_TYPE, REPEATED, UNKNOWN_ID = (
    "100", "99", "108", "101", "104", "118", "124", "105",
)  # fmt: skip


class EsmsCarrier(HttpCarrier):
    """eSMS as its pages describe it."""

    def __init__(
        self, truth: Path, faults: Faults, odd: str, keys: tuple[str, str], brandnames: str, same_text: float
    ) -> None:
        self._keys = keys
        self._same_text = same_text
        self._brandnames = frozenset(name for name in brandnames.split(",") if name)
        self._requests: dict[str, float] = {}
        self._texts: dict[tuple[str, str], float] = {}
        super().__init__(truth, faults, odd)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The two calls we use."""
        if request.path.rstrip("/").endswith("/SendMultipleMessage_V4_post_json") and request.method == "POST":
            return await self._send(request)
        if request.path.endswith("/GetSendStatus"):
            return self._status(request)
        return web.Response(status=404)

    async def _send(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            fields = json.loads(await request.read())
            wanted = Submission(
                "84" + fields["Phone"].removeprefix("84").removeprefix("0"),
                fields["Content"],
                fields.get("RequestId", ""),
                fields.get("CallbackUrl", ""),
                fields["Brandname"],
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return web.Response(status=400)
        code = self._fault(fields, wanted)
        return self.coded(code) if code else await self.submit(request, wanted)

    def _fault(self, fields: dict[str, str], wanted: Submission) -> str:
        """The code of what is wrong with a request, "" when nothing is."""
        now = time.time()
        if (fields.get("ApiKey"), fields.get("SecretKey")) != self._keys:
            return BAD_KEY
        if self._brandnames and wanted.sender not in self._brandnames:
            return BAD_SENDER
        if fields.get("SmsType") != "2" or (fields.get("IsUnicode") != "1" and not wanted.text.isascii()):
            return BAD_TYPE
        if not wanted.number.isdecimal() or len(wanted.number) != 11:  # noqa: PLR2004 - 84 and nine digits
            return BAD_NUMBER
        if wanted.ref and now - self._requests.get(wanted.ref, 0) < DEDUPE:
            return REPEATED
        # The pages say "blocked for 5 minutes" and name no code; 99 is the table's "blocked".
        return BLOCKED if now - self._texts.get((wanted.number, text_sha(wanted.text)), 0) < self._same_text else ""

    def remember(self, taken: Taken) -> None:
        """RequestIds and texts survive a restart."""
        if taken.ref not in ("", "-"):
            self._requests[taken.ref] = taken.at
        self._texts[taken.number, taken.whole_sha] = taken.at

    def accepted(self, record: Record) -> web.Response:
        """CodeResult 100."""
        return _json({"CodeResult": TAKEN, "CountRegenerate": 0, "SMSID": record.message_id})

    def coded(self, code: str) -> web.Response:
        """A refusal, HTTP 200 as always."""
        return _json({"CodeResult": code or BLOCKED, "CountRegenerate": 0, "ErrorMessage": "simulated"})

    def call(self, record: Record) -> Call:
        """GET with the counts in the query."""
        fields = _counts(record) | {
            "SMSID": record.message_id,
            "RequestId": record.ref,
            "TypeId": 2,
            "telcoid": 1,
            "phonenumber": record.number,
        }
        mark = "&" if "?" in record.callback_url else "?"
        return Call("GET", f"{record.callback_url}{mark}{urlencode(fields)}")

    def _status(self, request: web.BaseRequest) -> web.Response:
        if (request.query.get("ApiKey"), request.query.get("SecretKey")) != self._keys:
            return _json({"CodeResponse": BAD_KEY})
        record = self.records.get(request.query.get("RefId", ""))
        if record is None:
            return _json({"CodeResponse": UNKNOWN_ID})
        return _json({"CodeResponse": TAKEN, "SMSID": record.message_id} | _counts(record))


def _counts(record: Record) -> dict[str, object]:
    """SendStatus 5 is "finished", well or badly; 7 waits for the network's report."""
    return {
        "SendStatus": 5 if record.outcome else 7,
        "SendSuccess": int(record.outcome == DELIVERED),
        "SendFailed": int(record.outcome == UNDELIVERED),
        "TotalReceiver": 1,
        "TotalSent": 1,
        "TotalPrice": 0,
    }


def _json(fields: dict[str, object]) -> web.Response:
    return web.Response(body=json.dumps(fields).encode(), content_type="application/json")


async def serve(
    host: str,
    port: int,
    truth: Path,
    faults: Faults,
    *,
    api_key: str,
    secret_key: str,
    brandnames: str = "",
    same_text: str = "300",
    odd: str = "",
    ready: Ready | None = None,
) -> None:
    """Run until cancelled; `odd` as in `read_odd`.

    `brandnames` "A,B" are the registered ones (empty: any); `same_text` seconds long the same text to the same phone is
    blocked (a rehearsal of several waves within minutes wants "0").
    """
    carrier = EsmsCarrier(truth, faults, odd, (api_key, secret_key), brandnames, float(same_text))
    await serve_carrier(carrier, host, port, ready)
