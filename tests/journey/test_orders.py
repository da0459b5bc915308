"""The whole path of carrier orders by the command line and by HTTP: from the draft to the acceptance, twice."""

from __future__ import annotations

import datetime as dt
import io
import re
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest

from campaigns import return_sheet
from campaigns.returns import FIGURES
from dispatcher import cli
from dispatcher.assemble import Site
from tests.ordering import (
    API,
    NUMBER,
    RIGHT,
    ROWS,
    TABLES,
    WRONG,
    WRONG_SUM,
    Desk,
    Face,
    Http,
    Line,
    Told,
    multipart,
)
from tests.serving import Served
from workers.house import House


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    file = tmp_path / "cong-van-31.pdf"
    file.write_bytes(b"%PDF-1.7\n" + b"\0" * 2000)
    return file


def snapshot(house: House) -> dict[str, list[Any]]:
    with house.begin() as conn:
        return {table: sorted(map(repr, conn.execute(f"SELECT * FROM {table}"))) for table in TABLES}


def failed(told: Told) -> list[str]:
    return [each["rule"] for each in told["checks"] if each["verdict"] == "failed"]


def the_path(face: Face, scan: Path) -> str:
    """Draft, approve, issue, acknowledge, a wrong sum, its correction, acceptance, report: each answer looked at."""
    order = face.draft()
    assert face.approve(order)["state"] in {"approved", "accepted"}
    assert face.issue(order)["number"] == NUMBER
    assert face.acknowledge(order)["state"] in {"acknowledged", "accepted"}
    wrong = face.report(order, WRONG, scan)
    assert failed(wrong) == ["rows_sum_to_totals"]
    assert WRONG_SUM in [each["vi"] for each in wrong["checks"]]
    right = face.report(order, RIGHT, scan)
    assert (wrong["version"], right["version"], failed(right)) == (1, 2, [])
    assert right["evidence"]
    assert face.accept(order)["state"] == "accepted"
    paper = docx.Document(io.BytesIO(face.papers()))
    cells = [cell.text for table in paper.tables for row in table.rows for cell in row.cells]
    assert "748.600" in cells
    assert f"Theo báo cáo của nhà mạng: {RIGHT['document']} (phiên bản 2)" in cells
    return order


