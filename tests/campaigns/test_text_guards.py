"""The guards of a text: nothing hidden, nothing that only looks right, its hotlines whole, no other way out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.terms import Problems
from campaigns.text import check, faults, unaccent

HOTLINES = ("111",)


def told(text: str, hotlines: tuple[str, ...] = HOTLINES) -> list[str]:
    return [str(fault) for fault in faults(text, hotlines)]


@pytest.mark.parametrize(
    ("char", "name", "reason"),
    [
        ("\u200b", "ZERO WIDTH SPACE (U+200B)", "nobody can see"),
        ("\u200d", "ZERO WIDTH JOINER (U+200D)", "nobody can see"),
        ("\ufeff", "ZERO WIDTH NO-BREAK SPACE (U+FEFF)", "nobody can see"),
        ("\u00ad", "SOFT HYPHEN (U+00AD)", "nobody can see"),
        ("\u202e", "RIGHT-TO-LEFT OVERRIDE (U+202E)", "nobody can see"),
        ("\u2066", "LEFT-TO-RIGHT ISOLATE (U+2066)", "nobody can see"),
        ("\u034f", "COMBINING GRAPHEME JOINER (U+034F)", "nobody can see"),
        ("\ufe0f", "VARIATION SELECTOR-16 (U+FE0F)", "nobody can see"),
        ("\u3164", "HANGUL FILLER (U+3164)", "nobody can see"),
        ("\u2800", "BRAILLE PATTERN BLANK (U+2800)", "nobody can see"),
        ("\u2028", "LINE SEPARATOR (U+2028)", "nobody can see"),
        ("\U000e0041", "TAG LATIN CAPITAL LETTER A (U+E0041)", "nobody can see"),
        ("\0", "a character without a name (U+0000)", "nobody can see"),
        ("\t", "a character without a name (U+0009)", "nobody can see"),
        ("\r", "a character without a name (U+000D)", "nobody can see"),
        ("\x1b", "a character without a name (U+001B)", "nobody can see"),
        ("\u00a0", "NO-BREAK SPACE (U+00A0)", "not an ordinary space"),
        ("\u2009", "THIN SPACE (U+2009)", "not an ordinary space"),
        ("\u3000", "IDEOGRAPHIC SPACE (U+3000)", "not an ordinary space"),
        ("\ue000", "a character without a name (U+E000)", "something else on each phone"),
        ("\u0378", "a character without a name (U+0378)", "something else on each phone"),
        ("\ufffd", "REPLACEMENT CHARACTER (U+FFFD)", "stands where a character was lost"),
        ("а", "CYRILLIC SMALL LETTER A (U+0430)", "only looks like"),
        ("Ο", "GREEK CAPITAL LETTER OMICRON (U+039F)", "only looks like"),
        ("Ð", "LATIN CAPITAL LETTER ETH (U+00D0)", "only looks like"),
        ("Ɖ", "LATIN CAPITAL LETTER AFRICAN D (U+0189)", "only looks like"),
        ("ı", "LATIN SMALL LETTER DOTLESS I (U+0131)", "only looks like"),
        ("ɑ", "LATIN SMALL LETTER ALPHA (U+0251)", "only looks like"),
        ("Ａ", "FULLWIDTH LATIN CAPITAL LETTER A (U+FF21)", "only looks like"),
        ("𝐚", "MATHEMATICAL BOLD SMALL A (U+1D41A)", "only looks like"),
        ("①", "CIRCLED DIGIT ONE (U+2460)", "only looks like"),
        ("١", "ARABIC-INDIC DIGIT ONE (U+0661)", "only looks like"),
        ("ﬁ", "LATIN SMALL LIGATURE FI (U+FB01)", "only looks like"),
        ("\u0336", "COMBINING LONG STROKE OVERLAY (U+0336)", "joins no Vietnamese letter"),
    ],
)
def test_bad_characters(char: str, name: str, reason: str) -> None:
    """A character that hides, breaks or deceives is refused with its place and its Unicode name."""
    [sentence] = told(f"Gọi 111 n{char}gay")
    assert sentence.startswith(f"character 10 is {name}, ")
    assert reason in sentence


def test_positions_count_from_one_in_the_normal_form() -> None:
    """The position is the reader's: in NFC, where one letter is one character, from 1."""
    assert told("\u200bđu\u031b\u0323c 111")[0].startswith("character 1 is ")
    assert told("đu\u031b\u0323c\u200b 111")[0].startswith("character 4 is ")


