"""The deadline board: what a letter obliges to, until when, and whose move it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from campaigns.definition import Campaign
from campaigns.ledger.waves import Wave
from campaigns.schedule import WavePlan

LONG_PAST = 60
"""Days after which an obligation without a wave of ours is history and not an alarm."""
APPROVED = ("the officer's move: start sending", "warn", "approved, not begun")
"""How an obligation stands whose wave lacks nothing but its start."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One obligation."""

    what: str  # a sentence of ours, with `name`
    name: str
    until: date  # the last day on which it is in time
    holder: str  # whose move: a sentence of ours
    state: str  # tag: off, warn, run, ok, bad
    tag: str
    path: str
    days: int  # from today; negative: over
    wave: int = 0  # of ours, that does it; 0: none yet

    @property
    def over(self) -> bool:
        """Done, or history: nothing is left to do in time."""
        return self.state == "ok" or self.tag == "gone by"


def duties(campaign: Campaign, waves: Sequence[Wave], today: date, lacking: Collection[int]) -> list[Duty]:
    """Every obligation of a campaign's letter, the most urgent first; `lacking`: waves that lack approvals."""
    newest: dict[int, Wave] = {}
    for wave in waves:  # newest first
        if wave.state != "cancelled":
            newest.setdefault(wave.no, wave)
    found = [_of_wave(campaign, plan, newest.get(plan.no), today, lacking) for plan in campaign.waves]
    found.append(_report(campaign, list(newest.values()), today))
    return sorted(found, key=lambda duty: (duty.state in {"ok", "off"}, duty.until))


def _of_wave(campaign: Campaign, plan: WavePlan, wave: Wave | None, today: date, lacking: Collection[int]) -> Duty:
    days = (plan.until - today).days
    path = f"/console/waves/{wave.id}" if wave else f"/console/campaigns/{campaign.name}"
    approved = wave is not None and wave.state == "planned" and wave.id not in lacking
    holder, state, tag = APPROVED if approved else _standing(wave, days)
    return Duty("Send {name}", plan.name, plan.until, holder, state, tag, path, days, wave.id if wave else 0)


def _standing(wave: Wave | None, days: int) -> tuple[str, str, str]:
    match wave.state if wave else "":
        case "planned":
            return "the approver's move: approve or return", "warn", "to be approved"
        case "running":
            return "the dispatcher sends", "run", "sending"
        case "paused":
            return "the officer's move: resume or cancel", "warn", "paused"
        case "finished":
            return "sent", "ok", "done"
    if days < -LONG_PAST:
        return "not sent from this installation", "off", "gone by"
    return ("the officer's move: plan the wave", "bad", "too late") if days < 0 else (
        "the officer's move: plan the wave", "off", "not begun")  # fmt: skip


def _report(campaign: Campaign, waves: Sequence[Wave], today: date) -> Duty:
    until = campaign.mandate.report_by
    days = (until - today).days
    sent = any(wave.started_at for wave in waves)
    state, tag = ("run", "in work") if sent else ("off", "not begun")
    if days < 0:
        state, tag = ("off", "gone by") if days < -LONG_PAST else ("bad", "too late")
    return Duty("Report to {name}", campaign.mandate.report_to, until, "the officer's move: the report", state, tag,
                f"/console/campaigns/{campaign.name}", days)  # fmt: skip
