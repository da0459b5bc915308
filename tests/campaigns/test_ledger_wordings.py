"""Variants of a text: sound by themselves, chosen by carrier and area, each planned and approved on its own."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns import text, wordings
from campaigns.campaign import load
from campaigns.definition import Campaign, TextVariant, Use, all_texts, wording
from campaigns.ledger import figures, registry, waves, windows
from campaigns.ledger.figures import CarrierTerms
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, Problems
from dispatcher import acts, assemble, tags
from dispatcher.assemble import Site
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, Planned, start
from tests.hand import one
from workers.house import House

FOLDER = assemble.definitions() / CAMPAIGN
KNOWN = {"carriers": ["viettel", "vinaphone", "mobifone"], "providers_accounts": ["smpp-a", "esms-a"]}
PLAIN = "khong-dau"


@pytest.fixture
def shipped(house: House) -> Campaign:
    return acts.read_definition(house.settings, FOLDER)


@pytest.fixture
def both(shipped: Campaign) -> Campaign:
    """The shipped campaign, unaccented at MobiFone, and everywhere in Mường Tè."""
    plain = TextVariant(PLAIN, "vi", text.unaccent(shipped.text.verbatim), "Nguyễn Văn An")
    use = (Use(PLAIN, ("mobifone",), ()), Use(PLAIN, (), (107,)))
    return replace(shipped, name="two-texts", text=replace(shipped.text, variants=(plain,), use=use))


def planned(house: House, campaign: Campaign, audience: int, variant: str) -> Wave:
    with house.begin() as conn:
        version = registry.load_campaign(conn, campaign, AUTHOR.login)
    draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True, variant=variant)
    return acts.plan_wave(house, draft, AUTHOR.login)


@pytest.fixture
def audience(house: House, planned: Planned, both: Campaign) -> int:
    from campaigns.ledger import audiences  # noqa: PLC0415 - a fixture of this file only
    from campaigns.samples import write_sample  # noqa: PLC0415 - as above

    file = planned.folder / "two.csv"
    write_sample(file, seed=3, table=acts.number_table(), recipients=300, units=("Huyện Mường Tè", "Huyện Sìn Hồ"))
    with house.begin() as conn:
        registry.load_campaign(conn, both, AUTHOR.login)
        made = audiences.create(conn, both.name, "two", AUTHOR.login)
        list(acts.import_audience(house, conn, made, file, both.name))
    return made


def test_the_rule_parts_the_list(house: House, both: Campaign, audience: int, app: psycopg.Connection) -> None:
    """Both plans hold the whole rule under their hash, and each row of the list is in exactly one of them."""
    main, plain = planned(house, both, audience, ""), planned(house, both, audience, PLAIN)
    assert (main.plan["wording"]["use"], main.plan_hash != plain.plan_hash) == (plain.plan["wording"]["use"], True)
    assert (set(main.plan["texts"]), set(plain.plan["texts"])) == ({"verbatim", "corrected"}, {PLAIN})
    assert main.n + plain.n == 300
    rows = "SELECT c.name, m.unit FROM message_{} m JOIN carrier c ON c.id = m.carrier"
    found = {wave.id: set(app.execute(rows.format(wave.id).encode())) for wave in (main, plain)}
    use = main.plan["wording"]["use"]
    assert {wording(use, *row) for row in found[main.id]} == {""}
    assert {wording(use, *row) for row in found[plain.id]} == {PLAIN}


def test_language_is_a_tag_of_the_area_and_of_nobody(
    house: House, shipped: Campaign, audience: int, app: psycopg.Connection
) -> None:
    """Rows of Mường Tè get the text in Mông by their area; a language chooses the rows, and no row keeps one."""
    mong = TextVariant("mong", "hmn", "Hu rau 111", "Giàng A Mẫu")
    use = (Use("mong", (), (107,)),)
    with_mong = replace(shipped, name="two-texts", text=replace(shipped.text, variants=(mong,), use=use))
    chosen = wordings.chosen(with_mong, "", "hmn")
    wave, rest = planned(house, with_mong, audience, chosen), planned(house, with_mong, audience, "")
    assert one(app, f"SELECT array_agg(DISTINCT unit) FROM message_{wave.id}") == ([107],)
    with house.begin() as conn:
        found = tags.of_audience(conn, audience)
    assert tags.summed(found, "language") == dict(sorted({"hmn": wave.n, "vi": rest.n}.items(), key=lambda n: -n[1]))
    assert tags.summed(found, "area") == dict(
        sorted({"Huyện Mường Tè": wave.n, "Huyện Sìn Hồ": rest.n}.items(), key=lambda each: -each[1])
    )
    kept = app.execute("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
                       " AND column_name ~ '(language|ethnic|people$|dan_toc)'").fetchall()  # fmt: skip
    assert kept == []


@pytest.mark.parametrize(
    ("variant", "language", "says"),
    [
        ("", "vi", ""),
        ("mong", "", "mong"),
        ("mong", "hmn", "mong"),
        ("", "hmn", "mong"),
        ("mong", "tdd", Problem),
        ("", "tdd", Problem),
    ],
)
def test_a_wave_names_its_text_or_its_language(shipped: Campaign, variant: str, language: str, says: Any) -> None:
    mong = TextVariant("mong", "hmn", "Hu rau 111", "Giàng A Mẫu")
    both = replace(shipped, text=replace(shipped.text, variants=(mong,), use=(Use("mong", (), (107,)),)))
    if says is Problem:
        with pytest.raises(Problem, match="in tdd"):
            wordings.chosen(both, variant, language)
    else:
        assert wordings.chosen(both, variant, language) == says
    two = replace(both, text=replace(both.text, variants=(mong, replace(mong, name="mong-ngan")),
                                     use=(*both.text.use, Use("mong-ngan", ("viettel",), ()))))  # fmt: skip
    with pytest.raises(Problem, match="several texts in hmn: name one of them, mong, mong-ngan"):
        wordings.chosen(two, "", "hmn")


def test_each_is_approved_and_sent_on_its_own(
    site: Site, house: House, both: Campaign, audience: int, app: psycopg.Connection
) -> None:
    """An approval of one text is none of the other; the worker is handed the bytes of its own, with their hash."""
    main, plain = planned(house, both, audience, ""), planned(house, both, audience, PLAIN)
    with house.begin() as conn:
        with pytest.raises(Problem, match="choose the text"):
            waves.approve(conn, plain.id, APPROVER, typed=plain.n, choice="verbatim", reason="")
        waves.approve(conn, main.id, APPROVER, typed=main.n, choice="verbatim", reason="")
        with pytest.raises(Problem, match="0 of 1 approvals"):
            waves.start(conn, plain.id, APPROVER)
    begun = start(house, plain, choice=PLAIN)
    assert (begun.text, begun.text_sha256) == (all_texts(both)[PLAIN].text, all_texts(both)[PLAIN].sha256)
    details = one(app, "SELECT details FROM audit WHERE act = 'wave.approve' AND subject = %s", str(plain.id))[0]
    assert (details["choice"], details["text_sha256"], details["reason"]) == (PLAIN, begun.text_sha256, "tested")
    batch = asyncio.run(claimed(site, plain.plan["accounts"]["mobifone"]))
    assert batch is not None
    assert (batch.wave, batch.text, batch.segments) == (plain.id, begun.text, 2)


async def claimed(site: Site, account: str) -> windows.Batch | None:
    line = await windows.connect(site.app)
    try:
        return await windows.claim(line, account, 60)
    finally:
        await line.close()


def test_a_part_is_reported(house: House, both: Campaign, audience: int) -> None:
    """Rows of the list that have another text are not this wave's: its figures add up without them."""
    begun = start(house, planned(house, both, audience, PLAIN), choice=PLAIN)
    with house.begin() as conn:
        found = figures.wave_figures(conn, begun.id, {"mobifone": CarrierTerms("MobiFone", receipts=True)})
        figures.verify_counts(conn, begun)
    assert found.total.recipients == begun.n == sum(each.total for each in _standing(house, begun))
    assert sum(found.verdicts.values()) == found.file_rows


