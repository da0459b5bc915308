"""Letters that ask for an approval: once a plan and person, with one link that opens the page after signing in."""

from __future__ import annotations

import email
import email.policy
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import psycopg
import pytest

from campaigns.ledger import deputies, letters, people, plans, waves
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.schedule import ZONE
from campaigns.terms import Problem
from dispatcher.assemble import Site
from tests.cluster import AUTHOR, CAMPAIGN, Planned
from tests.console import PASSWORD, Browser, person, signed_in
from tests.post import Box, mailbox, webhook
from tests.serving import serving
from workers.asking import Asker
from workers.house import House


@pytest.fixture(autouse=True)
def alone(site: Site, house: House) -> Iterator[None]:
    """Nobody of another test is asked."""
    assert house
    with psycopg.connect(site.owner) as conn:
        conn.execute("UPDATE person SET disabled_at = now() WHERE 'approver' = ANY (roles) AND disabled_at IS NULL")
    yield
    with psycopg.connect(site.owner) as conn:
        conn.execute("UPDATE person SET disabled_at = NULL")


def approver(house: House, *roles: str, address: bool = True) -> Person:
    login = f"q-{secrets.token_hex(5)}"
    with house.begin() as conn:
        people.add_person(conn, login, f"Người {login}", list(roles or ("approver",)))
        if address:
            people.set_email(conn, login, f"{login}@example.vn", AUTHOR.login)
    return Person(login, f"Người {login}", roles or ("approver",))


def asker(house: House, box: Box, kind: str = "mail") -> Asker:
    settings: dict[str, Any] = {
        "alert_mail_server": f"smtp://127.0.0.1:{box.port}", "alert_mail_from": "bao@example.vn",
        "alert_mail_to": ("truc@example.vn",),
    }  # fmt: skip
    if kind == "webhook":
        settings = {"alert_webhook": f"http://127.0.0.1:{box.port}/", "alert_private": True}
    return Asker(replace(house, settings=house.settings.model_copy(update=settings)))


def read(box: Box) -> list[EmailMessage]:
    return [email.message_from_bytes(text, policy=email.policy.default) for _, text in box.came]  # type: ignore[misc]


def test_each_approver_gets_one_letter_a_plan_and_a_new_plan_brings_a_new_one(house: House, planned: Planned) -> None:
    """Who asks, what, how many, when, one link; no text, no number; not the author; never a second one."""
    wave, one, two = planned(n=40, seed=71), approver(house), approver(house)
    approver(house, "officer")
    with mailbox() as box:
        ask = asker(house, box)
        assert (ask.ask(), ask.ask(), asker(house, box).ask()) == (2, 0, 0)
        first = {str(each["To"]): each for each in read(box)}
        assert set(first) == {f"{each.login}@example.vn" for each in (one, two)}
        letter = first[f"{one.login}@example.vn"]
        assert letter["Subject"] == f"[diễn tập] Đề nghị duyệt: {wave.name}, 40 người"
        body = letter.get_content()
        assert f"Nguyễn Văn An đề nghị duyệt gửi {wave.name}, chiến dịch {CAMPAIGN}." in body
        assert "Số người nhận: 40 người" in body
        assert re.findall(r"https?://\S+", body) == [f"{house.settings.url}/console/waves/{wave.id}/approve"]
        assert not any(text["text"][:30] in body for text in wave.plan["texts"].values())
        assert not re.search(r"(?:\+?84|0)[35789]\d{8}", body.replace(str(wave.id), ""))
        with house.begin() as conn:
            waves.move(conn, wave.id, one.login, "cancel", "sai ngày")
        planned(n=40, seed=71, name="Đợt khác")
        assert ask.ask() == 2
    marks = [each["Message-ID"] for each in read(box)]
    assert len(set(marks)) == 4


def test_who_has_approved_and_what_has_enough_asks_nobody(house: House, planned: Planned) -> None:
    wave, one, two = planned(n=40, seed=72, approvals_due=2), approver(house), approver(house)
    with house.begin() as conn:
        waves.approve(conn, wave.id, one, typed=40, choice="corrected", reason="lỗi chữ")
    with mailbox() as box:
        assert asker(house, box).ask() == 1
        [letter] = read(box)
        assert letter["To"] == f"{two.login}@example.vn"
        assert "đã có 1 trên 2" in letter.get_content()
        with house.begin() as conn:
            waves.approve(conn, wave.id, two, typed=40, choice="corrected", reason="lỗi chữ")
        approver(house)
        assert asker(house, box).ask() == 0


def test_a_deputy_is_asked_too_and_told_in_whose_place(house: House, planned: Planned) -> None:
    """Named after the plan was made: the next look asks; the author's deputy is not asked."""
    planned(n=40, seed=73)
    chief, deputy = approver(house), approver(house, "officer")
    today = datetime.now(UTC).astimezone(ZONE).date()
    with mailbox() as box:
        ask = asker(house, box)
        assert ask.ask() == 1
        with house.begin() as conn:
            deputies.name(conn, chief, deputy.login, today, today + timedelta(1), "họp")
        assert ask.ask() == 1
        assert f"Duyệt thay {chief.name} theo ủy quyền." in read(box)[1].get_content()
        author, clerk = approver(house, "officer", "approver", address=False), approver(house, "officer")
        with house.begin() as conn:
            deputies.name(conn, author, clerk.login, today, today, "họp")
        draft = planned.draft(planned.audience(n=40, seed=74), name="Của người có phó")
        with house.begin() as conn:
            plans.plan(conn, draft, author.login, house.keys(CAMPAIGN))
        assert ask.ask() == 3  # the two of the new plan; and the clerk, of the plan that is not the principal's
    to = [str(each["To"]) for each in read(box) if "Của người có phó, 40 người" in str(each["Subject"])]
    assert sorted(to) == sorted(f"{each.login}@example.vn" for each in (chief, deputy))


