"""Carriers' callbacks over a real socket: taken only with proof, answered 200 only when on the disk."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import RequestValidator

from campaigns.message import reference
from campaigns.terms import Callback
from config.logs import mask
from config.problem import Problem
from dispatcher import app, callbacks
from dispatcher.assemble import Site
from tests.serving import Served, serving
from workers import spool
from workers.house import House

BASE = "https://sms.laichau.example"
NUMBER = "84912000111"
QUERY = f"SMSID=abc-1&SendStatus=5&SendSuccess=1&SendFailed=0&Phone={NUMBER}"
SID = "SM" + "0" * 32
FORM = {"MessageSid": SID, "MessageStatus": "delivered", "AccountSid": "AC" + "0" * 32, "To": f"+{NUMBER}"}


@pytest.fixture(scope="module")
def served(site: Site) -> Iterator[Served]:
    with serving(replace(site, callback_base=BASE)) as running:
        yield running


def stored(house: House, mark: str) -> list[Callback]:
    """The events with this mark that a loader would find if this machine stopped now."""
    found = []
    for path in house.folder("spool").glob("*~*"):
        account = spool.account_of(path)
        for each in _whole(path):
            events = spool.opened(house.keyring.open(each.raw, account.encode()))
            found += [spool.callback(event) for event in events]
    return [event for event in found if mark in f"{event.url} {event.body!r}"]


def _whole(path: Path) -> list[spool.Group]:
    """A segment by whichever of its two names it has at this moment."""
    for name in (path, path.with_suffix(spool.READY)):
        with suppress(FileNotFoundError):
            return list(spool.read(name))
    raise AssertionError(path)


_windows = count(77)


def ours(house: House) -> str:
    """A reference that no other test has."""
    return reference(next(_windows), 3, house.keyring.mac_key("reference"))


def secret(house: House, account: str) -> str:
    return callbacks.callback_secret(house.keyring, account)


def signed(path: str, **changes: str) -> dict[str, Any]:
    """A Twilio form POST as the carrier would sign it for our public URL."""
    form = FORM | changes
    signature = RequestValidator("rehearsal").compute_signature(BASE + path, form)
    return {
        "body": urlencode(form).encode(), "Content_Type": "application/x-www-form-urlencoded",
        "X_Twilio_Signature": signature,
    }  # fmt: skip


def test_a_receipt_at_a_messages_own_path_is_kept_as_it_came(served: Served) -> None:
    house = served.front.house
    ref = ours(house)
    assert served.get(f"/cb/sim-esms/{ref}?{QUERY}").status == 200
    [event] = stored(house, ref)
    assert (event.method, event.reference, event.query, event.body) == ("GET", ref, QUERY, b"")
    assert event.url == f"{BASE}/cb/sim-esms/{ref}?{QUERY}"


def test_the_url_that_is_checked_is_the_public_one_whatever_host_is_named(served: Served) -> None:
    ref = ours(served.front.house)
    path = f"/cb/sim-twilio/{ref}"
    for host in ("sms.laichau.example", "evil.example", "127.0.0.1:1"):
        said = served.call("POST", path, Host=host, X_Forwarded_Host="evil.example", **signed(path))
        assert said.status == 200
    assert len(stored(served.front.house, ref)) == 3


def test_the_account_secret_opens_its_own_account_and_is_not_kept(served: Served) -> None:
    house = served.front.house
    path, sid = f"/cb/sim-twilio/{secret(house, 'sim-twilio')}", "SM" + "5" * 32
    assert (
        served.call("POST", path, Cookie="a=b", Authorization="Basic eDp5", **signed(path, MessageSid=sid)).status
        == 200
    )
    [event] = stored(house, sid)
    assert event.url == f"{BASE}/cb/sim-twilio/-"
    assert not {"cookie", "authorization"} & set(event.headers)
    assert secret(house, "sim-twilio") not in str(event)
    assert event.reference == ""


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/cb/sim-esms/{wrong}", 404),  # one digit of the MAC is wrong
        ("/cb/nobody/{ours}", 404),
        ("/cb/esms-a/{ours}", 404),  # configured, not enabled
        ("/cb/sim-esms/{upper}", 404),
        ("/cb/sim-esms/{ours}/", 404),
        ("/cb/sim-esms/{ours}0", 404),
        ("/cb/sim-esms/", 404),
        ("/cb/../cb/sim-esms/{ours}", 404),
        ("/cb/sim%2Desms/{ours}", 404),
        ("/cb/sim-twilio/{esms_secret}", 404),  # another account's secret
        ("/cb/sim-esms/{esms_secret}", 403),  # eSMS signs nothing: only a message's own path proves anything
        ("/cb/sim-smpp/{ours}", 403),  # its receipts come over the bind
    ],
)
def test_a_path_without_proof_is_refused_and_keeps_nothing(served: Served, path: str, status: int) -> None:
    house = served.front.house
    ref = ours(house)
    wrong = ref[:-1] + ("0" if ref[-1] != "0" else "1")
    filled = path.format(ours=ref, wrong=wrong, upper=ref.upper(), esms_secret=secret(house, "sim-esms"))
    assert served.get(f"{filled}?{QUERY}&mark={ref}").status == status
    assert stored(house, ref) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"])
def test_only_get_and_post_are_taken(served: Served, method: str) -> None:
    said = served.call(method, f"/cb/sim-esms/{ours(served.front.house)}")
    assert (said.status, said.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({}, 200),
        ({"X_Twilio_Signature": ""}, 403),
        ({"X_Twilio_Signature": "x" * 28}, 403),
        ({"X_Twilio_Signature": "ữ".encode().decode("latin-1")}, 403),
        ({"body": b""}, 403),
        ({"body": b"\0" * 100}, 403),
        ({"body": b"&".join(b"a=1" for _ in range(15_000))}, 403),
        ({"body": b"{" * 11}, 400),
        ({"body": b'{"a": "' + b"[" * 100 + b'"}'}, 403),  # brackets in a text are no depth
        ({"body": b"x" * 65_536}, 403),
        ({"body": b"x" * 65_537}, 413),
        ({"Content_Type": "application/json"}, 403),
        ({"Content_Encoding": "gzip"}, 415),
        ({"Content_Length": "70000"}, 413),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_body_is_taken_only_whole_plain_small_and_signed(served: Served, wanted: dict[str, Any], status: int) -> None:
    ref = ours(served.front.house)
    path = f"/cb/sim-twilio/{ref}"
    said = served.call("POST", path, **(signed(path) | wanted))
    assert said.status == status
    assert said.body == b""
    assert len(stored(served.front.house, ref)) == (status == 200)


def _raw(served: Served, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", served.port), 10) as line:
        line.sendall(text)
        return b"".join(iter(lambda: line.recv(65_536), b""))


def test_a_body_in_pieces_is_counted_by_its_bytes(served: Served) -> None:
    ref = ours(served.front.house)
    head = f"POST /cb/sim-twilio/{ref} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    assert _raw(served, head.encode() + piece * 3).startswith(b"HTTP/1.1 413")
    assert stored(served.front.house, ref) == []


def test_a_body_that_never_ends_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callbacks, "READ_WITHIN", 0.2)
    head = f"POST /cb/sim-twilio/{ours(served.front.house)} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nabc"
    assert _raw(served, head.encode()).startswith(b"HTTP/1.1 408")


def test_a_repeated_receipt_is_kept_each_time(served: Served) -> None:
    ref = ours(served.front.house)
    path = f"/cb/sim-esms/{ref}?{QUERY}"
    assert {served.get(path).status for _ in range(20)} == {200}
    assert len(stored(served.front.house, ref)) == 20


def test_a_full_spool_sends_the_carrier_away_for_a_while(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = served.front._receiver._desks["sim-esms"]
    monkeypatch.setattr(desk.spool, "_limit", -1)
    monkeypatch.setattr(desk.spool, "_checked", 0.0)
    ref = ours(served.front.house)
    said = served.get(f"/cb/sim-esms/{ref}?{QUERY}")
    assert (said.status, said.headers["retry-after"]) == (503, "5")
    assert stored(served.front.house, ref) == []


def test_a_check_that_breaks_refuses(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_callback: Callback) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(served.front._receiver._desks["sim-esms"].provider, "verify", broken)
    ref = ours(served.front.house)
    assert served.get(f"/cb/sim-esms/{ref}?{QUERY}").status == 403
    assert stored(served.front.house, ref) == []


def test_every_answer_to_a_carrier_bears_the_guarding_headers(served: Served) -> None:
    for path in (f"/cb/sim-esms/{ours(served.front.house)}?{QUERY}", "/cb/nobody/x"):
        said = served.get(path)
        assert said.headers["cache-control"] == "no-store"
        assert said.headers["x-content-type-options"] == "nosniff"


def test_no_line_of_the_log_holds_a_secret_a_reference_or_a_number(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house = served.front.house
    paths = [ours(house), secret(house, "sim-esms"), "0" * 32]
    for last in paths:
        served.get(f"/cb/sim-esms/{last}?{QUERY}")
        served.call("POST", f"/cb/sim-twilio/{last}", body=urlencode(FORM).encode())
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert "/cb/sim-esms/- 403" in text
    assert not [word for word in (*paths, NUMBER, NUMBER[2:], SID) if word in text]
    assert mask(f"GET /cb/sim-esms/{paths[1]} 200") == "GET /cb/sim-esms/- 200"


def test_nothing_is_opened_where_the_spool_cannot_be_written(site: Site, tmp_path: Path) -> None:
    data = tmp_path / "var"
    data.mkdir(mode=0o700)
    (data / "spool").write_text("a file where the folder should be")
    with pytest.raises(Problem, match="receipts would be lost"):
        app.build(replace(site, settings=site.settings.model_copy(update={"data": data})))
