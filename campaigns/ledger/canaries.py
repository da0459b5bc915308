"""Seed phones, and what persons say of the text that arrived on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from campaigns.ledger import people, reading
from campaigns.ledger.waves import Wave
from campaigns.sealing import CampaignKeys, mask
from campaigns.terms import Problem, State


def set_seeds(conn: psycopg.Connection, campaign: str, audience: int, person: str) -> None:
    """Make a list the seed phones of its campaign, from the next plan on."""
    conn.execute("INSERT INTO seed_list (campaign, audience, person) VALUES (%s, %s, %s)", (campaign, audience, person))
    people.record(conn, person, "seeds.set", campaign, audience=str(audience))


def newest(conn: psycopg.Connection, campaign: str) -> int:
    """The list of the campaign's seed phones; 0: there is none."""
    row = conn.execute(
        "SELECT audience FROM seed_list WHERE campaign = %s ORDER BY id DESC LIMIT 1", (campaign,)
    ).fetchone()
    return int(row[0]) if row else 0


def seeds(conn: psycopg.Connection, campaign: str) -> int:
    """The same; raises Problem when there is none."""
    found = newest(conn, campaign)
    if not found:
        raise Problem("campaign {name} has no seed phones: import them with `dispatcher audience import --seeds`",
                      name=campaign)  # fmt: skip
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """One carrier's canary."""

    carrier: str
    n: int  # seed messages
    arrived: int  # by receipt, or taken where the carrier promises none
    failed: int  # refused, undelivered, left out or expired
    word: str | None  # "right" | "wrong": the newest
    despite: bool | None
    others: tuple[str, ...] = ()  # accounts that took this carrier over: no seed phone has the text by them

    @property
    def state(self) -> str:
        """What the rest of the carrier waits for: "right" nothing, "wrong", "failed", "waiting", "arrived" a word."""
        if self.word is not None:
            return self.word
        if self.failed:
            return "failed"
        return "arrived" if self.arrived == self.n else "waiting"


STANDING = """
SELECT c.name, s.n, s.arrived, s.failed, s.word, s.despite, coalesce((SELECT array_agg(DISTINCT b.account) FROM batch b
    WHERE b.wave = w.id AND b.carrier = c.id AND b.account <> w.plan -> 'accounts' ->> c.name), '{}')
FROM wave w, canary_standing(w.id) s JOIN carrier c ON c.id = s.carrier WHERE w.id = %(wave)s
"""


def standing(conn: psycopg.Connection, wave: int) -> list[Standing]:
    """The canary of a wave by carrier; none: it has no canary."""
    rows = conn.execute(STANDING, {"wave": wave})
    return [Standing(name, n, arrived, failed, word, despite, tuple(others))
            for name, n, arrived, failed, word, despite, others in rows]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Phone:
    """One seed phone in a wave's canary."""

    carrier: str
    number: str  # masked
    state: State


def phones(conn: psycopg.Connection, wave: int, keys: CampaignKeys) -> list[Phone]:
    """The seed phones of a wave's canary, a few dozen, by carrier."""
    row = conn.execute("SELECT canary FROM wave WHERE id = %s AND canary IS NOT NULL", (wave,)).fetchone()
    if row is None:
        return []
    return [Phone(each.carrier, mask(each.number), each.state) for each in reading.messages(conn, row[0], keys)]


@dataclass(frozen=True, slots=True)
class Said:
    """A person's newest word on one carrier's canary."""

    person: str
    reason: str
    at: datetime


def said(conn: psycopg.Connection, wave: int) -> dict[str, Said]:
    """Carrier -> the newest word on its canary."""
    rows = conn.execute(
        "SELECT DISTINCT ON (w.carrier) c.name, w.person, w.reason, w.at FROM canary_word w JOIN carrier c"
        " ON c.id = w.carrier WHERE w.wave = %s ORDER BY w.carrier, w.id DESC",
        (wave,),
    )
    return {carrier: Said(*rest) for carrier, *rest in rows}


def say(
    conn: psycopg.Connection,
    wave: Wave,
    person: people.Person,
    *,
    right: bool,
    carriers: Sequence[str] = (),
    reason: str = "",
    despite: bool = False,
) -> list[str]:
    """A person's word on what the seed phones show; the carriers it is about. Raises Problem.

    Without `carriers`: "right" for each that has arrived, "wrong" for each.
    """
    found = {each.carrier: each for each in standing(conn, wave.id)}
    if not found:
        raise Problem("{wave} was planned without a canary", wave=wave.name)
    for carrier in carriers:
        if carrier not in found:
            raise Problem("the canary has no phone on {carrier}; it has {known}", carrier=carrier,
                          known=", ".join(found))  # fmt: skip
    about = list(carriers) or [name for name, each in found.items() if not right or each.state == "arrived" or despite]
    if not about:
        raise Problem("no canary has arrived that waits for a word: see `dispatcher wave canary`")
    if right:
        _refuse_blind(wave, person, [found[name] for name in about], despite=despite)
    if (despite or not right) and not reason.strip():
        raise Problem("say with --reason why; it goes into the record")
    conn.execute(
        "INSERT INTO canary_word (wave, carrier, word, despite, person, reason)"
        " SELECT %s, id, %s, %s, %s, %s FROM carrier WHERE name = ANY(%s)",
        (wave.id, "right" if right else "wrong", despite and right, person.login, reason, about),
    )
    people.record(conn, person.login, "canary.right" if right else "canary.wrong", str(wave.id), carriers=about,
                  reason=reason, despite=despite)  # fmt: skip
    conn.execute("SELECT pg_notify('dispatcher', '{}')")
    return about


def _refuse_blind(wave: Wave, person: people.Person, about: Sequence[Standing], *, despite: bool) -> None:
    if despite and "approver" not in person.roles:
        raise Problem("{login} is not an approver", login=person.login)
    if despite and person.login == wave.author:
        raise Problem("{login} planned this wave and may not approve it: another person must", login=person.login)
    for each in about:
        if each.arrived < each.n and not despite:
            raise Problem(
                "on {carrier} {arrived} of {n} seed messages have arrived, {failed} never will: wait, mend it and plan"
                " that carrier again, or let an approver say --despite with a reason",
                carrier=each.carrier, arrived=each.arrived, n=each.n, failed=each.failed,
            )  # fmt: skip
