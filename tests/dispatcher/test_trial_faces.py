"""Trial mode at each door: command line of a real installation, API and pages of a rehearsal's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from campaigns.ledger import audit, trials
from campaigns.ledger.audit import Wanted
from config.servers import Servers
from dispatcher import cli
from dispatcher.assemble import Site
from tests.campaigns.test_ledger_suppression import people_of
from tests.campaigns.test_ledger_trial import OPERATOR
from tests.cluster import APPROVER, AUTHOR, Planned, start
from tests.console import signed_in
from tests.serving import key_of, serving
from workers.house import House

ACCOUNT = "sim-smpp"
API = "/api/v1/accounts"


def test_a_new_installation_begins_in_trial_and_goes_live_by_two_persons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not a rehearsal: every account is in trial, without an act of anybody; a rehearsal's are live, and it says so."""
    keys: dict[str, str] = {}

    def run(*argv: str, by: str = "", code: int = 0, folder: str = "var") -> tuple[dict[str, Any], str]:
        env = {"DISPATCHER_LANG": "en", **({"DISPATCHER_KEY": keys[by]} if by else {})}
        who = ["--as", by] if by else []
        assert cli.run([*argv, *who, "--data", str(tmp_path / folder), "--json"], env) == code, capsys.readouterr()
        out, err = capsys.readouterr()
        return (json.loads(out.splitlines()[-1]) if code == 0 else {}), err

    with Servers(tmp_path / "var") as servers:
        servers.start()
        keys["quan"] = run("person", "add", "quan", "--name", "Quản trị")[0]["key"]
        more = ("--name", "Duyệt", "--role", "approver", "--scope", "read", "--scope", "approve")
        keys["duyet"] = run("person", "add", "duyet", *more, by="quan")[0]["key"]
        found = run("account", "trial", "list")[0]["trials"]
        assert ACCOUNT in {each["account"] for each in found}
        assert {(each["by"], each["reason"], each["allowed"]) for each in found} == {("dispatcher", "new", 0)}
        listed, said = run("account", "list")
        assert {each["trial"] for each in listed["accounts"]} == {True}
        assert "in trial" in said
        (tmp_path / "phones.csv").write_text("so\n0912345678\n0987654321\n", encoding="utf-8")
        assert run("account", "trial", "add", ACCOUNT, str(tmp_path / "phones.csv"), by="quan")[0]["changed"] == 2
        assert "0912" not in run("account", "trial", "list")[1]
        assert run("account", "trial", "remove", ACCOUNT, str(tmp_path / "phones.csv"), by="quan")[0]["changed"] == 2
        assert "--reason" in run("account", "go-live", ACCOUNT, by="quan", code=1)[1]
        why = ("--reason", "máy thử đã nhận")
        assert run("account", "go-live", ACCOUNT, *why, by="quan")[0]["live"] is False
        assert run("account", "go-live", ACCOUNT, *why, by="quan")[0]["live"] is False
        assert run("account", "go-live", ACCOUNT, *why, by="duyet")[0]["live"] is True
        assert "is live" in run("account", "go-live", ACCOUNT, *why, by="duyet", code=1)[1]
        assert run("account", "trial", "on", ACCOUNT, *why, by="quan")[0]["news"] is True
        assert run("account", "trial", "on", ACCOUNT, *why, by="quan")[0]["news"] is False
    with Servers(tmp_path / "play") as servers:
        servers.start()
        told, said = run("account", "trial", "list", "--rehearsal", folder="play")
        assert told["trials"] == []
        assert "reach no phone" in said


def test_the_api_tells_and_changes_trials(site: Site, planned: Planned) -> None:
    """Whoever may not is refused; numbers go in and never come out; a wave's status and forecast name what waits."""
    house = planned.house
    wave = start(house, planned(n=40, account=ACCOUNT, carriers=("viettel",)))
    officer, approver = key_of(house, AUTHOR, "read", "write"), key_of(house, APPROVER, "read", "write", "approve")
    with house.begin() as conn:
        trials.allow(conn, ACCOUNT, people_of(house, wave)[:3], OPERATOR)
    with serving(site) as served:
        assert served.get(f"{API}/trial", officer).json == []
        assert served.post(f"{API}/{ACCOUNT}/trial", officer, {"reason": "x"}).status == 422
        assert served.post(f"{API}/none/trial", approver, {"reason": "x"}).status == 404
        assert served.post(f"{API}/{ACCOUNT}/trial", approver, {"reason": "đổi tên gửi"}).json["trial"] is True
        numbers = {"numbers": ["0912345678", "khong", "+84 912 345 678"]}
        assert served.post(f"{API}/{ACCOUNT}/allow", officer, numbers).status == 422
        changed = served.post(f"{API}/{ACCOUNT}/allow", approver, numbers).json
        assert (changed["changed"], changed["given"], changed["unreadable"]) == (1, 1, [2])
        (told,) = served.get(f"{API}/trial", officer).json
        assert (told["account"], told["allowed"], told["by"], told["asked_by"]) == (ACCOUNT, 4, APPROVER.login, None)
        waits = {"account": ACCOUNT, "carrier": "viettel", "waiting": wave.n, "allowed": 3, "next": None}
        assert served.get(f"/api/v1/waves/{wave.id}/status", officer).json["trial"] == [waits]
        assert served.get(f"/api/v1/waves/{wave.id}/forecast", officer).json["trial"] == [waits]
        assert f'dispatcher_account_trial{{account="{ACCOUNT}"}} 1' in served.get("/metrics", officer).body.decode()
        assert served.post(f"{API}/{ACCOUNT}/disallow", approver, numbers).json["changed"] == 1
        assert served.post(f"{API}/{ACCOUNT}/live", approver, {"reason": "xong"}).json["trial"] is True
        assert served.post(f"{API}/{ACCOUNT}/live", approver, {"reason": "xong"}).json["trial"] is True
        assert [each["asked_by"] for each in served.get(f"{API}/trial", officer).json] == [APPROVER.login]


