"""I16: what carriers took in a second and in five, by their own clocks, beside the licence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dispatcher.drill.case import Case

SECOND, WHILE = 1.0, 5.0
BUNCHED = {"sim-smpp": 0.3}
"""Seconds of a licence that may reach a carrier bunched: the machine lets processes wait, as everything is killed."""
BUNCHED_HTTP = 1.0
"""The same where each request may need a new connection."""


def above_the_licence(case: Case) -> str:
    """Seconds in which a carrier took more than was paced; one in which a line held bytes back proves nothing.

    In five seconds, whatever was held back, never more than five seconds' worth and what was bunched.
    """
    worst = []
    for account, lines in case.truth.lines.items():
        bunched = BUNCHED.get(account, BUNCHED_HTTP)
        held = [(lo, hi) for name, lo, hi in case.marks.held if name == account]
        for since, until, licence in _periods(case, account):
            times = sorted(line.at for line in lines if since <= line.at < until)
            for span, free in ((SECOND, held), (WHILE, [])):
                most = case.stage.segments * _most(times, span, free)
                extra = bunched + (2.0 if held and span == WHILE else 0.0)
                if most > licence * (span + extra) + case.stage.segments:
                    worst.append(f"{account}: {most} segments in {span:g} s, licence {licence}")
    return ", ".join(worst)


def _periods(case: Case, account: str) -> Iterator[tuple[float, float, int]]:
    """From when to when which licence held."""
    licences = case.stage.licences
    for n, (since, chosen) in enumerate(licences):
        until = licences[n + 1][0] if n + 1 < len(licences) else float("inf")
        yield since, until, chosen[account]


def _most(times: Sequence[float], span: float, free: Sequence[tuple[float, float]]) -> int:
    """The most events in any stretch of so many seconds that touches none of the free ones."""
    most = lo = 0
    for hi, at in enumerate(times):
        while times[lo] <= at - span:
            lo += 1
        if not any(begin <= at and times[lo] <= end for begin, end in free):
            most = max(most, hi - lo + 1)
    return most
