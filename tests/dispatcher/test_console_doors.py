"""Who is let into the console: the whole table of routes by roles, signing in, sessions, forms of other sites."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import logins
from dispatcher.assemble import Site
from dispatcher.console import application, codes
from dispatcher.console.application import RULES, open_console
from dispatcher.console.call import COOKIE, ROLES, Rule
from tests.cluster import CAMPAIGN, Planned, started_site
from tests.console import PASSWORD, Browser, person, signed_in
from tests.serving import Served
from workers.house import House

TABLE = {  # a copy by hand, so that a slip is seen: officer, approver, engineer, auditor (u), operator (p)
    "GET /console": "oaeup",
    "GET /console/me": "oaeup",
    "POST /console/me/authenticator": "oaeup",
    "POST /console/me/authenticator/confirm": "oaeup",
    "POST /console/sign-out": "oaeup",
    "GET /console/campaigns": "oaup",
    "GET /console/campaigns/{name}": "oaup",
    "GET /console/campaigns/{name}/lists": "oaup",
    "POST /console/campaigns/{name}/lists": "oa",
    "GET /console/lists/{audience}": "oaup",
    "GET /console/lists/{audience}/verdicts.csv": "oaup",
    "GET /console/campaigns/{name}/plan": "oa",
    "POST /console/campaigns/{name}/plan": "oa",
    "GET /console/waves/{wave}/report.docx": "oaup",
    "GET /console/drafts": "oaup",
    "POST /console/drafts": "oa",
    "GET /console/drafts/{draft}": "oaup",
    "GET /console/drafts/{draft}/versions": "oaup",
    "GET /console/drafts/{draft}/steps/{step}": "oaup",
    "POST /console/drafts/{draft}/steps/{step}": "oa",
    "POST /console/drafts/{draft}/letter": "oa",
    "GET /console/drafts/{draft}/files/{file}": "oaup",
    "POST /console/drafts/{draft}/list": "oa",
    "POST /console/drafts/{draft}/delete": "oa",
    "POST /console/drafts/{draft}/restore": "oa",
    "POST /console/drafts/{draft}/submit": "oa",
    "POST /console/drafts/{draft}/withdraw": "oa",
    "GET /console/approvals": "oaup",
    "GET /console/waves/{wave}": "oaup",
    "GET /console/waves/{wave}/live": "oaup",
    "POST /console/waves/{wave}/start": "oa",
    "POST /console/waves/{wave}/pause": "oap",
    "POST /console/waves/{wave}/resume": "oa",
    "POST /console/waves/{wave}/reopen": "oa",
    "GET /console/waves/{wave}/cancel": "oa",
    "POST /console/waves/{wave}/cancel": "oa",
    "POST /console/waves/{wave}/canary/right": "oa",
    "POST /console/waves/{wave}/canary/wrong": "oap",
    "GET /console/waves/{wave}/correct": "oa",
    "POST /console/waves/{wave}/correct": "oa",
    "GET /console/waves/{wave}/resend": "oa",
    "POST /console/waves/{wave}/resend": "oa",
    "GET /console/waves/{wave}/approve": "oaup",
    "POST /console/waves/{wave}/approve": "a",
    "POST /console/waves/{wave}/return": "a",
    "GET /console/orders": "oaup",
    "GET /console/orders/{order}": "oaup",
    "POST /console/orders/{order}/approve": "a",
    "POST /console/orders/{order}/issue": "oa",
    "POST /console/orders/{order}/move": "oa",
    "POST /console/orders/{order}/return": "oa",
    "POST /console/orders/{order}/accept": "oa",
    "GET /console/messages": "oau",
    "POST /console/messages": "oau",
    "GET /console/audit": "aup",
    "POST /console/audit/export": "up",
    "GET /console/stop": "oaup",
    "POST /console/stop": "oap",
    "POST /console/stop/lift": "oap",
    "GET /console/carriers": "oaeup",
    "GET /console/carriers/{account}": "oaeup",
    "POST /console/carriers/{account}/open": "ap",
    "POST /console/carriers/{account}/engineers": "p",
    "GET /console/deputies": "oaup",
    "POST /console/deputies": "a",
    "POST /console/deputies/{deputy}/withdraw": "oap",
    "GET /console/accounts": "oaup",
    "GET /console/accounts/{account}": "oaup",
    "POST /console/accounts/{account}/live": "ap",
    "POST /console/accounts/{account}/trial": "ap",
    "POST /console/accounts/{account}/allow": "ap",
    "POST /console/accounts/{account}/disallow": "ap",
    "GET /console/settings": "oaup",
    "GET /console/settings/hotlines": "oaup",
    "POST /console/settings/hotlines": "p",
    "GET /console/settings/prices": "oaup",
    "POST /console/settings/prices": "p",
    "GET /console/settings/changes/{change}": "oaup",
    "POST /console/settings/changes/{change}/agree": "p",
    "POST /console/settings/changes/{change}/drop": "p",
    "GET /console/settings/hours": "oaup",
    "POST /console/settings/hours": "ap",
    "POST /console/settings/hours/maintenance": "ap",
    "POST /console/settings/hours/maintenance/off": "ap",
    "GET /console/settings/routes": "oaup",
    "POST /console/settings/routes": "p",
    "GET /console/settings/senders": "oaup",
    "POST /console/settings/senders": "p",
    "GET /console/settings/limits": "oaup",
    "GET /console/people": "p",
    "POST /console/people/invite": "p",
    "POST /console/people/address": "p",
    "POST /console/people/switch": "p",
    "POST /console/people/reset": "p",
    "POST /console/people/reset/{reset}/agree": "p",
    "POST /console/people/reset/{reset}/drop": "p",
}
LETTER = {"officer": "o", "approver": "a", "engineer": "e", "auditor": "u", "operator": "p"}
ACTS_AT_ONCE = {"/console/sign-out", "/console/me/authenticator", "/console/stop"}
"""They need no more than a click: asked as each role, they would do it. Their roles are read instead."""
OPEN = {
    "GET /", "GET /console/static/{name}", "POST /console/look", "GET /console/sign-in", "POST /console/sign-in",
    "GET /console/sign-in/province", "GET /console/sign-in/province/back",
    "GET /console/invitation/{word}", "POST /console/invitation/{word}",
}  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation of its own: pages are weighed with the people and waves of this file alone."""
    with started_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def browsers(served: Served, built: House) -> dict[str, Browser]:
    return {role: signed_in(served, built, f"c-{role}", role) for role in ROLES}


