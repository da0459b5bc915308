"""Passwords and codes: argon2id, and time-based codes as RFC 6238 defines them."""

from __future__ import annotations

import base64
import hmac
import secrets
import struct
from functools import cache
from urllib.parse import quote

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

STEP = 30
"""Seconds a code lasts."""
DRIFT = 1
"""Steps that a phone's clock may be off, either way."""
LEAST = 12
"""Characters of a password: length helps, rules about signs do not (NIST SP 800-63B)."""
MOST = 200


@cache
def hasher() -> PasswordHash:
    """argon2id with 64 MiB, 3 passes: about 0.1 s."""
    return PasswordHash((Argon2Hasher(),))


@cache
def nobody() -> str:
    """A hash that no password opens: a name that does not exist takes as long as a wrong password."""
    return hasher().hash(secrets.token_urlsafe(32))


def matches(password: str, stored: str | None) -> bool:
    """Whether a password is the one; takes its time without a stored one too."""
    found = hasher().verify(password[:MOST], stored or nobody())
    return found and stored is not None


def new_secret() -> bytes:
    """160 random bits, as RFC 4226 recommends."""
    return secrets.token_bytes(20)


def code(secret: bytes, step: int) -> str:
    """The six digits of a step."""
    mac = hmac.digest(secret, struct.pack(">Q", step), "sha1")
    at = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def step_of(secret: bytes, given: str, now: float, last: int) -> int | None:
    """The step whose code this is, newer than the last used one; None for a wrong or used code."""
    digits = "".join(given.split())
    current = int(now) // STEP
    steps = range(max(last + 1, current - DRIFT), current + DRIFT + 1)
    fits = [step for step in steps if hmac.compare_digest(code(secret, step).encode(), digits.encode())]
    return fits[-1] if fits else None


def seconds_left(secret: bytes, given: str, now: float, last: int) -> int | None:
    """Seconds until the next code, when this one is right but was used already; None for any other."""
    return None if step_of(secret, given, now, -1) is None else max(1, (last + 1) * STEP - int(now))


def typed_form(secret: bytes) -> str:
    """Base32 in groups of four, for typing by hand."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def address(secret: bytes, login: str, house: str) -> str:
    """What an authenticator scans."""
    key = base64.b32encode(secret).decode()
    return f"otpauth://totp/{quote(house)}:{quote(login)}?secret={key}&issuer={quote(house)}"
