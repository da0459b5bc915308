"""The letter's own file beside its draft: taken in by its content, kept for good, given back byte for byte."""

from __future__ import annotations

import hashlib
import secrets
from pathlib import Path

import psycopg
import pytest
import typst

from campaigns.ledger import draft_files, drafts
from campaigns.ledger.draft_files import DraftFile
from campaigns.letter import Kind
from dispatcher import assemble
from tests.cluster import CAMPAIGN, letter
from tests.console import Browser, signed_in
from tests.dispatcher.test_console_drafts import at, begun, listed, submitted
from tests.pictures import scan
from tests.serving import Served
from workers.house import House

WORDS = (assemble.definitions() / CAMPAIGN / "letter.md").read_bytes()
PICTURED = bytes(typst.compile(b"#rect()", ignore_system_fonts=True))  # a PDF without text
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(50) + b"\xff\xda" + bytes(150) + b"\xff\xd9"
HTML = b"<!doctype html><script>alert(1)</script>"
NAME = "công văn 20 BCĐ.png"


@pytest.fixture
def officer(served: Served, house: House) -> Browser:
    letter(house)
    browser = signed_in(served, house, f"l-{secrets.token_hex(4)}", "officer")
    browser.get("/console/drafts")
    return browser


def files(house: House, path: str) -> list[DraftFile]:
    with house.begin() as conn:
        return draft_files.of_draft(conn, int(path.rpartition("/")[2]))


def given(officer: Browser, house: House, path: str, name: str, content: bytes) -> None:
    said = officer.upload(f"{path}/letter", name, content, base=str(at(house, path).newest.version))
    assert said.status == 303


