"""A simulated account service of the province: OpenID Connect with PKCE, and the faults that we must refuse.

Says yes to whoever asks, as `email`; nothing of it checks a password. OpenID Connect Core 1.0, RFC 7636 (PKCE).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from campaigns.terms import Problem
from providers.simulator.faults import Faults
from providers.simulator.http import Ready

WRONG: Final = (
    "nonce", "audience", "issuer", "expired", "alg-none", "hs256", "other-key", "unverified", "no-email", "azp",
    "rotated", "down", "garbage", "redirect", "elsewhere", "used-code",
)  # fmt: skip
"""What it does wrong, one at a time; `rotated` is none of them: its key is new at each token, and published."""
SPOILT: Final[Mapping[str, Callable[[], web.Response]]] = {
    "down": lambda: web.Response(status=503),
    "garbage": lambda: web.Response(text="<html>", content_type="text/html"),
    "redirect": lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}),
}
"""What is wrong with every answer."""


class Province:
    """One provider; tests change `wrong`, `email` and `sub` while it runs."""

    def __init__(self, client: str, secret: str, email: str, sub: str, wrong: str) -> None:
        if wrong and wrong not in WRONG:
            raise Problem('no fault "{wrong}" of the province\'s accounts: use one of {known}',
                          wrong=wrong, known=", ".join(WRONG))  # fmt: skip
        self.client, self.secret, self.email, self.sub, self.wrong = client, secret, email, sub, wrong
        self.base = ""
        self.asked: list[str] = []  # paths of every request
        self._codes: dict[str, dict[str, str]] = {}
        self._key, self._kid = _new_key(), secrets.token_hex(4)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Any request."""
        self.asked.append(request.path)
        if spoilt := SPOILT.get(self.wrong):
            return spoilt()
        match request.path:
            case "/.well-known/openid-configuration":
                return web.json_response(self._described())
            case "/jwks":
                return web.json_response({"keys": [self._public()]})
            case "/authorize":
                return self._authorize(request.query)
            case "/token":
                return self._token(request, dict(parse_qsl((await request.read()).decode())))
        return web.Response(status=404)

    def _described(self) -> dict[str, Any]:
        token = "http://127.0.0.1:9/token" if self.wrong == "elsewhere" else f"{self.base}/token"
        return {
            "issuer": self.base, "authorization_endpoint": f"{self.base}/authorize", "token_endpoint": token,
            "jwks_uri": f"{self.base}/jwks", "response_types_supported": ["code"],
            "id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"],
        }  # fmt: skip

    def _public(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return found | {"kid": self._kid, "use": "sig", "alg": "RS256"}

    def _authorize(self, asked: Any) -> web.Response:
        fits = asked.get("client_id") == self.client and asked.get("response_type") == "code"
        if not fits or asked.get("code_challenge_method") != "S256" or "openid" not in asked.get("scope", "").split():
            return web.Response(status=400)
        code = secrets.token_urlsafe(16)
        self._codes[code] = {name: asked.get(name, "") for name in ("nonce", "code_challenge", "redirect_uri")}
        back = urlencode({"code": code, "state": asked.get("state", "")})
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{back}"})

    def _token(self, request: web.BaseRequest, form: dict[str, str]) -> web.Response:
        asked = self._codes.pop(form.get("code", ""), None)
        made = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(made).rstrip(b"=").decode()
        login = base64.b64encode(f"{self.client}:{self.secret}".encode()).decode()
        known = hmac.compare_digest(request.headers.get("Authorization", ""), f"Basic {login}")
        right = asked and asked["code_challenge"] == challenge and asked["redirect_uri"] == form.get("redirect_uri")
        if not (asked and right and known) or self.wrong == "used-code":
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"token_type": "Bearer", "access_token": "-", "id_token": self._sign(asked["nonce"])})

    def _sign(self, nonce: str) -> str:
        now, wrong = int(time.time()), self.wrong
        claims: dict[str, Any] = {
            "iss": "https://other.example" if wrong == "issuer" else self.base, "sub": self.sub,
            "aud": "other" if wrong == "audience" else self.client, "iat": now - 600 if wrong == "expired" else now,
            "exp": now - 300 if wrong == "expired" else now + 300, "nonce": "x" if wrong == "nonce" else nonce,
            "email": self.email, "email_verified": wrong != "unverified", "roles": ["operator"],
        }  # fmt: skip
        if wrong == "no-email":
            del claims["email"]
        if wrong == "azp":
            claims |= {"aud": [self.client, "other"], "azp": "other"}
        if wrong == "rotated":
            self._key, self._kid = _new_key(), secrets.token_hex(4)
        if wrong == "alg-none":
            return f"{_part({'alg': 'none', 'typ': 'JWT', 'kid': self._kid})}.{_part(claims)}."
        if wrong == "hs256":
            return _by_public_key(claims, self._key, self._kid)
        key = _new_key() if wrong == "other-key" else self._key
        return jwt.encode(claims, key, "RS256", {"kid": self._kid})


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65_537, 2048)


def _by_public_key(claims: dict[str, Any], key: rsa.RSAPrivateKey, kid: str) -> str:
    """Signed with HMAC under the public key, which everybody has: the oldest way to fool a verifier."""
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    parts = [_part({"alg": "HS256", "typ": "JWT", "kid": kid}), _part(claims)]
    mac = hmac.digest(public, ".".join(parts).encode(), "sha256")
    return ".".join([*parts, base64.urlsafe_b64encode(mac).rstrip(b"=").decode()])


def _part(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


async def serve(
    host: str,
    port: int,
    truth: Path,
    faults: Faults,
    *,
    client: str = "dispatcher",
    secret: str = "simulated",  # noqa: S107 - of a provider that lets everybody in
    email: str = "binh@example.vn",
    sub: str = "binh",
    wrong: str = "",
    ready: Ready | None = None,
) -> None:
    """Serve until cancelled; `truth` and `faults` are of carriers and mean nothing here."""
    del truth, faults
    await run(Province(client, secret, email, sub, wrong), host, port, ready)


async def run(province: Province, host: str, port: int, ready: Ready | None) -> None:
    """Serve this one until cancelled."""
    runner = web.ServerRunner(web.Server(province.handle, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        found = int(runner.addresses[0][1])
        province.base = f"http://{host}:{found}"
        if ready is not None:
            ready(found)
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
