"""The receiver's one promise: what it answered 200 is there after kill -9 at any moment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from campaigns.message import reference
from campaigns.sealing import Keyring
from config.settings import load
from dispatcher.assemble import Site
from workers import spool

SERVER = """
import sys
from pathlib import Path
from config.settings import load
from dispatcher import app
from dispatcher.assemble import Site
settings = load({"DISPATCHER_LOG_LEVEL": "error"}, data=Path(sys.argv[1]), profile="drill")
site = Site(settings, "", sys.argv[2], sys.argv[3], True)
app.serve(site, host="127.0.0.1", port=0, ready=lambda port: print(port, flush=True))
"""
LINES = 8
KILL_AFTER = (40, 200, 500)


def _pour(port: int, refs: list[str], taken: list[str], enough: threading.Event, most: int) -> None:
    """Send receipts over one connection until it breaks; note those that were answered 200."""
    with socket.create_connection(("127.0.0.1", port), 10) as line:
        try:
            for ref in refs:
                line.sendall(f"GET /cb/sim-esms/{ref}?SMSID=x HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                if line.recv(4096).startswith(b"HTTP/1.1 200"):
                    taken.append(ref)
                if len(taken) >= most:
                    enough.set()
        except OSError:
            return


def _run_and_kill(data: Path, site: Site, refs: list[str], most: int) -> list[str]:
    """Serve, pour, kill in the middle; the references that were answered 200."""
    arguments = [sys.executable, "-c", SERVER, str(data), site.app, site.redis]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as server:
        assert server.stdout
        taken: list[str] = []
        port, enough = int(server.stdout.readline()), threading.Event()
        share = len(refs) // LINES
        pouring = [
            threading.Thread(target=_pour, args=(port, refs[i * share : (i + 1) * share], taken, enough, most))
            for i in range(LINES)
        ]
        for thread in pouring:
            thread.start()
        assert enough.wait(20)
        os.kill(server.pid, signal.SIGKILL)
        for thread in pouring:
            thread.join()
    return taken


def test_every_receipt_answered_200_is_on_the_disk_after_a_kill(site: Site, tmp_path: Path) -> None:
    data = tmp_path / "var"
    folder = load({}, data=data).data / "spool"
    keyring = Keyring.create(data / "keys")
    key = keyring.mac_key("reference")
    taken: set[str] = set()
    for round_, most in enumerate(KILL_AFTER, 1):
        refs = [reference(round_, offset, key) for offset in range(4000)]
        answered = _run_and_kill(data, site, refs, most)
        assert len(answered) >= most
        taken |= set(answered)
    found = {
        spool.callback(event).reference
        for path in spool.ready(folder)
        for group in spool.read(path)
        for event in spool.opened(keyring.open(group.raw, b"sim-esms"))
    }
    assert taken <= found
    assert len(found) < 3 * 4000, "the kill came after all was done"
