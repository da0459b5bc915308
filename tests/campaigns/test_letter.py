"""A letter becomes proposals, each with its line; as text, .docx and PDF alike; and nothing by itself a campaign."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from pathlib import Path

import docx
import pytest
import typst

from campaigns import letter, proposal_file
from campaigns.campaign import load, read_text
from campaigns.proposals import LISTS, Proposal, propose
from campaigns.terms import Problem, Problems

FOLDER = Path(letter.__file__).parent / "definitions" / "20-BCD-2024"
LETTER = letter.read(FOLDER / "letter.md")
MANDATED = read_text(FOLDER / "text.txt")
FOUND = propose(LETTER)


def values(found: Proposal, name: str) -> list[str]:
    return [each.value for each in getattr(found, name)]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("number", "20/BCĐ"), ("date", "2024-06-25"), ("place", "Lai Châu"), ("text", MANDATED), ("hotlines", "111"),
        ("deadlines", "2024-08-10"), ("periods", "2024-07-01/2024-09-30"), ("days", "2024-07-30"),
        ("basis", "Công văn số 72/BCĐ138/CP ngày 05/6/2024 của Ban Chỉ đạo phòng, chống tội phạm Chính phủ"),
    ],
)  # fmt: skip
def test_letter_20(name: str, first: str) -> None:
    """The likeliest value is what the shipped definition says, and its source line holds it."""
    assert values(FOUND, name)[0] == first


def test_every_value_stands_on_its_line() -> None:
    """The line beside a value is that line of the letter, so that a person can compare them."""
    lines = [" ".join(line.replace("*", " ").replace("#", " ").split()) for line in LETTER.split("\n")]
    for name in LISTS:
        for each in getattr(FOUND, name):
            assert each.source == lines[each.line - 1]
    assert "069.2469.532" in values(FOUND, "hotlines")
    assert values(FOUND, "issuer")[0].startswith("Ban Chỉ đạo phòng, chống tội phạm, tệ nạn xã hội")
    assert [(slip.found, slip.suggested) for slip in FOUND.slips] == [("Tổng đại", "Tổng đài")]


def as_docx() -> bytes:
    document, buffer = docx.Document(), io.BytesIO()
    for line in LETTER.split("\n"):
        document.add_paragraph(line)
    document.save(buffer)
    return buffer.getvalue()


def as_pdf() -> bytes:
    body = "\n".join(f'#par[#text("{line.replace(chr(34), "")}")]' for line in LETTER.split("\n") if line.strip())
    return bytes(typst.compile(body.encode(), ignore_system_fonts=True))


@pytest.mark.parametrize(
    "content",
    [LETTER.encode(), LETTER.encode("utf-8-sig"), unicodedata.normalize("NFD", LETTER).encode(), as_docx(), as_pdf()],
    ids=["text", "bom", "nfd", "docx", "pdf"],
)
def test_each_kind_of_file_gives_the_same_proposals(content: bytes) -> None:
    """Number, dates, deadline, hotline and the mandated text come out alike, whatever the letter was saved as."""
    found = propose(letter.of_bytes(content, "cong-van"))
    for name in ("number", "date", "deadlines", "periods"):
        assert values(found, name)[:1] == values(FOUND, name)[:1]
    assert values(found, "text")[0] == MANDATED
    assert "111" in values(found, "hotlines")


def packed(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no text"),
        ("Số: 20".encode("utf-16"), "is not UTF-8"),
        (b"%PDF-1.7 nonsense", "cannot be read as PDF"),
        (b"PK\x03\x04 nonsense", "cannot be read as .docx"),
        (packed(a=b"x"), "no .docx"),
        (packed(word__document=b"x"), "no .docx"),
        (packed(**{"word__document.xml": b"\0" * (letter.MOST_UNPACKED + 1)}), "unpacks to more than 100 MB"),
        (packed(**{"word__document.xml": b"<a>"}), "cannot be read as .docx"),
        (b"a" * (letter.MOST_BYTES + 1), "larger than 20 MB"),
        (bytes(typst.compile(b"#rect()", ignore_system_fonts=True)), "holds no text"),
    ],
)
def test_what_cannot_be_read_is_told(content: bytes, told: str) -> None:
    with pytest.raises(Problem, match=told):
        letter.of_bytes(content, "cong-van")


@pytest.mark.parametrize(
    ("content", "name", "found"),
    [
        ("Chậm nhất là ngày 15/8/2025 báo cáo", "deadlines", ["2025-08-15"]),
        ("Hà Nội, ngày 1 tháng 2 năm 2025\ntrước ngày 10/8", "deadlines", ["2025-08-10"]),  # the letter's own year
        ("trước ngày 10/8", "deadlines", []),  # no year anywhere: nothing is guessed
        ("trước ngày 31/2/2025", "deadlines", []),
        ("từ 01/7/2024 đến hết ngày 30/9/2024", "periods", ["2024-07-01/2024-09-30"]),
        ("từ ngày 20/12 đến 05/01/2025", "periods", ["2025-12-20/2025-01-05"]),  # shown as read: a person sees it
        ("đường dây nóng: 1900 1234", "hotlines", ["1900 1234"]),
        ("Số: 5 / STTTT-BCVT", "number", ["5/STTTT-BCVT"]),
        ("", "text", []),
    ],
)
def test_single_finds(content: str, name: str, found: list[str]) -> None:
    assert values(propose(content), name) == found


def test_a_draft_is_no_campaign_until_somebody_takes_its_values_over(tmp_path: Path) -> None:
    """Every proposed value is a comment: as it is, the draft lacks them all."""
    draft = proposal_file.as_toml(FOUND, "letter.md")
    assert all(line.startswith(("#", "[", "zone", "letter", " ")) for line in draft.splitlines() if line)
    folder = tmp_path / "draft"
    folder.mkdir()
    (folder / "campaign.toml").write_text(draft, encoding="utf-8")
    (folder / "letter.txt").write_text(LETTER, encoding="utf-8")
    (folder / "text-1.txt").write_text(MANDATED, encoding="utf-8")
    with pytest.raises(Problems) as told:
        load(folder, carriers=["viettel"], providers_accounts=["smpp-a"])
    assert "mandate.number: is missing" in str(told.value)
    assert "text.file: is missing" in str(told.value)
    taken = "\n".join(line.removeprefix("#? ").partition("  # line")[0] for line in draft.splitlines())
    (folder / "campaign.toml").write_text(taken.replace("[[text.corrections]]", "#"), encoding="utf-8")
    with pytest.raises(Problem):  # two candidates for one value are two keys: TOML itself refuses
        load(folder, carriers=["viettel"], providers_accounts=["smpp-a"])
