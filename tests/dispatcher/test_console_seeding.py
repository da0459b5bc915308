"""Seed phones typed where a wave is planned: judged by line, shown masked, approved with it, warned of in trial."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from campaigns.ledger import canaries, drafts, lists, registry, trials, waves
from campaigns.samples import write_sample
from campaigns.sealing import mask
from campaigns.sheets import open_sheet
from dispatcher import acts
from tests.campaigns.test_ledger_trial import OPERATOR
from tests.cluster import AUTHOR, CAMPAIGN, letter
from tests.console import Browser, signed_in
from tests.dispatcher.test_console_drafts import begun, listed, submitted
from tests.serving import Said, Served
from workers.house import House

PLAN = f"/console/campaigns/{CAMPAIGN}/plan"


@pytest.fixture
def officer(served: Served, house: House) -> Browser:
    letter(house)
    return signed_in(served, house, f"v-{secrets.token_hex(4)}", "officer")


def sheet(folder: Path, seed: int, n: int = 40) -> Path:
    path = folder / f"{seed}-{n}.csv"
    write_sample(path, seed=seed, table=acts.number_table(), recipients=n)
    return path


def chosen(officer: Browser, folder: Path, seed: int) -> int:
    """A list of recipients, taken in by the page."""
    path = sheet(folder, seed)
    said = officer.upload(f"/console/campaigns/{CAMPAIGN}/lists", path.name, path.read_bytes())
    return int(said.headers["location"].rpartition("/")[2])


def phones(house: House, folder: Path, seed: int, audience: int) -> list[str]:
    """One phone for each carrier of a list, as people write it."""
    table, found = acts.number_table(), {}
    with house.begin() as conn:
        wanted = lists.by_carrier(conn, audience)
    with open_sheet(sheet(folder, seed, 400)) as opened:
        for _, raw, _ in opened.entries():
            number, carrier, _ = table.read(raw)
            if number and table.carriers[carrier] in wanted:
                found.setdefault(table.carriers[carrier], f"0{number % 10**9}")
    assert set(found) == set(wanted)
    return list(found.values())


def shown(said: Said, status: int = 200) -> str:
    assert said.status == status, said.body
    return said.body.decode()


def test_typed_phones_are_the_canary_that_the_command_line_plans(
    officer: Browser, house: House, tmp_path: Path
) -> None:
    """Same plan hash; masked on each page; the same phones again are the same plan; next time a tick is enough."""
    audience = chosen(officer, tmp_path, 701)
    mine = phones(house, tmp_path, 702, audience)
    form = {"wave": "1", "list": str(audience), "seeds": "\r\n".join(mine)}
    said = officer.post(PLAN, **form)
    assert said.status == 303, said.body
    approval = said.headers["location"]
    with house.begin() as conn:
        wave = waves.get(conn, int(approval.split("/")[3]))
        definition, version = registry.get_campaign(conn, CAMPAIGN)
    by_carrier = wave.plan["canary"]["by_carrier"]
    assert sum(by_carrier.values()) == len(mine)
    drafted = acts.draft_wave(house, definition, version, 1, audience, rehearsal=True, canary=True)
    with house.begin() as conn:
        seeds = canaries.newest(conn, CAMPAIGN)
        assert lists.by_carrier(conn, seeds) == by_carrier
        assert acts.plan_in(house, conn, drafted, AUTHOR.login).plan_hash == wave.plan_hash
        assert seeds not in {each.id for each in lists.of_campaign(conn, CAMPAIGN)}, "nobody is to plan a wave to it"
    assert officer.post(PLAN, **form).status == 303
    with house.begin() as conn:
        assert canaries.newest(conn, CAMPAIGN) == seeds, "no second list of the same phones"
    plan = shown(officer.get(f"{PLAN}?wave=1&list={audience}"))
    for page in (shown(officer.get(approval)), plan):
        for phone in mine:
            assert mask(84_000_000_000 + int(phone)) in page
            assert phone[1:] not in page
    said = officer.post(PLAN, wave="2", list=str(audience), canary="yes")
    with house.begin() as conn:
        later = waves.get(conn, int(said.headers["location"].split("/")[3]))
    assert later.plan["canary"]["by_carrier"] == by_carrier


def test_each_line_that_is_no_phone_is_named_and_nothing_is_kept(
    officer: Browser, house: House, tmp_path: Path
) -> None:
    """What was typed stays in its box, and the sentences cover its digits; a carrier without a phone is named too."""
    audience = chosen(officer, tmp_path, 703)
    mine = phones(house, tmp_path, 704, audience)
    with house.begin() as conn:
        before = canaries.newest(conn, CAMPAIGN), len(lists.of_campaign(conn, CAMPAIGN, seeds=True))
    wrong = "\n".join([mine[0], "", "0912 34", mine[0], "02133 876 543"])
    page = shown(officer.post(PLAN, wave="1", list=str(audience), seeds=wrong), 422)
    [told] = re.findall(r'<a href="#seeds">(.*?)</a>', page, re.DOTALL)
    for words in ("dòng 3, 0912 34: thiếu chữ số", "dòng 4", "số này đã có", "dòng 5", "số cố định"):
        assert words.lower() in told.lower(), told
    assert mine[0] not in told
    assert f"{mine[0]}\n\n0912 34" in page
    assert "Trình lãnh đạo duyệt" in page
    alone = shown(officer.post(PLAN, wave="1", list=str(audience), seeds=mine[0]), 422)
    assert "không có máy thử của mạng" in alone
    many = shown(officer.post(PLAN, wave="1", list=str(audience), seeds="0912345678\n" * 101), 422)
    assert "101 máy thử là quá nhiều" in many
    with house.begin() as conn:
        after = canaries.newest(conn, CAMPAIGN), len(lists.of_campaign(conn, CAMPAIGN, seeds=True))
    assert after == before


def test_a_seed_phone_that_a_trial_leaves_out_is_warned_of(officer: Browser, house: House, tmp_path: Path) -> None:
    """An allow-list that holds it says nothing of it."""
    audience = chosen(officer, tmp_path, 705)
    mine = phones(house, tmp_path, 706, audience)
    with house.begin() as conn:
        for account in house.accounts:
            trials.enter(conn, account, OPERATOR, "thử")
    said = officer.post(PLAN, wave="1", list=str(audience), seeds="\n".join(mine))
    warned = "máy thử không có trong danh sách cho phép"
    assert warned in shown(officer.get(said.headers["location"]))
    hashes = house.keyring.installation_hashes([84_000_000_000 + int(each) for each in mine])
    with house.begin() as conn:
        for account in house.accounts:
            trials.allow(conn, account, hashes, OPERATOR)
    assert warned not in shown(officer.get(said.headers["location"]))


def test_a_draft_is_submitted_with_seed_phones_that_no_version_of_it_holds(
    officer: Browser, house: House, tmp_path: Path
) -> None:
    officer.get("/console/drafts")
    path = begun(officer, CAMPAIGN)
    listed(officer, house, path, tmp_path, seed=707)
    number = int(path.rpartition("/")[2])
    with house.begin() as conn:
        audience = int(drafts.get(conn, number).fields["audience"])
    mine = phones(house, tmp_path, 708, audience)
    page = shown(submitted(officer, house, path, wave_1="yes", seeds="0912 34"), 409)
    assert 'href="#seeds"' in page
    assert "thiếu chữ số" in page
    assert submitted(officer, house, path, wave_1="yes", seeds="\n".join(mine)).status == 303
    with house.begin() as conn:
        [planned] = drafts.submission(conn, number)["waves"]
        assert sum(waves.get(conn, int(planned)).plan["canary"]["by_carrier"].values()) == len(mine)
        kept = conn.execute("SELECT v::text FROM draft_version v WHERE draft = %s", (number,)).fetchall()
    assert kept
    assert all(phone[1:] not in row[0] for row in kept for phone in mine)
