"""The approved text through every adapter's encoder and back: identical bytes, whatever the carrier."""

from __future__ import annotations

import json
import unicodedata
from array import array
from pathlib import Path
from urllib.parse import parse_qs

import gsm0338
import pytest

from campaigns import segments, text
from campaigns.campaign import read_text
from providers import catalog
from providers.base import Window
from providers.smpp import coded
from providers.smpp_pdu import UCS2

FOLDER = Path(segments.__file__).parent / "definitions" / "20-BCD-2024"
MANDATED = read_text(FOLDER / "text.txt")
TEXTS = {
    "verbatim": MANDATED,
    "corrected": MANDATED.replace("Tổng đại", "Tổng đài"),
    "unaccented": text.unaccent(MANDATED),
    "from NFD": text.normal(unicodedata.normalize("NFD", MANDATED)),
    "quoted": f"“{MANDATED}”",
    "extension": "Goi 111 {mien phi} ~ 0€ [24/7]",
    "astral": f"{MANDATED[:66]}𠀋{MANDATED[66:]}",  # the pair would straddle the first cut
}
ACCOUNTS = {
    "esms": {"api_key": "k", "secret_key": "s"},
    "speedsms": {"access_token": "t"},
    "twilio": {"account_sid": "AC" + "0" * 32, "auth_token": "t"},
}
FIELDS = {"esms": "Content", "speedsms": "content", "twilio": "Body"}


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("name", ACCOUNTS)
def test_http_bodies_hold_the_very_bytes(name: str, content: str) -> None:
    """What the carrier parses out of the request is the approved text, byte for byte."""
    provider = catalog.build(name, ACCOUNTS[name])
    window = Window(1, 0, 1, array("Q", [84912345678]), content, "UBNDLaiChau", len(segments.parts(content)),
                    lambda _: "0" * 32, lambda _: "")  # fmt: skip
    body = provider.request(window, 0).body.decode()  # type: ignore[attr-defined]  # all three are HttpProviders
    sent = parse_qs(body)[FIELDS[name]][0] if name == "twilio" else json.loads(body)[FIELDS[name]]
    assert sent.encode() == content.encode()


@pytest.mark.parametrize("content", TEXTS.values(), ids=TEXTS)
def test_smpp_parts_join_to_the_very_bytes(content: str) -> None:
    """Each part decodes by itself, as a phone does it, and the parts joined are the approved text."""
    coding, encoded = coded(segments.parts(content))
    decoded = [part.decode("utf-16-be") if coding == UCS2 else gsm0338.Codec().decode(part)[0] for part in encoded]
    assert decoded == segments.parts(content)
    assert "".join(decoded).encode() == content.encode()