def test_a_server_that_refuses_is_asked_again_and_not_for_ever(house: House, planned: Planned, site: Site) -> None:
    """One failure ends the round; the page's words are there meanwhile; after the last try it is left alone."""
    wave, one, two = planned(n=40, seed=75), approver(house), approver(house)
    with mailbox() as box:
        box.says = 554
        ask = asker(house, box)
        assert (ask.ask(), ask.ask()) == (0, 0)
        with house.begin() as conn:
            assert {(each.name, each.error) for each in letters.reached(conn, wave.id)} == {
                (one.name, "SMTPDataError 554"), (two.name, "SMTPDataError 554"),
            }  # fmt: skip
        box.says = 250
        with psycopg.connect(site.owner) as conn:
            conn.execute("UPDATE approval_letter SET next_try = now(), tries = %s WHERE person = %s",
                         (letters.TRIES, two.login))  # fmt: skip
            conn.execute("UPDATE approval_letter SET next_try = now() WHERE person = %s", (one.login,))
        assert ask.ask() == 1
    assert [each["To"] for each in read(box)] == [f"{one.login}@example.vn"]


def test_without_an_address_the_webhook_is_told_and_without_any_way_the_page_says_so(
    house: House, planned: Planned, site: Site
) -> None:
    wave, one = planned(n=40, seed=76), approver(house, address=False)
    with mailbox() as box:
        assert asker(house, box).ask() == 0
    with serving(site) as served:
        page = signed_in(served, house, f"q-{secrets.token_hex(4)}", "officer").get(f"/console/waves/{wave.id}")
    assert "Chưa cài máy chủ thư hay webhook" in page.body.decode()
    assert one.name in page.body.decode()
    with webhook() as box:
        assert asker(house, box, "webhook").ask() == 1
    told = json.loads(box.came[0][1])
    assert told["asked"]["person"] == one.login
    assert told["asked"]["link"] == f"{house.settings.url}/console/waves/{wave.id}/approve"


def test_the_link_opens_that_very_page_after_signing_in_and_nothing_without(
    house: House, planned: Planned, site: Site
) -> None:
    """It holds no word that lets anybody in; the sign-in keeps it; whoever is signed in goes straight on."""
    wave, one = planned(n=40, seed=77), approver(house)
    person(house, one.login, "approver")
    with mailbox() as box:
        asker(house, box).ask()
    [link] = re.findall(r"https?://\S+", read(box)[0].get_content())
    path = link.removeprefix(house.settings.url)
    with serving(site) as served:
        browser = Browser(served)
        said = browser.get(path)
        assert (said.status, said.headers["location"]) == (303, f"/console/sign-in?next={path}")
        form = browser.get(said.headers["location"]).body.decode()
        [kept] = re.findall(r'name="next" value="([^"]*)"', form)
        into = browser.post("/console/sign-in", login=one.login, password=PASSWORD, next=kept)
        assert (into.status, into.headers["location"]) == (303, path)
        page = browser.get(path).body.decode()
        assert f"đề nghị gửi {wave.name}" in page
        assert browser.get(f"/console/sign-in?next={path}").headers["location"] == path
        for evil in ("//evil.example", "https://evil.example/console", "/console//evil.example", "/console/\\evil",
                     "/consolevil", "/console/%0d%0aX: y\r\nx"):  # fmt: skip
            wanted = Browser(served).post("/console/sign-in", login=one.login, password=PASSWORD, next=evil)
            assert wanted.headers["location"].startswith("/console"), evil
            assert "//" not in wanted.headers["location"]
            assert not wanted.headers["location"].startswith("/consolevil")


@pytest.mark.parametrize(
    "address", ["a@b\r\nBcc: x@y", "a b@c.vn", "a@", "@b.vn", "a@b.vn, c@d.vn", "a@b.vn>", "ă@b.vn"]
)
def test_what_is_no_single_address_is_refused_twice(house: House, site: Site, address: str) -> None:
    """By a sentence, and by the table when it is written past that."""
    one = approver(house, address=False)
    with pytest.raises(Problem, match="no e-mail address"), house.begin() as conn:
        people.set_email(conn, one.login, address, AUTHOR.login)
    with pytest.raises(psycopg.errors.CheckViolation), psycopg.connect(site.app) as line:
        line.execute("UPDATE person SET email = %s WHERE login = %s", (address, one.login))


def test_one_address_is_one_persons(house: House, site: Site) -> None:
    one, two = approver(house), approver(house, address=False)
    with pytest.raises(Problem, match="another person's"), house.begin() as conn:
        people.set_email(conn, two.login, f"{one.login}@EXAMPLE.vn", AUTHOR.login)
    with pytest.raises(psycopg.errors.UniqueViolation), psycopg.connect(site.app) as line:
        line.execute("UPDATE person SET email = %s WHERE login = %s", (f"{one.login}@example.vn", two.login))


def test_two_sweepers_at_once_send_one_letter(house: House, planned: Planned) -> None:
    """Both enter, one claims."""
    wave: Wave = planned(n=40, seed=78)
    approver(house)
    with mailbox() as box:
        one, two = asker(house, box), asker(house, box)
        with house.begin() as conn:
            letters.enter(conn, ["mail"])
            letters.enter(conn, ["mail"])
            assert len(letters.claim(conn, "mail")) == 1
            assert letters.claim(conn, "mail") == []
        assert (one.ask(), two.ask()) == (0, 0)
    assert wave.state == "planned"
