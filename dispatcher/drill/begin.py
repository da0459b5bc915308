"""Before and after the sending: list, plan, approval and export, each killed in its middle and done again.

C14: the first approval is stored, or nearly. C15: the list, or the plan, is half-way. C16: an export is half written.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.ledger import audiences, people, registry, unrest, waves
from campaigns.ledger.plans import Draft
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from campaigns.sealing import CampaignKeys
from dispatcher import acts, assemble
from dispatcher.drill.stage import Stage
from workers.house import House

CAMPAIGN = "20-BCD-2024"
AUTHOR = "an"
APPROVER = people.Person("binh", "Bình (diễn tập)", ("approver",), ("approve",))
CHOICE = "corrected"
HALF = 2
"""Which sealed block of numbers kills an import or a plan."""
ROWS = 50
"""Rows of an export after which it is killed."""


@dataclass(slots=True)
class Begun:
    """The wave, and what was killed on the way to it."""

    killed: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    wave: Wave | None = None


def killed_inside(work: Callable[[], None]) -> bool:
    """Do some work in a child that dies in its middle; whether it did die there."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def die() -> None:
    """Kill -9 this very process."""
    os.kill(os.getpid(), signal.SIGKILL)


def begin(stage: Stage, begun: Begun) -> Wave:
    """An invented list becomes a running wave; exactly one, whatever died on the way."""
    house = stage.house()
    file = stage.settings.data / "list.csv"
    write_sample(file, seed=stage.wishes.seed, table=acts.number_table(), recipients=stage.wishes.messages)
    with house.begin() as conn:
        people.add_person(conn, AUTHOR, "An (diễn tập)", ["officer"])
        people.add_person(conn, APPROVER.login, APPROVER.name, list(APPROVER.roles))
        campaign = acts.read_definition(house.settings, assemble.definitions() / CAMPAIGN)
        version = registry.load_campaign(conn, campaign, AUTHOR)
    audience = _import(stage, house, file, begun)
    draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True)
    wave = _plan(stage, house, draft, begun)
    stage.segments = int(wave.plan["texts"][CHOICE]["segments"])
    wave = _approve(stage, house, wave, begun)
    house.engine.dispose()
    return wave


def _import(stage: Stage, house: House, file: Path, begun: Begun) -> int:
    def read(own: House) -> int:
        with own.begin() as conn:
            audience = audiences.create(conn, CAMPAIGN, file.name, AUTHOR)
            for _ in acts.import_audience(own, conn, audience, file, CAMPAIGN):
                pass
        return audience

    def half() -> None:
        _die_sealing()
        read(assemble.house(stage.site))

    begun.killed["C15"] += killed_inside(half)
    return read(house)


def _plan(stage: Stage, house: House, draft: Draft, begun: Begun) -> Wave:
    def half() -> None:
        _die_sealing()
        acts.plan_wave(assemble.house(stage.site), draft, AUTHOR)

    begun.killed["C15"] += killed_inside(half)
    wave = acts.plan_wave(house, draft, AUTHOR)
    acts.plan_wave(house, draft, AUTHOR)
    with house.begin() as conn:
        if unrest.waves_of_audience(conn, draft.audience) != 1:
            begun.broken.append("I9: one draft made several plans")
    return wave


def _die_sealing() -> None:
    """In a child: its second sealed block kills it, between the rows before and those after."""
    whole, passed = CampaignKeys.seal_block, Counter[str]()

    def seal_block(self: CampaignKeys, *args: Any) -> Any:
        passed["blocks"] += 1
        if passed["blocks"] == HALF:
            die()
        return whole(self, *args)

    setattr(CampaignKeys, CampaignKeys.seal_block.__name__, seal_block)


def _approve(stage: Stage, house: House, wave: Wave, begun: Begun) -> Wave:
    def stored(own: House, *, committed: bool) -> None:
        with own.begin() as conn:
            waves.approve(conn, wave.id, APPROVER, typed=wave.n, choice=CHOICE, reason="diễn tập")
            if not committed:
                die()
        die()

    for committed in (False, True):
        half = lambda committed=committed: stored(assemble.house(stage.site), committed=committed)  # noqa: E731 - as short as a name
        begun.killed["C14"] += killed_inside(half)
    with house.begin() as conn:
        waves.approve(conn, wave.id, APPROVER, typed=wave.n, choice=CHOICE, reason="diễn tập")
        given, _, _ = unrest.approvals_of(conn, wave.id)
        if given != 1:
            begun.broken.append(f"I9: {given} approvals of one person")
        return waves.start(conn, wave.id, APPROVER)


def export_twice(stage: Stage, wave: Wave, begun: Begun) -> Path:
    """A report whose writer dies half-way leaves no file under its name; the next one writes it whole."""
    from campaigns.ledger import figures  # noqa: PLC0415 - replaced in the child below
    from dispatcher import papers  # noqa: PLC0415 - python-docx is 0.1 s that only the end needs

    half, out = stage.settings.data / "report-half", stage.settings.data / "report"
    for folder in (half, out):
        folder.mkdir(mode=0o700, exist_ok=True)

    def write_half() -> None:
        whole = figures.send_log

        def send_log(*args: Any, **named: Any) -> Any:
            for n, row in enumerate(whole(*args, **named)):
                if n == ROWS:
                    die()
                yield row

        figures.send_log = send_log
        papers.write_report(assemble.house(stage.site), wave.id, half, AUTHOR, full=True)

    begun.killed["C16"] += killed_inside(write_half)
    if any(path.suffix == ".csv" and not path.name.startswith(".") for path in half.iterdir()):
        begun.broken.append("I11: a half-written list under its own name")
    papers.write_report(stage.house(), wave.id, out, AUTHOR, full=True)
    return out
