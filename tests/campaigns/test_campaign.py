"""The campaign's definition: the shipped one is sound, each fault is told by file, key and reason, all at once."""

import json
import re
import shutil
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from campaigns import campaign as campaigns
from campaigns import canonical, compliance, facts, text
from campaigns.campaign import Campaign
from campaigns.terms import Problem, Problems, Sender
from campaigns.text import sha256

SHIPPED = Path(facts.__file__).parent / "definitions" / "20-BCD-2024"
CARRIERS = ("viettel", "vinaphone", "mobifone", "vietnamobile", "gmobile", "itel", "wintel", "fpt_retail", "vsat")
ACCOUNTS = ("smpp-a", "esms-a")

Edit = Callable[[str, str], None]


def load(folder: Path) -> Campaign:
    law = compliance.load(Path(__file__).parents[2] / "config" / "compliance.toml")
    return campaigns.load(folder, carriers=CARRIERS, providers_accounts=ACCOUNTS, law=law)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped definition that a test may spoil."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "20-BCD-2024"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    """Replaces the first place that matches a pattern in the copy's campaign.toml."""

    def replace(pattern: str, by: str) -> None:
        file = folder / "campaign.toml"
        changed, times = re.subn(pattern, lambda _: by, file.read_text("utf-8"), count=1, flags=re.MULTILINE)
        assert times == 1, pattern
        file.write_text(changed, "utf-8")

    return replace


def refusals(folder: Path) -> list[str]:
    with pytest.raises(Problem) as refused:
        load(folder)
    problem = refused.value
    return [str(each) for each in problem.found] if isinstance(problem, Problems) else [str(problem)]


# -- the shipped definition ------------------------------------------------------------------------------------------


def test_shipped_mandate() -> None:
    """The letter's own facts stand in the definition, and "trước ngày 10/8" ends on 9/8."""
    mandate = load(SHIPPED).mandate
    assert (mandate.number, mandate.date, mandate.section) == ("20/BCĐ", date(2024, 6, 25), 5)
    assert (mandate.peak_from, mandate.peak_to) == (date(2024, 7, 1), date(2024, 9, 30))
    assert mandate.observance_day == date(2024, 7, 30)
    assert (mandate.report_before, mandate.report_by) == (date(2024, 8, 10), date(2024, 8, 9))


@pytest.mark.parametrize("words", ["issuer", "subject", "addressee", "basis"])
def test_shipped_words_are_the_letters(words: str) -> None:
    """Names and the subject are quoted from the letter, not retold."""
    shipped = load(SHIPPED)
    letter = " ".join(shipped.text.letter.split())
    assert getattr(shipped.mandate, words).removeprefix("V/v ") in letter


def test_shipped_waves_senders_and_routes() -> None:
    shipped = load(SHIPPED)
    assert [(wave.no, wave.name, wave.date, wave.until) for wave in shipped.waves] == [
        (no, f"Đợt {no}", day, day)
        for no, day in enumerate((date(2024, 7, 1), date(2024, 7, 15), date(2024, 7, 30)), 1)
    ]
    assert {(wave.opens, wave.closes) for wave in shipped.waves} == {(time(8), time(20))}
    assert shipped.sender("viettel") == Sender("UBNDLaiChau", "viettel")
    assert shipped.accounts("viettel") == shipped.accounts("vinaphone") == ("smpp-a",)
    assert {shipped.accounts(carrier) for carrier in CARRIERS[2:7]} == {("esms-a",)}
    assert (shipped.accounts("vsat"), shipped.sender("vsat"), shipped.wave(9)) == ((), None, None)
    assert campaigns.warnings(shipped) == []


def test_two_variants_for_the_approver() -> None:
    """The verbatim text and the corrected one stand side by side, each with its hash; nothing chooses for us."""
    shipped = load(SHIPPED)
    both = campaigns.variants(shipped)
    assert list(both) == ["verbatim", "corrected"]
    assert both["verbatim"].text == shipped.text.verbatim
    assert both["corrected"].text == shipped.text.verbatim.replace("Tổng đại", "Tổng đài")
    assert all(variant.sha256 == sha256(variant.text) for variant in both.values())
    assert both["verbatim"].sha256 != both["corrected"].sha256


def test_loading_twice_gives_the_same_version(folder: Path) -> None:
    """The same files are the same campaign, wherever they lie and however their accents are typed."""
    shipped = load(SHIPPED)
    assert load(SHIPPED) == shipped
    for name in ("campaign.toml", "text.txt", "letter.md"):
        file = folder / name
        file.write_text(unicodedata.normalize("NFD", file.read_text("utf-8")), "utf-8")
    assert load(folder).digest == shipped.digest


