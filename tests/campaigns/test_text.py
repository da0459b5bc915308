"""The text: one normal form, its figures, its form without accents, and the slips its letter gives away."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns import facts
from campaigns.campaign import read_text
from campaigns.segments import measure
from campaigns.terms import Problem
from campaigns.text import Slip, normal, sha256, slips, unaccent

FOLDER = Path(facts.__file__).parent / "definitions" / "20-BCD-2024"
MANDATED = (
    "Toàn dân tích cực tham gia phòng, chống mua bán người. Khi phát hiện dấu hiệu liên quan đến mua bán người hãy"
    " thông báo ngay cho cơ quan Công an nơi gần nhất hoặc Tổng đại quốc gia 111 để được tư vấn, hỗ trợ, hướng dẫn"
    " kịp thời"
)
CORRECTED = MANDATED.replace("Tổng đại", "Tổng đài")
NFD = unicodedata.normalize("NFD", MANDATED)
VIETNAMESE = (
    "aàảãáạăằẳẵắặâầẩẫấậbcdđeèẻẽéẹêềểễếệfghiìỉĩíịjklmnoòỏõóọôồổỗốộơờởỡớợpqrstuùủũúụưừửữứựvwxyỳỷỹýỵz"
    "0123456789 .,;:!?()/-+%\"'@&*=“”‘’„«»–—…•₫\u00a0"
)
LETTER = read_text(FOLDER / "letter.md")


@pytest.mark.parametrize(
    ("text", "encoding", "units", "segments"),
    [
        (MANDATED, "UCS-2", 227, 4),
        (NFD, "UCS-2", 290, 5),
        (CORRECTED, "UCS-2", 227, 4),
        (MANDATED + ".", "UCS-2", 228, 4),
        (f"“{MANDATED}”", "UCS-2", 229, 4),
        (unaccent(MANDATED), "GSM-7", 227, 2),
        (unaccent(f"“{MANDATED}”"), "GSM-7", 229, 2),
        ("[QC] " + unaccent(MANDATED), "GSM-7", 234, 2),
        ("[QC] " + MANDATED, "UCS-2", 232, 4),
    ],
)
def test_mandated_figures(text: str, encoding: str, units: int, segments: int) -> None:
    """The mandated text and what may become of it cost exactly what an independent calculator says."""
    assert measure(text)[:3] == (encoding, units, segments)


def test_mandated_file_is_the_letters_text() -> None:
    """The shipped file holds the letter's words byte for byte, ended by one line feed that does not count."""
    raw = (FOLDER / "text.txt").read_bytes()
    assert raw == MANDATED.encode() + b"\n"
    assert read_text(FOLDER / "text.txt") == MANDATED
    assert MANDATED in " ".join(LETTER.split())


def test_decomposed_text_is_the_same_text() -> None:
    """NFD input becomes the very bytes of NFC, so it has the same hash, cost and variants."""
    assert NFD != MANDATED
    assert normal(NFD).encode() == MANDATED.encode()
    assert sha256(NFD) == sha256(MANDATED) == "52580b993199da193f7e95cdf9699bb88079e31a28a9c7ed046722f99a1ab65d"
    assert facts.of_text(NFD) == facts.of_text(MANDATED)


def test_one_changed_letter_changes_the_hash() -> None:
    assert sha256(MANDATED) != sha256(CORRECTED)


def test_machine_readable_shape() -> None:
    """What scripts read of a text keeps its names."""
    assert facts.of_text(MANDATED).as_json() == {
        "encoding": "UCS-2",
        "units": 227,
        "segments": 4,
        "sha256": sha256(MANDATED),
        "unaccented": {"text": unaccent(MANDATED), "encoding": "GSM-7", "units": 227, "segments": 2},
    }


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Đường dây nóng", "Duong day nong"),
        ("đđĐĐ ưƯ ơƠ", "ddDD uU oO"),
        (unicodedata.normalize("NFD", "Tổng đại"), "Tong dai"),
        ("“Ngày” ‘30/7’ – 2024…", "\"Ngay\" '30/7' - 2024..."),
        ("một\u00a0hai\u2009ba", "mot hai ba"),
        ("gọi 111", "goi 111"),
        ("ꪀꪱ", "ꪀꪱ"),  # Tai Viet has no plain form: it stays, it never becomes "?"
    ],
)
def test_unaccent(text: str, plain: str) -> None:
    """Accents, đ, quotes, dashes, the ellipsis and odd spaces fold; the rest stays."""
    assert unaccent(text) == plain


@given(st.text(st.sampled_from(VIETNAMESE + VIETNAMESE.upper()), max_size=120))
def test_unaccented_vietnamese_is_gsm7(text: str) -> None:
    """Whatever stands in a Vietnamese text, its plain form is GSM-7, stable, and the same from NFD."""
    plain = unaccent(text)
    assert measure(plain).encoding == "GSM-7"
    assert unaccent(plain) == plain
    assert unaccent(unicodedata.normalize("NFD", text)) == plain


def test_the_letters_one_slip() -> None:
    """In the mandated text exactly "Tổng đại" is suspected, because section 3 of the letter writes "Tổng đài"."""
    [slip] = slips(MANDATED, LETTER)
    assert slip == Slip("Tổng đại", "Tổng đài", 164, slip.source_lines)
    assert MANDATED[slip.position - 1 :].startswith("Tổng đại")
    assert all("Tổng đài" in LETTER.splitlines()[line - 1] for line in slip.source_lines)
    assert slips(CORRECTED, LETTER) == []
    assert slips(NFD, unicodedata.normalize("NFD", LETTER)) == [slip]


@pytest.mark.parametrize(
    ("text", "letter", "expected"),
    [
        ("gọi tổng đại 111", "Tổng đài 111 là\ntổng đài", [("tổng đại", "tổng đài", 5, (1, 2))]),
        ("TỔNG ĐẠI 111", "Tổng đài 111", [("TỔNG ĐẠI", "TỔNG ĐÀI", 1, (1,))]),
        ("tổng đại 111", "tổng đài, tổng đại", []),  # the letter writes both: no ground to suspect one
        ("tổng đại 111", "tổng. đài", []),  # no pair: a full stop stands between
        ("tổng đại 111", "“tổng đại 111”", []),  # the quotation itself is no second witness
        ("mua bán", "mua bán người", []),
        ("", "tổng đài", []),
    ],
)
def test_slips(text: str, letter: str, expected: list[tuple[str, str, int, tuple[int, ...]]]) -> None:
    """A pair is suspected only when the letter never writes it so, and writes it otherwise."""
    assert slips(text, letter) == expected


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("gọi 111\n".encode(), "gọi 111"),
        ("gọi 111\r\n".encode(), "gọi 111"),
        ("gọi 111".encode("utf-8-sig"), "gọi 111"),
        ("gọi\n111\n\n".encode(), "gọi\n111\n"),
    ],
)
def test_last_line_end_does_not_count(tmp_path: Path, raw: bytes, text: str) -> None:
    """One line end that an editor adds, and a byte order mark, are not part of the text; all else is."""
    file = tmp_path / "text.txt"
    file.write_bytes(raw)
    assert read_text(file) == text


def test_unreadable_files_are_told(tmp_path: Path) -> None:
    file = tmp_path / "text.txt"
    with pytest.raises(Problem, match=r"text\.txt cannot be read"):
        read_text(file)
    file.write_bytes("gọi 111".encode("cp1258", "replace"))
    file.write_bytes(b"g\xf2i 111")
    with pytest.raises(Problem, match=r"text\.txt is not UTF-8 \(byte 2\)"):
        read_text(file)
