"""What a drill says: one line of JSON for machines, a page for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from campaigns.terms import State
from dispatcher.drill.begin import Begun
from dispatcher.drill.case import Case
from dispatcher.drill.weather import spoilt
from dispatcher.words import Words

AROUND = ("C14", "C15", "C16")
MOODS = {"refuse": "refuse connections"}
"""Moods of a line whose own word has another meaning elsewhere."""
NO_CODE = "C17"
"""Has no code yet: the signed checkpoint of the audit log."""


def figures(case: Case, begun: Begun, found: dict[str, str]) -> dict[str, Any]:
    """The last line of stdout: the decided keys first, the rest after them."""
    marks, times = case.marks, sorted(case.marks.recoveries) or [0.0]
    uncertain = case.uncertain()
    points = {name: marks.points[name] for name in case.stage.wishes.mix.points} | {
        name: begun.killed[name] for name in AROUND
    }
    return {
        "messages": case.wave.n,
        "kills": marks.kills,
        "kills_effective": marks.effective,
        "duplicates": case.duplicates,
        "lost": case.lost,
        "uncertain": sum(uncertain.values()),
        "unanswered_at_kill": marks.unanswered,
        "receipts_lost": case.receipts_lost,
        "recovery_p50_s": round(times[len(times) // 2], 2),
        "recovery_p95_s": round(times[min(len(times) - 1, len(times) * 95 // 100)], 2),
        "broken_invariants": [f"{name}: {why}" for name, why in found.items() if why],
        "kills_at_point": dict(sorted(points.items(), key=lambda item: int(item[0][1:]))),
        "kills_of": dict(marks.victims),
        "blows": dict(marks.blows),
        "network": dict(marks.moods),
        "network_spoilt": dict(spoilt(case.stage)),
        "uncertain_by": uncertain,
        "named_unwritten": marks.named_unwritten,
        "probes": marks.probes,
        "outcomes": {state.name.lower(): n for state in State if (n := _count(case, state))},
        "seed": case.stage.wishes.seed,
    }


def _count(case: Case, state: State) -> int:
    return sum(1 for each in case.ledger.states.values() if each is state)


def show(console: Console, words: Words, told: dict[str, Any], found: dict[str, str]) -> None:
    """A page that a person who decides can read."""
    if "kills" in told:
        _show_done(console, words, told)
    table = Table(box=None, padding=(0, 1))
    for name, why in found.items():
        number, _, title = name.partition(" ")
        sign = "[red]✗[/]" if why else "[green]✓[/]"
        table.add_row(sign, f"{number} {words.say(title)}", f"[red]{why}[/]" if why else "")
    console.print(table)
    if "kills" in told:
        _show_count(console, words, told)
    if told.get("overrun"):
        console.print(f"[red]{told['overrun']}[/]", soft_wrap=True)
    verdict = words.say("AN INVARIANT IS BROKEN") if any(found.values()) else words.say("every invariant holds")
    console.print(f"[{'red' if any(found.values()) else 'green'}]{verdict}[/]")


def _show_done(console: Console, words: Words, told: dict[str, Any]) -> None:
    say, number = words.say, words.number
    console.print(
        say("{n} messages; processes killed {kills} times, {effective} of them with something on the wire",
            n=told["messages"], kills=told["kills"], effective=told["kills_effective"]),
        soft_wrap=True,
    )  # fmt: skip
    done = {say(name): n for name, n in told["blows"].items()}
    done |= {f"kill -9 {name}": n for name, n in told["kills_of"].items()}
    console.print("  " + " · ".join(f"{name} {number(n)}" for name, n in done.items()), soft_wrap=True)
    at = " ".join(f"{name}×{n}" for name, n in told["kills_at_point"].items())
    console.print(f"  {say('at named points')}: {at} ({NO_CODE}: {say('has no code yet')})", soft_wrap=True)
    console.print(
        f"  {say('network')}: " + " · ".join(f"{n} {say(MOODS.get(k, k))}" for k, n in told["network"].items()),
        soft_wrap=True,
    )


def _show_count(console: Console, words: Words, told: dict[str, Any]) -> None:
    console.print(
        "[bold]"
        + words.say(
            "sent twice {twice} · lost {lost} · receipts lost {receipts} · unknown and named {unknown} ·"
            " working again after {p50:.1f} s (p95 {p95:.1f} s)",
            twice=told["duplicates"], lost=told["lost"], receipts=told["receipts_lost"], unknown=told["uncertain"],
            p50=told["recovery_p50_s"], p95=told["recovery_p95_s"],
        )
        + "[/]",
        soft_wrap=True,
    )  # fmt: skip
