"""Lists of people who must not be texted, over the API: filled by a file, told with reasons, never read out."""

from __future__ import annotations

import itertools

import pytest

from campaigns.compliance import LISTS
from tests.cluster import AUTHOR
from tests.serving import Served, key_of
from workers.house import House

API = "/api/v1/exclusions"
NUMBERS = (f"0912{n:06}" for n in itertools.count(345_000))


@pytest.fixture(scope="module")
def key(built: House) -> str:
    return key_of(built, AUTHOR, "read", "write")


def file(*rows: str) -> bytes:
    return "\n".join(["SĐT", *rows]).encode()


def people(served: Served, key: str, name: str) -> int:
    return next(int(each["people"]) for each in served.get(API, key).json if each["name"] == name)


def test_each_list_tells_its_count_its_keeper_and_its_reasons(served: Served, key: str) -> None:
    """What suppresses, for which class, by which source: in the caller's language; the police list is an operator's."""
    said = served.get(API, key, Accept_Language="vi").json
    assert [each["name"] for each in said] == list(LISTS)
    by_name = {each["name"]: each for each in said}
    assert by_name["request"]["suppresses"] == {"public_information": "always", "advertising": "always"}
    assert by_name["opt_out"]["suppresses"] == {"public_information": "unless decided", "advertising": "always"}
    assert "91/2020" in by_name["opt_out"]["sources"]["advertising"]
    assert {name for name, each in by_name.items() if each["kept_by"] == "admin"} == {"police"}
    assert by_name["request"]["about"] != served.get(API, key, Accept_Language="en").json[0]["about"]


@pytest.mark.parametrize("name", [name for name in LISTS if name != "police"])
def test_a_file_is_put_on_a_list_and_taken_off_again(name: str, served: Served, key: str) -> None:
    """Each number once, whatever its spelling; lines without one are named; no answer holds a number."""
    number, before = next(NUMBERS), people(served, key, name)
    content = file(number, f"+84{number[1:]}", "mất số")
    said = served.upload(f"{API}/{name}/add", key, "danh sách.csv", content)
    assert said.json == {"name": name, "changed": 1, "given": 1, "unreadable": 1, "unreadable_lines": [4]}
    assert people(served, key, name) == before + 1
    again = served.upload(f"{API}/{name}/add", key, "a.csv", content)
    assert (again.json["changed"], people(served, key, name)) == (0, before + 1)
    assert number[1:].encode() not in said.body + again.body
    assert served.upload(f"{API}/{name}/remove", key, "a.csv", content).json["changed"] == 1
    assert people(served, key, name) == before


def test_the_police_list_wants_an_operators_key(served: Served, built: House, key: str) -> None:
    number, operator = next(NUMBERS), key_of(built, AUTHOR, "read", "write", "admin")
    for act in ("add", "remove"):
        assert served.upload(f"{API}/police/{act}", key, "a.csv", file(number)).status == 403
    for act in ("add", "remove"):
        assert served.upload(f"{API}/police/{act}", operator, "a.csv", file(number)).json["changed"] == 1


@pytest.mark.parametrize(
    ("path", "content", "status"),
    [("friends/add", file("0912345678"), 422), ("request/add", file("mất số"), 422), ("request/add", b"\0\1\2", 422)],
)
def test_what_cannot_be_taken_changes_nothing(
    path: str, content: bytes, status: int, served: Served, key: str, built: House
) -> None:
    before = served.get(API, key).json
    assert served.upload(f"{API}/{path}", key, "a.csv", content).status == status
    assert served.post(f"{API}/request/add", key, {"numbers": ["0912345678"]}).status == 400
    assert served.get(API, key).json == before
    assert not list(built.folder("incoming").iterdir())


def test_each_change_stands_in_the_record_without_a_number(served: Served, built: House, key: str) -> None:
    number = next(NUMBERS)
    assert served.upload(f"{API}/staff/add", key, "a.csv", file(number)).status == 200
    with built.begin() as conn:
        row = conn.execute("SELECT person, subject, details::text FROM audit WHERE act = 'list.suppress'"
                           " ORDER BY id DESC LIMIT 1").fetchone()  # fmt: skip
    assert row
    assert (row[0], row[1]) == (AUTHOR.login, "staff")
    assert number[1:] not in row[2]
