"""The province's accounts by OpenID Connect: code flow with PKCE, state and nonce; only the configured issuer's host.

Nothing of a token but who somebody is counts here: never a role, never a person who is not entered (docs/console.md).
OpenID Connect Core 1.0, section 3.1; Discovery 1.0; RFC 7636 (PKCE); RFC 8725 (best practice of JWT).
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import jwt

from campaigns.terms import Problem
from config.settings import Settings

WAIT = 5.0
"""Seconds for each step of a call."""
ANSWER_BYTES = 262_144
KEPT = 3_600.0
"""Seconds that a description and its keys are kept."""
LEEWAY = 60
"""Seconds that two clocks may differ."""
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
"""Signatures with a key of which we hold the public half: never `none`, never HMAC."""
PLACES = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class NotNow(Problem):
    """The province's accounts cannot be reached, or answer what makes no sense."""


class NotBelieved(Problem):
    """A token or an answer that proves nobody."""


@dataclass(frozen=True, slots=True)
class Somebody:
    """Whom the province vouches for."""

    issuer: str
    subject: str
    email: str  # in small letters, and verified by the province


@dataclass(frozen=True, slots=True)
class Begun:
    """One sign-in on its way; all of it travels sealed in the browser's cookie."""

    state: str
    nonce: str
    verifier: str
    back: str  # the page to open afterwards
    at: float

    @staticmethod
    def new(back: str) -> Begun:
        """With fresh random words of 256 bits."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return Begun(state, nonce, verifier, back, time.time())


def configured(settings: Settings) -> bool:
    """Whether this installation knows the province's accounts."""
    return bool(settings.oidc_issuer)


@dataclass(slots=True)
class Province:
    """One issuer as this process knows it; used by several threads."""

    settings: Settings
    _described: dict[str, Any] = field(default_factory=dict)
    _keys: dict[str, Any] = field(default_factory=dict)
    _until: float = 0.0
    _lock: Lock = field(default_factory=Lock)

    def address(self, begun: Begun, back: str) -> str:
        """Where the browser goes to sign in. Raises NotNow."""
        made = hashlib.sha256(begun.verifier.encode()).digest()
        asked = {
            "response_type": "code", "client_id": self.settings.oidc_client, "redirect_uri": back,
            "scope": "openid email", "state": begun.state, "nonce": begun.nonce, "code_challenge_method": "S256",
            "code_challenge": base64.urlsafe_b64encode(made).rstrip(b"=").decode(),
        }  # fmt: skip
        place = str(self._description()["authorization_endpoint"])
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"

    def somebody(self, begun: Begun, code: str, back: str) -> Somebody:
        """Whom a code stands for. Raises NotNow, NotBelieved."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": back,
                "code_verifier": begun.verifier, "client_id": self.settings.oidc_client}  # fmt: skip
        heads = {"Content-Type": "application/x-www-form-urlencoded"}
        if secret := self.settings.oidc_secret:
            login = base64.b64encode(f"{self.settings.oidc_client}:{secret}".encode()).decode()
            heads["Authorization"] = f"Basic {login}"
        answer = self._call("POST", str(self._description()["token_endpoint"]), urlencode(form), heads)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotBelieved("the province's accounts gave no proof of who signed in: try again")
        return self._believed(token, begun.nonce)

    def _believed(self, token: str, nonce: str) -> Somebody:
        try:
            claims = jwt.decode(
                token, self._key(token), algorithms=list(ALGORITHMS), audience=self.settings.oidc_client,
                issuer=self.settings.oidc_issuer, leeway=LEEWAY,
                options={"require": ["exp", "iat", "iss", "aud", "sub", "nonce"]},
            )  # fmt: skip
        except (jwt.InvalidTokenError, jwt.PyJWKError) as error:
            raise NotBelieved("the proof of the province's accounts does not hold ({why}): sign in with a password",
                              why=type(error).__name__) from None  # fmt: skip
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.settings.oidc_client:
            raise NotBelieved("the proof of the province's accounts is for another program: sign in with a password")
        if not secrets.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
            raise NotBelieved("the proof of the province's accounts is of another sign-in: begin again")
        email = claims.get("email")
        if not isinstance(email, str) or claims.get("email_verified") is not True:
            raise NotBelieved("the province's accounts do not vouch for an e-mail address of this person")
        return Somebody(self.settings.oidc_issuer, str(claims["sub"]), email.strip().lower())

    def _key(self, token: str) -> Any:
        """The published key of a token; keys are fetched again once when it is not known: providers change them."""
        head = jwt.get_unverified_header(token)
        if head.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        self._description()
        kid = str(head.get("kid"))
        if kid not in self._keys:
            self._fetch_keys()
        found = self._keys.get(kid)
        if found is None:
            raise jwt.InvalidKeyError
        return jwt.PyJWK.from_dict(found, head["alg"]).key

    def _description(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() < self._until:
                return self._described
        issuer = self.settings.oidc_issuer
        found = self._call("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if found.get("issuer") != issuer or not all(self._ours(str(found.get(place, ""))) for place in PLACES):
            raise NotNow("the province's accounts describe themselves as another place than the settings name")
        with self._lock:
            self._described, self._until = found, time.monotonic() + KEPT
        self._fetch_keys()
        return found

    def _fetch_keys(self) -> None:
        answer = self._call("GET", str(self._described["jwks_uri"]))
        listed = answer.get("keys")
        kept = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        with self._lock:
            self._keys = {str(each.get("kid")): each for each in kept if each.get("use", "sig") == "sig"}

    def _ours(self, address: str) -> bool:
        """The issuer's own scheme, host and port, and nothing else: no answer of it leads us elsewhere."""
        one, other = urlsplit(address), urlsplit(self.settings.oidc_issuer)
        return (one.scheme, one.hostname, one.port, one.username) == (other.scheme, other.hostname, other.port, None)

    def _call(
        self, method: str, address: str, body: str | None = None, heads: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One call to the issuer's host; no proxy, no redirect is followed. Raises NotNow."""
        if not self._ours(address):
            raise NotNow("the province's accounts describe themselves as another place than the settings name")
        where = urlsplit(address)
        path = (where.path or "/") + (f"?{where.query}" if where.query else "")
        line = (
            http.client.HTTPSConnection(where.netloc, timeout=WAIT, context=ssl.create_default_context())
            if where.scheme == "https"
            else http.client.HTTPConnection(where.netloc, timeout=WAIT)
        )
        try:
            line.request(method, path, body, {"Accept": "application/json", **(heads or {})})
            answer = line.getresponse()
            content = answer.read(ANSWER_BYTES + 1)
        except (OSError, http.client.HTTPException):
            raise NotNow("the province's accounts do not answer: sign in with a password") from None
        finally:
            line.close()
        return _read(answer.status, content)


def _read(status: int, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content) if len(content) <= ANSWER_BYTES else None
    except ValueError:
        found = None
    if status in {400, 401} and isinstance(found, dict):
        raise NotBelieved("the province's accounts refuse this sign-in: begin again")
    if status != 200 or not isinstance(found, dict):  # noqa: PLR2004 - HTTP's yes
        raise NotNow("the province's accounts do not answer: sign in with a password")
    return found
