"""The embedded Valkey: configuration by standard input, so that no password stands in a process list or a file."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from urllib.parse import quote

from config.servers.binaries import Binaries
from config.servers.child import Child, Identity, command, spawn

SETTINGS = Path(__file__).with_name("valkey.conf")
SOCKET = "valkey.sock"
ANSWER_PATIENCE = 1.0  # seconds


def url(password: str, socket_folder: Path) -> str:
    """For redis.Redis.from_url and RQ."""
    return f"unix://:{password}@{quote(str(socket_folder / SOCKET))}?db=0"


def start(folder: Path, binaries: Binaries, who: Identity, socket_folder: Path, log: Path, password: str) -> Child:
    """Start the server in its folder, which becomes its user's."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != who.uid:
        for path in [folder, *folder.rglob("*")]:
            who.own(path)
    place = SOCKET if socket_folder == folder else f"{socket_folder / SOCKET}"
    settings = f'{SETTINGS.read_text("utf-8")}unixsocket "{place}"\nrequirepass {password}\n'
    argv = command(who, signal.SIGTERM, [binaries.valkey, "-"])
    return spawn("Valkey", argv, folder, log, settings.encode())


def ready(socket_folder: Path, password: str) -> bool:
    """Whether the server has read its log and answers."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(ANSWER_PATIENCE)
        try:
            line.connect(str(socket_folder / SOCKET))
            line.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (piece := line.recv(256)):  # noqa: PLR2004 - one line for each command
                answer += piece
        except OSError:
            return False
    return b"+PONG" in answer