def test_each_change_is_another_version(folder: Path, edit: Edit) -> None:
    """An hour, a name or a word of the letter changes the digest."""
    seen = {load(folder).digest}
    edit(r'^closes = "20:00"', 'closes = "19:59"')
    seen.add(load(folder).digest)
    edit(r'"UBNDLaiChau"', '"LaiChau"')
    seen.add(load(folder).digest)
    letter = folder / "letter.md"
    letter.write_text(letter.read_text("utf-8") + "\n-", "utf-8")
    seen.add(load(folder).digest)
    assert len(seen) == 4


def test_stored_and_read_back() -> None:
    """What is stored of a campaign, as JSON, is the whole campaign with the same digest."""
    shipped = load(SHIPPED)
    stored = json.loads(json.dumps(shipped.as_json()))
    assert campaigns.from_json(stored) == shipped
    assert canonical.digest(stored) == shipped.digest
    del stored["mandate"]["number"]
    with pytest.raises(Problems, match=r"as_json: mandate\.number: is missing"):
        campaigns.from_json(stored)


def test_canonical_form() -> None:
    """Keys are ordered and bytes are RFC 8785's, so the order of writing never changes a hash."""
    assert canonical.canonical({"b": [1, None], "a": "đ"}) == '{"a":"đ","b":[1,null]}'.encode()
    assert canonical.digest({"a": 1, "b": 2}) == canonical.digest({"b": 2, "a": 1})


# -- faults ----------------------------------------------------------------------------------------------------------

FAULTS = [
    (r"^title = .*", "", "title: is missing; write a text, not empty"),
    (r"^title = .*", "title = 5", "title: is 5; write a text, not empty"),
    (r"^title = ", "titel = 1\ntitle = ", "titel: is not known here"),
    (r"^report_before", "report_befor", "mandate.report_befor: is not known here; known are report_before"),
    (r"^section = 5", 'section = "5"', "mandate.section: is '5'; write a whole number"),
    (r"^date = 2024-06-25", 'date = "25/6/2024"', "mandate.date: is '25/6/2024'; write a day"),
    (r"^date = 2024-06-25", "date = 2024-06-25T08:00:00+07:00", "mandate.date: is 2024-06-25 08:00:00+07:00; write a"),
    (r"^date = 2024-06-25", 'date = "2024-06-31"', "mandate.date: is '2024-06-31'; write a day"),
    (r"^date = 2024-06-25", "date = 2024-08-25", "mandate.report_before: is 2024-08-10, before date (2024-08-25)"),
    (r"^peak_to = .*", "peak_to = 2024-06-30", "mandate.peak_to: is 2024-06-30, before peak_from (2024-07-01)"),
    (r"Asia/Ho_Chi_Minh", "Asia/Bangkok", "zone: is Asia/Bangkok; days and hours are read in Asia/Ho_Chi_Minh"),
    (r"^\[mandate\]", "[order]", "mandate: is missing; write a table [mandate]"),
    (r'"text.txt"', '"nothing.txt"', "text.file: nothing.txt cannot be read"),
    (r'"text.txt"', '"../text.txt"', "text.file: is '../text.txt'; name a file of the same folder"),
    (r'"text.txt"', '"campaign.toml"', "text.file: is not found word for word in the letter"),
    (r'\["111"\]', "[]", "text.hotlines: is []; write a list of texts"),
    (r'\["111"\]', '["111", "113"]', "text: the text lacks the hotline 113"),
    (r'"public_information"', '"advertizing"', "text.class: is 'advertizing'; write one of public_information"),
    (r'"public_information"', '"advertising"', "text: does not begin with [QC] or [AD], as advertising must"),
    (r'^found = ".*"', 'found = "Tổng dài"', "text.corrections[1].found: is 'Tổng dài', which the text does not hold"),
    (r'^suggested = ".*"', 'suggested = "Tổng đài 113,"', "text: character 173: 113 looks like a telephone number"),
    (r'^carrier = "viettel"', 'carrier = "vietel"', "senders[1].carrier: is vietel; known are fpt_retail, gmobile"),
    (r'^carrier = "vinaphone"', 'carrier = "viettel"', "senders[2].carrier: is viettel for the second time"),
    (r'"UBNDLaiChau"', '"UBNDLaiChau1"', "senders[1].name: is 'UBNDLaiChau1'; a sender has at most 11"),
    (r'"UBNDLaiChau"', '"19001234"', "senders[1].name: is '19001234'; a sender has"),
    (r'"UBNDLaiChau"', '"LaiChâu"', "senders[1].name: is 'LaiChâu'; a sender has"),
    (r'"UBNDLaiChau"', '" UBND"', "senders[1].name: is ' UBND'; a sender has"),
    (r'"smpp-a"', '"smpp-b"', "routes[1].accounts: names smpp-b; configured are esms-a, smpp-a"),
    (r'"smpp-a"', "", "routes[1].accounts: is []; write a list of texts"),
    (r"^no = 2", "no = 1", "waves (no. 1).no: stands 2 times"),
    (r"^no = 2", "no = 0", "waves[2].no: is 0; write a whole number from 1 on"),
    (r"^date = 2024-07-01", "date = 2024-06-30", "waves (no. 1).date: is 2024-06-30, outside the peak period"),
    (r"^date = 2024-07-30", "date = 2024-10-01", "waves (no. 3).date: is 2024-10-01, outside the peak period"),
    (r"^date = 2024-07-30", "date = 2024-07-30\nuntil = 2024-07-29", "waves (no. 3).until: is 2024-07-29: the wave"),
    (r'^closes = "20:00"', 'closes = "07:30"', "waves (no. 1).closes: is 07:30: the window ends before it"),
    (r'^closes = "20:00"', 'closes = "22:01"', "waves (no. 1).closes: is 22:01; messages go out between"),
    (r'^opens = "08:00"', 'opens = "06:59"', "waves (no. 1).opens: is 06:59; messages go out between"),
    (r'^opens = "08:00"', 'opens = "8h"', "waves[1].opens: is '8h'; write a time of the day"),
]  # fmt: skip


