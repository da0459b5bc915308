"""Letters, texts and hotlines over the API: proposed and shown, never stored, never accepted by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from campaigns import letter
from campaigns.campaign import read_text
from tests.cluster import AUTHOR
from tests.serving import Served, key_of
from workers.house import House

FOLDER = Path(letter.__file__).parent / "definitions" / "20-BCD-2024"
LETTER, MANDATED = (FOLDER / "letter.md").read_bytes(), read_text(FOLDER / "text.txt")
API = "/api/v1"


@pytest.fixture(scope="module")
def key(built: House) -> str:
    return key_of(built, AUTHOR, "read", "write")


def test_a_letter_is_proposed_and_not_accepted(served: Served, key: str) -> None:
    """The file and the pasted text give the same values, each with its line; a picture of a letter is told."""
    said = served.upload(f"{API}/letters/read", key, "cong-van.md", LETTER)
    assert (said.status, said.json["accepted"]) == (200, False)
    assert said.json["text"][0]["value"] == MANDATED
    assert said.json["lines"][said.json["number"][0]["line"] - 1].startswith("Số: 20")
    assert said.json["slips"][0]["suggested"] == "Tổng đài"
    pasted = served.call("POST", f"{API}/letters/read", key=key, body=LETTER, Content_Type="text/plain; charset=utf-8")
    assert pasted.json == said.json
    assert served.upload(f"{API}/letters/read", key, "scan.pdf", b"%PDF-1.4 x").status == 422
    assert served.upload(f"{API}/letters/read", "", "x.md", LETTER).status == 401


def test_a_text_is_looked_at(served: Served, key: str) -> None:
    """Faults with positions, characters that cost, and a preview a carrier, whose parts join to the very bytes."""
    wanted = {"text": MANDATED.replace("111", "1\u200b11"), "hotlines": ["111"]}
    said = served.post(f"{API}/texts/look", key, wanted)
    assert said.status == 200, said.body
    assert any("U+200B" in fault["message"] for fault in said.json["faults"])
    whole = served.post(f"{API}/texts/look", key, {"text": MANDATED, "hotlines": ["111"]}).json
    assert (whole["faults"], whole["figures"]["segments"]) == ([], 4)
    assert all("".join(each["parts"]) == MANDATED for each in whole["previews"])
    assert {each["segments"] for each in whole["unaccented_previews"]} == {2}


def test_a_hotline_is_verified_by_a_person(served: Served, key: str) -> None:
    """156 rests on one source; a recorded call counts from that day on."""

    def asks() -> bool:
        return next(
            bool(row["asks"]) for row in served.get(f"{API}/texts/hotlines", key).json if row["number"] == "156"
        )

    assert asks()
    assert served.post(f"{API}/texts/hotlines/156/verify", key, {"words": "tổng đài viên trả lời"}).status == 204
    assert not asks()
    assert served.post(f"{API}/texts/hotlines/116/verify", key, {"words": "x"}).status == 404
