"""The HTTP face for tests: a real server on a free port, and a caller that speaks plain HTTP to it."""

from __future__ import annotations

import http.client
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from campaigns.ledger import people
from campaigns.ledger.people import Person
from dispatcher import app
from dispatcher.assemble import Site
from workers.house import House


@dataclass(frozen=True, slots=True)
class Said:
    """One answer."""

    status: int
    headers: Mapping[str, str]  # names in small letters
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Served:
    """A running server; `call` opens a connection of its own."""

    port: int
    front: app.Front
    keys: dict[tuple[str, ...], str] = field(default_factory=dict)

    def call(
        self, method: str, path: str, *, key: str = "", body: bytes | None = None, send: Any = None, **headers: str
    ) -> Said:
        """One request; `send` goes as JSON, header names are written with underscores."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            named["Authorization"] = f"Bearer {key}"
        if send is not None:
            body, named["Content-Type"] = json.dumps(send).encode(), "application/json"
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.request(method, path, body, named)
            answer = line.getresponse()
            return Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            line.close()

    def get(self, path: str, key: str = "", **headers: str) -> Said:
        return self.call("GET", path, key=key, body=None, send=None, **headers)

    def post(self, path: str, key: str = "", send: Any = None, **headers: str) -> Said:
        return self.call("POST", path, key=key, body=None, send=send, **headers)

    def upload(self, path: str, key: str, name: str, content: bytes, **fields: str) -> Said:
        """A multipart form with one file."""
        mark = secrets.token_hex(12)
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
        parts.append(f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n')
        body = "".join(parts).encode() + content + f"\r\n--{mark}--\r\n".encode()
        return self.call("POST", path, key=key, body=body, Content_Type=f"multipart/form-data; boundary={mark}")


def key_of(house: House, person: Person, *scopes: str) -> str:
    """A fresh key of a person with these scopes."""
    with house.begin() as conn:
        return people.new_key(conn, person.login, list(scopes))


@contextmanager
def serving(site: Site) -> Iterator[Served]:
    """The application of a site, served over a real socket by a thread."""
    front, told, up = app.build(site), [], threading.Event()

    def ready(port: int) -> None:
        told.append(port)
        up.set()

    server = app.server(front, ready=ready)
    listening = app.listen(site, "127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        assert up.wait(20)
        yield Served(told[0], front)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
