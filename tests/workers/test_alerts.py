"""Alerts: found in the ledger, told once a outlet, told again where a outlet failed, ended by themselves."""

from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json
import re
import secrets
import socket
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from campaigns.alerts import SENTENCES, Found, sentence
from campaigns.ledger import alerts
from campaigns.ledger.waves import Wave
from config.problem import Problem
from config.settings import load
from dispatcher import cli
from dispatcher.assemble import Site
from tests.cluster import AUTHOR, Planned, Started
from tests.console import signed_in
from tests.post import Box, mailbox, webhook
from tests.serving import key_of, serving
from tests.workers.stage import ACCOUNT
from workers import outlets
from workers.alerting import Alerter
from workers.house import House
from workers.outlets import OutletError


@pytest.fixture(autouse=True)
def quiet(site: Site, house: House) -> None:
    """No alert of another test is open."""
    assert house
    with psycopg.connect(site.owner) as conn:
        conn.execute("DELETE FROM alert_message")
        conn.execute("DELETE FROM alert")


def told_to(house: House, **settings: Any) -> House:
    return replace(house, settings=house.settings.model_copy(update=settings))


def hooked(house: House, box: Box, **settings: Any) -> House:
    address = f"http://127.0.0.1:{box.port}/hook?k=1"
    return told_to(house, alert_webhook=address, alert_webhook_key="s3cret", alert_private=True, **settings)


def found(house: House, *kinds: str) -> dict[str, Any]:
    """Open alerts of these kinds as the ledger sees them now: about -> facts."""
    with house.begin() as conn:
        return {each.about: each.facts for each in alerts.now(conn, [ACCOUNT]) if each.kind in kinds}


def aged(site: Site, query: str, *values: object) -> None:
    with psycopg.connect(site.owner) as conn:
        conn.execute(query, values)


# -- what is found -----------------------------------------------------------------------------------------------------


def test_a_wave_that_stands_still_in_its_hours(house: House, started: Started, site: Site) -> None:
    wave = started(n=20, account=ACCOUNT)
    assert found(house, "stalled") == {}
    aged(site, "UPDATE wave SET started_at = now() - interval '20 min', opens_at = now() - interval '1 h',"
               " day_opens = '00:00', day_closes = '00:00' WHERE id = %s", wave.id)  # fmt: skip
    assert found(house, "stalled") == {str(wave.id): {"name": wave.name, "waiting": 20, "accounts": ACCOUNT}}
    aged(site, "UPDATE wave SET opens_at = now() - interval '5 min' WHERE id = %s", wave.id)
    assert found(house, "stalled") == {}


def test_hours_that_end_with_messages_left(house: House, started: Started, site: Site) -> None:
    wave = started(n=20, account=ACCOUNT)
    assert found(house, "closing") == {}
    aged(site, "UPDATE wave SET closes_at = now() + interval '20 min' WHERE id = %s", wave.id)
    assert found(house, "closing")[str(wave.id)]["waiting"] == 20


def test_a_plan_that_nobody_looks_at(house: House, planned: Planned, site: Site) -> None:
    wave = planned(n=20)
    assert found(house, "approval") == {}
    aged(site, "UPDATE wave SET planned_at = now() - interval '31 min' WHERE id = %s", wave.id)
    assert found(house, "approval")[str(wave.id)] == {"name": wave.name, "author": AUTHOR.login, "n": 20}


def test_answers_without_a_receipt(house: House, started: Started, site: Site) -> None:
    """A hundred answers half an hour ago and not one receipt since; an account that promises none is not asked."""
    wave = started(n=120, account=ACCOUNT)
    aged(site, "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal, closed)"
               " SELECT 77001, %s, 'first', 0, 1, 0, 120, '', %s, 'j', now() - interval '30 min'",
         wave.id, ACCOUNT)  # fmt: skip
    aged(site, "DELETE FROM inbox")
    assert found(house, "drought") == {ACCOUNT: {"account": ACCOUNT, "n": 120}}
    with house.begin() as conn:
        assert [each for each in alerts.now(conn, []) if each.kind == "drought"] == []


def test_a_route_that_is_stopped_and_a_carrier_that_is_down(house: House, site: Site) -> None:
    aged(site, "INSERT INTO route_stop (account, scope, code, detail) VALUES (%s, 'account', '0x0E', 'password')",
         ACCOUNT)  # fmt: skip
    aged(site, "INSERT INTO share (account, holder, rate, until, says) VALUES (%s, 1, 1, now() + interval '1 min',"
               " '{\"down\": 300, \"code\": \"~link\"}')", ACCOUNT)  # fmt: skip
    assert found(house, "route", "carrier") == {ACCOUNT: {"account": ACCOUNT, "code": "~link"}}
    assert len(found(house, "route")) == 1


