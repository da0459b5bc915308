"""All processes of one machine under one parent: forked warm, restarted when they die, gone when the parent is gone."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config import logs
from config.problem import Problem
from config.settings import Settings
from dispatcher import assemble
from dispatcher.assemble import Site
from dispatcher.overdue import Overdue
from dispatcher.words import Words
from providers.simulator.faults import Faults
from workers import pool, restart

log = logging.getLogger(__name__)

RESTART_AFTER = 0.5
"""Seconds before a dead process is forked again, so that one that cannot live does not take the machine with it."""
WORK = "work-"
"""Before the name of an account, books or sweeper: the process that works for it."""
STOP_WITHIN = 22.0
"""Seconds a worker gets to drain before it is killed."""


@dataclass(slots=True)
class Hand:
    """One process of the crew."""

    name: str
    work: Callable[[], None]
    pid: int = 0
    forked_at: float = 0.0
    died_at: float = 0.0
    restarts: int = 0
    stopped: int = 0  # times it was killed for holding a dead lease
    crash_at: str = ""  # a drill's wish for the next fork: die at this named point


@dataclass(slots=True)
class Crew:
    """Forks, watches and stops; used by one thread."""

    log_folder: Path
    hands: dict[str, Hand] = field(default_factory=dict)
    overdue: Overdue | None = None  # who kills stopped senders; None: nobody

    def start(self, name: str, work: Callable[[], None]) -> None:
        """Fork a process that does this work."""
        self.hands[name] = Hand(name, work)
        self._fork(self.hands[name])

    def _fork(self, hand: Hand) -> None:
        gc.freeze()  # pages that a child only reads stay shared
        pid = os.fork()
        if pid == 0:
            _be(hand, self.log_folder)
        hand.pid, hand.crash_at, hand.forked_at = pid, "", time.monotonic()

    def watch(self) -> list[str]:
        """Reap the dead and fork them again; names of those that died."""
        died = []
        for hand in self.hands.values():
            if hand.pid and _ended(hand.pid):
                hand.pid, hand.died_at = 0, time.monotonic()
                died.append(hand.name)
            if not hand.pid and time.monotonic() - hand.died_at > RESTART_AFTER:
                hand.restarts += 1
                self._fork(hand)
        if self.overdue is not None:
            self._end_stopped(self.overdue)
        return died

    def _end_stopped(self, overdue: Overdue) -> None:
        senders = {name.removeprefix(WORK): hand for name, hand in self.hands.items() if hand.pid}
        for name in overdue.names({name: hand.forked_at for name, hand in senders.items()}):
            log.error("%s holds a lease that is over and does not move: it is killed", name)
            senders[name].stopped += 1
            _signal(senders[name].pid, signal.SIGKILL)

    def stop(self, *, last: tuple[str, ...] = ()) -> None:
        """SIGTERM to all, `last` ones (the simulators) after the rest; SIGKILL to whoever takes too long."""
        early = [hand for hand in self.hands.values() if not hand.name.startswith(last or ("~",))]
        late = [hand for hand in self.hands.values() if hand not in early]
        for group in (early, late):
            for hand in group:
                _signal(hand.pid, signal.SIGTERM)
            until = time.monotonic() + STOP_WITHIN
            while any(hand.pid and not _ended(hand.pid) for hand in group) and time.monotonic() < until:
                time.sleep(0.02)
            for hand in group:
                _signal(hand.pid, signal.SIGKILL)
                hand.pid = 0

    def dismiss(self, name: str) -> None:
        """Ask one process to end, and forget it: it is not forked again."""
        _signal(self.hands.pop(name).pid, signal.SIGTERM)

    def peak_memory(self) -> dict[str, int]:
        """Highest resident memory so far of each process of ours, in MiB; of equal names the largest."""
        names = {hand.pid: hand.name for hand in self.hands.values()} | {os.getpid(): "parent"}
        peaks: dict[str, int] = {}
        for pid in _family(os.getpid()):
            name = names.get(pid) or _command(pid)
            peaks[name] = max(peaks.get(name, 0), _peak(pid))
        return peaks


def _family(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(word) for t in threads for word in (t / "children").read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [pid, *(each for child in children for each in _family(child))]


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    return "ended"


def _be(hand: Hand, log_folder: Path) -> None:
    """The child: its own log file, default signals, no way back into the parent's code."""
    code = 1
    try:
        pool.die_with_parent()
        if hand.crash_at:
            os.environ["CRASH_AT"] = hand.crash_at
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        os.setpgid(0, 0)  # the terminal's Ctrl-C is for the parent, who stops us in order
        out = os.open(log_folder / f"{hand.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(out, 1)
        os.dup2(out, 2)
        logs.configure(style="json", level="info")
        hand.work()
        code = 0
    except BaseException:
        logging.getLogger(hand.name).exception("died")
    finally:
        sys.stdout.flush()
        os._exit(code)


def _ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _signal(pid: int, number: int) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _peak(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) // 1024
    return 0


def start_simulators(crew: Crew, site: Site, truths: Path, faults: Faults) -> Site:
    """A simulated carrier for each simulated account; the site knows where they listen.

    One that is forked again listens where it did: its port file is still there.
    """
    truths.mkdir(mode=0o700, parents=True, exist_ok=True)
    ports: dict[str, Path] = {}
    for account in assemble.accounts(site).values():
        if account.simulated and account.enabled:
            ports[account.name] = truths / f".{account.name}.port"
            ports[account.name].unlink(missing_ok=True)
            truth = truths / f"{account.name}.log"
            crew.start(account.name, _simulate(account.provider, account.settings, truth, faults, ports[account.name]))
    found = {name: wait_for(path) for name, path in ports.items()}
    overrides = {name: address(assemble.accounts(site)[name].provider, port) for name, port in found.items()}
    return replace(site, overrides=overrides)


def _simulate(
    provider: str, settings: Mapping[str, Any], truth: Path, faults: Faults, port_file: Path
) -> Callable[[], None]:
    credentials = {key: str(settings[key]) for key in CREDENTIALS[provider]}

    def work() -> None:
        from providers.simulator.run import run  # noqa: PLC0415 - only the simulator's own process needs it

        again = int(port_file.read_text(encoding="ascii")) if port_file.exists() else 0
        run(provider, truth=truth, faults=faults, settings=credentials, port=again, ready=lambda n: tell(port_file, n))

    return work


CREDENTIALS = {
    "smpp": ("system_id", "password"),
    "esms": ("api_key", "secret_key"),
    "twilio": ("account_sid", "auth_token"),
}
"""What a simulated carrier must know of the account's settings to check us."""


def tell(path: Path, port: int) -> None:
    """Write down the port on which a child listens."""
    draft = path.with_suffix(".draft")
    draft.write_text(str(port), encoding="ascii")
    draft.rename(path)


def wait_for(path: Path, seconds: float = 20.0) -> int:
    """The port that a child told."""
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TimeoutError(f"{path.name} did not come")
        time.sleep(0.005)
    return int(path.read_text(encoding="ascii"))


def address(provider: str, port: int) -> dict[str, Any]:
    """Settings of an account whose carrier listens on this machine."""
    return {"port": port} if provider == "smpp" else {"base_url": f"http://127.0.0.1:{port}"}


def start_work(crew: Crew, site: Site) -> None:
    """A sender for each account that may send here, the book-keeper and the sweeper."""
    house = assemble.house(site)
    restart.begin_sending(house)
    house.engine.dispose()
    crew.overdue = Overdue(site.app, site.settings.lease)
    names = [
        each.name for each in assemble.accounts(site).values() if each.enabled and each.simulated == site.rehearsal
    ]
    for name in ("books", *names, "sweeper"):
        crew.start(WORK + name, lambda name=name: pool.run(assemble.house(site), name))  # type: ignore[misc]


def wait_and_watch(crew: Crew, stop: threading.Event) -> None:
    """Keep the crew alive until told to stop."""
    while not stop.wait(0.2):
        for name in crew.watch():
            log.warning("%s died and is started again", name)


def up(settings: Settings, words: Words, *, rehearsal: bool) -> int:
    """Everything that this installation runs, until told to stop: servers, receiver and API, workers; 0 at the end."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    free_port(settings)
    with only_one(settings.data), assemble.site(settings, rehearsal=rehearsal, start=True) as site:
        assemble.prepare(site)
        log_folder = settings.data / "log"
        log_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        crew = Crew(log_folder)
        try:
            reached = replace(site, callback_base=settings.url)
            if rehearsal:
                reached = start_simulators(crew, reached, settings.data / "carriers" / "up", Faults())
            start_receiver(crew, reached)
            start_work(crew, reached)
            sys.stderr.write(words.say("all is up: {url}", url=settings.url) + "\n")
            wait_and_watch(crew, stop)
        finally:
            crew.stop(last=("sim-",))
    return 0


@contextlib.contextmanager
def only_one(data: Path) -> Iterator[None]:
    """One crew a data folder: a second one would share its journals' folder, its port and its log files."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "crew.lock").open("a", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Problem("{data} is at work already: end the other `dispatcher up` or demo first", data=data) from None
        yield


def free_port(settings: Settings) -> int:
    """The port of the settings, refused now when it is used and not when half is done."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.listen_host, settings.listen_port))
        except OSError:
            raise Problem(
                "port {port} is used by another program; end it, or choose another with DISPATCHER_LISTEN_PORT",
                port=str(settings.listen_port),
            ) from None
        return int(probe.getsockname()[1])


def start_receiver(crew: Crew, site: Site) -> None:
    """The process that carriers' receipts and the API's callers reach."""
    port = urlsplit(site.callback_base).port or site.settings.listen_port

    def work() -> None:
        from dispatcher import app  # noqa: PLC0415 - only this process needs it

        app.serve(site, host=site.settings.listen_host, port=port)

    crew.start("api", work)
