"""What must be true after a drill, whatever was killed (reliability: section 6); each answers with its figures.

An empty answer means that it holds. Evidence is the carriers' own files and the ledger, never what a worker says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from campaigns.ledger import figures, unrest
from campaigns.message import parse_reference
from campaigns.terms import Outcome, Problem, State
from dispatcher.drill import pace
from dispatcher.drill.case import Case


def intent_first(case: Case) -> str:
    """I1: each acceptance has an intent that was committed before it."""
    intended, key = (
        case.ledger.intended(case.marks.set_back_at, case.journalled()),
        case.house.keyring.mac_key("reference"),
    )
    windows = {window.id for window in case.ledger.windows}
    wrong = 0
    for lines in case.truth.lines.values():
        for line in lines:
            place = parse_reference(line.ref, key) if line.ref != "-" else None
            unknown = line.ref != "-" and (place is None or place[0] not in windows)
            wrong += unknown or intended.get(int(line.number), float("inf")) > line.at + 0.001
    return f"{wrong} acceptances without an intent before them" if wrong else ""


def one_open_attempt(case: Case) -> str:
    """I2: windows of a batch are disjoint; attempt k+1 has a line that closes attempt k as not sent or deferred."""
    with case.house.begin() as conn:
        overlaps = unrest.overlaps(conn, case.wave.id)
    proof = {Outcome.NOT_SENT, Outcome.DEFERRED}
    attempts = case.ledger.attempts()
    bare = sum(
        1
        for r in case.ledger.retries
        if r.attempt > 0 and not proof & attempts.get((r.message_no, r.attempt - 1), set())
    )
    return f"{overlaps} windows overlap, {bare} retries without proof" if overlaps or bare else ""


def never_twice(case: Case) -> str:
    """I3: no number was taken twice."""
    return f"{case.duplicates} numbers taken twice" if case.duplicates else ""


def never_lost(case: Case) -> str:
    """I4: states sum to the audience, and each number's state agrees with the carriers' files."""
    n = len(case.ledger.states)
    wrong = n != case.wave.n or case.lost > 0
    return f"{case.lost} numbers lost, {n} states for {case.wave.n}" if wrong else ""


def bounded_unknown(case: Case) -> str:
    """I5: what a crash left unknown is at most what carriers owed at the kills; the network's only if it misbehaved."""
    by, most = case.uncertain(), case.marks.unanswered + case.marks.named_unwritten
    if by["crash"] > most:
        return f"{by['crash']} unknown after crashes, {most} unanswered at the kills"
    quiet = not case.stage.wishes.mix.lines and case.marks.kills == 0
    return f"{by['network']} unknown in a quiet network" if quiet and by["network"] else ""


def fenced(case: Case) -> str:
    """I6: no window was taken under an older claim than the window before it.

    Windows that came back from journals into a database that was set back have no order in time: they are left out.
    """
    falling, last = 0, dict[tuple[str, int, bool], int]()
    for window in case.ledger.windows:
        at = window.at.timestamp()
        if not case.marks.set_back_at <= at < case.marks.gone_on_at:
            place = (window.kind, window.batch, at >= case.marks.gone_on_at)
            falling += window.epoch < last.get(place, 0)
            last[place] = window.epoch
    return f"{falling} windows under an older claim" if falling else ""


def strongest_truth(case: Case) -> str:
    """I7: whatever order receipts came in, the strongest one stands."""
    weaker = sum(1 for number, told in case.truth.told.items() if case.ledger.states[number] < max(told))
    return f"{weaker} messages show less than their receipts say" if weaker else ""


def durable(case: Case) -> str:
    """I8: a receipt that was answered with 200 (or deliver_sm_resp) is in the log."""
    return f"{case.receipts_lost} acknowledged receipts are nowhere" if case.receipts_lost else ""


