"""A campaign from its letter to its approval on pages: drafts, versions, two editors, submission, withdrawal."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from campaigns import drafting
from campaigns.campaign import from_json
from campaigns.ledger import drafts, orders, registry, waves
from campaigns.samples import write_sample
from dispatcher import acts, assemble
from tests.cluster import APPROVER, CAMPAIGN, letter
from tests.console import Browser, signed_in
from tests.serving import Said, Served
from workers.house import House

NUMBERS = "91/STTTT"


@pytest.fixture
def officer(served: Served, house: House) -> Browser:
    letter(house)
    browser = signed_in(served, house, f"o-{secrets.token_hex(4)}", "officer")
    browser.get("/console/drafts")
    return browser


@pytest.fixture
def colleague(served: Served, house: House) -> Browser:
    browser = signed_in(served, house, f"q-{secrets.token_hex(4)}", "officer")
    browser.get("/console/drafts")
    return browser


def begun(officer: Browser, campaign: str = "") -> str:
    """The path of a new draft."""
    said = officer.post("/console/drafts", campaign=campaign)
    assert said.status == 303
    return said.headers["location"].rpartition("/steps/")[0]


def at(house: House, path: str) -> drafts.Draft:
    with house.begin() as conn:
        return drafts.get(conn, int(path.rpartition("/")[2]))


def fields(house: House, path: str, step: str) -> dict[str, str]:
    """The form of a step as a browser would send it back, untouched."""
    now = at(house, path)
    names = drafting.names(step, ["viettel", "vinaphone", "mobifone", "vietnamobile", "gmobile", "itel", "wintel"])
    return {name: now.fields.get(name, "") for name in names} | {"base": str(now.newest.version), "go": "on"}


def save(browser: Browser, house: House, path: str, step: str, **changes: str) -> Said:
    return browser.post(f"{path}/steps/{step}", **fields(house, path, step) | changes)


def listed(browser: Browser, house: House, path: str, folder: Path, seed: int, n: int = 40) -> Said:
    file = folder / f"{seed}.csv"
    write_sample(file, seed=seed, table=acts.number_table(), recipients=n)
    return browser.upload(f"{path}/list", file.name, file.read_bytes(), base=str(at(house, path).newest.version))


def test_steps_are_links_in_any_order_and_every_saving_is_a_version(officer: Browser, house: House) -> None:
    """The last step first, and home in between: nothing is lost."""
    path = begun(officer)
    for step in drafting.STEPS:
        assert officer.get(f"{path}/steps/{step}").status == 200
    typed = {"w1_name": "Đợt 1", "w1_date": "30-07-2024", "w1_opens": "8h", "w1_closes": "20:00"}
    said = save(officer, house, path, "schedule", **typed, go="later")
    assert said.headers["location"] == "/console/drafts"
    said = save(officer, house, path, "schedule", w2_opens="08:00", w2_closes="20:00", go="stay")
    assert said.headers["location"] == f"{path}/steps/schedule?more=1"
    assert 'name="w2_date"' in officer.get(said.headers["location"]).body.decode()
    assert at(house, path).newest.version == 2, "hours alone are no wave, and no change"
    said = save(officer, house, path, "letter", number=NUMBERS)
    assert said.headers["location"] == f"{path}/steps/text"
    page = officer.get(f"{path}/steps/schedule").body.decode()
    assert "Thứ Ba, 30 tháng 7 năm 2024" in page
    assert 'value="30-07-2024"' in page
    assert at(house, path).newest.version == 3
    versions = officer.get(f"{path}/versions").body.decode()
    assert "Bản 3 · Công văn" in versions
    assert NUMBERS in versions


@pytest.mark.parametrize(
    ("step", "changes", "field", "words"),
    [
        ("letter", {"date": "7/25/2024"}, "date", "không có tháng 25; ngày đứng trước: 25/7/2024"),
        ("letter", {"section": "năm"}, "section", "không phải số"),
        ("schedule", {"w1_name": "a", "w1_date": "30/7/2024", "w1_opens": "06:00", "w1_closes": "20:00"}, "w1_opens",
         "07:00"),
        ("schedule", {"w1_name": "a", "w1_date": "31/6/2024", "w1_opens": "08:00", "w1_closes": "20:00"}, "w1_date",
         "không có trong lịch"),
        ("text", {"verbatim": "Khi cần, gọi tổng đài 113."}, "verbatim", "đường dây nóng 111"),
        ("people", {"sender": "UBND Lai Châu"}, "sender", "11"),
    ],
)  # fmt: skip
def test_a_bad_value_is_kept_and_told_at_its_field_in_vietnamese(
    officer: Browser, house: House, step: str, changes: dict[str, str], field: str, words: str
) -> None:
    """The same words in the summary and at the field; a text without its hotline does not go on."""
    path = begun(officer)
    said = save(officer, house, path, step, **changes)
    page = said.body.decode()
    assert said.status == 422
    assert "<title>[Diễn tập] Lỗi: " in page
    assert f'<a href="#{field}">' in page
    assert f'id="{field}"' in page
    assert page.count(words) >= 2
    assert at(house, path).fields[field] == changes[field]


def test_the_second_of_two_editors_sees_who_saved_when_and_what(
    officer: Browser, colleague: Browser, house: House
) -> None:
    """Never a silent overwrite: the form comes back with both, and only a second saving makes it the newest."""
    path = begun(officer)
    mine, hers = fields(house, path, "letter"), fields(house, path, "letter")
    assert colleague.post(f"{path}/steps/letter", **hers | {"title": "Tên của bà", "place": "Lai Châu"}).status == 303
    said = officer.post(f"{path}/steps/letter", **mine | {"title": "Tên của ông"})
    page = said.body.decode()
    assert said.status == 409
    assert re.search(r"đã sửa lúc \d\d:\d\d", page)
    assert "Tên của bà" in page
    assert "Tên của ông" in page
    assert at(house, path).fields["title"] == "Tên của bà"
    [base] = set(re.findall(r'name="base" value="(\d+)"', page))
    again = {name: value for name, value in mine.items() if value} | {"title": "Tên của ông", "place": "Lai Châu"}
    assert officer.post(f"{path}/steps/letter", **again | {"base": base}).status == 303
    assert at(house, path).fields["title"] == "Tên của ông"
    assert at(house, path).fields["place"] == "Lai Châu"
    with house.begin() as conn:
        assert [each.fields.get("title") for each in drafts.versions(conn, int(path.rpartition("/")[2]))] == [
            "Tên của ông", "Tên của bà", None]  # fmt: skip


def test_a_deleted_draft_is_listed_and_comes_back(officer: Browser, colleague: Browser, house: House) -> None:
    """By anybody who may write, with what stood in it."""
    path = begun(officer)
    save(officer, house, path, "letter", title="Sẽ xóa")
    assert officer.post(f"{path}/delete", base="2").status == 303
    shown = colleague.get("/console/drafts").body.decode()
    assert f'action="{path}/restore"' in shown
    assert save(officer, house, path, "letter", title="Sau khi xóa").status == 422
    assert colleague.post(f"{path}/restore", base="2").status == 303
    assert at(house, path).fields["title"] == "Sẽ xóa"


def test_a_letter_proposes_and_a_person_saves(officer: Browser, house: House) -> None:
    """What was read stands in the form with its line; stored is only what somebody sent."""
    path = begun(officer)
    letter = (assemble.definitions() / CAMPAIGN / "letter.md").read_bytes()
    said = officer.upload(f"{path}/letter", "cong-van.txt", letter, base="1")
    assert said.headers["location"] == f"{path}/steps/letter?fill=1"
    page = officer.get(said.headers["location"]).body.decode()
    assert 'value="20/BCĐ"' in page
    assert "Công văn, dòng" in page
    assert "number" not in at(house, path).fields
    text = officer.get(f"{path}/steps/text?take=0").body.decode()
    assert "Tổng đại quốc gia 111" in text
    assert officer.upload(f"{path}/letter", "anh.png", b"\x89PNG\r\n\x1a\n" + bytes(64), base="2").status == 422


def test_a_submission_is_the_plan_that_the_command_line_makes(officer: Browser, house: House, tmp_path: Path) -> None:
    """The same definition, the same text to the byte, and for the same list the same plan hash."""
    path = begun(officer, CAMPAIGN)
    assert listed(officer, house, path, tmp_path, seed=881).headers["location"] == f"{path}/steps/people"
    review = officer.get(f"{path}/steps/review").body.decode()
    ticks = dict.fromkeys(re.findall(r'name="(seen_[0-9a-f]+)"', review), "yes")
    base = str(at(house, path).newest.version)
    if ticks:
        assert officer.post(f"{path}/submit", base=base, wave_1="yes").status == 422
    assert officer.post(f"{path}/submit", base=base, wave_1="yes", **ticks).status == 303
    with house.begin() as conn:
        made = drafts.submission(conn, int(path.rpartition("/")[2]))
        [planned] = [waves.get(conn, int(each)) for each in made["waves"]]
        stored, version = registry.get_campaign(conn, CAMPAIGN)
    shipped = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
    assert stored.digest == shipped.digest
    drafted = acts.draft_wave(house, shipped, version, 1, planned.audience, rehearsal=True)
    assert planned.plan["texts"] == drafted.texts
    assert acts.plan_wave(house, drafted, "an").plan_hash == planned.plan_hash
    assert planned.state == "planned"
    assert "Cần người khác duyệt" in officer.get(f"/console/waves/{planned.id}/approve").body.decode()


def submitted(officer: Browser, house: House, path: str, **more: str) -> Said:
    review = officer.get(f"{path}/steps/review").body.decode()
    ticks = dict.fromkeys(re.findall(r'name="(seen_[0-9a-f]+)"', review), "yes")
    return officer.post(f"{path}/submit", base=str(at(house, path).newest.version), **ticks | more)


def test_a_submission_is_withdrawn_until_somebody_has_decided(officer: Browser, house: House, tmp_path: Path) -> None:
    """Its plan is cancelled and the draft can be changed; after an approval it is not."""
    path = begun(officer, CAMPAIGN)
    listed(officer, house, path, tmp_path, seed=882)
    assert submitted(officer, house, path, wave_2="yes").status == 303
    base = str(at(house, path).newest.version)
    assert save(officer, house, path, "letter", title="Đang chờ duyệt").status == 422
    assert officer.post(f"{path}/withdraw", base=base).status == 303
    with house.begin() as conn:
        made = drafts.submission(conn, int(path.rpartition("/")[2]))
        assert waves.get(conn, int(made["waves"][0])).state == "cancelled"
    assert save(officer, house, path, "schedule", w2_closes="19:00").status == 303
    assert submitted(officer, house, path, wave_2="yes").status == 303
    with house.begin() as conn:
        made = drafts.submission(conn, int(path.rpartition("/")[2]))
        wave = waves.get(conn, int(made["waves"][0]))
        waves.approve(conn, wave.id, APPROVER, typed=wave.n, choice="corrected", reason="thử")
    said = officer.post(f"{path}/withdraw", base=str(at(house, path).newest.version))
    assert said.status == 409
    assert "đã có quyết định" in said.body.decode()
    with house.begin() as conn:
        assert waves.get(conn, wave.id).state == "planned"


def test_a_refused_submission_leaves_nothing_behind(officer: Browser, house: House, tmp_path: Path) -> None:
    """Another letter with the same short name: no version of the campaign, no plan."""
    path = begun(officer, CAMPAIGN)
    listed(officer, house, path, tmp_path, seed=883)
    save(officer, house, path, "letter", date="26/6/2024")
    said = submitted(officer, house, path, wave_1="yes")
    assert said.status == 409
    assert "đặt tên ngắn khác" in said.body.decode()
    with house.begin() as conn:
        stored, _ = registry.get_campaign(conn, CAMPAIGN)
        assert stored.mandate.date.day == 25
        assert at(house, path).state is drafting.DraftState.OPEN


def test_orders_to_carriers_are_drafted_from_the_same_pages(officer: Browser, house: House) -> None:
    """One for each carrier that was ticked, each waiting for another person."""
    path = begun(officer, CAMPAIGN)
    said = save(officer, house, path, "people", way="orders", order_viettel="yes", order_mobifone="yes",
                area="tỉnh Lai Châu", contact="Nguyễn Văn An, 0213 3876 000", deadline="5/8/2024")  # fmt: skip
    assert said.status == 303
    assert submitted(officer, house, path).status == 303
    with house.begin() as conn:
        made = drafts.submission(conn, int(path.rpartition("/")[2]))
        found = [orders.get(conn, int(each)) for each in made["orders"]]
        stored, _ = registry.get_campaign(conn, CAMPAIGN)
    assert sorted(each.plan.carrier for each in found) == ["mobifone", "viettel"]
    assert {each.plan.text.text for each in found} == {list(drafting.variants(stored).values())[-1].text}
    assert from_json(stored.as_json()) == stored
    assert "Viettel" in officer.get(f"{path}/steps/review").body.decode()
    with house.begin() as conn:
        orders.approve(conn, found[0].id, APPROVER, plan_hash=found[0].plan_hash)
    assert officer.post(f"{path}/withdraw", base=str(at(house, path).newest.version)).status == 409
    with house.begin() as conn:
        assert "cancelled" not in {orders.get(conn, each.id).state.value for each in found}


def test_a_list_needs_the_letters_number_first(officer: Browser, house: House, tmp_path: Path) -> None:
    """Its numbers are sealed with its campaign's key, so the campaign must have a name."""
    path = begun(officer)
    said = listed(officer, house, path, tmp_path, seed=884)
    assert said.status == 422
    assert "ghi số và ngày công văn trước" in said.body.decode()
