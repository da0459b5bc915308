"""From the letter to the report, as a newcomer runs it: one command, real servers, real sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from providers.simulator.truth import read_taken

ROOT = Path(__file__).parents[2]


def _start(data: Path, *args: str) -> subprocess.Popen[str]:
    env = os.environ | {"DISPATCHER_DATA": str(data), "DISPATCHER_LISTEN_PORT": "0", "DISPATCHER_LANG": "en"}
    command = [sys.executable, "-m", "dispatcher", "demo", "--once", "--json", *args]
    return subprocess.Popen(
        command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _summary(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=110)
    assert process.returncode == 0, err
    found: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return found


def _numbers(data: Path) -> Counter[str]:
    files = data.glob("*/carriers/*/sim-*.log")
    return Counter(line.number for path in files for line in read_taken(path) if line.part == 1)


SEALED_PLACES = ("log", "journals", "spool", "postgres", "valkey")
SPELLED = re.compile(rb"(?<!\d)(?:84|0)?([35789]\d{8})(?!\d)")


def _leaks(data: Path, numbers: Counter[str]) -> list[str]:
    """Files of ours in which a number of the audience stands, in any of its plain spellings (invariant I15)."""
    national = {number[2:].encode() for number in numbers}
    files = [path for place in SEALED_PLACES for path in (data / place).rglob("*") if path.is_file()]
    return [str(path) for path in files if national.intersection(SPELLED.findall(path.read_bytes()))]


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [pid, *(each for child in children for each in _family(int(child)))]


@pytest.mark.timeout(240)
def test_the_whole_job_and_every_sum_holds(tmp_path: Path) -> None:
    """Letter to report: nobody twice, nothing lost, every row in one outcome, the text byte for byte, papers made."""
    summary = _summary(_start(tmp_path, "--recipients", "500", "--seed", "7"))
    assert summary["audience"] == 500
    assert sum(summary["outcomes"].values()) == 500
    assert summary["carriers_log"]["numbers_twice"] == summary["difference"] == summary["texts_differ"] == 0
    taken = _numbers(tmp_path)
    assert len(taken) == taken.total() == summary["carriers_log"]["accepted"]
    outcomes = summary["outcomes"]
    assert len(taken) == outcomes["delivered"] + outcomes["undelivered"] + outcomes["accepted"]
    for path in map(Path, summary["files"].values()):
        assert path.stat().st_size > 0
    assert _leaks(tmp_path, taken) == []
    assert {path.suffix for path in map(Path, summary["files"].values())} >= {".docx", ".xlsx", ".csv"}


@pytest.mark.timeout(240)
def test_killed_in_the_middle_it_goes_on_and_nobody_gets_it_twice(tmp_path: Path) -> None:
    """Kill -9 of every process while messages are on the wire; the next start completes the same wave."""
    first = _start(tmp_path, "--recipients", "3000", "--seed", "8")
    until = time.monotonic() + 60
    while len(_numbers(tmp_path)) < 800:
        assert first.poll() is None, first.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)
    for pid in _family(first.pid):
        os.kill(pid, signal.SIGKILL)
    first.communicate()
    summary = _summary(_start(tmp_path, "--recipients", "3000", "--seed", "8"))
    taken = _numbers(tmp_path)
    assert max(taken.values()) == 1
    assert summary["audience"] == 3000 == sum(summary["outcomes"].values())
    assert summary["difference"] == 0
    assert summary["sums_hold"]


def test_a_used_port_is_said_before_anything_is_done(tmp_path: Path) -> None:
    """The port is looked at first: a clear sentence, exit code not 0, no data folder filled."""
    import socket  # noqa: PLC0415 - one use

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = os.environ | {
            "DISPATCHER_DATA": str(tmp_path / "d"),
            "DISPATCHER_LISTEN_PORT": str(port),
            "DISPATCHER_LANG": "en",
        }
        done = subprocess.run(
            [sys.executable, "-m", "dispatcher", "demo", "--once"], cwd=ROOT, env=env, text=True, capture_output=True,
            check=False, timeout=60,
        )  # fmt: skip
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "d" / "postgres").exists()
