"""Workers killed on purpose; the carriers' own files say what became of the messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(180)
def test_a_short_drill_breaks_no_invariant(tmp_path: Path) -> None:
    """Eight kill -9, stops, cut lines and killed servers: nobody twice, nobody lost, no receipt lost."""
    env = os.environ | {"DISPATCHER_LISTEN_PORT": "0", "DISPATCHER_LANG": "en"}
    command = [sys.executable, "-m", "dispatcher", "drill", "--messages", "1500", "--kills", "8", "--seed", "3"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path / "d")], cwd=ROOT, env=env, text=True, capture_output=True, check=False,
        timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    assert summary["broken_invariants"] == []
    assert summary["kills"] >= 8
    assert summary["duplicates"] == summary["lost"] == summary["receipts_lost"] == 0
    assert sum(summary["outcomes"].values()) == summary["messages"] == 1500
