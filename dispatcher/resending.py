"""Correct and resend: a wave for exactly those of another one whom it concerns, planned like any other."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from campaigns import segments, text
from campaigns.definition import Campaign, variants
from campaigns.ledger import registry, resends, waves
from campaigns.ledger.people import Person
from campaigns.ledger.plans import Draft
from campaigns.ledger.resends import Chosen, Relation
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem, State
from dispatcher import acts
from dispatcher.halting import Halted, noted
from dispatcher.words import Words
from workers.house import House

PATIENCE = 15.0
"""Seconds that a stop may take until all that was on its way is counted."""
NAMES = {"correction": "đính chính", "failed": "gửi lại", "rest": "phần còn lại"}
"""How the later wave's name ends, in papers too."""
TO_WHOM = {
    "correction": "a correction for those whose phones may have got the text of {wave}",
    "failed": "again for those of {wave} whom no carrier took before tries or hours ran out",
    "rest": "for those of {wave} whose turn never came",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a later wave would be now."""

    wave: Wave
    chosen: Chosen
    text: str  # of a correction to begin with; of the others the one that goes out


def offer(house: House, wave: int, kind: str = resends.CORRECTION) -> Offer:
    """Whom a later wave of a kind would reach now, and its text; plans nothing."""
    with house.begin() as conn:
        found = waves.get(conn, wave)
        if found.text is None:
            raise Problem("{wave} was never started: nobody got its text", wave=found.name)
        campaign, _ = registry.get_campaign(conn, found.campaign, found.version)
        text = prefilled(campaign, found) if kind == resends.CORRECTION else found.text
        return Offer(found, resends.counted(conn, wave, kind), text)


def prefilled(campaign: Campaign, wave: Wave) -> str:
    """The definition's corrected text where another one was sent, else the text that was, after the word for it."""
    sent = wave.text or ""
    other = variants(campaign).get("corrected")
    better = other.text if other and wave.choice == "verbatim" else sent
    word = "Đính chính tin nhắn trước: "
    return (text.unaccent(word) if better.isascii() else word) + better


def stop_for_good(house: House, wave: int, kind: str, person: Person, reason: str) -> Halted | None:
    """Cancel a wave that may still send and wait until what was on its way is counted; None when it was over."""
    since = time.monotonic()
    with house.begin() as conn:
        found = waves.get(conn, wave)
        if found.started_at is None or found.state in {"cancelled", "finished"}:
            return None
        found = waves.move(conn, wave, person.login, "cancel", reason)
    told = noted(house, person.login, wave, since)
    acts.ring(house, found)
    while time.monotonic() - since < PATIENCE and not _is_over(house, found, kind):
        time.sleep(0.05)
    return told


def _is_over(house: House, wave: Wave, kind: str) -> bool:
    try:
        with house.begin() as conn:
            resends.must_be_over(conn, wave, kind)
    except Problem:
        return False
    return True


def draft(house: House, wave: int, kind: str, words: str = "") -> Draft:
    """The later wave before it is planned; `words`: the text of a correction, the others send what the first one sent.

    Raises Problem while the wave before may still send, and for words that no text of the campaign may hold.
    """
    with house.begin() as conn:
        before = waves.get(conn, wave)
        resends.must_be_over(conn, before, kind)
        campaign, version = registry.get_campaign(conn, before.campaign, before.version)
    made = acts.draft_wave(house, campaign, version, before.no, before.audience, rehearsal=before.rehearsal, again=True)
    texts = _correction(campaign, before, words) if kind == resends.CORRECTION else _same(before)
    return replace(made, name=f"{before.name} ({NAMES[kind]})", texts=texts, wording={}, parent=wave, resend=kind)


def plan(house: House, wave: int, kind: str, person: Person, words: str = "") -> Wave:
    """Plan it; another person approves it as any other wave."""
    return acts.plan_wave(house, draft(house, wave, kind, words), person.login)


def _same(before: Wave) -> dict[str, Mapping[str, Any]]:
    choice = before.choice or ""
    return {choice: before.plan["texts"][choice]}


def _correction(campaign: Campaign, before: Wave, words: str) -> dict[str, Mapping[str, Any]]:
    """The text of a correction, held to what every text of the campaign is held to."""
    said = text.normal(words.strip())
    text.check(said, campaign.text.hotlines)
    if said == before.text:
        raise Problem("this is the text that {wave} sent: a correction says something else", wave=before.name)
    measured = segments.measure(said)
    return {"correction": {"text": said, "sha256": text.sha256(said), "encoding": measured.encoding,
                           "units": measured.units, "segments": measured.segments}}  # fmt: skip


def sums(words: Words, states: Mapping[State, int]) -> str:
    """The set by state, with its sum."""
    parts = " + ".join(f"{words.value(state)} {words.number(n)}" for state, n in states.items())
    return f"{parts} = {words.number(sum(states.values()))}"


def say_relation(words: Words, each: Relation) -> str:
    """One wave that comes before or after another one."""
    if each.before:
        return words.say("follows {name}, {wave}", name=each.name, wave=str(each.wave))
    return words.say("followed by {name}: {n} messages, {state}, {wave}", name=each.name, n=each.n,
                     state=words.say(each.state), wave=str(each.wave))  # fmt: skip


def relation_json(each: Relation) -> dict[str, Any]:
    """The same for programs."""
    return {"wave": str(each.wave), "name": each.name, "kind": each.kind, "n": each.n, "state": each.state,
            "before": each.before}  # fmt: skip
