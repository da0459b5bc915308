"""A text through an adapter's encoder and back, read as the carrier or the phone reads it."""

from __future__ import annotations

import json
from array import array
from urllib.parse import parse_qs

import gsm0338

from campaigns import segments
from providers import catalog
from providers.base import Window
from providers.smpp import coded
from providers.smpp_pdu import UCS2

ACCOUNTS = {
    "esms": {"api_key": "k", "secret_key": "s"},
    "speedsms": {"access_token": "t"},
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "t"},
}
FIELDS = {"esms": "Content", "speedsms": "content", "twilio": "Body"}


def smpp_parts(content: str) -> list[str]:
    """Each part decoded by itself, as a phone does it."""
    coding, encoded = coded(segments.parts(content))
    return [part.decode("utf-16-be") if coding == UCS2 else gsm0338.Codec().decode(part)[0] for part in encoded]


def back(name: str, content: str) -> str:
    """What arrives at the other end of a catalogued adapter."""
    if name == "smpp":
        return "".join(smpp_parts(content))
    provider = catalog.build(name, ACCOUNTS[name])
    window = Window(1, 0, 1, array("Q", [84912345678]), content, "UBNDLaiChau", len(segments.parts(content)),
                    lambda _: "0" * 32, lambda _: "")  # fmt: skip
    body = provider.request(window, 0).body.decode()  # type: ignore[attr-defined]  # all but SMPP are HttpProviders
    return str(parse_qs(body)[FIELDS[name]][0] if name == "twilio" else json.loads(body)[FIELDS[name]])
