"""The API over a real socket, as a program of the province would use it: from the list to the report."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from campaigns.ledger.names import new_id
from campaigns.samples import write_sample
from campaigns.terms import State, Verdict
from dispatcher import acts
from dispatcher.api import errors
from dispatcher.api.upload import file_name
from dispatcher.assemble import Site
from dispatcher.words import catalogue
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, SECOND
from tests.serving import Said, Served, key_of, serving
from workers.house import House

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class Story:
    """A server, the keys of three persons, and a campaign that is loaded."""

    served: Served
    author: str
    approver: str
    second: str
    folder: Path

    def list_of(self, n: int, seed: int) -> bytes:
        file = self.folder / f"{seed}.csv"
        write_sample(file, seed=seed, table=acts.number_table(), recipients=n)
        return file.read_bytes()

    def upload(self, content: bytes, name: str = "danh sách.csv", **fields: str) -> Said:
        return self.served.upload(f"{API}/audiences", self.author, name, content, **({"campaign": CAMPAIGN} | fields))

    def planned(self, seed: int, n: int = 30) -> dict[str, Any]:
        audience = self.upload(self.list_of(n, seed)).json["id"]
        said = self.served.post(f"{API}/waves", self.author, {"campaign": CAMPAIGN, "no": 1, "audience": audience})
        assert said.status in (200, 201), said.body
        wave: dict[str, Any] = said.json
        return wave

    def approve(self, wave: dict[str, Any], key: str = "", **changes: Any) -> Said:
        word = {"count": wave["n"], "text": "corrected", "reason": "mục 3", "plan_hash": wave["plan_hash"]} | changes
        return self.served.post(f"{API}/waves/{wave['id']}/approve", key or self.approver, word)


@pytest.fixture(scope="module")
def story(site: Site, built: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    author = key_of(built, AUTHOR, "read", "write", "export")
    approver = key_of(built, APPROVER, "read", "approve")
    second = key_of(built, SECOND, "read", "write", "approve")
    with serving(site) as served:
        assert served.post(f"{API}/campaigns/{CAMPAIGN}/load", author).status in (200, 201)
        yield Story(served, author, approver, second, tmp_path_factory.mktemp("lists"))


def test_a_campaign_is_loaded_once_and_shown_whole(story: Story) -> None:
    assert story.served.post(f"{API}/campaigns/{CAMPAIGN}/load", story.author).status in (200, 201)  # others load too
    again = story.served.post(f"{API}/campaigns/{CAMPAIGN}/load", story.author)
    whole = story.served.get(f"{API}/campaigns/{CAMPAIGN}", story.approver).json
    assert (again.status, again.json["version"]) == (200, whole["version"])
    assert whole["definition"]["mandate"]["number"].startswith("20/")
    assert set(whole["texts"]) == {"verbatim", "corrected"}
    assert {"name": CAMPAIGN, "version": whole["version"], "digest": whole["digest"], "author": "an"} in (
        story.served.get(f"{API}/campaigns", story.approver).json
    )


def test_a_list_gives_one_verdict_a_row_and_its_file_is_gone(story: Story) -> None:
    content = story.list_of(60, 11)
    said = story.upload(content)
    assert said.status == 201
    audience = said.json
    assert audience["rows"] == sum(audience["verdicts"].values()) == content.count(b"\n") - 1
    assert set(audience["verdicts"]) == {verdict.value for verdict in Verdict}
    assert list(story.served.front.house.folder("incoming").iterdir()) == []
    assert story.served.get(f"{API}/audiences/{audience['id']}", story.approver).json == audience


def test_the_verdicts_name_every_row_once_and_no_number(story: Story) -> None:
    content = story.list_of(50, 12)
    audience = story.upload(content).json
    said = story.served.get(f"{API}/audiences/{audience['id']}/verdicts", story.approver)
    rows = list(csv.DictReader(io.StringIO(said.body.decode())))
    assert [row["line"] for row in rows] == [str(line) for line in range(2, audience["rows"] + 2)]
    for verdict, n in audience["verdicts"].items():
        assert len([row for row in rows if row["verdict"] == verdict]) == n
    assert not any(len(cell) > 8 and cell.isdigit() for row in rows for cell in row.values())


def test_the_same_list_again_is_the_audience_that_is_there(story: Story) -> None:
    content = story.list_of(20, 13)
    first, again = story.upload(content), story.upload(content, name="other.csv")
    assert (first.status, again.status) == (201, 200)
    assert first.json == again.json


def test_the_same_plan_again_is_the_wave_that_is_there(story: Story) -> None:
    wave = story.planned(14)
    wanted = {"campaign": CAMPAIGN, "no": 1, "audience": wave["audience"]}
    again = story.served.post(f"{API}/waves", story.second, wanted)
    assert again.status == 200
    assert (again.json["id"], again.json["author"]) == (wave["id"], "an")


def test_tags_of_a_list_choose_the_rows_of_a_wave(story: Story) -> None:
    """Carrier, area and language: what is counted is what is planned; an area nobody knows is refused."""
    audience = story.upload(story.list_of(40, 19)).json["id"]
    found = story.served.get(f"{API}/audiences/{audience}/tags", story.author).json
    assert sum(tag["n"] for tag in found["rows"]) == 40 == sum(found["by_area"].values())
    assert found["by_language"] == {"vi": 40}
    carrier, n = next(iter(found["by_carrier"].items()))
    wanted = {"campaign": CAMPAIGN, "no": 1, "audience": audience, "carriers": [carrier], "language": "vi"}
    assert story.served.post(f"{API}/waves", story.author, wanted).json["n"] == n
    for other in ({"areas": ["Huyện Không Có"]}, {"language": "hmn"}, {"carriers": ["nobody"]}):
        assert story.served.post(f"{API}/waves", story.author, wanted | other).status == 422


def test_a_wave_goes_from_plan_to_stop_and_every_count_adds_up(story: Story) -> None:
    wave, get, post = story.planned(15), story.served.get, story.served.post
    path = f"{API}/waves/{wave['id']}"
    assert post(f"{path}/start", story.author).status == 409
    assert story.approve(wave).json == {"plan_hash": wave["plan_hash"], "approvals_due": 0}
    foreseen = get(f"{path}/forecast", story.approver).json
    assert set(foreseen["texts"]) == {"verbatim", "corrected"}
    assert (foreseen["texts"]["corrected"]["recipients"], foreseen["compared"]) == (wave["n"], None)
    running = post(f"{path}/start", story.approver).json
    assert (running["state"], running["choice"]) == ("running", "corrected")
    moves = [post(f"{path}/{act}", story.approver, {"reason": "thử"}).json["state"] for act in ("pause", "resume")]
    assert moves == ["paused", "running"]
    assert post(f"{path}/cancel", story.author).json["state"] == "cancelled"
    assert post(f"{path}/resume", story.author).status == 409
    beside = get(f"{path}/forecast", story.approver).json["compared"]
    assert (beside["forecast"]["messages"], beside["actual"]["messages"], beside["over"]) == (wave["n"], 0, True)
    status = get(f"{path}/status", story.approver).json
    assert set(status["states"]) == {state.name.lower() for state in State}
    assert sum(status["states"].values()) == sum(each["total"] for each in status["carriers"]) == wave["n"]
    assert all(sum(each["states"].values()) == each["total"] for each in status["carriers"])
    whole = get(path, story.approver).json
    [doubt] = whole["doubts"]
    assert (doubt["found"], doubt["suggested"], doubt["ordered"][0]["line"]) == ("Tổng đại", "Tổng đài", 51)
    assert [(one["person"], one["choice"]) for one in whole["approvals"]] == [("binh", "corrected")]
    assert whole["id"] in [one["id"] for one in get(f"{API}/waves", story.approver).json]


def test_a_budget_is_part_of_the_plan_and_two_persons_change_it(story: Story) -> None:
    post = story.served.post
    audience = story.upload(story.list_of(20, 16)).json["id"]
    wanted = {"campaign": CAMPAIGN, "no": 1, "audience": audience}
    assert post(f"{API}/waves", story.author, wanted | {"budget": {"wave": {"calls": 3}}}).status == 422
    wave = post(f"{API}/waves", story.author, wanted | {"budget": {"wave": {"messages": 10}}}).json
    assert wave["plan"]["budget"]["wave"] == {"messages": 10}
    path = f"{API}/waves/{wave['id']}"
    more = {"budget": {"wave": {"messages": 12}}}
    assert post(f"{path}/budget", story.author, more).status == 422
    assert post(f"{path}/budget", story.author, more | {"reason": "thêm"}).json["agreed"] is False
    told = post(f"{path}/budget", story.approver, more).json
    assert (told["agreed"], told["budget"][0]["ceiling"]) == (True, 12)
    assert story.served.get(f"{path}/status", story.author).json["budget"] == told["budget"]


def test_a_wave_is_followed_only_once_it_is_over(story: Story) -> None:
    wave, post = story.planned(18), story.served.post
    path = f"{API}/waves/{wave['id']}"
    assert story.served.get(f"{path}/correct", story.author).status == 422
    story.approve(wave)
    assert post(f"{path}/start", story.approver).status == 200
    offer = story.served.get(f"{path}/correct", story.author).json
    assert (offer["n"], offer["states"], offer["text"][:10]) == (0, {}, "Đính chính")
    assert post(f"{path}/correct", story.author, {"text": "Đính chính: gọi 111"}).status == 422
    assert post(f"{path}/resend", story.author, {"to": "all"}).status == 422
    assert post(f"{path}/cancel", story.author).json["state"] == "cancelled"
    said = post(f"{path}/correct", story.author, {"text": "Đính chính: gọi 111"})
    assert said.status == 422, "nobody got the first text, so nobody gets another one"
    assert story.served.get(path, story.author).json["relations"] == []


def test_a_canary_waits_for_a_word(story: Story) -> None:
    post, get = story.served.post, story.served.get
    assert story.upload(story.list_of(900, 21), seeds="true").status == 201
    audience = story.upload(story.list_of(20, 22)).json["id"]
    said = post(f"{API}/waves", story.author, {"campaign": CAMPAIGN, "no": 1, "audience": audience, "canary": True})
    wave = said.json
    assert said.status == 201, said.body
    path = f"{API}/waves/{wave['id']}"
    told = get(f"{path}/canary", story.author).json
    assert {each["carrier"] for each in told} == set(wave["plan"]["canary"]["by_carrier"])
    assert post(f"{path}/canary", story.author, {"right": True}).status == 422
    assert post(f"{path}/canary", story.author, {"right": False}).status == 422
    wrong = post(f"{path}/canary", story.author, {"right": False, "carriers": ["viettel"], "reason": "sai dấu"}).json
    assert {each["carrier"]: each["state"] for each in wrong}["viettel"] == "wrong"
    assert get(f"{path}/status", story.author).json["canary"] == wrong


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"count": 29}, 409),
        ({"plan_hash": "0" * 64}, 409),
        ({"plan_hash": "0"}, 422),
        ({"text": "other"}, 422),
        ({"reason": ""}, 422),
        ({"reason": "a\nb"}, 422),
        ({"reason": "\ud800"}, 422),
        ({"count": "30"}, 422),
        ({"count": 30.0}, 422),
        ({"count": True}, 422),
        ({"approver": "an"}, 422),
    ],
)
def test_an_approval_is_of_this_plan_and_written_exactly(story: Story, changes: dict[str, Any], status: int) -> None:
    wave = story.planned(16)
    assert story.approve(wave, **changes).status == status
    assert story.served.get(f"{API}/waves/{wave['id']}", story.author).json["approvals"] == []


def test_who_planned_a_wave_may_not_approve_it(story: Story) -> None:
    audience = story.upload(story.list_of(10, 17)).json["id"]
    body = {"campaign": CAMPAIGN, "no": 1, "audience": audience}
    wave = story.served.post(f"{API}/waves", story.second, body).json
    assert story.approve(wave, story.second).status == 403
    assert story.approve(wave, story.approver).status == 200


@pytest.mark.parametrize(("form", "begins"), [("csv", b"\xef\xbb\xbfwave,"), ("jsonl", b'{"wave"'), ("xlsx", b"PK")])
def test_an_export_is_a_whole_file_without_whole_numbers(story: Story, form: str, begins: bytes) -> None:
    wave = story.planned(18)
    said = story.served.get(f"{API}/waves/{wave['id']}/export?format={form}", story.author)
    assert said.status == 200
    assert said.body.startswith(begins)
    assert len(said.body) == int(said.headers["content-length"])
    assert said.headers["content-disposition"].endswith(f'.{form}"')
    if form != "xlsx":
        assert said.body.decode().count("•••") == wave["n"]
    assert list(story.served.front.house.folder("incoming").iterdir()) == []


def test_the_report_is_a_word_document(story: Story) -> None:
    wave = story.planned(19)
    story.approve(wave)
    story.served.post(f"{API}/waves/{wave['id']}/start", story.approver)
    said = story.served.get(f"{API}/waves/{wave['id']}/report", story.approver)
    assert (said.status, said.body[:2]) == (200, b"PK")
    assert "wordprocessingml" in said.headers["content-type"]
    story.served.post(f"{API}/waves/{wave['id']}/cancel", story.approver)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/waves/1", 404),
        (f"/waves/{2**63}", 404),
        ("/waves/99999999999999999999", 422),
        ("/waves/-1", 422),
        ("/waves/x'--", 422),
        ("/waves/1/status", 404),
        ("/waves/1/export", 404),
        ("/waves/1/export?format=exe", 422),
        ("/waves/1/report", 404),
        ("/audiences/1", 404),
        ("/audiences/1/verdicts", 404),
        ("/campaigns/none", 404),
        ("/campaigns/..%2f..%2fetc", 404),
        ("/nothing", 404),
    ],
)
def test_what_is_not_there_is_said_to_be_not_there(story: Story, path: str, status: int) -> None:
    key = key_of(story.served.front.house, AUTHOR, "read", "export")
    said = story.served.get(API + path, key)
    assert said.status == status, said.body
    assert set(said.json["error"]) == {"message", "template", "values"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[" * 20_000, 400),
        (b"x" * 70_000, 413),
        (b"null", 422),
        (b'{"campaign": "20-BCD-2024", "no": 1, "audience": 1}', 422),  # an id is text
        (b'{"campaign": "20-BCD-2024", "no": NaN, "audience": "1"}', 422),
        (b'{"campaign": "20-BCD-2024", "no": 99999999999, "audience": "1"}', 422),
        (b'{"campaign": "20-BCD-2024", "no": 9, "audience": "1"}', 404),
        (b'{"campaign": "20-BCD-2024", "no": 1, "audience": "1"}', 422),  # an audience nobody has uploaded
        (b'{"campaign": "a\\u0000b", "no": 1, "audience": "1"}', 422),
        (b'{"campaign": "20-BCD-2024", "no": 1, "audience": "1", "state": "running"}', 422),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_body_that_does_not_fit_is_refused_with_a_reason(story: Story, body: bytes, status: int) -> None:
    said = story.served.call("POST", f"{API}/waves", key=story.author, body=body, Content_Type="application/json")
    assert said.status == status, said.body
    assert said.json["error"]["message"]


@pytest.mark.parametrize(
    ("content", "fields", "status"),
    [
        (b"", {}, 422),
        (b"%PDF-1.7", {}, 422),
        (b"so dien thoai\n", {}, 422),
        (b"so dien thoai\n0912345678\n", {"campaign": "none"}, 404),
        (b"so dien thoai\n0912345678\n", {"campaign": ""}, 400),
        (b"so dien thoai\n0912345678\n", {"campaign": "x" * 1001}, 400),
    ],
)
def test_a_list_that_cannot_be_taken_leaves_nothing(
    story: Story, content: bytes, fields: dict[str, str], status: int
) -> None:
    said = story.upload(content, **fields)
    assert said.status == status, said.body
    assert list(story.served.front.house.folder("incoming").iterdir()) == []


def test_a_list_above_the_limit_is_refused_before_and_while_it_is_read(story: Story) -> None:
    most = story.served.front.house.settings.upload_bytes
    said = story.upload(b"x" * (most + 1))
    assert said.status == 413
    path = f"{API}/audiences"
    form = {"Content_Type": "multipart/form-data; boundary=a", "Content_Length": str(most * 2)}
    declared = story.served.call("POST", path, key=story.author, body=b"--a\r\n", **form)
    assert declared.status == 413
    assert list(story.served.front.house.folder("incoming").iterdir()) == []


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data", "multipart/form-data; boundary=a"])
def test_an_upload_that_is_no_form_is_refused(story: Story, kind: str) -> None:
    said = story.served.call("POST", f"{API}/audiences", key=story.author, body=b"--b\r\n\r\n", Content_Type=kind)
    assert said.status == 400, said.body


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("danh sách.xlsx", "danh sách.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\lists\\a.csv", "a.csv"),
        ("a\0b\n.csv", "a_b_.csv"),
        ("....", "list"),
        ("", "list"),
        ("x" * 300 + ".csv", "x" * 60 + ".csv"),
        ("ữ" * 300, "ữ" * 60),
        ("Co\u0302ng va\u0306n.pdf", "Công văn.pdf"),  # letter and accent apart
    ],
)
def test_a_file_name_becomes_a_name_of_ours(given: str, kept: str) -> None:
    assert file_name(given) == kept


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("", "vi"),
        ("en", "en"),
        ("en-GB,vi;q=0.5", "en"),
        ("vi-VN,vi;q=0.9,en;q=0.8", "vi"),
        ("fr,en;q=0.1", "en"),
        ("fr", "vi"),
        ("en;q=x,vi;q=0.5", "vi"),
    ],
)
def test_a_refusal_speaks_the_language_that_is_asked_for(story: Story, asked: str, language: str) -> None:
    wave = str(new_id())
    said = story.served.get(f"{API}/waves/{wave}", story.author, Accept_Language=asked)
    error = said.json["error"]
    assert said.headers["content-language"] == language
    assert error["values"] == {"wave": wave}
    assert wave in error["message"]
    assert error["message"].startswith("there is no wave") == (language == "en")


def test_every_sentence_sorted_to_a_status_is_one_that_the_floors_below_say() -> None:
    assert set(errors.OF_LOWER_FLOORS) <= set(catalogue("vi"))


def test_the_page_of_the_api_and_its_list_come_from_this_machine_alone(story: Story) -> None:
    page = story.served.get("/docs")
    assert page.status == 200
    assert b"//" not in page.body.replace(b"<!-- ", b"").split(b"</head>")[0].replace(b"<!DOCTYPE", b"")
    policy = page.headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    assert story.served.get("/static-offline-docs/swagger-ui.css").status == 200
    assert json.loads(story.served.get("/openapi.json").body)["info"]["title"] == "Campaign dispatcher"
