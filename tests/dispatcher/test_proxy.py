"""A named proxy is believed about callers, and nobody else is: over real sockets, and case by case."""

from __future__ import annotations

import asyncio
import http.client
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from config.problem import Problem
from config.settings import Settings, load
from dispatcher import app
from dispatcher.assemble import Site
from dispatcher.proxy import through
from tests.serving import Served, serving
from workers.house import House

PROXY = {"DISPATCHER_TRUSTED_PROXIES": "10.0.0.5, 172.20.0.0/16"}
TLS = PROXY | {"DISPATCHER_TLS_KEY": "k.pem", "DISPATCHER_TLS_CERTIFICATE": "c.pem"}


@pytest.fixture(scope="module")
def behind(site: Site) -> Iterator[Served]:
    """A server that believes 127.0.0.1."""
    settings = site.settings.model_copy(update={"trusted_proxies": ("127.0.0.1",)})
    with serving(replace(site, settings=settings)) as served:
        yield served


def asked(settings: Settings, peer: str, path: str = "/console", **heads: str) -> tuple[str, str] | int:
    """(caller, scheme) as the application sees them, or the status at the door."""
    seen: list[Any] = []

    async def face(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["client"][0], scope["scheme"]))

    async def send(message: Any) -> None:
        seen.append(message.get("status"))

    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in heads.items()]
    scope = {"type": "http", "path": path, "scheme": "http", "client": (peer, 7), "headers": named}
    asyncio.run(through(face, settings)(scope, None, send))  # type: ignore[arg-type]
    found: tuple[str, str] | int = seen[0]
    return found


CASES = [
    (PROXY, "10.0.0.5", {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "https"}, ("198.51.100.7", "https")),
    (PROXY, "172.20.9.9", {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "https"}, ("198.51.100.7", "https")),
    # what the caller itself wrote stands first and is not believed; a second proxy of ours is passed over
    (PROXY, "10.0.0.5", {"x_forwarded_for": "1.2.3.4, 198.51.100.7, 172.20.0.1", "x_forwarded_proto": "https"},
     ("198.51.100.7", "https")),
    (PROXY, "10.0.0.5", {"x_forwarded_for": "nobody", "x_forwarded_proto": "https"}, ("10.0.0.5", "https")),
    (PROXY, "10.0.0.5", {"x_forwarded_proto": "https"}, ("10.0.0.5", "https")),
    # the outer hop was in clear, or nobody says
    (PROXY, "10.0.0.5", {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "http"}, 403),
    (PROXY, "10.0.0.5", {"x_forwarded_proto": "https, http"}, 403),
    (PROXY, "10.0.0.5", {}, 403),
    # past the proxy
    (PROXY, "192.0.2.9", {"x_forwarded_for": "10.0.0.5", "x_forwarded_proto": "https"}, 403),
    # this machine itself, whose word about others is not believed
    (PROXY, "127.0.0.1", {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "https"}, ("127.0.0.1", "http")),
    # with a certificate of ours the line is safe; the word of strangers stays nothing
    (TLS, "192.0.2.9", {"x_forwarded_for": "198.51.100.7"}, ("192.0.2.9", "http")),
    (TLS, "10.0.0.5", {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "https"}, ("198.51.100.7", "https")),
    ({}, "192.0.2.9", {"x_forwarded_for": "198.51.100.7"}, ("192.0.2.9", "http")),
]  # fmt: skip


@pytest.mark.parametrize(("env", "peer", "heads", "seen"), CASES)
def test_only_a_named_proxy_is_believed_and_only_tls_is_let_in(
    env: dict[str, str], peer: str, heads: dict[str, str], seen: tuple[str, str] | int, tmp_path: Path
) -> None:
    """Caller and scheme as the application sees them, or 403 at the door."""
    assert asked(load(env, data=tmp_path), peer, **heads) == seen


def test_the_proxy_may_ask_whether_we_live(tmp_path: Path) -> None:
    """Its own checks come without a caller, and tell nothing of anybody."""
    assert asked(load(PROXY, data=tmp_path), "10.0.0.5", "/healthz") == ("10.0.0.5", "http")


def test_tries_are_counted_by_the_callers_address_and_not_by_the_proxys(behind: Served, house: House) -> None:
    """A wrong password through the proxy stands under the caller's address; past it, under the connection's own."""
    assert _tried(behind, house, "127.0.0.1", "198.51.100.7") == "198.51.100.7"
    assert _tried(behind, house, "127.0.0.2", "198.51.100.7") == "127.0.0.2"


def _tried(served: Served, house: House, source: str, told: str) -> str:
    login = f"p-{secrets.token_hex(4)}"
    line = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20, source_address=(source, 0))
    line.request(
        "POST", "/console/sign-in", urlencode({"login": login, "password": "x" * 12}),
        {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://127.0.0.1:{served.port}",
         "X-Forwarded-For": told, "X-Forwarded-Proto": "https"},
    )  # fmt: skip
    assert line.getresponse().status == 422
    line.close()
    with house.begin() as conn:
        row = conn.execute("SELECT address FROM sign_in ORDER BY id DESC LIMIT 1").fetchone()
    assert row
    return str(row[0])


def test_an_outer_address_needs_a_certificate_or_a_named_proxy(site: Site, tmp_path: Path) -> None:
    """The settings and the socket say the same, before anything is served."""
    outer = {"DISPATCHER_LISTEN_HOST": "0.0.0.0"}  # noqa: S104 - what it takes to listen there
    assert load(outer | PROXY, data=tmp_path).trusted_proxies == ("10.0.0.5", "172.20.0.0/16")
    with pytest.raises(Problem, match="trusted_proxies"):
        load(outer, data=tmp_path)
    with pytest.raises(Problem, match="reachable from outside"):
        app.listen(site, "0.0.0.0", 0)  # noqa: S104 - it is refused


@pytest.mark.parametrize("value", ["0.0.0.0/0", "10.0.0.0/8", "proxy.example", "::/0", ""])
def test_a_crowd_is_no_proxy(value: str, tmp_path: Path) -> None:
    """Names, which an answer of DNS could change, and wide networks are refused."""
    with pytest.raises(Problem, match="65536"):
        load({"DISPATCHER_TRUSTED_PROXIES": f"10.0.0.5,{value}"}, data=tmp_path)
