"""Everything killed on purpose; the carriers' own files say what became of the messages (reliability: section 9).

One drill runs with every test: F1-F8 each crash point, F10 random kills, F12 stops beyond the lease and inside T1,
F14 and F16 Redis killed and flushed, F19 and F20 PostgreSQL killed, F21 and F22 set back, F25 F29 F30 F35 a network
that misbehaves, F26 F28 F36 carriers that answer wrongly, twice or never, F42 a person's stop, F46 the receiver killed,
F49 senders replaced under load, F50 an export cut short.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dispatcher.drill import WITHOUT

ROOT = Path(__file__).parents[2]
EVERYWHERE = [f"C{n}" for n in range(1, 17)]


def drill(folder: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Run one drill; its exit code and its last line."""
    env = os.environ | {"DISPATCHER_LISTEN_PORT": "0", "DISPATCHER_LANG": "en"}
    command = [sys.executable, "-m", "dispatcher", "drill", *words, "--data", str(folder / "d")]
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, check=False, timeout=420)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout.strip().splitlines()[-1])


def sound(code: int, told: dict[str, Any]) -> None:
    """Nobody twice, nobody lost, no receipt lost, every crash point reached, kills that hit something."""
    assert told["broken_invariants"] == []
    assert code == 0
    assert told["duplicates"] == told["lost"] == told["receipts_lost"] == 0
    assert sum(told["outcomes"].values()) == told["messages"]
    assert told["kills_effective"] >= 0.9 * told["kills"]
    assert [name for name in EVERYWHERE if not told["kills_at_point"][name]] == []


@pytest.mark.timeout(400)
def test_twenty_kills_break_no_invariant(tmp_path: Path) -> None:
    """F1-F8 F10 F12 F14 F16 F19-F22 F25 F26 F28-F30 F35 F36 F42 F46 F49 F50: every invariant holds."""
    code, told = drill(tmp_path, "--messages", "2400", "--kills", "20", "--seed", "3")
    sound(code, told)
    assert told["kills"] >= 20
    assert told["blows"]["database set back"] == 1


@pytest.mark.slow
@pytest.mark.timeout(450)
@pytest.mark.parametrize("seed", [101, 202, 303])
def test_a_whole_drill_with_other_dice(tmp_path: Path, seed: int) -> None:
    """F10: 6,000 messages and forty kills, three seeds."""
    sound(*drill(tmp_path, "--seed", str(seed)))


@pytest.mark.slow
@pytest.mark.timeout(1300)
@pytest.mark.parametrize("name", WITHOUT)
def test_a_drill_without_a_protection_fails_and_names_what_broke(tmp_path: Path, name: str) -> None:
    """A drill that cannot fail proves nothing; its blows fall by chance, so that one of three must have hit."""
    for each in range(3):
        code, told = drill(tmp_path / str(each), "--without", name)
        if code:
            break
    assert code == 1
    assert any(broke.startswith(f"{WITHOUT[name].breaks} ") for broke in told["broken_invariants"])


@pytest.mark.slow
@pytest.mark.timeout(450)
@pytest.mark.parametrize("name", ["journal", "flock", "incarnation"])
def test_the_same_blows_with_the_protection_in_its_place(tmp_path: Path, name: str) -> None:
    """What broke there was the protection taken away, not the blows."""
    code, told = drill(tmp_path, "--like", name)
    assert (code, told["broken_invariants"]) == (0, [])