@pytest.fixture(params=["cli", "api"])
def face(
    request: pytest.FixtureRequest, site: Site, served: Served, keys: tuple[str, str], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Face:  # fmt: skip
    return Line(site, *keys, capsys, tmp_path) if request.param == "cli" else Http(served, *keys)


@pytest.mark.timeout(120)
def test_the_whole_path_and_a_second_run_changes_nothing(face: Face, built: House, scan: Path) -> None:
    """Draft to acceptance by each face; run again, the same answers and not one row more."""
    order = the_path(face, scan)
    before = snapshot(built)
    assert the_path(face, scan) == order
    assert snapshot(built) == before
    assert any(order in row for row in before["carrier_order"])


# -- the other ways in -------------------------------------------------------------------------------------------------


def filled(template: bytes, given: Told, folder: Path) -> bytes:
    (folder / "mau.xlsx").write_bytes(template)
    book = openpyxl.load_workbook(folder / "mau.xlsx")
    page = book[return_sheet.SHEET]
    page[f"D{return_sheet.DOCUMENT}"], page[f"D{return_sheet.METHOD}"] = given["document"], given["method"]
    for at, row in enumerate([given["total"], *given["rows"]]):
        for name in FIGURES:
            page[f"{return_sheet.LETTER[name]}{return_sheet.TOTAL + at}"] = row.get(name)
    book.save(folder / "voll.xlsx")
    return (folder / "voll.xlsx").read_bytes()


def test_a_return_comes_as_workbook_csv_code_and_json_and_is_the_same_one(desk: Desk, tmp_path: Path) -> None:
    """Four ways, one form: the first makes version 1, the other three find it there."""
    first = desk.form(filled(desk.template(), RIGHT, tmp_path))
    assert (first.status, first.json["version"], first.json["way"]) == (201, 1, "xlsx")
    lines = desk.template("csv").decode("utf-8-sig").splitlines()
    rows = [[desk.order, "tong", "", "", RIGHT["total"]], *([desk.order, r["wave"], r["day"], "", r] for r in ROWS)]
    cells = [
        [*map(str, row[:4]), *(str(row[4].get(name, "")) for name in FIGURES), "", ""] for row in rows
    ]  # fmt: skip
    cells[0][-2:] = [str(RIGHT["document"]), str(RIGHT["method"])]
    csv = "\r\n".join([lines[0], *map(",".join, cells)]).encode()
    by_code = desk.served.call("POST", "/bao-cao/api", send=RIGHT | {"code": desk.code.lower().replace("-", " ")})
    typed = desk.served.post(f"{API}/{desk.order}/returns", desk.key, RIGHT)
    for said in (desk.form(csv, "so-lieu.csv"), by_code, typed):
        assert (said.status, said.json["version"]) == (200, 1), said.body
    assert [event["act"] for event in desk.whole["events"]].count("return") == 1


def test_a_bad_form_is_refused_with_its_cell_and_the_file_is_kept(
    desk: Desk, site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The cell is named at once, and later where the order's life is shown."""
    bad = filled(desk.template(), RIGHT | {"total": RIGHT["total"] | {"messages": "khoảng 700"}}, tmp_path)
    said = desk.served.call(
        "POST", f"{API}/{desk.order}/forms", key=desk.key, Accept_Language="vi", **multipart("file", "a.xlsx", bad)
    )
    assert said.status == 422
    assert said.json["error"]["message"] == "Báo cáo!E11: 'khoảng 700' không phải số; chỉ gõ chữ số"
    whole = desk.whole
    assert (whole["state"], whole["versions"]) == ("issued", [])
    [kept] = [file for file in whole["files"] if file["name"] == "a.xlsx"]
    assert kept["bytes"] == len(bad)
    [refusal] = [event for event in whole["events"] if event["act"] == "refuse"]
    assert "Báo cáo!E11" in refusal["details"]["problem"]
    argv = ["order", "show", desk.order, "--rehearsal", "--data", str(site.settings.data)]
    assert cli.run(argv, {"DISPATCHER_LANG": "vi"}) == 0
    assert "Báo cáo!E11: 'khoảng 700' không phải số" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("size", "whole"), [(60_000_000, True), (210_000_000, False)], ids=["60 MB", "210 MB"])
def test_a_huge_scan_is_refused_as_paper_and_kept_as_told(desk: Desk, size: int, *, whole: bool) -> None:
    """60 MB are kept whole; of 210 MB the first 200, and the ledger says that the file is cut."""
    said = desk.served.call(
        "POST",
        f"{API}/{desk.order}/papers",
        key=desk.key,
        Accept_Language="en",
        **multipart("file", "scan.pdf", b"\0" * size),
    )
    assert said.status == 422, said.body[:300]
    assert "not taken as evidence" in said.json["error"]["message"]
    [kept] = [file for file in desk.whole["files"] if file["name"] == "scan.pdf"]
    assert (kept["whole"], kept["bytes"] == size) == (whole, whole)


# -- the page of the carrier's engineer --------------------------------------------------------------------------------


def fields(given: Told, code: str) -> dict[str, str]:
    found = {"code": code, "document": str(given["document"]), "method": str(given["method"])}
    found |= {f"total_{name}": str(value) for name, value in given["total"].items()}
    for at, row in enumerate(given["rows"]):
        found |= {f"r{at}_{name}": str(value) for name, value in row.items()}
    return found


def test_the_page_takes_a_return_without_a_script_and_without_a_key(desk: Desk) -> None:
    """Code, form, verdicts; a wrong figure comes back with the form still filled."""
    call = desk.served.call
    asked = call("GET", "/bao-cao")
    assert (asked.status, "<script" in asked.body.decode()) == (200, False)
    policy = asked.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    opened = call("POST", "/bao-cao", **multipart("", "", b"", code=desk.code))
    page = opened.body.decode()
    assert opened.status == 200
    assert "Toàn dân tích cực tham gia" in page
    assert 'name="r2_messages"' in page
    wrong = call(
        "POST", "/bao-cao/nop",
        **multipart("paper", "", b"", **(fields(RIGHT, desk.code) | {"total_messages": "nhiều"})),
    )  # fmt: skip
    assert (wrong.status, desk.whole["versions"]) == (422, [])
    assert "Dòng tổng, Bản tin: &#x27;nhiều&#x27; không phải số" in wrong.body.decode()
    assert 'value="249800"' in wrong.body.decode()
    taken = call("POST", "/bao-cao/nop", **multipart("paper", "ky.pdf", b"%PDF scan", **fields(WRONG, desk.code)))
    assert taken.status == 200, taken.body.decode()
    assert WRONG_SUM in taken.body.decode()
    again = call("POST", "/bao-cao", **multipart("", "", b"", code=desk.code)).body.decode()
    assert "Đã nộp phiên bản 1" in again
    [version] = desk.whole["versions"]
    assert (version["way"], version["person"], version["origin"]) == ("link", "code:1", "127.0.0.1")
    assert version["evidence"]


def test_a_code_opens_until_it_is_revoked_or_the_return_is_accepted(desk: Desk) -> None:
    api = "/bao-cao/api"
    wrong = desk.served.call("POST", api, send=RIGHT | {"code": "AAAAA-AAAAA-AAAAA-AAAAA"})
    assert wrong.status == 401
    fresh = desk.served.post(f"{API}/{desk.order}/link", desk.key, {"renew": True}).json["code"]
    assert fresh != desk.code
    assert desk.served.call("POST", api, send=RIGHT | {"code": desk.code}).status == 401
    assert desk.served.call("POST", api, send=RIGHT | {"code": fresh}).status == 201
    desk.served.post(f"{API}/{desk.order}/accept", desk.key, {"note": "bản giấy đến sau"})
    late = desk.served.call("POST", api, send=WRONG | {"code": fresh}, Accept_Language="en")
    assert late.status == 409
    assert "accepted" in late.json["error"]["message"]
    page = desk.served.call("POST", "/bao-cao", **multipart("", "", b"", code=fresh)).body.decode()
    assert "đã được nghiệm thu (phiên bản 1): không sửa được nữa" in page
    assert "<form" not in page
    with desk.house.begin() as conn:
        stored = repr(conn.execute("SELECT * FROM order_code").fetchall())
        logged = repr(conn.execute("SELECT details FROM order_event UNION ALL SELECT details FROM audit").fetchall())
    plain = re.sub("-", "", fresh)
    assert plain not in stored + logged
    assert fresh not in stored + logged


def test_guessing_codes_is_braked(desk: Desk) -> None:
    statuses = {desk.served.call("POST", "/bao-cao/api", send=RIGHT | {"code": f"X{n}"}).status for n in range(25)}
    assert statuses == {401, 429}
    assert desk.served.call("POST", "/bao-cao/api", send=RIGHT | {"code": desk.code}).status == 201


def test_the_list_names_the_silent_and_the_overdue(
    site: Site, keys: tuple[str, str], desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = Line(site, *keys, capsys, tmp_path)
    listed = {each["order"]: each for each in line.run("order", "list", "--today", "2024-08-06")["orders"]}
    mine = listed[desk.order]
    assert (mine["state"], mine["days_left"], mine["overdue"], mine["silent"]) == ("issued", -1, True, True)
    assert dt.date.fromisoformat(mine["deadline"]) == dt.date(2024, 8, 5)