@pytest.mark.parametrize("kind", SENTENCES)
def test_each_kind_has_its_sentence_in_both_languages(kind: str) -> None:
    words = ["name", "carriers", "accounts", "closes", "author", "account", "code", "reason", "carrier", "campaign",
             "deadline"]  # fmt: skip
    facts = dict.fromkeys(words, "x") | dict.fromkeys(["waiting", "n", "percent", "days_left"], 12_345)
    vi, en = (sentence(Found(kind, "7", facts), language) for language in ("vi", "en"))
    assert vi != en
    assert "{" not in vi + en
    assert "12,345" not in vi


@pytest.mark.parametrize("command", sorted(set(re.findall(r"`dispatcher ([a-z ]+?)(?: \{\w+\})?`", str(SENTENCES)))))
def test_what_an_alert_says_to_do_can_be_done(command: str) -> None:
    assert cli.run([*command.split(), "--help"], {"DISPATCHER_LANG": "vi"}) == 0


# -- who is told -------------------------------------------------------------------------------------------------------


def late(site: Site, wave: Wave) -> None:
    aged(site, "UPDATE wave SET planned_at = now() - interval '1 h' WHERE id = %s", wave.id)


def test_a_webhook_is_told_once_and_signed(house: House, planned: Planned, site: Site) -> None:
    """One call for all that is due, signed, in words and as facts; the next look says nothing new."""
    late(site, planned(n=20))
    with webhook() as box:
        alerter = Alerter(hooked(house, box))
        assert alerter.find() == (1, 0)
        assert (alerter.tell("webhook"), alerter.find(), alerter.tell("webhook")) == (1, (0, 0), 0)
    [(headers, body)] = box.came
    at, _, given = headers["x-dispatcher-signature"].partition(",v1=")
    made = hmac.new(b"s3cret", f"{at.removeprefix('t=')}.".encode() + body, hashlib.sha256).hexdigest()
    assert given == made
    told = json.loads(body)
    assert told["subject"] == "[diễn tập] Hệ thống nhắn tin: 1 việc cần xem"
    assert [(each["kind"], each["ended_at"]) for each in told["alerts"]] == [("approval", None)]
    assert "đã chờ duyệt hơn 30 phút" in told["alerts"][0]["says"]


def test_what_is_over_ends_and_may_begin_again(house: House, planned: Planned, site: Site) -> None:
    wave = planned(n=20)
    late(site, wave)
    alerter = Alerter(house)
    assert alerter.find() == (1, 0)
    aged(site, "UPDATE wave SET planned_at = now() WHERE id = %s", wave.id)
    assert alerter.find() == (0, 1)
    late(site, wave)
    assert alerter.find() == (1, 0)
    with house.begin() as conn:
        assert [each.ended_at is None for each in alerts.latest(conn, ended=5)] == [True, False]


@pytest.mark.parametrize("says", [500, 302, 404])
def test_a_webhook_that_fails_is_told_again_later(house: House, planned: Planned, site: Site, says: int) -> None:
    """Not at once, not for ever, and never by following it elsewhere."""
    late(site, planned(n=20))
    with webhook() as box:
        box.says = says
        alerter = Alerter(hooked(house, box))
        alerter.find()
        assert (alerter.tell("webhook"), alerter.tell("webhook")) == (0, 0)
        with house.begin() as conn:
            assert alerts.failing(conn) == {"webhook": f"HTTP {says}"}
        aged(site, "UPDATE alert_message SET next_try = now()")
        box.says = 204
        assert alerter.tell("webhook") == 1
        with house.begin() as conn:
            assert alerts.failing(conn) == {}
        aged(site, "UPDATE alert_message SET told_at = NULL, next_try = now(), tries = %s", alerts.TRIES)
        assert alerter.tell("webhook") == 0
    assert len(box.came) == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "[::1]", "169.254.169.254", "192.168.0.9"])
def test_a_webhook_inside_the_network_gets_nothing(house: House, host: str) -> None:
    with webhook() as box:
        inside = told_to(house, alert_webhook=f"http://{host}:{box.port}/", alert_private=False)
        with pytest.raises(OutletError, match="inside this network"):
            outlets.post(inside.settings, {})
    assert box.came == []


