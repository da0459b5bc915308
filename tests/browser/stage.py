"""A whole house for browsers: `dispatcher demo` in a process of its own, its persons, and waves in every state."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from playwright.sync_api import Browser, BrowserContext, Playwright

from campaigns.ledger import audiences, logins, people, waves
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from config.data import CARRIERS
from config.settings import load
from dispatcher import acts, assemble, foresight
from dispatcher.console import codes
from dispatcher.console.call import COOKIE
from dispatcher.console.signing import PURPOSE
from tests.cluster import CAMPAIGN, Planned
from workers.house import House

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
PASSWORD = "mưa rơi trên mái chợ Sìn Hồ"
AN = Person("an", "Nguyễn Văn An (diễn tập)", ("officer",))
BINH = Person("binh", "Trần Thị Bình (diễn tập)", ("approver",))
LICENCE = {"200000": "100", "8000": "40", "2000": "16"}
"""Segments a second instead of the shipped ones, so that a wave lasts long enough to look at."""
UP_WITHIN = 300.0
IN_TIME = 10.0
"""Seconds that a code is still good for, at least: a page may be slow."""
ROLES = {
    "an": ("officer",),
    "binh": ("approver",),
    "minh": ("operator", "auditor"),
    "ky": ("engineer",),
    "tay": ("approver",),
    "nga": ("approver",),
    "hoa": ("officer", "approver", "auditor", "operator"),
}
"""Who looks at pages; hoa sees every part of each, tay has no authenticator yet, nga types wrong codes."""


def open_chromium(playwright: Playwright) -> Browser:
    """The system's Chromium; without it the tests fail, they are not skipped."""
    if not CHROMIUM.exists():
        raise RuntimeError(f"{CHROMIUM} is missing: apt-get install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    speaks = os.environ | {"LANGUAGE": "vi"}
    return playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--lang=vi", *sandbox], env=speaks)


@dataclass(slots=True)
class Phone:
    """An authenticator: each code is good once, and one step of drift either way is allowed."""

    secret: bytes
    used: int = 0

    def code(self) -> str:
        """The next code that is still good; waits for it when the three of this moment are used."""
        while self.used >= int(time.time()) // codes.STEP + codes.DRIFT:
            time.sleep(0.5)
        self.used = max(self.used + 1, int(time.time() + IN_TIME) // codes.STEP - codes.DRIFT)
        return codes.code(self.secret, self.used)


@dataclass(slots=True)
class Stage:
    """A running demo seen from outside: its address, its one-time links, and the ledger for what has no page."""

    base: str
    data: Path
    links: dict[str, str]
    house: House
    phones: dict[str, Phone] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)  # login -> the word of a session

    def enter(self, browser: Browser, login: str, **wishes: object) -> BrowserContext:
        """A browser in which this person is signed in, by the ledger's own word; nobody: login ''."""
        context = browser.new_context(base_url=self.base, locale="vi-VN", **wishes)  # type: ignore[arg-type]
        if login:
            # by the protocol itself: playwright names a domain, which no cookie called __Host- may have
            line = context.new_cdp_session(context.new_page())
            cookie = {"name": COOKIE, "value": self.word_of(login), "secure": True, "httpOnly": True}
            line.send("Network.setCookie", cookie | {"url": self.base.replace("http:", "https:")})
        return context

    def word_of(self, login: str) -> str:
        """The word of this person's session, begun at the first call; the person is entered when unknown."""
        if login in self.words:
            return self.words[login]
        with self.house.begin() as conn:
            if login not in people.names(conn):
                people.add_person(conn, login, NAMES[login], list(ROLES[login]))
            if login != "tay":
                self.phones[login] = self._phone(conn, login)
            self.words[login] = logins.begin_session(conn, login, "127.0.0.1")
        return self.words[login]

    def _phone(self, conn: psycopg.Connection, login: str) -> Phone:
        secret = codes.new_secret()
        logins.add_authenticator(conn, login, self.house.keyring.seal(secret, login.encode(), PURPOSE))
        found = logins.authenticator(conn, login, confirmed=False)
        assert found
        logins.use_step(conn, found, 0)
        return Phone(secret)

    def plan(self, folder: Path, name: str, *, n: int, seed: int) -> Wave:
        """A wave of An's that waits for approval, to invented people of a list of this name."""
        planned, file = Planned(self.house, folder), folder / f"{seed}.csv"
        write_sample(file, seed=seed, table=acts.number_table(), recipients=n, units=UNITS)
        with self.house.begin() as conn:
            audience = audiences.create(conn, CAMPAIGN, name, AN.login)
        planned.take(audience, file)
        return acts.plan_wave(self.house, planned.draft(audience, no=2), AN.login)

    def start(self, wave: Wave) -> Wave:
        """Approve as Bình and set running."""
        with self.house.begin() as conn:
            foresight.approve(self.house, conn, wave.id, BINH, typed=wave.n, choice="corrected",
                              plan_hash=wave.plan_hash, reason="Mục 3 viết “Tổng đài 111”")  # fmt: skip
            running = waves.start(conn, wave.id, BINH)
        acts.ring(self.house, running)
        return running


NAMES = {"ky": "Lù Văn Kỹ (diễn tập)", "hoa": "Vàng Thị Hòa (diễn tập)", "minh": "Lò Văn Minh (diễn tập)",
         "tay": "Tẩn A Tây (diễn tập)", "nga": "Giàng Thị Nga (diễn tập)"}  # fmt: skip
UNITS = ("Thành phố Lai Châu", "Huyện Tam Đường", "Huyện Sìn Hồ")


@contextmanager
def staged(data: Path, *, recipients: int = 200) -> Iterator[Stage]:
    """The demo, until its first wave is over and its orders are in; ended at the end."""
    _slow_carriers(data)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"DISPATCHER_LISTEN_PORT": str(port), "DISPATCHER_LANG": "vi", "COLUMNS": "300"}
    command = [sys.executable, "-m", "dispatcher", "demo", "--data", str(data), "--recipients", str(recipients)]
    told = data / "demo.out"
    with told.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT)
    try:
        links = _links(process, told)
        settings = load({"DISPATCHER_LISTEN_PORT": str(port)}, data=data, profile="rehearsal")
        with assemble.site(settings, rehearsal=True, start=False) as site:
            house = assemble.house(site)
            yield Stage(f"http://127.0.0.1:{port}", data, links, house)
            house.redis.close()
            house.engine.dispose()
    finally:
        process.terminate()
        process.wait(60)


def _slow_carriers(data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    text = CARRIERS.read_text(encoding="utf-8")
    for shipped, slower in LICENCE.items():
        text = text.replace(f"licence = {shipped}\n", f"licence = {slower}\n")
    (data / "carriers.toml").write_text(text, encoding="utf-8")


def _links(process: subprocess.Popen[bytes], told: Path) -> dict[str, str]:
    """What the demo prints at its end: a one-time link for each of its persons."""
    until = time.monotonic() + UP_WITHIN
    while time.monotonic() < until:
        text = told.read_text(encoding="utf-8", errors="replace")
        found = dict(re.findall(r"^\s+(\w+)\s+(http\S+/invitation/\S+)", text, re.MULTILINE))
        if len(found) == len(("an", "binh", "minh")):
            return found
        assert process.poll() is None, text
        time.sleep(0.1)
    raise TimeoutError(told.read_text(encoding="utf-8", errors="replace"))