REFUSE = "Từ chối: soạn TC gửi 5656 hoặc gọi 18001234"


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (REFUSE, ""),
        (text.unaccent(REFUSE.replace("TC", "TC LAICHAU")) + ".", ""),
        ("", "text: does not end with how to refuse, as advertising must"),
        (f"{REFUSE}. Xin cảm ơn", "text: does not end with how to refuse"),
        ("Từ chối: soạn TC gửi 5656", "text: does not end with how to refuse"),
    ],
)
def test_advertising_begins_with_its_label_and_ends_with_how_to_refuse(
    folder: Path, edit: Edit, ending: str, sentence: str
) -> None:
    """Decree 91/2020, articles 14 to 16: the label first, refusing by message and by call last, in each text."""
    numbers = [each for each in ("5656", "18001234") if each in ending]
    edit(r'"public_information"', '"advertising"')
    edit(r'\["111"\]', str(["111", *numbers]).replace("'", '"'))
    mandated = (folder / "text.txt").read_text("utf-8").strip()
    advertising = f"[QC] {mandated}. {ending}".strip()
    (folder / "text.txt").write_text(advertising, "utf-8")
    letter = folder / "letter.md"
    letter.write_text(letter.read_text("utf-8").replace(mandated, advertising), "utf-8")
    if sentence:
        assert [told for told in refusals(folder) if f": {sentence}" in told]
    else:
        assert load(folder).text.verbatim == advertising
    edit(r"^\[\[senders\]\]", '[[text.variants]]\nname = "ngan"\nlanguage = "vi"\nvouched_by = "An"\n'
         f'text = "Goi 111 {" ".join(numbers)}"\n\n[[senders]]')  # fmt: skip
    told = refusals(folder)
    assert [each for each in told if "text (ngan): does not begin with [QC]" in each]
    assert [each for each in told if "text (ngan): does not end with how to refuse" in each]


@pytest.mark.parametrize(("pattern", "by", "sentence"), FAULTS)
def test_faults(folder: Path, edit: Edit, pattern: str, by: str, sentence: str) -> None:
    """One thing wrong is told with its file, its key, what stands there and what to write."""
    edit(pattern, by)
    assert any(told.startswith(f"20-BCD-2024/campaign.toml: {sentence}") for told in refusals(folder)), refusals(folder)


def test_one_slip_is_told_once(folder: Path, edit: Edit) -> None:
    """One unreadable day does not drag false complaints behind it."""
    edit(r"^peak_from = .*", 'peak_from = "sớm"')
    edit(r'^opens = "08:00"', "opens = 8")
    assert len(refusals(folder)) == 2