@pytest.mark.parametrize(
    "text",
    [
        "Gọi 111.",
        "111",
        "Tổng đài quốc gia 111, miễn phí, 24/7",
        "Gọi 111 24/7",
        "“Ngày 30/7” – năm 2024… gọi 111!",
        "Từ 01/7/2024 đến 30/9/2024, giai đoạn 2021-2025: gọi 111",
        "Theo số 20/BCĐ và 72/BCĐ138/CP, gọi 111",
        "Theo 120/QĐ-UBND, gọi 111",
        "Thưởng 10.000.000 đồng cho tin báo tới 111",
        "TP.HCM, TS.An: gọi 111",
        "Hai dòng\ngọi 111",
        "Nu koj pom, hu rau 111",  # Mông in RPA letters
        "ꪶꪕ 111",  # Tai Viet
        "Cứu người 🆘 gọi 111",
    ],
)
def test_sound_texts(text: str) -> None:
    """Dates, years, letters' numbers, sums of money and the tongues of the province are no fault."""
    assert told(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "Gọi 1111",
        "Gọi 0111",
        "Gọi 11 1",
        "Gọi 1.11",
        "Gọi 111a",
        "Gọi A111",
        "Gọi +111",
        "Gọi ngay",
        "Gọi 0912 111 222",
    ],
)
def test_missing_hotline(text: str) -> None:
    """The hotline counts only whole and alone: not inside another number, not cut, not glued to a letter."""
    assert "the text lacks the hotline 111 as a number of its own; write it in" in told(text)


@pytest.mark.parametrize(
    "number",
    ["113", "1900123456", "0912345678", "0912 345 678", "0912.345.678", "+84 912 345 678", "(0213) 3876 501",
     "069.2469.532", "18001567", "0912-345-678", "113-114-115"],
)  # fmt: skip
def test_other_numbers(number: str) -> None:
    """A telephone number that is not one of the campaign's hotlines is refused, whole and with its place."""
    [sentence] = told(f"Gọi 111 hoặc số {number} nhé")
    assert sentence.startswith(f"character 17: {number} looks like a telephone number")


def test_short_codes_that_the_text_says_to_dial() -> None:
    """A short code is refused where the words before it make it one; as a mere figure it stays."""
    assert told("Gọi 111, soạn tin gửi 8785")[0].startswith("character 23: 8785 ")
    assert told("Gọi 111; đã có 8785 lượt") == []
    assert told("Gọi 113/111")[0].startswith("character 5: 113 ")


def test_long_hotlines() -> None:
    """A long hotline may be grouped in any way, and two hotlines may stand side by side."""
    both = ("111", "069.2469.532")
    for text in ("Gọi 111, 069.2469.532", "Gọi 111 069.2469.532", "Gọi 111; 0692469532", "Gọi 111: 069 2469 532"):
        assert told(text, both) == []
    assert len(told("Gọi 111", both)) == 1


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("xem https://congan.laichau.gov.vn/a", "https://congan.laichau.gov.vn/a"),
        ("xem www.vidu", "www.vidu"),
        ("xem bit.ly/3xY", "bit.ly/3xY"),
        ("xem LAICHAU.GOV.VN nhé", "LAICHAU.GOV.VN"),
        ("thư a.b@laichau.gov.vn", "a.b@laichau.gov.vn"),
        ("tel:111", "tel:111"),
        ("zalo.me/abc", "zalo.me/abc"),
    ],
)
def test_links(text: str, link: str) -> None:
    """Whatever a phone turns into a link is refused."""
    assert any(f"{link} is read as a link" in sentence for sentence in told(f"Gọi 111, {text}"))


def test_guards_hold_without_accents() -> None:
    """What only the unaccented form betrays is refused too, and said to be so."""
    [sentence] = told("Gọi 111 để phòng.Có người trực")
    assert sentence == "without accents: character 12: phong.Co is read as a link by phones; remove it"


def test_empty_text() -> None:
    assert told("") == told(" \n") == ["the text is empty; write it in"]


def test_check_tells_all_faults_at_once() -> None:
    """One refusal holds every fault."""
    with pytest.raises(Problems) as refused:
        check("Gọi\u200b 113, xem bit.ly/a", HOTLINES)
    assert len(refused.value.found) == 4
    check("Gọi 111", HOTLINES)


@given(st.text(st.sampled_from("01 /.-đa1\n+()9"), max_size=24))
def test_a_passed_text_holds_the_hotline_alone(text: str) -> None:
    """Whatever passes holds 111 with no digit or letter at its sides, accents or not."""
    if not faults(text, HOTLINES):
        for form in (text, unaccent(text)):
            assert any(
                not (form[place - 1 : place] + form[place + 3 : place + 4]).strip(" /.-\n()+")
                for place in range(len(form))
                if form.startswith("111", place)
            )
