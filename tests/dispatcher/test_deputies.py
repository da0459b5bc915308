"""Deputies as people meet them: page, API and command line; who stands in approves on each, within the dates."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from campaigns.ledger import people
from campaigns.ledger.people import Person
from campaigns.schedule import ZONE
from dispatcher import cli
from dispatcher.assemble import Site
from tests.cluster import Planned
from tests.console import Browser, signed_in
from tests.serving import Served, key_of
from workers.house import House

TODAY = datetime.now(UTC).astimezone(ZONE).date()
LAST = TODAY + timedelta(days=5)


def browser(served: Served, house: House, *roles: str) -> tuple[str, Browser]:
    login = f"u-{secrets.token_hex(4)}"
    return login, signed_in(served, house, login, *roles, authenticator=True)


def named(chief: Browser, login: str, **changes: str) -> int:
    form = {"person": login, "first": TODAY.isoformat(), "last": f"{LAST.day}/{LAST.month}/{LAST.year}",
            "reason": "đi công tác", "code": ""} | changes  # fmt: skip
    if form["code"] == "phone":
        form["code"] = chief.code()
    return chief.post("/console/deputies", **form).status


def decide(one: Browser, wave: int) -> int:
    page = one.get(f"/console/waves/{wave}/approve").body.decode()
    shown = re.search(r'name="hash" value="([0-9a-f]{64})"', page)
    return one.post(f"/console/waves/{wave}/approve", hash=shown[1] if shown else "", count="40", choice="corrected",
                    reason="lỗi chữ", code=one.code()).status  # fmt: skip


def test_from_the_approvers_page_to_the_deputys_approval(served: Served, house: House, planned: Planned) -> None:
    """Named with a code, told on the page, used once, shown as "thay ..." on the wave and in the record, withdrawn."""
    wave, other = planned(n=40, seed=81), planned(n=40, seed=82)
    chief_login, chief = browser(served, house, "approver")
    officer_login, officer = browser(served, house, "officer")
    assert decide(officer, wave.id) == 403
    assert named(chief, officer_login, code="000000") == 422
    code = chief.code()
    assert named(chief, officer_login, code=code, reason=" ") == 422
    assert named(chief, officer_login, code=code) == 303  # a wrong field used no code up
    assert f"Duyệt thay Người {chief_login}" in officer.get(f"/console/waves/{wave.id}/approve").body.decode()
    assert decide(officer, wave.id) == 303
    assert f"(thay Người {chief_login})" in officer.get(f"/console/waves/{wave.id}").body.decode()
    page = chief.get("/console/deputies").body.decode()
    assert f"Người {officer_login} thay Người {chief_login}" in page
    [number] = re.findall(r"/console/deputies/([0-9]+)/withdraw", page)
    stranger = browser(served, house, "officer")[1]
    assert stranger.post(f"/console/deputies/{number}/withdraw").status == 403
    assert officer.post(f"/console/deputies/{number}/withdraw").status == 303
    assert decide(officer, other.id) == 403
    auditor = browser(served, house, "auditor", "approver")[1]
    assert "ủy quyền duyệt cho" in auditor.get("/console/audit?act=deputy.").body.decode()


def test_a_wrong_field_is_told_and_what_was_typed_stays(served: Served, house: House) -> None:
    chief = browser(served, house, "approver")[1]
    officer_login = browser(served, house, "officer")[0]
    for changes, says in (({"last": "31/2/2024"}, "không phải ngày"), ({"last": "1/1/2099"}, "Tối đa"),
                          ({"first": "2020-01-01"}, "từ hôm nay"),
                          ({"person": ""}, "Chọn người"), ({"person": "nobody"}, "")):  # fmt: skip
        form = {"person": officer_login, "first": TODAY.isoformat(), "last": LAST.isoformat(), "reason": "họp giao ban",
                "code": "000000"} | changes  # fmt: skip
        said = chief.post("/console/deputies", **form)
        assert said.status == (404 if changes == {"person": "nobody"} else 422)
        assert says.lower() in said.body.decode().lower()
        assert not says or 'value="họp giao ban"' in said.body.decode()


def test_a_page_that_was_opened_within_the_dates_approves_nothing_after_them(
    served: Served, house: House, planned: Planned, site: Site
) -> None:
    """The form and its code are right, and a second too late."""
    wave = planned(n=40, seed=83)
    chief = browser(served, house, "approver")[1]
    officer_login, officer = browser(served, house, "officer")
    assert named(chief, officer_login, code="phone") == 303
    page = officer.get(f"/console/waves/{wave.id}/approve").body.decode()
    assert 'name="count"' in page
    with psycopg.connect(site.owner) as conn:
        conn.execute("UPDATE deputy SET since = now() - interval '2 d', until = now() - interval '1 s'"
                     " WHERE person = %s", (officer_login,))  # fmt: skip
    assert officer.post(f"/console/waves/{wave.id}/approve", hash=wave.plan_hash, count="40", choice="corrected",
                        reason="lỗi chữ", code=officer.code()).status == 403  # fmt: skip


def test_over_the_api_the_two_are_one_person(served: Served, house: House, planned: Planned) -> None:
    """Named, listed, used, refused to the principal with 403, withdrawn; an officer's key names nobody."""
    wave = planned(n=40, seed=84, approvals_due=2)
    pair = [Person(f"v-{secrets.token_hex(4)}", "", roles) for roles in (("approver",), ("officer",))]
    with house.begin() as conn:
        for each in pair:
            people.add_person(conn, each.login, each.login, list(each.roles))
    chief, deputy = (key_of(house, each, "read", "write", "approve") for each in pair)
    wanted = {"person": pair[1].login, "first": TODAY.isoformat(), "last": LAST.isoformat(), "reason": "họp"}
    assert served.post("/api/v1/deputies", deputy, wanted | {"person": pair[0].login}).status == 422
    said = served.post("/api/v1/deputies", chief, wanted)
    assert (said.status, said.json["state"]) == (201, "in force")
    assert said.json["id"] in {each["id"] for each in served.get("/api/v1/deputies", deputy).json}
    form = {"count": 40, "text": "corrected", "reason": "lỗi chữ", "plan_hash": wave.plan_hash}
    path = f"/api/v1/waves/{wave.id}/approve"
    assert served.post(path, deputy, form).json["approvals_due"] == 1
    assert served.post(path, chief, form).status == 403
    [given] = served.get(f"/api/v1/waves/{wave.id}", chief).json["approvals"]
    assert (given["person"], given["stands_for"]) == (pair[1].login, pair[0].login)
    ended = served.post(f"/api/v1/deputies/{said.json['id']}/withdraw", chief)
    assert (ended.status, ended.json["state"]) == (200, "withdrawn")
    assert served.post(path, deputy, form).status == 403


def test_on_the_command_line(house: House, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    chief, officer = f"w-{secrets.token_hex(4)}", f"w-{secrets.token_hex(4)}"
    with house.begin() as conn:
        people.add_person(conn, chief, "Giàng A Páo", ["approver"])
        people.add_person(conn, officer, "Lò Thị Mai", ["officer"])
    env = {"DISPATCHER_LANG": "vi", "DISPATCHER_KEY": key_of(house, Person(chief, "", ()), "approve", "write")}
    flags = ["--rehearsal", "--data", str(site.settings.data)]
    add = ["deputy", "add", officer, "--as", chief, "--until", LAST.isoformat(), "--reason", "nghỉ phép", *flags]
    assert cli.run(add, env) == 0
    assert cli.run(add, env) == 1
    assert cli.run(["deputy", "list", *flags], env) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Lò Thị Mai Giàng A Páo" in said
    with house.begin() as conn:
        row = conn.execute("SELECT id FROM deputy WHERE person = %s", (officer,)).fetchone()
    assert row
    assert cli.run(["deputy", "withdraw", str(row[0]), "--as", chief, *flags], env) == 0
    assert "không còn duyệt thay" in capsys.readouterr().out