def test_all_faults_come_at_once(folder: Path, edit: Edit) -> None:
    """A definition with faults in every part is refused once, with all of them."""
    edit(r"^issuer = .*", "")
    edit(r'\["111"\]', '["111", "115"]')
    edit(r'"UBNDLaiChau"', '"x y z long name"')
    edit(r"^date = 2024-07-15", "date = 2024-12-15")
    edit(r'\["esms-a"\]', '["esms-b"]')
    told = " | ".join(refusals(folder))
    for key in ("mandate.issuer", "hotline 115", "senders[1].name", "waves (no. 2).date", "routes[3].accounts"):
        assert key in told


def test_empty_text(folder: Path) -> None:
    (folder / "text.txt").write_text(" \n", "utf-8")
    assert refusals(folder) == [
        "20-BCD-2024/campaign.toml: text.file: names text.txt, which is empty; write the text into it"
    ]


def test_route_without_sender(folder: Path, edit: Edit) -> None:
    """A network that no sender is registered at is refused before anything is planned."""
    edit(r'\[\[senders\]\]\ncarrier = "itel"\nname = "UBNDLaiChau"', "")
    assert refusals(folder) == ["20-BCD-2024/campaign.toml: routes[6].carrier: is itel, which has no sender; add one"]


def test_broken_files(folder: Path) -> None:
    """A file that is no TOML is told with its line; a missing one is told too."""
    file = folder / "campaign.toml"
    file.write_text("title = \n", "utf-8")
    assert re.search(r"campaign\.toml is not TOML: .*line 1", refusals(folder)[0])
    file.write_bytes(b"title = '\xff'")
    assert "campaign.toml is not TOML" in refusals(folder)[0]
    file.unlink()
    assert "campaign.toml cannot be read" in refusals(folder)[0]


# -- warnings --------------------------------------------------------------------------------------------------------

WARNINGS = [
    (r"^date = 2024-07-30", "date = 2024-08-10", "waves (no. 3).date: is 2024-08-10, after the last day"),
    (r'\[\[routes\]\]\ncarrier = "itel"\naccounts = \["esms-a"\]', "", "senders[6].carrier: is itel, which has no"),
    (r"\[\[text\.corrections\]\]\n.*\n.*\n.*\n", "", "text: Tổng đại at character 164 is written Tổng đài elsewhere"),
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "by", "sentence"), WARNINGS)
def test_warnings(folder: Path, edit: Edit, pattern: str, by: str, sentence: str) -> None:
    """What forbids nothing is told all the same, and apart from the faults."""
    edit(pattern, by)
    [told] = campaigns.warnings(load(folder))
    assert str(told).startswith(f"20-BCD-2024/campaign.toml: {sentence}")


def test_a_wave_on_the_last_day_for_the_report_is_in_time(folder: Path, edit: Edit) -> None:
    edit(r"^date = 2024-07-30", "date = 2024-08-09")
    assert campaigns.warnings(load(folder)) == []


def test_a_shortened_text_is_noticed(folder: Path) -> None:
    """A text cut after its hotline still stands in the letter; that it is not the whole quotation is told."""
    file = folder / "text.txt"
    file.write_text(file.read_text("utf-8").split(" để được")[0], "utf-8")
    [told] = campaigns.warnings(load(folder))
    assert "not all that stands between quotation marks" in str(told)


def test_without_corrections_there_is_one_variant(folder: Path, edit: Edit) -> None:
    edit(r"\[\[text\.corrections\]\]\n.*\n.*\n.*\n", "")
    assert list(campaigns.variants(load(folder))) == ["verbatim"]


# -- facts -----------------------------------------------------------------------------------------------------------


def test_facts_of_the_campaign() -> None:
    """All that a person is shown of a campaign comes from one record, its waves placed against the clock."""
    shown = facts.of_campaign(load(SHIPPED), datetime(2024, 7, 15, 3, tzinfo=UTC), CARRIERS)
    assert [wave.standing for wave in shown.waves] == [facts.Standing.PAST, facts.Standing.OPEN, facts.Standing.AHEAD]
    assert shown.waves[2].next_opening == datetime(2024, 7, 30, 1, tzinfo=UTC)
    assert [(name, text.measure.segments) for name, text in shown.texts.items()] == [("verbatim", 4), ("corrected", 4)]
    assert [slip.suggested for slip in shown.slips] == ["Tổng đài"]
    assert shown.unrouted == ("fpt_retail", "vsat")
    assert shown.digest == load(SHIPPED).digest
    assert shown.warnings == ()
