"""Kannel's programs as the benchmark runs them: configuration, processes, and a sink for its receipts."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.carrier import LOGIN, dying_with_us, end, wait_for
from config.servers import Servers

PROGRAMS = {"bearerbox": "/usr/sbin", "smsbox": "/usr/sbin", "mtbatch": "/usr/bin"}
# Tried (kannel.py --sweep): 1, 2, 4 and 8 binds, windows of 10 to 2,000, 1 to 16 database connections. With receipts in
# memory more binds cost more CPU and are no faster on 2 cores, and a window under 100 is slower at a latency of 20 ms;
# with PostgreSQL four binds wait for four commits at a time and are 1.7 times as fast as one.
BINDS, WINDOW, POOL = 1, 500, 4  # connections, submissions unanswered on each, database connections
PGSQL_BINDS = 4

CORE = """
group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = bench
smsbox-port = {boxes}
smsbox-interface = 127.0.0.1
box-allow-ip = 127.0.0.1
log-level = 4
log-file = /dev/null
dlr-storage = {storage}

group = smsbox
smsbox-id = dlr
bearerbox-host = 127.0.0.1
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-level = 4
log-file = /dev/null
http-request-retry = 0
max-pending-requests = 512

group = smsbox-route
smsbox-id = dlr
smsc-id = carrier

group = smsc
smsc = smpp
smsc-id = carrier
instances = {binds}
host = 127.0.0.1
port = {port}
transceiver-mode = true
interface-version = 34
smsc-username = {system_id}
smsc-password = {password}
system-type = ""
max-pending-submits = {window}
max-sms-octets = {octets}
source-addr-ton = 5
source-addr-npi = 0
dest-addr-ton = 1
dest-addr-npi = 1
"""
PGSQL = """
group = pgsql-connection
id = receipts
host = {host}
port = {pg_port}
username = {user}
password = {secret}
database = {database}
max-connections = {pool}

group = dlr-db
id = receipts
table = dlr
field-smsc = smsc
field-timestamp = ts
field-destination = destination
field-source = source
field-service = service
field-url = url
field-mask = mask
field-status = status
field-boxc-id = boxc
"""
TABLE = """
CREATE TABLE dlr (smsc text, ts text, destination text, source text, service text, url text, mask integer,
    status integer, boxc text);
CREATE INDEX ON dlr (ts)
"""


@dataclass(frozen=True, slots=True)
class Manner:
    """How Kannel is run."""

    name: str
    pgsql: bool = False
    sink: bool = False  # each receipt also goes through smsbox to a local HTTP server
    binds: int = BINDS
    window: int = WINDOW
    pool: int = POOL
    octets: int = 1000  # longer ones are cut: 140 is Kannel's default


def configuration(port: int, ports: list[int], manner: Manner, servers: Servers | None) -> str:
    """Write kannel.conf; `ports` are those of the admin page, of the boxes and of sendsms."""
    said = CORE.format(admin=ports[0], boxes=ports[1], sendsms=ports[2], port=port, binds=manner.binds,
                       window=manner.window, octets=manner.octets, **LOGIN,
                       storage="pgsql" if manner.pgsql else "internal")  # fmt: skip
    if not manner.sink:  # without a box of that name the reports go to mtbatch, which only reads them
        said = said.replace("group = smsbox-route\nsmsbox-id = dlr\nsmsc-id = carrier\n", "")
    if not manner.pgsql or servers is None:
        return said
    parts = urlsplit(servers.start().owner)
    query = dict(pair.split("=") for pair in parts.query.split("&"))
    return said + PGSQL.format(host=unquote(query["host"]), pg_port=query["port"], user=parts.username,
                               secret=parts.password, database=parts.path[1:], pool=manner.pool)  # fmt: skip


@contextmanager
def boxes(config: Path, ports: list[int], manner: Manner) -> Iterator[dict[str, int]]:
    """bearerbox, and smsbox where receipts go to a sink; process number of each."""
    running: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name in ("bearerbox", "smsbox") if manner.sink else ("bearerbox",):
            with config.with_suffix(f".{name}").open("wb") as said:
                running[name] = subprocess.Popen(  # noqa: S603 - Debian's program, our arguments
                    dying_with_us([f"{PROGRAMS[name]}/{name}", "-v", "4", str(config)]), stdout=said, stderr=said
                )
            wait_for(lambda: _status(ports[0]).count("(online") >= manner.binds, 30, "bearerbox's binds", 0.1)
        if manner.sink:
            wait_for(lambda: "smsbox:dlr" in _status(ports[0]), 30, "smsbox", 0.1)
        yield {name: process.pid for name, process in running.items()}
    finally:
        for process in reversed(running.values()):
            end(process, 2)  # it would first empty its queues


def _status(port: int) -> str:
    """What bearerbox says of itself: its own page of itself; "" while it does not listen."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as line:
            line.sendall(b"GET /status.txt?password=bench HTTP/1.0\r\n\r\n")
            return b"".join(iter(lambda: line.recv(1 << 16), b"")).decode(errors="replace")
    except OSError:
        return ""


def ports(n: int) -> list[int]:
    """Ports that nobody listens on now."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    found = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return found


class Sink:
    """A local HTTP server that counts calls and says 200."""

    def __init__(self) -> None:
        self.n = 0
        sink = self

        class Taker(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                """Smsbox's call for one receipt."""
                sink.n += 1
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@contextmanager
def sink() -> Iterator[Sink]:
    """Serve until the block ends."""
    taking = Sink()
    thread = threading.Thread(target=taking.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield taking
    finally:
        taking.server.shutdown()
        taking.server.server_close()
