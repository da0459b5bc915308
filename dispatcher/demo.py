"""`dispatcher demo`: letter 20/BCĐ from its definition to the report, with simulated carriers, on this machine."""

from __future__ import annotations

import json
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from campaigns.definition import Campaign
from campaigns.ledger import audiences, counts, logins, people, registry, waves
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from campaigns.terms import State, Verdict
from config.carriers import load_carriers
from config.settings import Settings
from dispatcher import acts, assemble, crew, foresight, live, truths
from dispatcher.assemble import Site
from dispatcher.words import Words
from providers.simulator.faults import Faults
from workers.house import House

if TYPE_CHECKING:
    from rich.progress import Progress

CAMPAIGN = "20-BCD-2024"
AUTHOR, APPROVER, OPERATOR = "an", "binh", "minh"
PEOPLE = {AUTHOR: ("Nguyễn Văn An (diễn tập)", ["officer"], ["read", "write", "export"]),
          APPROVER: ("Trần Thị Bình (diễn tập)", ["approver"], ["read", "approve"])}  # fmt: skip
"""Two invented persons: one drafts, another approves."""
FAULTS = Faults(latency=0.02, throttle=0.05, refuse=0.005, receipt_delay=0.5, undelivered=0.03, repeat_receipt=0.01)
"""What the simulated carriers do wrong in a demo: 5 % "not now", some refusals, receipts late and twice."""
PATIENCE = 15.0
"""Seconds without any news after which an awaited receipt is called outstanding."""


@dataclass(slots=True)
class Wishes:
    """What the person at the terminal asked for."""

    once: bool = False
    recipients: int = 2000
    seed: int = 20
    json_out: bool = False
    choice: str = "corrected"
    faults: Faults = FAULTS


@dataclass(slots=True)
class Stage:
    """Prints each stage with its time."""

    console: Console
    began: float = field(default_factory=time.monotonic)

    @contextmanager
    def __call__(self, title: str) -> Iterator[list[str]]:
        """One stage; what its block appends is printed beside its time."""
        at = time.monotonic()
        notes: list[str] = []
        yield notes
        took = time.monotonic() - at
        self.console.print(
            f"[dim]{at - self.began:7.2f} s[/]  [bold]{title}[/]  [green]{took:.2f} s[/]  {' · '.join(notes)}",
            soft_wrap=True,
        )


def run(settings: Settings, wishes: Wishes, words: Words) -> int:
    """Run the whole job; 0 only when every sum holds."""
    console = Console(stderr=wishes.json_out, highlight=False)
    stage = Stage(console)
    console.print(f"[bold]{words.say('Rehearsal: no phone receives anything')}[/]  {settings.data}")
    port = crew.free_port(settings)
    with crew.only_one(settings.data), assemble.site(settings, rehearsal=True, start=True) as site:
        hands = crew.Crew(_folder(settings.data / "log"))
        stop = _stopper()
        try:
            return _Demo(
                replace(site, callback_base=f"http://127.0.0.1:{port}"), hands, wishes, words, stage, stop
            ).run()
        except KeyboardInterrupt:
            console.print(words.say("stopped; the data is kept, the next start goes on"))
            return 130
        finally:
            hands.stop(last=("sim-",))


def _folder(path: Path) -> Path:
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def _stopper() -> threading.Event:
    stop = threading.Event()

    def end(*_: object) -> None:
        stop.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    return stop