def named(rule: Rule) -> str:
    return f"{rule.method} {rule.path}"


def test_every_route_of_the_application_stands_in_the_table(built: House) -> None:
    console = open_console(built, rehearsal=True)
    assert {route.path for route in console.routes} == {rule.path for rule in RULES}  # type: ignore[attr-defined]
    assert {named(rule) for rule in RULES} == TABLE.keys() | OPEN
    assert {named(rule) for rule in RULES if not rule.roles} == OPEN


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.roles], ids=named)
def test_each_role_finds_each_door_open_or_shut_as_the_table_says(
    browsers: dict[str, Browser], served: Served, rule: Rule
) -> None:
    """The wave and the campaign are none: who is let in hears 404 or a form's fault, never 403."""
    path = rule.path.format(
        wave=7,
        name="none",
        audience=7,
        order=7,
        account="none",
        deputy=7,
        draft=7,
        step="letter",
        change=7,
        reset=7,
        file=7,
    )
    if rule.method == "POST" and path in ACTS_AT_ONCE:
        assert {LETTER[role] for role in rule.roles} == set(TABLE[named(rule)])
    else:
        for role, browser in browsers.items():
            said = browser.get(path) if rule.method == "GET" else browser.post(path)
            shut = said.status == 403 and "Trang này dành cho".encode() in said.body
            assert shut == (LETTER[role] not in TABLE[named(rule)]), (role, said.status)
            assert said.status < 500, role
    stranger = Browser(served)
    said = stranger.get(path) if rule.method == "GET" else stranger.post(path)
    assert (said.status, said.headers["location"][:16]) == (303, "/console/sign-in")


def test_pages_speak_no_sql() -> None:
    """What a page reads is read by a function of the ledger: one place knows the tables."""
    folder = Path(application.__file__).parent
    assert [path.name for path in folder.glob("*.py") if re.search(r"\.execute\(|\bSELECT\b", path.read_text())] == []