def test_the_pages_show_a_trial_and_let_two_persons_end_it(site: Site, planned: Planned, house: House) -> None:
    """The approval page warns before the decision; a word needs a reason and a code; the second person agrees."""
    wave = planned(n=40, account=ACCOUNT, carriers=("viettel",))
    place = f"/console/accounts/{ACCOUNT}"
    with serving(site) as served:
        operator = signed_in(served, house, "van-hanh", "operator", authenticator=True)
        approver = signed_in(served, house, "lanh-dao", "approver", authenticator=True)
        assert "không tới máy nào" in operator.get("/console/accounts").body.decode()
        assert "Đưa về tập dượt" in operator.get(place).body.decode()
        assert operator.post(f"{place}/trial", reason=" ").status == 409
        assert operator.post(f"{place}/trial", reason="<b>thử</b>").status == 303
        page = operator.get(place).body.decode()
        assert "&lt;b&gt;thử&lt;/b&gt;" in page
        assert "<b>thử</b>" not in page
        told = approver.get(f"/console/waves/{wave.id}/approve").body.decode()
        assert f"chỉ 0 người trong danh sách cho phép sẽ nhận, {wave.n} người khác chờ" in told
        for bench in ("/console/carriers", f"/console/carriers/{ACCOUNT}"):
            assert "tập dượt: chỉ danh sách cho phép" in operator.get(bench).body.decode()
        assert operator.post(f"{place}/live", reason="xong", code="000000").status == 422
        assert operator.post(f"{place}/live", reason="", code=operator.code()).status == 409
        assert operator.post(f"{place}/live", reason="máy thử nhận đủ", code=operator.code()).status == 303
        assert "Đồng ý cho gửi thật" in approver.get(place).body.decode()
        assert approver.post(f"{place}/live", reason="đồng ý", code=approver.code()).status == 303
        for live in (place, "/console/accounts"):
            page = approver.get(live).body.decode()
            assert "<span>gửi thật" not in page, "nothing real can leave a rehearsal"
            assert re.search(r'<span class="chip off">.*?<span>Diễn tập', page, re.DOTALL)
        assert "tập dượt: chỉ" not in approver.get(f"/console/waves/{wave.id}/approve").body.decode()


def test_the_page_fills_and_empties_the_allow_list(site: Site, planned: Planned) -> None:
    """As the command line does, but whole or not at all; numbers are masked, and told once."""
    house, place = planned.house, f"/console/accounts/{ACCOUNT}"
    typed = "0912345678\n\n+84 912 345 678\n0987.654.321\n"
    with serving(site) as served:
        operator = signed_in(served, house, "van-hanh", "operator", authenticator=True)
        officer = signed_in(served, house, "can-bo", "officer")
        assert operator.post(f"{place}/trial", reason="thử").status == 303

        def put(numbers: str, code: str = "000000") -> tuple[int, str]:
            said = operator.post(f"{place}/allow", numbers=numbers, code=code)
            return said.status, said.body.decode()

        status, page = put("0912345678\nkhông phải số\n0987654321\nabc")
        assert (status, "không có số di động ở dòng 2, 4" in page) == (422, True)
        assert "0 trên 100 số" in page
        assert "0987654321" in page  # what was typed stays in its box
        for empty in ("", " \n ", "abc"):
            assert put(empty)[0] == 422
        assert put(typed)[0] == 422
        assert "0 trên 100 số" in operator.get(place).body.decode()
        status, page = put(typed, operator.code())
        assert (status, "2 trên 100 số" in page) == (200, True)
        assert "84912•••678, 84987•••321" in page
        assert "912345678" not in page
        page = operator.get(place).body.decode()
        assert "•••" not in page
        assert "2 trên 100 số" in page
        assert f'action="{place}/allow"' not in officer.get(place).body.decode()
        many = "\n".join(f"09123{n:05}" for n in range(99))
        spare = operator.code()  # what is refused leaves it unused
        status, page = put(many, spare)
        assert (status, "sẽ quá 100 số" in page, "2 trên 100 số" in page) == (422, True, True)
        assert operator.post(f"{place}/disallow", numbers="0912345678\nabc").status == 422
        said = operator.post(f"{place}/disallow", numbers="0912345678\n0912345679")
        assert (said.status, "1 trên 100 số" in said.body.decode()) == (200, True)
        with house.begin() as conn:
            told = [each for each in audit.entries(conn, Wanted(subject=ACCOUNT, person="van-hanh"), most=20)
                    if each.act in {"account.allow", "account.disallow"}]  # fmt: skip
        assert [(each.act, each.details["changed"]) for each in told[:2]] == [
            ("account.disallow", 1), ("account.allow", 2),
        ]  # fmt: skip
        assert operator.post("/console/accounts/none/allow", numbers=typed, code=spare).status == 404
