"""The carriers' workbench: who sees which account, what its receipts became, and what a person does there."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest

from campaigns.ledger import accounts, engineers
from campaigns.ledger.accounts import Standing, Worker
from campaigns.ledger.people import Person
from campaigns.ledger.stops import Stop
from campaigns.message import reference
from campaigns.terms import Absent, Callback, Problem
from dispatcher import cli
from dispatcher.assemble import Site
from dispatcher.callbacks import callback_secret
from dispatcher.console import carrying, receiving
from tests.cluster import Started
from tests.console import Browser, signed_in
from tests.hand import open_window
from tests.serving import Served, key_of
from workers.house import House
from workers.settle import Settler
from workers.spool import Spool

ACCOUNT, OTHER = "sim-esms", "sim-twilio"
NUMBER = "84912000111"


@pytest.fixture
def engineer(served: Served, house: House) -> Browser:
    """An engineer of ACCOUNT."""
    browser = signed_in(served, house, "e-one", "engineer")
    with house.begin() as conn:
        engineers.tie(conn, "e-one", [ACCOUNT], "an")
    return browser


def page(browser: Browser, path: str) -> str:
    said = browser.get(path)
    assert said.status == 200, path
    return said.body.decode()


# -- who sees what -----------------------------------------------------------------------------------------------------


def test_an_engineer_sees_the_accounts_that_he_is_tied_to_and_no_other(served: Served, engineer: Browser) -> None:
    """Another company's account is as absent as one that does not exist; nothing names it."""
    assert engineer.get("/console").headers["location"] == "/console/carriers"
    shown = page(engineer, "/console/carriers")
    assert ACCOUNT in shown
    assert OTHER not in shown
    assert OTHER not in page(engineer, f"/console/carriers/{ACCOUNT}")
    answers = [engineer.get(f"/console/carriers/{name}") for name in (OTHER, "sim-none")]
    assert [said.status for said in answers] == [404, 404]
    bodies = [said.body.replace(b"sim-none", OTHER.encode()) for said in answers]
    assert bodies[0] == bodies[1]


def test_an_engineer_tied_to_nothing_sees_nothing(served: Served, house: House) -> None:
    """Whoever was entered without an account is told whom to ask."""
    nobody = signed_in(served, house, "e-none", "engineer")
    assert "Chưa có tài khoản nhà mạng nào" in page(nobody, "/console/carriers")
    assert nobody.get(f"/console/carriers/{ACCOUNT}").status == 404


def test_the_office_sees_every_account(served: Served, house: House) -> None:
    """Officers, approvers, auditors and operators."""
    for role in ("officer", "approver", "auditor", "operator"):
        shown = page(signed_in(served, house, f"e-{role}", role), "/console/carriers")
        assert {ACCOUNT, OTHER, "sim-smpp"} <= set(re.findall(r"sim-\w+", shown))


def test_an_engineers_key_opens_no_route_of_the_api(served: Served, house: House) -> None:
    """Also with the scope: campaigns, waves and hotlines belong to the office; with a second role it opens."""
    login = "e-key"
    signed_in(served, house, login, "engineer")
    key = key_of(house, Person(login, login, ("engineer",)), "read", "write", "approve", "export")
    for path in ("campaigns", "waves/7", "texts/hotlines", "alerts", "stop", "orders"):
        said = served.get(f"/api/v1/{path}", key, Accept_Language="en")
        assert said.status == 403, path
        assert "engineer" in said.body.decode(), path
    signed_in(served, house, login, "engineer", "officer")
    assert served.get("/api/v1/campaigns", key).status == 200


# -- tying -------------------------------------------------------------------------------------------------------------


def test_an_operator_ties_and_unties_with_a_code_and_the_record_has_it(
    served: Served, house: House, owner: psycopg.Connection
) -> None:
    """In force at the engineer's next page."""
    operator = signed_in(served, house, "e-op", "operator", authenticator=True)
    login = f"e-{secrets.token_hex(4)}"
    browser, path = signed_in(served, house, login, "engineer"), f"/console/carriers/{ACCOUNT}"
    assert operator.post(f"{path}/engineers", login=login, code="000000").status == 422
    assert browser.get(path).status == 404
    assert operator.post(f"{path}/engineers", login=login, code=operator.code()).status == 303
    assert browser.get(path).status == 200
    assert operator.post(f"{path}/engineers", leaves=login, code=operator.code()).status == 303
    assert browser.get(path).status == 404
    acts = owner.execute("SELECT act, details ->> 'account' FROM audit WHERE subject = %s ORDER BY id", (login,))
    assert acts.fetchall() == [("person.tie", ACCOUNT), ("person.untie", ACCOUNT)]