@dataclass(slots=True)
class _Demo:
    site: Site
    crew: crew.Crew
    wishes: Wishes
    words: Words
    stage: Stage
    stop: threading.Event
    to_do: int = 0  # messages that waited when the watch began: a wave that goes on has fewer than it has recipients

    def run(self) -> int:
        say = self.words.say
        with self.stage(say("Database and keys")):
            assemble.prepare(self.site)
        with self.stage(say("Carriers, workers and receipts")) as notes:
            house = self._processes()
            notes.append(self.site.callback_base)
        began = time.monotonic()
        wave = self._unfinished(house)
        if wave is None:
            wave = self._new_wave(house)
            began, self.to_do = time.monotonic(), wave.n
        else:
            with house.begin() as conn:
                self.to_do = counts.live(conn, wave.id).of(State.QUEUED)
            self.stage.console.print(say("going on with {name}, {n} recipients", name=wave.name, n=wave.n))
        if wave.state == "planned":
            wave = self._approve(house, wave)
        seconds = self._watch(house, wave, began)
        return self._report(house, wave, seconds)

    def _processes(self) -> House:
        """Simulated carriers, the receiver of callbacks, workers; all forked from here, warm."""
        _import_what_children_need()
        run = _folder(self.site.settings.data / "carriers") / self._run_name()
        self.site = crew.start_simulators(self.crew, self.site, run, replace(self.wishes.faults, seed=self.wishes.seed))
        crew.start_receiver(self.crew, self.site)
        crew.start_work(self.crew, self.site)
        return assemble.house(self.site)

    def _run_name(self) -> str:
        """The folder of the carriers' files: an unfinished wave goes on with its own."""
        current = self.site.settings.data / "carriers" / "current"
        engine_house = assemble.house(self.site)
        unfinished = self._unfinished(engine_house)
        engine_house.engine.dispose()
        if unfinished is not None and current.exists():
            return current.read_text(encoding="ascii").strip()
        name = f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
        current.write_text(name, encoding="ascii")
        return name

    def _unfinished(self, house: House) -> Wave | None:
        with house.begin() as conn:
            return next((w for w in waves.all_waves(conn) if w.state in {"planned", "running", "paused"}), None)

    def _new_wave(self, house: House) -> Wave:
        say = self.words.say
        campaign, version = self._campaign(house)
        with self.stage(say("An invented list")) as notes:
            file = _folder(house.settings.data / "lists") / f"danh-sach-{self.wishes.recipients}-{self.wishes.seed}.csv"
            sample = write_sample(
                file,
                seed=self.wishes.seed,
                table=acts.number_table(),
                recipients=self.wishes.recipients,
                units=DISTRICTS,
            )
            notes.append(say("{n} rows", n=sample.rows))
        with self.stage(say("Reading the list")) as notes:
            audience = self._import(house, file, sample.rows, campaign)
            with house.begin() as conn:
                verdicts = audiences.verdict_counts(conn, audience)
            notes.append(
                ", ".join(
                    f"{self.words.value(Verdict(name))} {self.words.number(n)}" for name, n in verdicts.items() if n
                )
            )
        with self.stage(say("Planning the wave")) as notes:
            draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True)
            wave = acts.plan_wave(house, draft, AUTHOR)
            notes.append(say("{n} messages, {segments} segments", n=wave.n, segments=wave.plan["ceiling"]["segments"]))
        return wave

    def _campaign(self, house: House) -> tuple[Campaign, int]:
        with self.stage(self.words.say("Letter 20/BCĐ")) as notes, house.begin() as conn:
            for login, (name, roles, scopes) in PEOPLE.items():
                people.add_person(conn, login, name, roles)
                _keep_key(house, conn, login, scopes)
            campaign = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
            version = registry.load_campaign(conn, campaign, AUTHOR)
            notes.append(f"{campaign.mandate.number}, {campaign.mandate.date:%d/%m/%Y}")
        return campaign, version

    def _import(self, house: House, file: Path, rows: int, campaign: Campaign) -> int:
        with house.begin() as conn, self._progress() as bar:
            task = bar.add_task(file.name, total=rows)
            audience = audiences.create(conn, campaign.name, file.name, AUTHOR)
            for progress in acts.import_audience(house, conn, audience, file, campaign.name):
                bar.update(task, completed=progress.rows)
        return audience

    def _progress(self) -> Progress:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415 - terminal only

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        return Progress(*columns, console=self.stage.console, transient=True)

    def _approve(self, house: House, wave: Wave) -> Wave:
        say = self.words.say
        with self.stage(say("Approved by another person, on its hash")) as notes, house.begin() as conn:
            person = people.Person(APPROVER, PEOPLE[APPROVER][0], ("approver",), ("approve",))
            foresight.approve(house, conn, wave.id, person, typed=wave.n, choice=self.wishes.choice,
                              plan_hash=wave.plan_hash, reason=REASONS[self.wishes.choice])  # fmt: skip
            wave = waves.start(conn, wave.id, person)
            notes += [
                wave.plan_hash[:12],
                f"“{TEXT_WORDS[self.wishes.choice]}”",
                f"SHA-256 {str(wave.text_sha256)[:12]}",
            ]
        acts.ring(house, wave)
        return wave

    def _watch(self, house: House, wave: Wave, began: float) -> float:
        """Live bars until nothing moves any more; seconds from the start to the last news."""
        names = {carrier.id: carrier.name for carrier in load_carriers(house.settings.carriers_file)}
        with live.bars(self.stage.console, self.words, names) as bars:
            last, news = None, time.monotonic()
            while True:
                for name in self.crew.watch():
                    self.stage.console.print(self.words.say("{name} died and is started again", name=name))
                with house.begin() as conn:
                    now = counts.live(conn, wave.id)
                    state = waves.get(conn, wave.id).state
                bars.show(now)
                if now != last:
                    last, news = now, time.monotonic()
                quiet = time.monotonic() - news
                settled = now.of(State.ACCEPTED) + now.of(State.UNCERTAIN) == 0 and quiet > SETTLED_QUIET
                if state in {"finished", "cancelled"} and (settled or quiet > PATIENCE):
                    return news - began
                time.sleep(0.1)

    def _report(self, house: House, wave: Wave, seconds: float) -> int:
        from dispatcher import papers  # noqa: PLC0415 - python-docx is 0.1 s that the start need not wait for

        say = self.words.say
        with self.stage(say("Report and log")) as notes:
            out = _folder(house.settings.data / "reports") / f"{wave.id:016x}"
            files = papers.write_report(house, wave.id, out, AUTHOR, full=True)  # invented numbers
            notes.append(str(out))
        with self.stage(say("Orders to five carriers, and what they report")) as notes:
            files |= self._orders(house, wave, out, notes)
        with self.stage(say("Compared with the carriers' own files")) as notes:
            checked = truths.compare(house, wave, self.site.settings.data / "carriers" / self._current())
            notes.append(say("taken {n}, twice {twice}, difference {difference}", n=checked.accepted,
                             twice=checked.numbers_twice, difference=checked.difference))  # fmt: skip
        summary = self._summary(house, wave, seconds, files, checked)
        self._totals(summary, files)
        if self.wishes.json_out:
            sys.stdout.write(json.dumps(summary, ensure_ascii=False) + "\n")
            sys.stdout.flush()
        if not self.wishes.once:
            self._stay()
        return 0 if summary["sums_hold"] else 1

    def _orders(self, house: House, wave: Wave, out: Path, notes: list[str]) -> dict[str, Path]:
        """The same letter as orders to carriers, beside the wave; the report has both sources."""
        from dispatcher import demo_orders  # noqa: PLC0415 - as papers

        with house.begin() as conn:
            campaign, _ = registry.get_campaign(conn, wave.campaign)
        author, approver = (people.Person(each, PEOPLE[each][0], tuple(PEOPLE[each][1])) for each in PEOPLE)
        choice = wave.choice or self.wishes.choice
        told = demo_orders.run(house, campaign, author, approver, out, choice, REASONS[choice])
        notes.append(self.words.say("{n} orders, {versions} returns, {failed} checks did not hold", n=told.orders,
                                    versions=told.versions, failed=told.failed))  # fmt: skip
        return {f"orders_{kind}": path for kind, path in told.files.items()}

    def _current(self) -> str:
        return (self.site.settings.data / "carriers" / "current").read_text(encoding="ascii").strip()

    def _summary(
        self, house: House, wave: Wave, seconds: float, files: dict[str, Path], checked: truths.Checked
    ) -> dict[str, Any]:
        with house.begin() as conn:
            now = counts.live(conn, wave.id)
            rows = audiences.verdict_counts(conn, wave.audience)
        outcomes = {state.name.lower(): now.of(state) for state in State}
        holds = sum(outcomes.values()) == wave.n == rows["accepted"] and checked.sound
        return {
            "audience": wave.n,
            "outcomes": outcomes,
            "carriers_log": {"accepted": checked.accepted, "numbers_twice": checked.numbers_twice},
            "files": {kind: str(path) for kind, path in files.items()},
            "seconds": round(seconds, 2),
            "messages_per_second": round(self.to_do / max(seconds, 0.001), 1),
            "wave": str(wave.id),
            "rows": rows,
            "difference": checked.difference,
            "text_sha256": wave.text_sha256,
            "texts_differ": checked.texts_differ,
            "peak_memory_mib": self.crew.peak_memory(),
            "sums_hold": holds,
        }

    def _totals(self, summary: dict[str, Any], files: dict[str, Path]) -> None:
        words, console = self.words, self.stage.console
        say, number = words.say, words.number
        for kind, path in files.items():
            console.print(f"  {kind:12} {path}", soft_wrap=True)
        named = " · ".join(
            f"{words.value(State[name.upper()])} {number(n)}" for name, n in summary["outcomes"].items() if n
        )
        verdict = say("every sum holds") if summary["sums_hold"] else f"[red]{say('A SUM DOES NOT HOLD')}[/]"
        console.print(
            f"[bold]{number(summary['audience'])} {say('recipients')}[/] = {named} · {verdict} · "
            f"{summary['seconds']:.1f} s · {number(round(summary['messages_per_second']))} {say('messages/s')}",
            soft_wrap=True,
        )

    def _stay(self) -> None:
        self._invitations()
        self.stage.console.print(self.words.say("All is up until Ctrl-C: {url}/docs", url=self.site.callback_base))
        crew.wait_and_watch(self.crew, self.stop)

    def _invitations(self) -> None:
        """One-time links for the demo's persons and an operator: there is no password before somebody chooses one."""
        base, house = self.site.callback_base, assemble.house(self.site)
        self.stage.console.print(self.words.say("Pages: {url}/console · a one-time link for each demo person, password"
                                                " of their own choice:", url=base))  # fmt: skip
        with house.begin() as conn:
            people.add_person(conn, OPERATOR, "Lò Văn Minh (diễn tập)", ["operator", "auditor"])
            for login in (*PEOPLE, OPERATOR):
                link = f"{base}/console/invitation/{logins.invite(conn, login, OPERATOR)}"
                self.stage.console.print(f"  {login:6} {link}", soft_wrap=True, style="bold")
        house.engine.dispose()


