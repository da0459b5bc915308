"""Who is let in: every route asks for a key with its scope, and every answer bears the guarding headers."""

from __future__ import annotations

import os
import re
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from fastapi import FastAPI
from fastapi.routing import APIRoute

from campaigns.ledger import people
from config.problem import Problem
from dispatcher import app, auth
from dispatcher.api import (
    alerts,
    audiences,
    campaigns,
    carrier_form,
    control,
    deputies,
    exclusions,
    letters,
    metrics,
    orders,
    papers,
    texts,
    trials,
    waves,
)
from dispatcher.api.application import PUBLIC, open_api
from dispatcher.api.health import Health, spool_age
from dispatcher.assemble import Site
from tests.cluster import AUTHOR
from tests.serving import Served, key_of, serving
from workers.house import House

GUARDS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


@pytest.fixture(scope="module")
def api(built: House) -> FastAPI:
    return open_api(built, rehearsal=True)


def _scopes(route: APIRoute) -> tuple[str, ...]:
    """What the key of a route must bear, one of them; read from its dependencies."""
    stack, found = [route.dependant], []
    while stack:
        dependant = stack.pop()
        stack += dependant.dependencies
        found += [scopes] if (scopes := getattr(dependant.call, "scopes", ())) else []
    [scopes] = found
    return tuple(scopes)


def _routes() -> list[tuple[str, str, tuple[str, ...]]]:
    """(method, path, scopes) of every route that has to do with campaigns."""
    modules = (
        campaigns, letters, texts, audiences, exclusions, waves, orders, papers, control, alerts, deputies, trials,
    )  # fmt: skip
    found = [route for module in modules for route in module.router.routes if isinstance(route, APIRoute)]
    own = [("GET", "/metrics", ("read",))]  # Prometheus asks there; it bears a key like everybody
    assert metrics.router.routes
    return [(min(route.methods or {""}), f"/api/v1{route.path}", _scopes(route)) for route in found] + own


def test_what_openapi_lists_is_all_there_is(api: FastAPI) -> None:
    listed = {(method.upper(), path) for path, methods in api.openapi()["paths"].items() for method in methods}
    assert {(method, path) for method, path, _ in _routes()} == {one for one in listed if one[1] not in PUBLIC}
    mounted = {getattr(route, "path", None) for route in (*api.routes, *carrier_form.router.routes)}
    assert mounted == {*PUBLIC, "/static-offline-docs", None}  # None: the router of all that asks for a key


@pytest.mark.parametrize(("method", "path", "scopes"), _routes())
def test_a_route_refuses_without_a_key_and_without_its_scope(
    served: Served, built: House, method: str, path: str, scopes: tuple[str, ...]
) -> None:
    filled = re.sub(r"\{\w+\}", "1", path)
    rest = [scope for scope in people.ALL_SCOPES if scope not in scopes]
    for said, status in (
        (served.call(method, filled), 401),
        (served.call(method, filled, Cookie="key=dk_x"), 401),
        (served.call(method, filled, key=key_of(built, AUTHOR, *rest)), 403),
    ):
        assert said.status == status
        assert {name: said.headers[name] for name in GUARDS} == GUARDS
        assert "set-cookie" not in said.headers
    message = served.call(method, filled).json["error"]
    assert message == served.get("/api/v1/waves").json["error"], "one sentence for every stranger"


@pytest.mark.parametrize(
    "given",
    ["", "dk_", "Bearer", "bearer", "Basic dXNlcjpkaw==", "Bearer dk_" + "x" * 43, "Bearer dk_" + "a" * 5000,
     "Bearer ữ".encode().decode("latin-1"), "Bearer dk_\0"],
)  # fmt: skip
def test_anything_but_a_key_is_a_stranger(served: Served, given: str) -> None:
    header = f"GET /api/v1/waves HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {given}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), 10) as line:
        line.sendall(header.encode("latin-1"))
        status = line.makefile("rb").readline().split()[1]
    assert status in {b"400", b"401"}


def test_a_key_that_is_over_or_taken_back_is_no_key(served: Served, built: House, site: Site) -> None:
    keys = [key_of(built, AUTHOR, "read") for _ in range(2)]
    assert [served.get("/api/v1/waves", key).status for key in keys] == [200, 200]
    with built.begin() as conn:
        conn.execute("UPDATE person_key SET revoked_at = now() WHERE digest = %s", (people._digest(keys[0]),))
    with psycopg.connect(site.owner) as owner:
        owner.execute("UPDATE person_key SET expires_at = now() WHERE digest = %s", (people._digest(keys[1]),))
    assert [served.get("/api/v1/waves", key).status for key in keys] == [401, 401]


