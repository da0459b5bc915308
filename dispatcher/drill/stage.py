"""All that a drill runs on: servers that may be killed, carriers behind lines that misbehave, and the crew."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.servers import Servers
from config.servers.child import leftovers
from config.settings import Settings
from dispatcher import assemble, crew
from dispatcher.assemble import Site
from dispatcher.drill import wishes as wished
from dispatcher.drill.wishes import Wishes
from providers.simulator import chaos
from providers.simulator.chaos import Mode
from workers import pool
from workers.house import House

LAST = ("sim-", "line-")
"""Processes that end after the rest: workers drain through them."""


@dataclass(slots=True)
class Stage:
    """One installation of a drill."""

    settings: Settings
    wishes: Wishes
    servers: Servers
    site: Site
    crew: crew.Crew
    truths: Path  # the folder of the carriers' files
    lines: dict[str, Path] = field(default_factory=dict)  # account -> control file of its line
    licences: list[tuple[float, dict[str, int]]] = field(default_factory=list)  # (unix time from which, segments a s)
    segments: int = 1

    def house(self) -> House:
        """A House of this process."""
        return assemble.house(self.site)

    def accounts(self) -> list[str]:
        """The simulated accounts."""
        return list(self.lines)

    def kill_server(self, name: str) -> None:
        """Kill -9 a server with all its processes; `servers.revive()` starts it again."""
        for pid in leftovers([self.settings.data / name]):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def switch(self, account: str, mode: Mode) -> None:
        """What the line of an account does from now on."""
        chaos.switch(self.lines[account], mode)

    def sender(self, account: str) -> Callable[[], None]:
        """What a sending process of this account does."""
        site = self.site
        return lambda: pool.run(assemble.house(site), account)


@contextmanager
def opened(settings: Settings, wishes: Wishes) -> Iterator[Stage]:
    """Servers and a migrated database in a data folder of the drill's own."""
    settings = settings.model_copy(update={"batch_size": wishes.batch_size})
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with Servers(settings.data) as servers:
        urls = servers.start()
        site = Site(settings, urls.owner, urls.app, urls.redis, rehearsal=True, times=wished.times(wishes, settings))
        log = settings.data / "log"
        log.mkdir(mode=0o700, exist_ok=True)
        hands = crew.Crew(log)
        stage = Stage(settings, wishes, servers, site, hands, settings.data / "carriers" / "drill")
        assemble.prepare(site)
        try:
            yield stage
        finally:
            hands.stop(last=LAST)


def go_to_work(stage: Stage, now: float) -> None:
    """Carriers, their lines, the receiver and the workers; narrow wires, so that the work lasts."""
    reached = replace(stage.site, callback_base=f"http://127.0.0.1:{crew.free_port(stage.settings)}")
    faults = replace(stage.wishes.faults, seed=stage.wishes.seed)
    reached = crew.start_simulators(stage.crew, reached, stage.truths, faults)
    stage.site = replace(reached, overrides=_lines(stage, reached.overrides))
    _set_width(stage, now, wide=False)
    crew.start_receiver(stage.crew, stage.site)
    crew.start_work(stage.crew, stage.site)


def widen(stage: Stage, now: float) -> None:
    """The blows are over: senders are asked to end, and come back with wide wires (a deployment under load, F49)."""
    for control in stage.lines.values():
        chaos.switch(control, Mode.CLEAR)
    _set_width(stage, now, wide=True)
    for account in stage.accounts():
        hand = stage.crew.hands[crew.WORK + account]
        hand.work = stage.sender(account)
        if hand.pid:
            with suppress(ProcessLookupError):
                os.kill(hand.pid, signal.SIGTERM)


def _set_width(stage: Stage, now: float, *, wide: bool) -> None:
    chosen = wished.licences(stage.wishes, stage.segments, wide=wide)
    file = wished.write_accounts(stage.settings.data / f"carriers-{'wide' if wide else 'narrow'}.toml", chosen)
    found = {
        name: {**each, **wished.overrides(name, stage.wishes, stage.settings, stage.segments, wide=wide)}
        for name, each in stage.site.overrides.items()
    }
    settings = stage.site.settings.model_copy(update={"carriers_file": file})
    stage.site = replace(stage.site, settings=settings, overrides=found)
    stage.licences.append((now, chosen))


def _lines(stage: Stage, carriers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A line to each carrier; what the carrier's address was becomes the line's."""
    found: dict[str, dict[str, Any]] = {}
    for account, each in carriers.items():
        port = int(each.get("port") or str(each["base_url"]).rpartition(":")[2])
        stage.lines[account] = stage.truths / f"{account}.line"
        chaos.switch(stage.lines[account], Mode.CLEAR)
        told = stage.truths / f".line-{account}.port"
        stage.crew.start(f"line-{account}", _line(port, stage.lines[account], stage.wishes.seed, told))
        found[account] = crew.address(assemble.accounts(stage.site)[account].provider, crew.wait_for(told))
    return found


def _line(target: int, control: Path, seed: int, told: Path) -> Callable[[], None]:
    def work() -> None:
        again = int(told.read_text(encoding="ascii")) if told.exists() else 0
        chaos.run(("127.0.0.1", target), control, seed, port=again, ready=lambda port: crew.tell(told, port))

    return work