SETTLED_QUIET = 0.3
DISTRICTS = ("Thành phố Lai Châu", "Huyện Tam Đường", "Huyện Mường Tè", "Huyện Sìn Hồ", "Huyện Phong Thổ",
             "Huyện Than Uyên", "Huyện Tân Uyên", "Huyện Nậm Nhùn")  # fmt: skip
REASONS = {"corrected": "“Tổng đại” là lỗi chữ; mục 3 của chính công văn viết “Tổng đài 111”.",
           "verbatim": "Giữ nguyên văn công văn."}  # fmt: skip
TEXT_WORDS = {"corrected": "Tổng đài quốc gia 111", "verbatim": "Tổng đại quốc gia 111"}


def _keep_key(house: House, conn: Any, login: str, scopes: list[str]) -> None:
    """A demo person's key, made once and kept beside the other keys: for trying the command line and the API."""
    path = house.settings.data / "keys" / f"demo-{login}.key"
    if not path.exists() or people.who(conn, path.read_text(encoding="ascii").strip()) is None:
        path.touch(mode=0o600)
        path.write_text(people.new_key(conn, login, scopes) + "\n", encoding="ascii")


def _import_what_children_need() -> None:
    """Once here, warm in each fork: modules only, nothing is opened; RQ came with workers.pool."""
    import aiohttp  # noqa: F401, PLC0415 - as the docstring says
