"""One server process: started as our direct child, stopped cleanly, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.problem import Problem

LAUNCH = Path(__file__).with_name("launch.py")
POLL = 0.005  # seconds between two looks at a server that starts or stops
START_PATIENCE = 60.0  # seconds: crash recovery after a full max_wal_size on a slow disk
LEFTOVER_PATIENCE = 30.0  # seconds a server of a killed parent may take to write its last checkpoint
LOG_LIMIT = 8 << 20  # bytes; a longer log of an earlier run is begun anew


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a server runs as when we are root; `passwd` is a file only initdb sees as /etc/passwd."""

    uid: int | None = None  # None: as ourselves
    gid: int = -1
    passwd: Path | None = None

    def own(self, path: Path) -> None:
        """Hand `path` itself over to the server's user."""
        if self.uid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def command(who: Identity, on_death: signal.Signals, argv: Sequence[str | Path]) -> list[str]:
    """`argv` behind launch.py; must be spawned by this very process."""
    user = "-" if who.uid is None else f"{who.uid}:{who.gid}"
    passwd = str(who.passwd or "-")
    prologue = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(on_death)), user, passwd]
    return [*prologue, *map(str, argv)]


def environment() -> dict[str, str]:
    """A server's whole environment: nothing of ours (PGDATA, secrets) reaches it."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(slots=True)
class Child:
    """A running server."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def running(self) -> bool:
        """Whether the process still lives."""
        return self.process.poll() is None

    def stop(self, *steps: tuple[signal.Signals, float]) -> None:
        """Send each signal in turn, waiting so many seconds after it, until the process is gone."""
        for number, patience in steps:
            if not self.running():
                return
            self.process.send_signal(number)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                continue

    def last_words(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "(empty)"

    def died(self) -> Problem:
        """What to tell a person when it ended while it should start."""
        return Problem(
            "The embedded {name} did not start: {words} (log: {log})",
            name=self.name, words=self.last_words(), log=self.log,
        )  # fmt: skip


def spawn(name: str, argv: Sequence[str], folder: Path, log: Path, stdin: bytes = b"") -> Child:
    """Start a server in its own folder and session, so that Ctrl-C in the terminal reaches us and not it."""
    with log.open("ab") as lines:
        if lines.tell() > LOG_LIMIT:
            lines.truncate(0)
        process = subprocess.Popen(  # noqa: S603 - our own binaries with arguments of ours
            argv, cwd=folder, env=environment(), stdin=subprocess.PIPE, stdout=lines, stderr=lines,
            start_new_session=True,
        )  # fmt: skip
    if process.stdin:
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:
            process.wait()  # it ended at once; whoever waits for it tells why
    return Child(name, process, log)


def leftovers(folders: Iterable[Path]) -> list[int]:
    """Processes whose working folder is one of these: servers that outlived a killed parent."""
    wanted = {(stat.st_dev, stat.st_ino) for stat in (path.stat() for path in folders if path.exists())}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "cwd").stat()
            except OSError:
                continue  # gone meanwhile, or another user's
            if (stat.st_dev, stat.st_ino) in wanted:
                found.append(int(entry.name))
    return sorted(set(found) - {os.getpid()})


def wait_for_leftovers(folders: Sequence[Path], patience: float = LEFTOVER_PATIENCE) -> None:
    """Return when no earlier server uses these folders any more; raises Problem when one stays."""
    deadline = time.monotonic() + patience
    while pids := leftovers(folders):
        if time.monotonic() > deadline:
            raise Problem(
                "Other processes still use the data folder {folder}: {pids}. Stop them, then start again.",
                folder=folders[0].parent, pids=", ".join(map(str, pids)),
            )  # fmt: skip
        time.sleep(4 * POLL)