def _standing(house: House, wave: Wave) -> list[figures.Standing]:
    with house.begin() as conn:
        return figures.standing(conn, wave.id)


def test_a_text_without_its_hash_cannot_be_stored(owner: psycopg.Connection, house: House, planned: Planned) -> None:
    """Whoever writes it: the database refuses a text whose SHA-256 is not the one beside it."""
    begun = start(house, planned(n=5, account="sim-smpp"))
    assert hashlib.sha256(str(begun.text).encode()).hexdigest() == begun.text_sha256
    owner.execute("ALTER TABLE wave DISABLE TRIGGER text_lock")
    owner.execute("ALTER TABLE wave DROP CONSTRAINT wave_check1")
    with pytest.raises(psycopg.errors.CheckViolation, match="wave_text_hash"):
        owner.execute("UPDATE wave SET text = text || '!' WHERE id = %s", (begun.id,))
    owner.rollback()


def test_an_unknown_variant_is_told(house: House, shipped: Campaign, both: Campaign, audience: int) -> None:
    with pytest.raises(Problem, match="no rule of two-texts sends the text ngan; its rules send khong-dau"):
        planned(house, both, audience, "ngan")
    with pytest.raises(Problem, match="its rules send -"):
        planned(house, shipped, audience, PLAIN)


