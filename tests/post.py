"""A mail server and a webhook's receiver on 127.0.0.1, which say what they are told to say and keep what they got."""

from __future__ import annotations

import http.server
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(slots=True)
class Box:
    """What came, and what the next one hears: a status (webhook), or a code of SMTP."""

    port: int = 0
    says: int = 200
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def webhook() -> Iterator[Box]:
    """Takes POSTs; a status of 3xx points to itself."""
    box = Box()

    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            box.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(box.says)
            self.send_header("Location", f"http://127.0.0.1:{box.port}/again")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with _running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook), box):
        yield box


@contextmanager
def mailbox() -> Iterator[Box]:
    """Speaks as much SMTP as a letter needs; what `says` is above 399 refuses the letter's text."""
    box = Box(says=250)

    class Door(socketserver.StreamRequestHandler):
        words: ClassVar[dict[bytes, str]] = {b"DATA": "354 go on", b"QUIT": "221 bye"}

        def handle(self) -> None:
            self._say("220 here")
            while line := self.rfile.readline().strip():
                verb = line[:4].upper()
                self._say(self.words.get(verb, "250 ok"))
                if verb == b"DATA":
                    text = b"".join(iter(self.rfile.readline, b".\r\n"))
                    if box.says < 400:  # above: SMTP's refusals
                        box.came.append(({}, text))
                    self._say(f"{box.says} as told")
                if verb == b"QUIT":
                    return

        def _say(self, words: str) -> None:
            self.wfile.write(f"{words}\r\n".encode())

    with _running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door), box):
        yield box


@contextmanager
def _running(server: socketserver.TCPServer, box: Box) -> Iterator[None]:
    box.port = int(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
