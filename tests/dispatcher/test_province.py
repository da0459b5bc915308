"""Signing in by the province's accounts: who is let in, and every proof that is refused; passwords stay beside it."""

from __future__ import annotations

import asyncio
import http.client
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from campaigns.ledger import people
from config.problem import Problem
from config.settings import load
from dispatcher.assemble import Site
from dispatcher.console.call import COOKIE
from dispatcher.console.provincial import COOKIE as BEGUN
from providers.simulator import province as simulated
from providers.simulator.province import Province
from tests.cluster import AUTHOR
from tests.console import PASSWORD, Browser, person
from tests.serving import Said, Served, serving
from workers.house import House


@dataclass(frozen=True, slots=True)
class Town:
    """An installation that knows a province, and the province."""

    served: Served
    province: Province

    def begin(self) -> tuple[Browser, str]:
        """A browser that has left for the province, and where to."""
        browser = Browser(self.served)
        said = browser.get("/console/sign-in/province?next=/console/me")
        assert said.status == 303, said.body
        return browser, said.headers["location"]

    def agree(self, address: str) -> str:
        """The province says yes; the path to which it sends the browser back."""
        where = urlsplit(address)
        line = http.client.HTTPConnection(where.netloc, timeout=10)
        line.request("GET", f"{where.path}?{where.query}")
        answer = line.getresponse()
        assert answer.status == 302
        back = urlsplit(str(answer.getheader("Location")))
        line.close()
        return f"{back.path}?{back.query}"

    def sign_in(self) -> tuple[Browser, Said]:
        browser, address = self.begin()
        return browser, browser.get(self.agree(address))


@contextmanager
def running(given: Province) -> Iterator[Province]:
    """The simulated province in a thread of its own."""
    loop, up = asyncio.new_event_loop(), threading.Event()
    task = loop.create_task(simulated.run(given, "127.0.0.1", 0, lambda _port: up.set()))
    thread = threading.Thread(target=lambda: loop.run_until_complete(asyncio.wait([task])), daemon=True)
    thread.start()
    assert up.wait(20)
    try:
        yield given
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(20)


@pytest.fixture(scope="module")
def town(site: Site, built: House) -> Iterator[Town]:
    assert built
    with running(Province("dispatcher", "s3cret", "", "", "")) as there:
        knows = {"oidc_issuer": there.base, "oidc_client": "dispatcher", "oidc_secret": "s3cret"}
        with serving(replace(site, settings=site.settings.model_copy(update=knows))) as served:
            yield Town(served, there)


@pytest.fixture
def known(town: Town, house: House) -> str:
    """A person with a password and an address, for whom the province says yes."""
    login = person(house, f"p-{secrets.token_hex(4)}", "approver")
    with house.begin() as conn:
        people.set_email(conn, login, f"{login}@example.vn", AUTHOR.login)
    town.province.email, town.province.sub, town.province.wrong = (
        f"{login.upper()}@Example.vn",
        secrets.token_hex(8),
        "",
    )
    return login


def test_a_person_who_is_entered_gets_in_with_own_roles_and_still_needs_a_code(
    town: Town, house: House, known: str
) -> None:
    """By the verified address, once tied by the subject; the token's role is nothing; PKCE, state and nonce travel."""
    browser, address = town.begin()
    asked = parse_qs(urlsplit(address).query)
    assert asked["code_challenge_method"] == ["S256"]
    assert all(len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))
    said = browser.get(town.agree(address))
    assert (said.status, said.headers["location"]) == (303, "/console/me")
    page = browser.get("/console/me").body.decode()
    assert f"Người {known}" in page
    assert browser.get("/console/people").status == 403
    assert browser.post("/console/me/authenticator").status == 422  # a first one needs the password
    town.province.email = "somebody-else@example.vn"
    assert town.sign_in()[1].status == 303  # the subject is this person now
    with house.begin() as conn:
        people.set_email(conn, known, "", AUTHOR.login)
    assert town.sign_in()[1].status == 422  # and is no more


REFUSED = [wrong for wrong in simulated.WRONG if wrong != "rotated"]


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_wrong_proof_lets_nobody_in_and_the_password_still_does(town: Town, known: str, wrong: str) -> None:
    """Whatever fails, at leaving or at coming back: no session, a sentence, and the local form on the same page."""
    browser, address = town.begin()
    path = town.agree(address)
    town.province.wrong = wrong
    forget(town)
    said = browser.get(path)
    assert said.status in {422, 503}, wrong
    assert COOKIE not in browser.cookies
    assert 'name="password"' in said.body.decode()
    local = browser.post("/console/sign-in", login=known, password=PASSWORD)
    assert local.status == 303
    town.province.wrong = ""
    forget(town)