GOOD: dict[str, Any] = {"name": PLAIN, "language": "vi", "vouched_by": "Nguyễn Văn An"}


@pytest.mark.parametrize(
    ("changes", "use", "told"),
    [
        ({}, 'variant = "khong-dau"\nunits = [107]', ""),
        ({"text": unicodedata.normalize("NFD", "Gọi 111 khi có dấu hiệu")}, 'variant = "khong-dau"\nunits = [1]', ""),
        ({"text": "Goi 113 ngay"}, "", "lacks the hotline 111"),
        ({"text": "Goi 111 hoac 0912345678"}, "", "looks like a telephone number"),
        ({"text": "Goi 111\u200b ngay"}, "", "U\\+200B"),
        ({"name": "verbatim"}, "", "write a name of its own"),
        ({"vouched_by": ""}, "", "vouched_by"),
        ({"ethnicity": "Mông"}, "", "ethnicity: is not known here"),
        ({"SPOIL": "x"}, "", "nearly the text without accents"),
        ({}, 'variant = "mong"\nunits = [1]', "use\\[1\\].variant: is mong"),
        ({}, 'variant = "khong-dau"\ncarriers = ["nokia"]', "is nokia"),
        ({}, 'variant = "khong-dau"', "names no carrier and no area"),
        ({}, 'variant = "khong-dau"\nethnicity = "Mông"', "ethnicity: is not known here"),
    ],
)
def test_definitions(tmp_path: Path, changes: dict[str, str], use: str, told: str) -> None:
    """Guards hold for every variant; rules know carriers and areas, and nothing else of anybody."""
    folder = tmp_path / "x"
    shutil.copytree(FOLDER, folder)
    plain = text.unaccent((folder / "text.txt").read_text("utf-8").rstrip("\n"))
    changes = dict(changes)
    spoilt = plain.replace("Toan", "Tuan") if changes.pop("SPOIL", "") else plain
    facts = {"text": spoilt} | GOOD | changes
    variant = "\n".join(f'{key} = "{value}"' for key, value in facts.items())
    rule = f"[[text.use]]\n{use}\n" if use else ""
    file = folder / "campaign.toml"
    file.write_text(f"{file.read_text('utf-8')}\n[[text.variants]]\n{variant}\n{rule}", encoding="utf-8")
    names = {"carriers": [row["carrier"] for row in []] or list(acts.number_table().carriers)}
    if not told:
        found = load(folder, **names, providers_accounts=KNOWN["providers_accounts"])
        assert unicodedata.is_normalized("NFC", found.text.variants[0].text)
        return
    with pytest.raises(Problems, match=told):
        load(folder, **names, providers_accounts=KNOWN["providers_accounts"])
