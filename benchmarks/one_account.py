"""An installation with chosen simulated accounts, and a wave for it; for the benchmarks of control."""

from __future__ import annotations

import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from campaigns import segments
from campaigns.ledger import audiences, people, plans, registry, waves
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from campaigns.text import normal, sha256
from config import data as shipped
from config.settings import Settings, load
from dispatcher import acts, assemble
from dispatcher.assemble import Site
from dispatcher.crew import Crew
from workers.house import House

ACCOUNT = "sim-smpp"
SHORT = "Gọi 111 khi thấy dấu hiệu mua bán người"
"""One segment, so that a licence in segments is one in messages."""
LOGIN = {"system_id": "rehearsal", "password": "rehearse"}


def carriers() -> list[str]:
    """Networks in their order."""
    return re.findall(r"^\[carriers\.(\w+)\]", shipped.CARRIERS.read_text(encoding="utf-8"), re.MULTILINE)


def installation(folder: Path, accounts: Mapping[str, Mapping[str, Any]]) -> Settings:
    """Settings whose carriers.toml has exactly these SMPP accounts; what an account leaves out is usual."""
    shipped_text = shipped.CARRIERS.read_text(encoding="utf-8")
    text = shipped_text[: shipped_text.index("[accounts.")] + shipped_text[shipped_text.index("[accounts.smpp-a]") :]
    for name, wanted in accounts.items():
        facts: dict[str, Any] = {
            "provider": "smpp", "simulated": True, "enabled": True, "licence": 100, "price": 300,
            "carriers": carriers(), "window": 1000,
        } | wanted  # fmt: skip
        ours = {key: facts.pop(key) for key in ("window", "response_timeout") if key in facts}
        facts["senders"] = dict.fromkeys(facts["carriers"], facts.pop("sender", "LAICHAU-SIM"))
        facts["settings"] = {"host": "127.0.0.1", "port": 0, **ours, **LOGIN}
        text += f"\n[accounts.{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in facts.items())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = folder / "carriers.toml"
    file.write_text(text, encoding="utf-8")
    settings = load({"DISPATCHER_LISTEN_PORT": "0"}, data=folder / "var", profile="rehearsal")
    return settings.model_copy(update={"carriers_file": file})


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
    return json.dumps(value)


def planned_apart(
    site: Site, recipients: int, text: str = SHORT, seed: int = 20, changes: Mapping[str, Any] | None = None
) -> None:
    """Plan, with these `changes` of the draft, in a process of its own.

    Workers are forked from this one and would inherit what planning held.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _plan(assemble.house(site), recipients, text, seed, changes or {})
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit("planning failed")


def _plan(house: House, recipients: int, text: str, seed: int, changes: Mapping[str, Any]) -> None:
    file = house.settings.data / f"list-{seed}.csv"
    write_sample(file, seed=seed, table=acts.number_table(), recipients=recipients)
    with house.begin() as conn:
        people.add_person(conn, "an", "An (diễn tập)", ["officer", "operator"])
        people.add_person(conn, "binh", "Bình (diễn tập)", ["approver"])
        campaign = acts.read_definition(house.settings, assemble.definitions() / "20-BCD-2024")
        version = registry.load_campaign(conn, campaign, "an")
        audience = audiences.create(conn, campaign.name, file.name, "an")
        for _ in acts.import_audience(house, conn, audience, file, campaign.name):
            pass
    draft = acts.draft_wave(house, campaign, version, 1, audience, rehearsal=True)
    if text:
        draft = replace(draft, texts={"corrected": _measured(text)})
    with house.begin() as conn:
        plans.plan(conn, replace(draft, approvals_due=1, **changes), "an", house.keys(draft.campaign))


def _measured(text: str) -> dict[str, object]:
    text = normal(text)
    found = segments.measure(text)
    return {"text": text, "sha256": sha256(text), "encoding": found.encoding,
            "units": found.units, "segments": found.segments}  # fmt: skip


def until(hands: Crew, true: Callable[[], bool], what: str, seconds: float) -> None:
    """Watch the processes until something is true; ends the program after so many seconds."""
    end = time.monotonic() + seconds
    while not true():
        hands.watch()
        if time.monotonic() > end:
            raise SystemExit(f"{what} did not come")
        time.sleep(0.02)


def start(house: House) -> Wave:
    """Approve and start the planned wave, and ring."""
    with house.begin() as conn:
        wave = waves.all_waves(conn)[0]
        binh = people.Person("binh", "Bình", ("approver",), ("approve",))
        waves.approve(conn, wave.id, binh, typed=wave.n, choice="corrected", reason="diễn tập")
        wave = waves.start(conn, wave.id, binh)
    acts.ring(house, wave)
    return wave
