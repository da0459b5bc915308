"""Where carriers call back: a bare ASGI application before FastAPI; 200 means that the event is on the disk.

Paths (ledger: section 7): `/cb/{account}/{our reference with its MAC}` where the carrier takes a URL with each message,
`/cb/{account}/{secret of the account}` where it takes one for all. A path is never written down whole.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import os
import re
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from campaigns.message import parse_reference
from campaigns.sealing import Keyring
from campaigns.terms import Account, Callback
from config.problem import Problem
from providers.base import Provider
from providers.errors import Forged
from workers.house import House, crash_point
from workers.spool import Spool, SpoolFull

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

READ_WITHIN = 2.0
"""Seconds for a whole body (reliability: section 7); a carrier sends a few hundred bytes."""
COME_AGAIN = 5
"""Seconds a carrier is asked to wait when the spool is full."""
METHODS = ("GET", "POST")
ANNOUNCED = frozenset({b"content-length", b"transfer-encoding"})
END = {"type": "http.response.body", "body": b""}
NOT_KEPT = frozenset({"authorization", "proxy-authorization", "cookie"})
"""Headers that `verify` may need and nobody afterwards."""
NO_STORE = (b"cache-control", b"no-store")
TAKEN = [(b"content-length", b"0"), NO_STORE, (b"x-content-type-options", b"nosniff")]
"""The headers of a 200, which has no body: the door adds nothing to them, and each more costs 2 us a receipt."""

_PATH = re.compile(rb"/cb/([A-Za-z0-9][A-Za-z0-9._-]{0,63})/([0-9a-f]{32})", re.ASCII)
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


class Turned(Exception):
    """A call that is not taken: the HTTP status says why, and to the carrier nothing else does."""

    def __init__(self, status: int, why: str, *headers: tuple[bytes, bytes], account: str = "") -> None:
        super().__init__(status, why)
        self.status, self.why, self.headers, self.account = status, why, headers, account


class TurnedCall(NamedTuple):
    """A call that was not taken, for the page of its account; nothing of what it held is kept."""

    at: datetime
    status: int
    why: str


TURNED_KEPT = 20
"""Of each account, in this process's memory: calls at the door cost no write."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What is needed to take one account's receipts."""

    account: str
    provider: Provider
    spool: Spool
    secret: str


def callback_secret(keyring: Keyring, account: str) -> str:
    """The 32 hex digits of an account's own path, for carriers that take one URL for all messages."""
    return keyring.mac_key(f"callback|{account}").hex()[:32]


