"""Both embedded servers as one thing: start, watch, stop; and joining those that already run."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM
from types import TracebackType
from typing import Self

from config.problem import Problem
from config.servers import account, binaries, folder, keys, postgres, valkey
from config.servers.child import POLL, START_PATIENCE, Child, Identity, wait_for_leftovers
from config.servers.folder import Folder


@dataclass(frozen=True, slots=True)
class Urls:
    """How to reach the servers; each holds a password: never print one."""

    owner: str  # postgresql://, may change the schema: migrations only
    app: str  # postgresql://, everything else
    redis: str  # unix://


class Servers:
    """Embedded servers on a data folder, living as long as this process or until `stop`.

    A context manager that starts on entering. Raises Problem for all that a person can put right.
    """

    def __init__(self, data: Path) -> None:
        self._folder = Folder(data.resolve())
        self._children: dict[str, Child] = {}
        self._urls: Urls | None = None
        self._lock = -1
        self._process = os.getpid()
        # Children die with the *thread* that made them (prctl(2), PR_SET_PDEATHSIG): one that lives as long as we do.
        self._nursery: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Process number of each server, by "postgres" and "valkey"."""
        return {name: child.process.pid for name, child in self._children.items()}

    def alive(self) -> bool:
        """Whether both servers run."""
        return bool(self._children) and all(child.running() for child in self._children.values())

    def start(self) -> Urls:
        """Start both servers, making the database on the first start; returns at once when they run already."""
        if self._urls is None:
            self._folder.prepare()
            self._lock = folder.lock(self._folder.data)
            self._nursery = ThreadPoolExecutor(1, "servers")
            try:
                self._urls = self._nursery.submit(self._start).result()
            except BaseException:
                self._nursery.shutdown()  # after Ctrl-C the start may still be under way
                self.stop()
                raise
        return self._urls

    def revive(self) -> list[str]:
        """Start again whichever server has died, and wait until it takes connections; their names."""
        if self._nursery is None:
            return []
        return self._nursery.submit(self._revive).result()

    def stop(self) -> None:
        """Stop both cleanly (a fast shutdown writes a checkpoint); nothing to do in a forked copy or when stopped."""
        if os.getpid() != self._process:
            return
        if postmaster := self._children.get("postgres"):
            postmaster.process.send_signal(SIGINT)  # both shut down at the same time
        if child := self._children.get("valkey"):
            child.stop((SIGTERM, 10), (SIGKILL, 10))
        if postmaster:
            postmaster.stop((SIGINT, 30), (SIGQUIT, 10), (SIGKILL, 10))
        for home in (self._folder.cluster, self._folder.valkey):
            folder.forget_sockets(self._folder.sockets(home), home)
        self._children.clear()
        self._urls = None
        if self._nursery:
            self._nursery.shutdown()
            self._nursery = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _start(self) -> Urls:
        """All of the start, in the thread that the children's lives hang on."""
        place = self._folder
        programs = self._programs()
        wait_for_leftovers([place.cluster, place.valkey])
        fresh = not place.cluster.exists()
        passwords = keys.ensure(place.keys, may_create=fresh)
        uid = account.server_uid(place.cluster)
        if fresh:
            uid = postgres.build(place.cluster, programs, uid, passwords)
        postgres.check_version(place.cluster, programs)
        for name in (names := ("postgres", "valkey")):
            self._spawn(name, programs, account.identity(uid), passwords.redis)
        for name in names:
            self._wait_until(name, passwords.redis)
        return _urls(place, passwords)

    def _programs(self) -> binaries.Binaries:
        programs = binaries.find()
        return programs if account.server_uid(self._folder.cluster) is None else binaries.within_reach(programs)

    def _revive(self) -> list[str]:
        """As _start, for what died."""
        place, dead = self._folder, [name for name, child in self._children.items() if not child.running()]
        wait_for_leftovers([{"postgres": place.cluster, "valkey": place.valkey}[name] for name in dead])
        passwords = keys.ensure(place.keys, may_create=False)
        for name in dead:
            self._spawn(name, self._programs(), account.identity(account.server_uid(place.cluster)), passwords.redis)
            self._wait_until(name, passwords.redis)
        return dead

    def _spawn(self, name: str, programs: binaries.Binaries, who: Identity, password: str) -> None:
        place = self._folder
        home = place.cluster if name == "postgres" else place.valkey
        if (sockets := place.sockets(home)) != home:
            folder.private(sockets, who)
        if name == "postgres":
            self._children[name] = postgres.start(home, programs, who, sockets, place.log(name))
        else:
            self._children[name] = valkey.start(home, programs, who, sockets, place.log(name), password)

    def _ready(self, name: str, password: str) -> bool:
        place = self._folder
        if name == "postgres":
            return postgres.ready(place.cluster)
        return valkey.ready(place.sockets(place.valkey), password)

    def _wait_until(self, name: str, password: str) -> None:
        child, deadline = self._children[name], time.monotonic() + START_PATIENCE
        while not self._ready(name, password):
            if not child.running() or time.monotonic() > deadline:
                raise child.died()
            time.sleep(POLL)


def connect_existing(data: Path) -> Urls | None:
    """The URLs when another process of ours runs, or just starts, the servers of this data folder; else None."""
    place, deadline = Folder(data.resolve()), time.monotonic() + START_PATIENCE
    while folder.busy(place.data):
        if postgres.ready(place.cluster):
            passwords = keys.ensure(place.keys, may_create=False)
            if valkey.ready(place.sockets(place.valkey), passwords.redis):
                return _urls(place, passwords)
        if time.monotonic() > deadline:
            raise Problem(
                "The servers of the data folder {folder} are being started or stopped, and that takes too long. See "
                "the logs in {logs}.",
                folder=place.data, logs=place.data / "log",
            )  # fmt: skip
        time.sleep(4 * POLL)
    return None


def superuser(data: Path) -> str:
    """The address of PostgreSQL's superuser on a data folder whose servers run: ends sessions that hold locks."""
    place = Folder(data.resolve())
    password = keys.ensure(place.keys, may_create=False).postgres
    return postgres.url("postgres", password, place.sockets(place.cluster))


def _urls(place: Folder, passwords: keys.Passwords) -> Urls:
    sockets = place.sockets(place.cluster)
    return Urls(
        owner=postgres.url("dispatcher_owner", passwords.owner, sockets),
        app=postgres.url("dispatcher_app", passwords.app, sockets),
        redis=valkey.url(passwords.redis, place.sockets(place.valkey)),
    )