def test_a_channel_that_hangs_costs_seconds(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlets, "WAIT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        box = Box(port=deaf.getsockname()[1])
        with pytest.raises(OutletError, match=r"[Tt]imeout|timed out"):
            outlets.post(hooked(house, box).settings, {})


def test_a_letter_to_everybody(house: House, planned: Planned, site: Site) -> None:
    """One letter, its words in Vietnamese; a server that refuses it is asked again, and its password is in no error."""
    late(site, planned(n=20))
    with mailbox() as box:
        server = f"smtp://127.0.0.1:{box.port}"
        to = ("truc@example.vn", "lanhdao@example.vn")
        alerter = Alerter(told_to(house, alert_mail_server=server, alert_mail_from="bao@example.vn", alert_mail_to=to))
        alerter.find()
        box.says = 554
        assert alerter.tell("mail") == 0
        with house.begin() as conn:
            assert alerts.failing(conn) == {"mail": "SMTPDataError 554"}
        box.says = 250
        aged(site, "UPDATE alert_message SET next_try = now()")
        assert alerter.tell("mail") == 1
    [(_, text)] = box.came
    letter = email.message_from_bytes(text, policy=email.policy.default)
    assert letter["To"] == ", ".join(to)
    assert letter["Subject"] == "[diễn tập] Hệ thống nhắn tin: 1 việc cần xem"
    body = letter.get_body()
    assert body
    assert "đã chờ duyệt hơn 30 phút" in body.get_content()


# -- faces -------------------------------------------------------------------------------------------------------------


def test_the_command_line_lists_and_tests(
    house: House, planned: Planned, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    late(site, planned(n=20))
    Alerter(house).find()
    env = {"DISPATCHER_LANG": "vi", "DISPATCHER_KEY": key_of(house, AUTHOR, "read", "write", "admin")}
    flags = ["--rehearsal", "--data", str(site.settings.data)]
    assert cli.run(["alert", "list", *flags], env) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "đã chờ duyệt hơn 30 phút" in said
    assert "Chưa báo cho ai" in said
    assert cli.run(["alert", "test", "--as", AUTHOR.login, *flags], env) == 1
    with webhook() as box:
        hook = {"DISPATCHER_ALERT_WEBHOOK": f"http://127.0.0.1:{box.port}/", "DISPATCHER_ALERT_PRIVATE": "true"}
        assert cli.run(["alert", "test", "--as", AUTHOR.login, *flags], env | hook) == 0
    [(_, body)] = box.came
    assert "đường báo này hoạt động" in json.loads(body)["alerts"][0]["says"]


def test_the_api_tells_what_the_command_line_tells(
    house: House, planned: Planned, site: Site
) -> None:  # fmt: skip
    late(site, planned(n=20))
    Alerter(house).find()
    with serving(site) as served:
        said = served.get("/api/v1/alerts?ended=3", key_of(house, AUTHOR, "read"))
        assert served.get("/api/v1/alerts").status == 401
    assert said.status == 200
    [one] = said.json["alerts"]
    assert (one["kind"], one["ended_at"], said.json["outlets"]) == ("approval", None, [])


def test_the_home_page_shows_what_needs_a_person(house: House, started: Started, site: Site) -> None:
    wave = started(n=20, account=ACCOUNT)
    aged(site, "UPDATE wave SET closes_at = now() + interval '20 min' WHERE id = %s", wave.id)
    Alerter(house).find()
    with serving(site) as served:
        page = signed_in(served, house, f"h-{secrets.token_hex(4)}", "officer").get("/console").body.decode()
    assert "Cần người xem" in page
    assert "mà còn 20 bản tin chưa gửi" in page


@pytest.mark.parametrize(
    ("env", "name"),
    [
        ({"ALERT_MAIL_SERVER": "http://x", "ALERT_MAIL_TO": "a@b"}, "alert_mail_server"),
        ({"ALERT_MAIL_SERVER": "smtp://x"}, "alert_mail_to"),
        ({"ALERT_MAIL_SERVER": "smtp://x", "ALERT_MAIL_TO": "a@b"}, "alert_mail_from"),
        ({"ALERT_WEBHOOK": "http://example.com/"}, "alert_webhook"),
    ],
)
def test_settings_that_would_tell_nobody_are_refused(tmp_path: Any, env: dict[str, str], name: str) -> None:
    given = {f"DISPATCHER_{key}": value for key, value in env.items()}
    with pytest.raises(Problem, match=name):
        load(given, data=tmp_path)