def test_a_form_from_another_site_or_session_does_nothing(browsers: dict[str, Browser]) -> None:
    browser = browsers["operator"]
    browser.get("/console/people")
    for origin in ("", "null", "http://evil.example", f"http://evil.example:{browser.served.port}"):
        assert browser.post("/console/waves/7/pause", origin=origin).status == 403
    assert browser.post("/console/waves/7/pause").status == 404
    own, browser.mark = browser.mark, "0" * 64
    assert browser.post("/console/waves/7/pause").status == 403
    browser.mark = own


def test_every_answer_bears_a_strict_policy_and_no_page_an_inline_style(browsers: dict[str, Browser]) -> None:
    for path in ("/console", "/console/me", "/console/people", "/console/none"):
        said = browsers["operator"].get(path)
        policy = said.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert said.headers["x-content-type-options"] == "nosniff"
        assert said.headers["cache-control"] == "no-store"
        page = said.body.decode()
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", page)
        assert len(said.body) < 30_000


# -- signing in --------------------------------------------------------------------------------------------------------


def test_an_invitation_is_good_once_and_there_is_no_password_before_it(served: Served, house: House) -> None:
    login = person(house, f"i-{secrets.token_hex(4)}", "officer")
    with house.begin() as conn:
        old, word = logins.invite(conn, login, login), logins.invite(conn, login, login)
    browser, path = Browser(served), f"/console/invitation/{word}"
    assert browser.get(f"/console/invitation/{old}").status == 404
    assert browser.get(path).status == 200
    for password, again in (("ngắn", "ngắn"), ("a" * 20, "a" * 20), (f"xx {login} yy", f"xx {login} yy"),
                            ("một hai ba bốn", "một hai ba năm")):  # fmt: skip
        assert browser.post(path, password=password, again=again).status == 422
    said = browser.post(path, password="sáu chú gấu đi chợ phiên", again="sáu chú gấu đi chợ phiên")
    cookie = said.headers["set-cookie"]
    assert said.status == 303
    assert cookie.startswith("__Host-session=")
    assert all(word in cookie for word in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"))
    assert browser.get("/console").status == 200
    assert Browser(served).get(path).status == 404
    assert Browser(served).post(path, password=PASSWORD, again=PASSWORD).status == 404


def test_a_wrong_name_and_a_wrong_password_hear_the_same(served: Served, house: House) -> None:
    login = person(house, f"w-{secrets.token_hex(4)}", "officer")
    said = [Browser(served).post("/console/sign-in", login=name, password="x" * 12) for name in (login, "nobody-here")]
    assert [each.status for each in said] == [422, 422]
    assert said[0].body.replace(login.encode(), b"") == said[1].body.replace(b"nobody-here", b"")


def test_fifty_wrong_passwords_at_once_are_five_and_the_owner_elsewhere_still_gets_in(
    served: Served, house: House
) -> None:
    login = person(house, f"b-{secrets.token_hex(4)}", "approver")
    with ThreadPoolExecutor(8) as pool:
        said = list(
            pool.map(lambda _: Browser(served).post("/console/sign-in", login=login, password="x" * 12), range(50))
        )
    statuses = [each.status for each in said]
    assert (statuses.count(422), statuses.count(429)) == (5, 45)
    right = Browser(served).post("/console/sign-in", login=login, password=PASSWORD)
    assert right.status == 429
    with house.begin() as conn:
        assert logins.closed_until(conn, login, "192.0.2.7") is None
        assert logins.closed_until(conn, login, "127.0.0.1") is not None


def test_strangers_everywhere_cannot_lock_a_person_out_of_a_known_address(house: House) -> None:
    login = person(house, f"k-{secrets.token_hex(4)}", "approver")
    with house.begin() as conn:
        logins.note_try(conn, login, "192.0.2.1", "password", passed=True)
        for n in range(30):
            logins.note_try(conn, login, f"198.51.100.{n}", "password", passed=False)
        assert logins.closed_until(conn, login, "192.0.2.1") is None
        assert logins.closed_until(conn, login, "192.0.2.2") is not None


def test_signing_in_changes_the_word_and_signing_out_ends_it(served: Served, house: House) -> None:
    login = person(house, f"r-{secrets.token_hex(4)}", "officer")
    browser = Browser(served)
    browser.post("/console/sign-in", login=login, password=PASSWORD)
    first = browser.cookies[COOKIE]
    said = browser.post("/console/sign-in", login=login, password=PASSWORD, next="//evil.example/x")
    assert said.headers["location"] == "/console"
    assert browser.cookies[COOKIE] != first
    assert Browser(served, {COOKIE: first}).get("/console").status == 303
    kept = browser.cookies[COOKIE]
    browser.get("/console/me")
    assert browser.post("/console/sign-out").status == 303
    assert Browser(served, {COOKIE: kept}).get("/console").status == 303


@pytest.mark.parametrize("column", ["seen_at", "began_at"])
def test_a_session_ends_by_itself(served: Served, house: House, site: Site, column: str) -> None:
    browser = signed_in(served, house, f"t-{secrets.token_hex(4)}", "officer")
    assert browser.get("/console").status == 200
    with psycopg.connect(site.owner) as conn:
        conn.execute(
            f"UPDATE web_session SET {column} = {column} - interval '13 hours' WHERE digest = %s",
            (logins.digest(browser.cookies[COOKIE]),),
        )
    assert browser.get("/console").status == 303


# -- codes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"),
     (20000000000, "353130")],
)  # fmt: skip
def test_codes_are_those_of_rfc_6238(seconds: int, expected: str) -> None:
    assert codes.code(b"12345678901234567890", seconds // 30) == expected


def test_a_code_is_good_once_and_one_step_early_or_late() -> None:
    secret = codes.new_secret()
    for off, step in ((-2, None), (-1, 99), (0, 100), (1, 101), (2, None)):
        assert codes.step_of(secret, codes.code(secret, 100 + off), 100 * 30, 0) == step
    assert codes.step_of(secret, codes.code(secret, 100), 100 * 30, 100) is None
    assert codes.seconds_left(secret, codes.code(secret, 100), 100 * 30 + 8, 100) == 22, "used: the next one is said"
    wrong = f"{(int(codes.code(secret, 100)) + 1) % 1_000_000:06}"
    assert codes.seconds_left(secret, wrong, 100 * 30, 0) is None


def test_an_authenticator_counts_once_its_first_code_was_typed(served: Served, house: House) -> None:
    browser = signed_in(served, house, f"q-{secrets.token_hex(4)}", "approver")
    page = browser.post("/console/me/authenticator").body.decode()
    [typed] = re.findall(r"<code>([A-Z2-7 ]+)</code>", page)
    browser.secret = base64.b32decode(typed.replace(" ", ""))
    assert b"Set up" not in browser.get("/console/me").body
    assert browser.post("/console/me/authenticator/confirm", code="000000").status == 422
    assert browser.post("/console/me/authenticator/confirm", code=browser.code()).status == 303
    assert "đang dùng" in browser.get("/console/me").body.decode()
    assert browser.post("/console/me/authenticator", code="000000").status == 422


# -- pages -------------------------------------------------------------------------------------------------------------


def test_pages_of_a_campaign_show_its_text_byte_for_byte(browsers: dict[str, Browser], planned: Planned) -> None:
    wave = planned(n=40, seed=36)
    text = wave.plan["texts"]["corrected"]["text"]
    for path in (f"/console/campaigns/{CAMPAIGN}", f"/console/waves/{wave.id}/approve"):
        assert f'<p class="bubble" lang="vi">{text}</p>' in browsers["auditor"].get(path).body.decode()


def test_two_persons_with_codes_lift_what_one_click_stopped(served: Served, house: House) -> None:
    officer = signed_in(served, house, f"s-{secrets.token_hex(4)}", "officer", authenticator=True)
    approver = signed_in(served, house, f"s-{secrets.token_hex(4)}", "approver", authenticator=True)
    auditor = signed_in(served, house, f"s-{secrets.token_hex(4)}", "auditor")
    assert auditor.post("/console/stop").status == 403
    assert officer.post("/console/stop", reason="Sai chữ").status == 303
    assert "Có hiệu lực sau" in officer.get("/console/stop").body.decode()
    assert "Dừng khẩn cấp đang bật" in approver.get("/console").body.decode()
    assert officer.post("/console/stop/lift", reason="Đã sửa", code="000000").status == 422
    assert officer.post("/console/stop/lift", reason="Đã sửa", code=officer.code()).status == 303
    assert "Dừng khẩn cấp đang bật" in approver.get("/console").body.decode()
    assert approver.post("/console/stop/lift", reason="Đã xem", code=approver.code()).status == 303
    assert "Dừng khẩn cấp đang bật" not in approver.get("/console").body.decode()
