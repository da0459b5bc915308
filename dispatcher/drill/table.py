"""Every sabotage in turn, each in a drill of its own: seven rows, each with the invariant it broke."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dispatcher.drill.sabotage import WITHOUT
from dispatcher.words import Words

PATIENCE = 300.0
"""Seconds for one sabotaged drill on a busy machine."""


def run(data: Path, given: Sequence[str], words: Words) -> int:
    """0 when each sabotaged drill failed and named the invariant that it was to break."""
    console = Console(highlight=False)
    table = Table(words.say("without"), words.say("what is missing"), words.say("must break"), words.say("broke"), "s")
    missed = 0
    for name, each in WITHOUT.items():
        began = time.monotonic()
        command = [sys.executable, "-m", "dispatcher", "drill", "--without", name, "--data", str(data / name), *given]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)  # noqa: S603 - ourselves
        broke = _broken(done.stdout)
        right = done.returncode != 0 and any(told.startswith(f"{each.breaks} ") for told in broke)
        missed += not right
        sign = "[green]✓[/]" if right else "[red]✗[/]"
        table.add_row(name, each.why, each.breaks, f"{sign} {'; '.join(broke)}", f"{time.monotonic() - began:.0f}")
        console.print(f"{sign} {name}: {'; '.join(broke) or done.stderr[-300:]}", soft_wrap=True)
    console.print(table)
    return 1 if missed else 0


def _broken(stdout: str) -> list[str]:
    lines = stdout.strip().splitlines()
    return list(json.loads(lines[-1])["broken_invariants"]) if lines else []