def test_many_wrong_keys_are_slowed_and_a_right_one_still_passes(built: House, site: Site) -> None:
    key = key_of(built, AUTHOR, "read")
    with serving(site) as served:
        told = [served.get("/api/v1/waves", f"dk_{n}").status for n in range(auth.WRONG_KEYS + 2)]
        assert told == [401] * auth.WRONG_KEYS + [429] * 2
        assert served.get("/api/v1/waves", key).status == 200


def test_wrong_keys_are_forgotten_after_a_minute_and_take_no_more_memory_than_allowed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(auth, "ADDRESSES", 3)
    wrong = auth.WrongKeys()
    assert [wrong.add("a", 0.0) for _ in range(auth.WRONG_KEYS + 1)] == [False] * auth.WRONG_KEYS + [True]
    assert not wrong.add("a", auth.MINUTE + 1)
    for address in "bcde":
        wrong.add(address, 0.0)
    assert sorted(wrong._seen) == ["c", "d", "e"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/nowhere", "/api/v1/", "/cb/"])
def test_every_answer_bears_the_guarding_headers(served: Served, path: str) -> None:
    said = served.get(path)
    assert {name: said.headers[name] for name in GUARDS} == GUARDS
    assert "frame-ancestors 'none'" in said.headers["content-security-policy"]
    assert "server" not in said.headers


def test_a_break_inside_says_nothing_of_itself(served: Served, built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dispatcher.api.waves.waves.all_waves", lambda _conn: 1 / 0)
    said = served.get("/api/v1/waves", key_of(built, AUTHOR, "read"), Accept_Language="en")
    assert said.status == 500
    assert said.json["error"]["message"] == "something broke here: the operator finds it in the log"
    assert {name: said.headers[name] for name in GUARDS} == GUARDS


def test_readiness_names_what_is_missing(built: House, monkeypatch: pytest.MonkeyPatch) -> None:
    health = Health(built)
    sound = {"database": True, "schema": True, "redis": True, "spool": True, "spool_read": True}
    assert health.checks(0.0) == sound
    monkeypatch.setattr(built, "database", "postgresql://x@127.0.0.1:9/x?connect_timeout=1")
    assert health.checks(0.5) == sound, "an answer is given again for a second"
    assert health.checks(2.0) == sound | {"database": False, "schema": False}


def test_readiness_tells_when_receipts_wait_too_long(built: House) -> None:
    old = built.folder("spool") / "sim-esms~1-0.seg"
    old.touch()
    os.utime(old, (1, 1))
    assert spool_age(built) > built.settings.spool_age
    assert not Health(built).checks(0.0)["spool_read"]
    old.unlink()
    assert Health(built).checks(0.0)["spool_read"]


def test_lists_that_a_killed_process_left_are_swept_away_at_the_start(site: Site, built: House) -> None:
    left = built.folder("incoming") / "0011"
    left.mkdir()
    (left / "danh sách.csv").write_text("0912345678")
    with serving(site):
        assert not left.exists()


def test_a_used_port_is_named_with_the_way_out(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(Problem, match=f"port {port} is used by another program.*DISPATCHER_LISTEN_PORT"):
            app.listen(site, "127.0.0.1", port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "sms.example"])  # noqa: S104 - it is refused
def test_nobody_outside_is_served_without_tls(site: Site, host: str) -> None:
    with pytest.raises(Problem, match="set tls_certificate and tls_key"):
        app.listen(site, host, 0)


def test_the_server_speaks_tls_with_the_certificate_of_the_settings(site: Site, tmp_path: Path) -> None:
    cert, key = tmp_path / "c.pem", tmp_path / "k.pem"
    make_certificate(cert, key)
    settings = site.settings.model_copy(update={"tls_certificate": cert, "tls_key": key})
    with serving(replace(site, settings=settings)) as served:
        trust = ssl.create_default_context(cafile=str(cert))
        with (
            socket.create_connection(("127.0.0.1", served.port), 10) as plain,
            trust.wrap_socket(plain, server_hostname="localhost") as line,
        ):
            line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert line.recv(15) == b"HTTP/1.1 200 OK"


def make_certificate(cert: Path, key: Path) -> None:
    """A certificate of localhost's own for a day."""
    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(secret.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(secret, hashes.SHA256())
    )  # fmt: skip
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