class Receiver:
    """Takes callbacks for the enabled accounts; used inside one event loop."""

    def __init__(self, house: House) -> None:
        """Raises Problem when the spool cannot be written: a route that cannot keep receipts is not opened."""
        _probe_spool(house)
        self._base = (house.callback_base or house.settings.url).encode("ascii")
        self._mac = house.keyring.mac_key("reference")
        self._most, self._depth = house.settings.callback_bytes, house.settings.callback_depth
        self._desks = {name: _desk(house, each) for name, each in house.accounts.items() if each.enabled}
        self._at_point = crash_point if os.environ.get("CRASH_AT") else _nowhere
        self.turned: dict[str, deque[TurnedCall]] = {name: deque(maxlen=TURNED_KEPT) for name in self._desks}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One call: 200 after the event is durable, else a status that says whether to come again."""
        account = "-"
        try:
            desk, path, reference = self._who(scope)
            account = desk.account
            body = await self._body(scope, receive)
            callback = self._callback(scope, body, path, reference)
            self._check(desk, callback)
            self._at_point("C11")
            await desk.spool.store([_to_keep(callback)])
            self._at_point("C12")
        except Turned as turned:
            self._note(turned.account or account, turned.status, turned.why)
            log.warning("%s /cb/%s/- %d %s", scope["method"], account, turned.status, turned.why)
            await answer(send, turned.status, *turned.headers)
        except SpoolFull as full:
            self._note(account, 503, "spool")
            log.error("%s /cb/%s/- 503 %s", scope["method"], account, full)  # noqa: TRY400 - the sentence is all there is
            await answer(send, 503, (b"retry-after", str(COME_AGAIN).encode()))
        else:
            await send({"type": "http.response.start", "status": 200, "headers": TAKEN})
            await send(END)

    def _note(self, account: str, status: int, why: str) -> None:
        if account in self.turned:
            self.turned[account].append(TurnedCall(datetime.now(UTC), status, why))

    async def close(self) -> None:
        """Finish what is being written, and hand the segments to the loader."""
        for desk in self._desks.values():
            await desk.spool.close()

    def _who(self, scope: Scope) -> tuple[Desk, bytes, str]:
        """Whose call this is, from method and path alone, the path, and our reference when it stands there.

        One answer for an unknown account and for a wrong secret.
        """
        path: bytes = scope.get("raw_path") or scope["path"].encode()
        match = _PATH.fullmatch(path)
        desk = self._desks.get(match[1].decode()) if match else None
        if match is None or desk is None:
            raise Turned(404, "no such path")
        last = match[2].decode()
        ours = parse_reference(last, self._mac) is not None
        if not ours and not hmac.compare_digest(last, desk.secret):
            raise Turned(404, "no such path", account=desk.account)
        if scope["method"] not in METHODS:
            raise Turned(405, "method", (b"allow", b"GET, POST"))
        return desk, path, last if ours else ""

    def _callback(self, scope: Scope, body: bytes, path: bytes, reference: str) -> Callback:
        """The event; its URL is the public one of the settings, whatever the Host header says."""
        query = scope["query_string"]
        url = self._base + path + (b"?" + query if query else b"")
        return Callback(
            body, scope["method"], url.decode("latin-1"), query.decode("latin-1"), _headers(scope), reference
        )

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """The whole body within its limits of size and time; Content-Length is believed only when it says too much."""
        comes = False
        for name, value in scope["headers"]:
            if name == b"content-length" and (not value.isdigit() or int(value) > self._most):
                raise _over(413, "too long")
            if name == b"content-encoding" and value.lower() != b"identity":
                raise _over(415, "packed")
            comes = comes or name in ANNOUNCED
        if not comes:  # HTTP/1.1 (RFC 9112, section 6.3): then there is none
            return b""
        try:
            async with asyncio.timeout(READ_WITHIN):
                return await self._read(receive)
        except TimeoutError:
            raise _over(408, "too slow") from None

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _over(400, "cut off")
            body += message.get("body", b"")
            if len(body) > self._most:
                raise _over(413, "too long")
            if not message.get("more_body", False):
                return bytes(body)

    def _check(self, desk: Desk, callback: Callback) -> None:
        """Only what the carrier's own proof covers is kept."""
        if _depth(callback.body) > self._depth:
            raise Turned(400, "too deep")
        try:
            desk.provider.verify(callback)
        except Forged as forged:
            raise Turned(403, f"forged {forged.code}") from None
        except Exception as error:
            log.exception("account %s: a callback broke its check", desk.account)
            raise Turned(403, f"unchecked {type(error).__name__}") from None


def _over(status: int, why: str) -> Turned:
    """A refusal in the middle of a body: the connection cannot be used again."""
    return Turned(status, why, (b"connection", b"close"))


def _headers(scope: Scope) -> dict[str, str]:
    """Names in small letters; a name that came twice is read as HTTP says, joined by a comma."""
    found: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _to_keep(callback: Callback) -> Callback:
    """What goes to the disk: no credentials, and no secret of ours in the URL."""
    if callback.reference and NOT_KEPT.isdisjoint(callback.headers):
        return callback
    url = callback.url if callback.reference else re.sub(r"/[0-9a-f]{32}(?=$|\?)", "/-", callback.url, count=1)
    headers = {name: value for name, value in callback.headers.items() if name not in NOT_KEPT}
    return replace(callback, url=url, headers=headers)


def _depth(body: bytes) -> int:
    """Levels of a body that may be JSON: too many would break the reader that comes later; 0 for any other body."""
    if body[:64].lstrip()[:1] not in (b"{", b"["):
        return 0
    deepest = level = 0
    for sign in _JSON_TEXT.sub(b"", body):
        if sign in b"[{":
            level += 1
            deepest = max(deepest, level)
        elif sign in b"]}":
            level -= 1
    return deepest


def _desk(house: House, account: Account) -> Desk:
    spool = Spool(
        house.folder("spool"), account.name, house.keyring.seal,
        age=house.times.segment_age, limit=house.settings.spool_bytes,
    )  # fmt: skip
    return Desk(account.name, house.build(account), spool, callback_secret(house.keyring, account.name))


def spool_writable(house: House) -> bool:
    """Whether a byte can be made durable in the spool now; root may write where a mode forbids it, so it is tried."""
    try:
        probe = house.folder("spool") / ".probe"
        probe.write_bytes(b"1")
        probe.unlink()
    except OSError:
        return False
    return True


def _probe_spool(house: House) -> None:
    if not spool_writable(house):
        raise Problem(
            "{folder} cannot be written, so receipts would be lost: free the disk, or mend its rights",
            folder=str(house.settings.data / "spool"),
        )


async def answer(send: Send, status: int, *headers: tuple[bytes, bytes]) -> None:
    """An answer without a body."""
    start = [(b"content-length", b"0"), NO_STORE, *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send(END)


def _nowhere(_point: str) -> None:
    """Nobody asked for a crash."""