def test_only_engineers_are_tied_and_only_to_accounts_that_are_there(house: House) -> None:
    """Told in words, and the database refuses what the words would not stop."""
    with house.begin() as conn:
        with pytest.raises(Problem, match="no carrier's engineer"):
            engineers.tie(conn, "an", [ACCOUNT], "an")
        with pytest.raises(Absent, match="no person"):
            engineers.tie(conn, "nobody-here", [ACCOUNT], "an")
        with pytest.raises(Absent, match="not tied"):
            engineers.untie(conn, "an", ACCOUNT, "an")
    row = "INSERT INTO person_account (person, account) VALUES (%s, %s)"
    for person, account in (("nobody-here", ACCOUNT), ("an", "no-account")):
        with pytest.raises(psycopg.errors.ForeignKeyViolation), house.begin() as conn:
            conn.execute(row, (person, account))


def test_the_command_line_enters_an_engineer_with_his_account(
    site: Site, house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """`person add --provider`; without the role nobody is entered at all."""
    operator, login = f"o-{secrets.token_hex(4)}", f"e-{secrets.token_hex(4)}"
    with house.begin() as conn:
        conn.execute("INSERT INTO person (login, name, roles) VALUES (%s, 'x', '{operator}')", (operator,))
    env = {"DISPATCHER_LANG": "en", "DISPATCHER_KEY": key_of(house, Person(operator, "x", ("operator",)), "admin")}
    argv = ["person", "add", login, "--provider", ACCOUNT, "--as", operator, "--rehearsal", "--json", "--data",
            str(site.settings.data), "--role"]  # fmt: skip
    assert cli.run([*argv, "officer"], env) == 1
    assert "no carrier's engineer" in capsys.readouterr().err
    assert cli.run([*argv, "engineer"], env) == 0
    assert json.loads(capsys.readouterr().out)["accounts"] == [ACCOUNT]
    with house.begin() as conn:
        assert engineers.accounts_of(conn, login) == [ACCOUNT]


# -- connection --------------------------------------------------------------------------------------------------------


NOW = 1_000_000.0


def standing(*says: dict[str, Any], enabled: bool = True) -> Standing:
    workers = tuple(Worker(10.0, datetime.now(UTC), each) for each in says)
    return Standing("a", enabled, 50.0, None, {}, workers)


STOP = Stop("a", "account", "8", "login: no", None, None, datetime.now(UTC))
LINKS = [
    (standing({"told": NOW - 1, "bound": True, "speed": 46.0, "breaker": "closed"}), [], "ok", 46.0),
    (standing({"told": NOW - 61, "bound": True, "speed": 46.0, "breaker": "closed"}), [], "unk", 0.0),
    (standing(), [], "unk", 0.0),
    (standing({"told": NOW - 1, "bound": True, "breaker": "open", "code": "~timeout", "next_try": NOW}), [], "bad", 0),
    (standing({"told": NOW - 1, "breaker": "closed"}), [], "off", 0.0),
    (standing({"told": NOW - 1, "bound": True}, enabled=False), [], "off", 0.0),
    (standing({"told": NOW - 1, "bound": True}), [STOP], "bad", 0.0),
]


@pytest.mark.parametrize(("each", "stopped", "tag", "speed"), LINKS)
def test_an_account_is_green_only_by_a_fresh_word_of_a_connected_worker(
    each: Standing, stopped: list[Stop], tag: str, speed: float
) -> None:
    """What is older than a minute, or not told, is "not known"."""
    found = carrying.link(each, stopped, NOW)
    assert (found.tag, found.speed) == (tag, speed)


def test_a_stopped_account_is_opened_again_with_a_reason_and_a_code(served: Served, house: House) -> None:
    """By whoever may steer accounts."""
    with house.begin() as conn:
        conn.execute("INSERT INTO route_stop (account, scope, code, detail) VALUES (%s, 'account', '8', 'login: no')",
                     (ACCOUNT,))  # fmt: skip
        conn.execute("UPDATE account SET enabled = false WHERE name = %s", (ACCOUNT,))
    operator = signed_in(served, house, "e-op", "operator", authenticator=True)
    path = f"/console/carriers/{ACCOUNT}"
    assert "Đang dừng: cả tài khoản" in page(operator, path) or "Đang dừng:" in page(operator, path)
    assert operator.post(f"{path}/open", reason="Đã đổi mật khẩu", code="000000").status == 422
    assert operator.post(f"{path}/open", reason=" ", code=operator.code()).status == 409
    assert operator.post(f"{path}/open", reason="Đã đổi mật khẩu", code=operator.code()).status == 303
    with house.begin() as conn:
        assert next(each for each in accounts.standing(conn) if each.name == ACCOUNT).enabled


# -- receipts ----------------------------------------------------------------------------------------------------------


def receive(house: House, ref: str, *queries: dict[str, str]) -> None:
    """Receipts as the door keeps them, loaded by the settler."""

    async def keep() -> None:
        made = Spool(house.folder("spool"), ACCOUNT, house.keyring.seal, age=0.0)
        for each in queries:
            await made.store([Callback(b"", "GET", f"https://x/cb/{ACCOUNT}/{ref}", urlencode(each), {}, ref)])
        await made.close()

    asyncio.run(keep())
    Settler(house).load(wait=False)


def said_by(verdict: str) -> str:
    return str(receiving.KNOWN[verdict][1])


def test_receipts_show_their_verdict_how_often_they_came_and_no_whole_number(
    served: Served, house: House, started: Started, engineer: Browser
) -> None:
    """Recognised and told twice, of no message, and not readable; the newest first; numbers are masked."""
    wave = started(n=12, account=ACCOUNT)
    with house.begin() as conn:
        row = conn.execute("SELECT min(seq) FROM batch WHERE wave = %s", (wave.id,)).fetchone()
        assert row
        window = open_window(conn, wave.id, seq=row[0])
        start = conn.execute("SELECT lo FROM send_window WHERE id = %s", (window,)).fetchone()
    assert start
    mac = house.keyring.mac_key("reference")
    told = {"SMSID": "i-1", "SendStatus": "5", "SendSuccess": "1", "SendFailed": "0"}
    receive(house, reference(window, 0, mac), told)
    receive(house, reference(window, 0, mac), told)
    receive(house, reference(3, 0, mac), told | {"phonenumber": NUMBER})
    receive(house, reference(window, 0, mac), {"SMSID": "i-1"})
    with house.begin() as conn:
        seen = receiving.lately(house, conn, ACCOUNT, [])[:4]
    assert [each.verdict for each in seen] == ["unreadable", "unknown", "matched", "matched"]
    assert [each.times for each in seen] == [1, 1, 2, 2]
    shown = page(engineer, f"/console/carriers/{ACCOUNT}")
    assert "báo 2 lần" in shown
    assert "84912•••111" in shown
    assert NUMBER not in shown


def test_calls_that_the_door_turned_away_are_shown_and_cost_no_write(
    served: Served, house: House, engineer: Browser, owner: psycopg.Connection
) -> None:
    """A wrong address and a wrong proof, each under its account; nothing of them is stored."""
    before = owner.execute("SELECT count(*) FROM inbox").fetchone()
    assert served.get(f"/cb/{ACCOUNT}/{'0' * 32}").status == 404
    assert served.get(f"/cb/{ACCOUNT}/{callback_secret(house.keyring, ACCOUNT)}?SMSID=1").status == 403
    shown = page(engineer, f"/console/carriers/{ACCOUNT}")
    assert {"sai địa chỉ", "sai chữ ký"} <= {word for word in ("sai địa chỉ", "sai chữ ký") if word in shown}
    owner.rollback()
    assert owner.execute("SELECT count(*) FROM inbox").fetchone() == before


def test_the_newest_receipts_are_read_by_their_index(owner: psycopg.Connection) -> None:
    """Each day's part has the index; a plan without sequential reads uses it."""
    owner.execute("SELECT open_inbox_day(current_date)")
    owner.execute("SET LOCAL enable_seqscan = off")
    plan = "\n".join(row[0] for row in owner.execute(
        "EXPLAIN SELECT received_at, raw FROM inbox WHERE account = 'sim-esms' AND received_at > now() - interval '1 h'"
        " ORDER BY received_at DESC LIMIT 15"))  # fmt: skip
    owner.rollback()
    assert "account_received_at_idx" in plan
    assert "Seq Scan" not in plan


def test_the_example_call_is_taken_and_belongs_to_no_message(served: Served, house: House, engineer: Browser) -> None:
    """What the page tells the engineer to type: 200, then "belongs to no message of ours"; auditors see no secret."""
    help_of = receiving.example(house, ACCOUNT, whole=True)
    assert help_of
    assert help_of["url"].replace("&", "&amp;") in page(engineer, f"/console/carriers/{ACCOUNT}")
    path, query = re.findall(r"(/cb/[^?']+)\?([^']+)'", help_of["call"])[0]
    assert served.get(f"{path}?{query}").status == 200
    auditor = signed_in(served, house, "e-auditor", "auditor")
    assert path not in page(auditor, f"/console/carriers/{ACCOUNT}")


def test_every_sentence_of_the_workbench_is_translated() -> None:
    """Those that are picked while running."""
    from dispatcher.words import catalogue  # noqa: PLC0415 - as test_words reads it

    says = {carrying.link(each, stopped, NOW).says for each, stopped, *_ in LINKS}
    assert says | {sentence for _, sentence in receiving.KNOWN.values()} <= set(catalogue("vi"))
    assert timedelta(seconds=carrying.STALE) <= timedelta(minutes=1)
    assert time.time() > NOW