def test_a_scan_is_shown_beside_the_fields_and_lies_sealed(officer: Browser, house: House) -> None:
    path = begun(officer)
    given(officer, house, path, NAME, scan())
    [file] = files(house, path)
    assert (file.sha256, file.bytes, file.kind) == (hashlib.sha256(scan()).hexdigest(), len(scan()), Kind.PNG)
    page = officer.get(f"{path}/steps/letter").body.decode()
    for part in (f'<img src="{path}/files/{file.id}"', file.sha256, NAME, "Không đọc chữ từ ảnh"):
        assert part in page
    assert at(house, path).newest.version == 1, "nothing was read: no field has changed"
    assert officer.get(f"{path}/files/{file.id}").body == scan()
    [sealed] = house.folder("letters").glob(f"{file.sha256}*")
    assert scan()[:64] not in sealed.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "media", "how", "saved"),
    [
        (NAME, scan(), "image/png", "inline", "c%C3%B4ng%20v%C4%83n%2020%20BC%C4%90.png"),
        ("a.html", scan(), "image/png", "inline", "a.html.png"),
        ("quet.JPG", JPEG, "image/jpeg", "inline", "quet.JPG"),
        ("cv.txt", WORDS, "text/plain; charset=utf-8", "attachment", "cv.txt"),
        ("cv.png", WORDS, "text/plain; charset=utf-8", "attachment", "cv.png.txt"),
        ("cv.pdf", PICTURED, "application/pdf", "inline", "cv.pdf"),
    ],
    ids=["png", "png-called-html", "jpeg", "text", "text-called-png", "pdf"],
)
def test_what_it_is_comes_from_its_content_and_it_may_do_nothing(
    officer: Browser, house: House, name: str, content: bytes, media: str, how: str, saved: str
) -> None:
    """The kind by its first bytes; a policy of its own; a name that every browser can save."""
    path = begun(officer)
    given(officer, house, path, name, content)
    said = officer.get(f"{path}/files/{files(house, path)[0].id}")
    assert said.body == content
    assert said.headers["content-type"] == media
    assert said.headers["x-content-type-options"] == "nosniff"
    assert said.headers["cache-control"] == "no-store"
    policy = said.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; sandbox")
    assert "allow-" not in policy
    assert "unsafe" not in policy
    shown = said.headers["content-disposition"]
    assert shown.startswith(f"{how}; ")
    assert shown.endswith(f"; filename*=UTF-8''{saved}")
    assert shown.isascii()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("scan.png", HTML),
        ("scan.png", b"\xef\xbb\xbf\r\n " + HTML),
        ("scan.png", b"\x89PNG\r\n\x1a\n" + bytes(64)),
        ("scan.jpg", b"\xff\xd8\xff" + bytes(64)),
        ("scan.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("scan.jpg", b"GIF89a" + bytes(64)),
        ("cv.pdf", b"MZ\x90\x00" + bytes(64)),
        ("cv.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    ],
    ids=["html", "html-after-a-mark", "half-a-png", "half-a-jpeg", "svg", "gif", "program", "old-word"],
)
def test_anything_else_is_refused_and_told_what_may_come(
    officer: Browser, house: House, name: str, content: bytes
) -> None:
    path = begun(officer)
    said = officer.upload(f"{path}/letter", name, content, base="1")
    assert said.status == 422
    assert f"{name} không phải tệp công văn: chọn Word (.docx), PDF" in said.body.decode()
    assert files(house, path) == []


def test_a_pdf_without_text_is_a_scan_and_its_page_says_so(officer: Browser, house: House) -> None:
    path = begun(officer)
    given(officer, house, path, "cv.pdf", PICTURED)
    assert files(house, path)[0].lines == 0
    assert "Không đọc được chữ nào từ tệp này" in officer.get(f"{path}/steps/letter").body.decode()


def test_a_newer_file_is_a_newer_row_and_the_older_stay(officer: Browser, house: House) -> None:
    """The words that were read from the older one are told as such."""
    path = begun(officer)
    given(officer, house, path, "cv.txt", WORDS)
    assert at(house, path).fields["letter"]
    given(officer, house, path, NAME, scan())
    newest, older = files(house, path)
    assert (newest.kind, older.kind, older.lines > 10) == (Kind.PNG, Kind.TEXT, True)
    page = officer.get(f"{path}/steps/letter").body.decode()
    assert page.index(newest.sha256) < page.index(older.sha256)
    assert "không phải của tệp này" in page
    assert officer.get(f"{path}/files/{older.id}").body == WORDS


def test_a_file_belongs_to_its_draft_and_stays_when_that_is_deleted(officer: Browser, house: House) -> None:
    path, other = begun(officer), begun(officer)
    given(officer, house, path, NAME, scan())
    [file] = files(house, path)
    assert officer.get(f"{other}/files/{file.id}").status == 404
    assert officer.get(f"{path}/files/{file.id + 1}").status == 404
    assert officer.post(f"{path}/delete", base="1").status == 303
    assert officer.upload(f"{path}/letter", NAME, scan(), base="1").status == 422
    assert files(house, path) == [file]
    assert officer.get(f"{path}/files/{file.id}").body == scan()


@pytest.mark.parametrize(
    ("role", "status"), [("approver", 200), ("auditor", 200), ("operator", 200), ("engineer", 403)]
)
def test_who_may_read_drafts_may_read_the_file(
    officer: Browser, served: Served, house: House, role: str, status: int
) -> None:
    path = begun(officer)
    given(officer, house, path, NAME, scan())
    reader = signed_in(served, house, f"r-{secrets.token_hex(4)}", role)
    place = f"{path}/files/{files(house, path)[0].id}"
    assert reader.get(place).status == status
    assert Browser(served).get(place).status == 303


def test_the_database_changes_no_row_and_takes_none_for_a_closed_draft(officer: Browser, house: House) -> None:
    path = begun(officer)
    given(officer, house, path, NAME, scan())
    for statement in ("UPDATE draft_file SET name = name", "DELETE FROM draft_file"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), house.begin() as conn:
            conn.execute(statement)
    officer.post(f"{path}/delete", base="1")
    again = """INSERT INTO draft_file (draft, sha256, name, media, bytes, lines, person)
               SELECT draft, sha256, name, media, bytes, lines, person FROM draft_file WHERE draft = %s"""
    with pytest.raises(psycopg.errors.CheckViolation, match="takes no file"), house.begin() as conn:
        conn.execute(again, (int(path.rpartition("/")[2]),))


def test_the_campaign_keeps_the_letter_with_which_it_was_submitted(
    officer: Browser, served: Served, house: House, tmp_path: Path
) -> None:
    """On its page and in the log, so that an auditor can hold the text against it."""
    path = begun(officer, CAMPAIGN)
    given(officer, house, path, NAME, scan())
    listed(officer, house, path, tmp_path, seed=886)
    assert submitted(officer, house, path, wave_1="yes").status == 303
    [file] = files(house, path)
    with house.begin() as conn:
        made = drafts.submission(conn, file.draft)
    assert (made["file"], made["sha256"]) == (NAME, file.sha256)
    auditor = signed_in(served, house, f"k-{secrets.token_hex(4)}", "auditor")
    page = auditor.get(f"/console/campaigns/{CAMPAIGN}").body.decode()
    assert f'href="{path}/files/{file.id}"' in page
    assert file.sha256 in page
    log = auditor.get(f"/console/audit?subject={file.draft}").body.decode()
    assert "giữ tệp công văn cùng một bản nháp" in log
    assert log.count(file.sha256[:12]) >= 2
