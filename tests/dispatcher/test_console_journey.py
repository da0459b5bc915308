"""From a file to a report on pages, form by form, as a browser without JavaScript sends them."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest

from campaigns.samples import write_sample
from dispatcher import acts
from tests.cluster import CAMPAIGN, Planned, letter, start
from tests.console import Browser, signed_in
from tests.serving import Said, Served
from workers.house import House

LISTS = f"/console/campaigns/{CAMPAIGN}/lists"
PLAN = f"/console/campaigns/{CAMPAIGN}/plan"
BAD = "0912 34,Tam Đường\n02133 876 543,Tam Đường\n+1 202 555 0143,Sìn Hồ\n"


@pytest.fixture
def officer(served: Served, house: House) -> Browser:
    """In a house that has the letter's campaign."""
    letter(house)
    return signed_in(served, house, f"j-{secrets.token_hex(4)}", "officer")


def sample(folder: Path, *, seed: int, n: int = 40) -> bytes:
    """A list of invented people with rows that no carrier would take, at its end."""
    path = folder / f"list-{seed}.csv"
    write_sample(path, seed=seed, table=acts.number_table(), recipients=n)
    return path.read_bytes()


def page(said: Said) -> str:
    assert said.status == 200, said.body
    return said.body.decode()


def upload(officer: Browser, content: bytes, name: str = "list.csv", **fields: str) -> Said:
    return officer.upload(LISTS, name, content, **fields)


def test_a_list_comes_in_and_every_row_is_accounted_for(officer: Browser, tmp_path: Path) -> None:
    content = sample(tmp_path, seed=71)
    said = upload(officer, content, name="danh-sach.csv")
    assert said.status == 303
    path = said.headers["location"]
    shown = page(officer.get(path))
    rows = content.decode("utf-8-sig").count("\n") - 1
    [*parts, whole] = [int(n.replace(".", "")) for n in re.findall(r'<td class="n">([\d.]+)</td>', shown)][:8]
    assert sum(parts) == whole == rows
    assert parts[0] == 40
    csv = officer.get(f"{path}/verdicts.csv").body.decode().splitlines()
    assert csv[0] == "file,line,verdict,reason"
    assert len(csv) == rows + 1
    assert upload(officer, content).headers["location"] == path, "the same file again is the list that is there"


def test_a_row_to_mend_is_named_by_its_line_and_reason_in_words(officer: Browser) -> None:
    said = upload(officer, ("so,dia ban\n0912345678,Tam Đường\n" + BAD).encode(), name="sai.csv")
    shown = page(officer.get(said.headers["location"]))
    for words in ("thiếu chữ số", "số cố định", "số của nước khác"):
        assert words in shown
    cells = re.findall(r'<td class="n"[^>]*>(\d)</td><td class="cell"[^>]*>([^<]+)</td>', shown)
    assert cells == [("3", "0912 34"), ("4", "0213• ••• 543"), ("5", "+1 202 ••• •143")]


@pytest.mark.parametrize(
    ("name", "content"),
    [("trong.csv", b""), ("anh.csv", b"\x89PNG\r\n\x1a\n" + bytes(64)), ("a.csv", b"so\n")],
    ids=["empty", "picture", "heading only"],
)
def test_a_file_that_is_no_list_is_refused_by_name(officer: Browser, name: str, content: bytes) -> None:
    said = upload(officer, content, name=name)
    assert said.status == 422
    assert name in said.body.decode()
    assert 'role="alert"' in said.body.decode()


def test_a_file_needs_the_form_of_its_session_and_a_role(served: Served, house: House, officer: Browser) -> None:
    auditor = signed_in(served, house, f"j-{secrets.token_hex(4)}", "auditor")
    assert upload(auditor, b"so\n0912345678\n").status == 403
    assert upload(officer, b"so\n0912345678\n", mark="0" * 64).status == 403
    assert upload(Browser(served), b"so\n0912345678\n").headers["location"] == "/console/sign-in"
    assert officer.upload(LISTS, "a.csv", b"so\n", origin="http://evil.example").status == 403


def test_a_list_becomes_a_wave_that_waits_for_another_person(
    served: Served, house: House, officer: Browser, tmp_path: Path
) -> None:
    said = upload(officer, sample(tmp_path, seed=72))
    chosen = said.headers["location"].rpartition("/")[2]
    foreseen = page(officer.get(f"{PLAN}?wave=1&list={chosen}"))
    assert "Trình lãnh đạo duyệt: 40 người" in foreseen
    said = officer.post(PLAN, wave="1", list=chosen)
    assert said.status == 303
    wave = int(said.headers["location"].split("/")[3])
    assert "Cần người khác duyệt" in page(officer.get(said.headers["location"]))
    approver = signed_in(served, house, f"j-{secrets.token_hex(4)}", "approver", authenticator=True)
    shown = page(approver.get(f"/console/waves/{wave}/approve"))
    [code] = set(re.findall(r'name="hash" value="([0-9a-f]{64})"', shown))
    form = {"hash": code, "count": "40", "choice": "corrected", "reason": "Lỗi chữ", "code": approver.code()}
    assert approver.post(f"/console/waves/{wave}/approve", **form).status == 303
    assert approver.post(f"/console/waves/{wave}/start").status == 303
    for act in ("pause", "resume"):
        assert officer.post(f"/console/waves/{wave}/{act}").status == 303
    report = officer.get(f"/console/waves/{wave}/report.docx")
    assert report.body.startswith(b"PK")
    assert "attachment" in report.headers["content-disposition"]


@pytest.mark.parametrize("query", ["?wave=99&list=1", "?wave=1&list=x", "?wave=1&list=5", "?wave=a&list=1"])
def test_a_plan_of_nothing_is_told_in_words(officer: Browser, query: str) -> None:
    said = officer.get(PLAN + query)
    assert said.status == 422
    assert 'role="alert"' in said.body.decode()


def test_a_pause_tells_how_soon_it_was_in_force_and_what_was_left(
    served: Served, house: House, planned: Planned
) -> None:
    """To everybody who looks, later too: it stands in the record."""
    wave = start(house, planned(n=40, seed=38))
    officer = signed_in(served, house, f"h-{secrets.token_hex(4)}", "officer")
    auditor = signed_in(served, house, f"h-{secrets.token_hex(4)}", "auditor")
    path = f"/console/waves/{wave.id}"
    assert officer.post(f"{path}/pause", reason="Xem lại").status == 303
    page = auditor.get(path).body.decode()
    assert re.search(r"Dừng sau \d+,\d giây", page)
    assert "0 bản tin còn trên đường, 40 bản tin chưa gửi" in page
    assert officer.post(f"{path}/resume").status == 303
    assert "Dừng sau" not in officer.get(path).body.decode()
    assert officer.post(f"{path}/cancel", count="39").status == 422
    assert officer.post(f"{path}/cancel", count="40").status == 303
    assert "40 bản tin chưa gửi" in auditor.get(path).body.decode()