def approved_bytes(case: Case) -> str:
    """I9: only the approved text, to the frozen list, after the approvals that were due."""
    with case.house.begin() as conn:
        given, due, last = unrest.approvals_of(conn, case.wave.id)
    lines = [line for lines in case.truth.lines.values() for line in lines]
    texts = sum(1 for line in lines if line.part == line.parts and line.whole_sha != case.wave.text_sha256)
    foreign = sum(1 for line in lines if int(line.number) not in case.ledger.states)
    early = last is None or any(window.at < last for window in case.ledger.windows)
    wrong = texts or foreign or early or given < due
    return f"{texts} other texts, {foreign} foreign numbers, {given} of {due} approvals" if wrong else ""


def report_is_facts(case: Case) -> str:
    """I11: states and counts computed anew from the log are those of messages, counters and report."""
    attempts = case.ledger.attempts()
    latest: dict[int, int] = {}
    best: dict[int, Outcome] = {}
    for (no, attempt), evidence in attempts.items():
        latest[no] = max(attempt, latest.get(no, 1))
        best[no] = max(*evidence, best.get(no, Outcome.SKIPPED))
    latest |= {r.message_no: max(r.attempt, latest.get(r.message_no, 1)) for r in case.ledger.retries}
    wrong, counted = 0, Counter[tuple[str, int]]()
    for no, number in case.ledger.numbers.items():
        state = case.ledger.states[number]
        wrong += state not in _possible(best.get(no), attempts.get((no, latest.get(no, 1)), set()))
        counted[case.ledger.carriers[number], state.value] += 1
    differ = dict(counted) != case.ledger.counters
    return f"{wrong} states differ from the log, counters differ: {differ}" if wrong or differ else _verified(case)


def _possible(best: Outcome | None, evidence: set[Outcome]) -> set[State]:
    """States that a message may have by its evidence, from the rules of ledger.md section 3 and nothing else."""
    if best is not None and best >= Outcome.ACCEPTED:
        return {State(best)}
    strongest = max(evidence, default=None)
    if strongest in (Outcome.REFUSED, Outcome.UNCERTAIN):
        return {State(strongest)}
    if strongest is Outcome.SKIPPED:
        return {State.SUPPRESSED}
    return {State.QUEUED, State.EXPIRED, State.CANCELLED}


def _verified(case: Case) -> str:
    try:
        with case.house.begin() as conn:
            figures.verify_counts(conn, case.wave)
    except Problem as problem:
        return str(problem)
    return ""


def redis_disposable(case: Case) -> str:
    """I13: flushed and killed, Redis cost nothing: the wave came to its end by itself."""
    return "" if case.rested.at_rest else f"the wave did not come to rest in {case.rested.seconds:.0f} s"


AT_REST = "I13 Redis disposable"
CHECKS: dict[str, Callable[[Case], str]] = {
    "I1 intent first": intent_first,
    "I2 one open attempt": one_open_attempt,
    "I3 never twice": never_twice,
    "I4 never lost": never_lost,
    "I5 bounded unknown": bounded_unknown,
    "I6 fencing": fenced,
    "I7 receipts commute": strongest_truth,
    "I8 200 means durable": durable,
    "I9 only approved bytes": approved_bytes,
    "I11 report = facts": report_is_facts,
    AT_REST: redis_disposable,
    "I16 never above the licence": pace.above_the_licence,
}
"""Those that are asked at the end; I2, I6 and I10 are also tried while the blows fall, I15 by sealed.py."""


def check(case: Case) -> dict[str, str]:
    """Every invariant with what broke it, "" when it holds."""
    found = {name: ask(case) for name, ask in CHECKS.items()}
    found["I10 stop means stop"] = ""
    found["I14 restore safe"] = ""
    for told in dict.fromkeys(case.marks.broken):
        number, _, why = told.partition(": ")
        name = next(name for name in found if name.split()[0] == number)
        found[name] = "; ".join(filter(None, (found[name], why)))
    return dict(sorted(found.items(), key=lambda item: int(item[0].split()[0][1:])))