def forget(town: Town) -> None:
    """What the served console knows of the province: as after an hour."""
    console = town.served.front._console
    assert console
    console.result().state.province._until = 0.0


def test_a_key_that_was_changed_is_fetched_again(town: Town, known: str) -> None:
    assert known
    town.province.wrong = "rotated"
    assert town.sign_in()[1].status == 303
    town.province.wrong = ""


@pytest.mark.parametrize("wrong", ["down", "garbage", "redirect", "elsewhere"])
def test_an_issuer_away_or_strange_is_told_at_leaving_and_only_its_host_is_called(
    town: Town, known: str, wrong: str
) -> None:
    """503 with the local form; no redirect is followed and no other host's address taken."""
    town.province.wrong = wrong
    forget(town)
    said = Browser(town.served).get("/console/sign-in/province")
    town.province.wrong = ""
    forget(town)
    assert known
    assert said.status == 503
    assert "mật khẩu" in said.body.decode()


def test_state_browser_and_proof_are_of_one_sign_in(town: Town, known: str) -> None:
    """Another state, another browser, none, a cookie cut short, the same way back twice: nobody is let in."""
    assert known
    browser, address = town.begin()
    path = town.agree(address)
    assert Browser(town.served).get(path).status == 422
    other, _ = town.begin()
    assert other.get(path).status == 422
    changed = path.replace("state=", "state=x")
    assert Browser(town.served, dict(browser.cookies)).get(changed).status == 422
    assert Browser(town.served, {BEGUN: browser.cookies[BEGUN][:-8]}).get(path).status == 422
    kept = dict(browser.cookies)
    assert browser.get(path).status == 303
    assert Browser(town.served, kept).get(path).status == 422


def test_fifty_ways_back_at_once_are_one_session(town: Town, known: str, site: Site) -> None:
    browser, address = town.begin()
    path = town.agree(address)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: Browser(town.served, dict(browser.cookies)).get(path).status, range(50)))
    assert said.count(303) == 1
    with psycopg.connect(site.owner) as conn:
        row = conn.execute("SELECT count(*), min(way) FROM web_session WHERE person = %s", (known,)).fetchone()
    assert row == (1, "province")


@pytest.mark.parametrize("why", ["unknown", "closed", "another subject"])
def test_nobody_is_made_and_nobody_closed_is_let_in(town: Town, house: House, known: str, why: str) -> None:
    """An address that nobody has; a closed account; a second subject with a first one's address."""
    if why == "unknown":
        town.province.email = f"{secrets.token_hex(6)}@example.vn"
    else:
        assert town.sign_in()[1].status == 303
        town.province.sub = secrets.token_hex(8) if why == "another subject" else town.province.sub
    with house.begin() as conn:
        if why == "closed":
            people.switch(conn, known, AUTHOR.login, on=False)
        before = conn.execute("SELECT count(*) FROM person").fetchone()
    browser, said = town.sign_in()
    assert said.status == 422
    assert COOKIE not in browser.cookies
    with house.begin() as conn:
        assert conn.execute("SELECT count(*) FROM person").fetchone() == before


def test_the_button_is_there_only_where_a_province_is_named(town: Town, site: Site) -> None:
    assert "Vào bằng tài khoản tỉnh" in Browser(town.served).get("/console/sign-in").body.decode()
    with serving(site) as served:
        assert "Vào bằng tài khoản tỉnh" not in Browser(served).get("/console/sign-in").body.decode()
        assert Browser(served).get("/console/sign-in/province").status == 404
        assert Browser(served).get("/console/sign-in/province/back?code=1&state=2").status == 404


@pytest.mark.parametrize(
    "given",
    [{"OIDC_ISSUER": "https://id.example.vn"}, {"OIDC_CLIENT": "x"},
     {"OIDC_ISSUER": "http://id.example.vn", "OIDC_CLIENT": "x"},
     {"OIDC_ISSUER": "https://a:b@id.example.vn", "OIDC_CLIENT": "x"}],
)  # fmt: skip
def test_settings_that_would_trust_too_much_are_refused(tmp_path: Path, given: dict[str, str]) -> None:
    env = {f"DISPATCHER_{key}": value for key, value in given.items()}
    with pytest.raises(Problem, match="oidc_issuer"):
        load(env, data=tmp_path)
