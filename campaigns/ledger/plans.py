"""Planning: a frozen audience becomes a wave's messages, sealed numbers and batches, bound to one hash."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any

import psycopg

from campaigns.canonical import canonical, digest
from campaigns.definition import wording
from campaigns.ledger import audiences, budgets, canaries, people, resends
from campaigns.ledger.budgets import Ceilings
from campaigns.ledger.names import BLOCK, COPY_BEGIN, COPY_END, block_context, message_table, new_id
from campaigns.ledger.waves import Wave, get
from campaigns.sealing import CampaignKeys
from campaigns.terms import Problem, State

STAFF = "staff"
"""The list of our own phones, on which seed phones may well be."""


@dataclass(frozen=True, slots=True)
class Draft:
    """All that a wave's plan is made of, before the audience's figures are known."""

    campaign: str
    version: int
    campaign_digest: str
    no: int
    name: str
    rehearsal: bool
    audience: int
    opens_at: datetime
    closes_at: datetime
    day_opens: time
    day_closes: time
    texts: Mapping[str, Mapping[str, Any]]  # choice -> {"text", "sha256", "encoding", "units", "segments"}
    senders: Mapping[str, str]  # carrier -> brandname
    accounts: Mapping[str, str]  # carrier -> account
    prices: Mapping[str, int]  # carrier -> dong a segment
    batch_size: int
    approvals_due: int
    cool_down: timedelta
    compliance: Mapping[str, Any] = field(default_factory=dict)  # compliance.facts: class, basis, lists, cap
    carriers: tuple[str, ...] = ()  # only these; (): all
    units: tuple[int, ...] = ()  # only these
    routes: Mapping[str, Sequence[str]] = field(default_factory=dict)  # carrier -> accounts, where there are several
    wording: Mapping[str, Any] = field(default_factory=dict)  # {"variant", "use"}: which rows get this text; {}: all
    parent: int = 0  # the wave that this one follows; 0: none
    resend: str = ""  # to whom of it: resends.KINDS
    canary: Mapping[str, bool] = field(default_factory=dict)  # carrier -> it promises receipts; {}: no canary first
    canary_for: str = ""  # this is the canary of the plan with this digest
    calls: Mapping[str, int] = field(default_factory=dict)  # calls.planned; {}: not paced for a hotline
    budget: Ceilings = field(default_factory=dict)  # "wave", "day" -> unit -> the most that may leave; {}: no ceiling


def plan(conn: psycopg.Connection, draft: Draft, author: str, keys: CampaignKeys) -> Wave:
    """Make a wave's messages and batches from the frozen audience, in the caller's transaction.

    The same draft gives the same plan hash, and a second planning returns the wave that is already there. Message
    numbers follow from the frozen audience alone: carriers in their order, each from a whole batch on.
    """
    frozen = audiences.freeze(conn, draft.audience, keys)
    if not frozen.numbers:
        raise Problem("the audience has no row that can be sent to")
    carriers = {no: name for name, no in audiences.carrier_ids(conn).items()}
    frozen = _chosen(conn, frozen, draft, carriers)
    counts = _counts(frozen, carriers)
    plan_facts = _facts(draft, frozen, counts) | _after(conn, draft, frozen)
    canary = _canary(conn, draft, plan_facts, author, keys) if draft.canary else None
    if canary:
        plan_facts["canary"] = {"plan_hash": canary.plan_hash, "by_carrier": canary.plan["audience"]["by_carrier"],
                                "receipts": {each: draft.canary[each] for each in counts}}  # fmt: skip
    plan_hash = digest(plan_facts)
    same = "SELECT id FROM wave WHERE plan_hash = %s AND state <> 'cancelled'"
    if twin := conn.execute(same, (plan_hash,)).fetchone():
        return get(conn, twin[0])
    _refuse_second(conn, draft)
    wave = new_id()
    conn.execute(
        "INSERT INTO wave (id, campaign, version, no, name, rehearsal, audience, author, plan, plan_hash,"
        " approvals_due, n, batch_size, opens_at, closes_at, day_opens, day_closes, cool_down, parent, resend, canary)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            wave,
            draft.campaign,
            draft.version,
            draft.no,
            draft.name,
            draft.rehearsal,
            draft.audience,
            author,
            canonical(plan_facts).decode(),
            plan_hash,
            draft.approvals_due,
            len(frozen.numbers),
            draft.batch_size,
            draft.opens_at,
            draft.closes_at,
            draft.day_opens,
            draft.day_closes,
            draft.cool_down,
            draft.parent or None,
            draft.resend or None,
            canary.id if canary else None,
        ),
    )
    conn.execute("INSERT INTO wave_tally (wave) VALUES (%s)", (wave,))
    conn.execute("SELECT open_wave(%s)", (wave,))
    _write_messages(conn, wave, draft, frozen, carriers, keys)
    conn.execute("SELECT skip_listed(%s)", (wave,))
    people.record(conn, author, "wave.plan", str(wave), plan_hash=plan_hash, n=len(frozen.numbers))
    return get(conn, wave)


def _canary(conn: psycopg.Connection, draft: Draft, facts: Mapping[str, Any], author: str, keys: CampaignKeys) -> Wave:
    """The wave to the seed phones, with the same texts, senders and accounts; at least one phone a carrier."""
    wanted = tuple(facts["audience"]["by_carrier"])
    lists = [name for name in draft.compliance.get("lists", ()) if name != STAFF]  # they are our own phones
    found = plan(
        conn,
        replace(
            draft, canary={}, canary_for=digest(facts), name=f"{draft.name} (tin thử)", units=(), wording={}, parent=0,
            resend="", audience=canaries.seeds(conn, draft.campaign), carriers=wanted, budget={}, calls={},
            cool_down=timedelta(0), compliance={**draft.compliance, "lists": lists, "most_a_day": None},
        ),
        author,
        keys,
    )  # fmt: skip
    for carrier in wanted:
        if carrier not in found.plan["audience"]["by_carrier"]:
            raise Problem("there is no seed phone on {carrier}, to which this wave sends: import one", carrier=carrier)
    return found


def _chosen(
    conn: psycopg.Connection, frozen: audiences.Frozen, draft: Draft, carriers: Mapping[int, str]
) -> audiences.Frozen:
    """The rows that the wave's tags choose, and the set of the wave before it; all of them where it names none."""
    if not draft.carriers and not draft.units and not draft.wording and not draft.parent:
        return frozen
    wanted = resends.hashes(conn, draft.parent, draft.resend) if draft.parent else None
    use, variant = draft.wording.get("use", ()), draft.wording.get("variant", "")
    rows = [
        row
        for row, (carrier, unit) in enumerate(zip(frozen.carriers, frozen.units, strict=True))
        if (not draft.carriers or carriers[carrier] in draft.carriers)
        and (not draft.units or unit in draft.units)
        and wording(use, carriers[carrier], unit) == variant
        and (wanted is None or frozen.hashes[row] in wanted)
    ]
    if not rows:
        raise Problem("no row of the audience has the carriers and areas that were asked for")
    return audiences.Frozen(
        [frozen.carriers[row] for row in rows], [frozen.units[row] for row in rows],
        [frozen.hashes[row] for row in rows], array("Q", [frozen.numbers[row] for row in rows]), frozen.root,
    )  # fmt: skip


def _selection(draft: Draft) -> dict[str, Any]:
    """The tags as a plan names them; nothing where there are none, so that a plan of before keeps its hash."""
    if not draft.carriers and not draft.units:
        return {}
    return {"only": {"carriers": sorted(draft.carriers), "units": sorted(draft.units)}}


def _counts(frozen: audiences.Frozen, carriers: Mapping[int, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for carrier in frozen.carriers:
        counts[carriers[carrier]] = counts.get(carriers[carrier], 0) + 1
    return counts


def _facts(draft: Draft, frozen: audiences.Frozen, counts: Mapping[str, int]) -> dict[str, Any]:
    """What an approval is bound to; any change gives another hash."""
    for carrier in counts:
        if carrier not in draft.accounts:
            raise Problem(
                "no route for carrier {carrier}, which has {n} recipients", carrier=carrier, n=counts[carrier]
            )
        if carrier not in draft.senders:
            raise Problem("no sender name is registered for carrier {carrier}", carrier=carrier)
    segments = max(int(text["segments"]) for text in draft.texts.values())
    several = {carrier: list(draft.routes[carrier]) for carrier in counts if len(draft.routes.get(carrier, ())) > 1}
    return ({"routes": several} if several else {}) | {
        "campaign": draft.campaign,
        "version": draft.version,
        "campaign_digest": draft.campaign_digest,
        "wave": draft.no,
        "name": draft.name,
        "rehearsal": draft.rehearsal,
        "texts": {choice: dict(text) for choice, text in draft.texts.items()},
        "senders": {carrier: draft.senders[carrier] for carrier in counts},
        "accounts": {carrier: draft.accounts[carrier] for carrier in counts},
        "audience": {
            "id": str(draft.audience),
            "root": frozen.root,
            "n": len(frozen.numbers),
            "by_carrier": dict(counts),
            **_selection(draft),
        },
        **({"wording": dict(draft.wording)} if draft.wording else {}),
        **_budget(draft, counts),
        **({"calls": dict(draft.calls)} if draft.calls else {}),
        **({"canary_for": draft.canary_for} if draft.canary_for else {}),
        "window": {
            "opens": draft.opens_at.isoformat(),
            "closes": draft.closes_at.isoformat(),
            "day_opens": draft.day_opens.isoformat(),
            "day_closes": draft.day_closes.isoformat(),
        },
        "delivery": "at most once",
        "compliance": dict(draft.compliance),
        "batch_size": draft.batch_size,
        "approvals_due": draft.approvals_due,
        "cool_down": int(draft.cool_down.total_seconds()),
        "ceiling": {
            "messages": len(frozen.numbers),
            "segments": len(frozen.numbers) * segments,
            "dong": sum(n * segments * draft.prices[carrier] for carrier, n in counts.items()),
        },
    }


def _after(conn: psycopg.Connection, draft: Draft, frozen: audiences.Frozen) -> dict[str, Any]:
    """The wave before and exactly whom of it; checked in the transaction that read them."""
    if not draft.parent:
        return {}
    resends.must_be_over(conn, get(conn, draft.parent), draft.resend)
    states = resends.counted(conn, draft.parent, draft.resend).states
    return {"resend": {"of": str(draft.parent), "kind": draft.resend, "set": resends.digest(set(frozen.hashes)),
                       "states": {state.name.lower(): n for state, n in states.items()}}}  # fmt: skip


def _refuse_second(conn: psycopg.Connection, draft: Draft) -> None:
    """Nobody gets two messages of one kind because of one wave; an index says the same."""
    there = conn.execute(
        "SELECT name FROM wave WHERE parent = %s AND resend = %s AND (state <> 'cancelled' OR started_at IS NOT NULL)",
        (draft.parent, draft.resend),
    ).fetchone()
    if there:
        raise Problem("{name} is there already for these people: cancel it before its start, or follow that one",
                      name=there[0])  # fmt: skip


def _budget(draft: Draft, counts: Mapping[str, int]) -> dict[str, Any]:
    """The ceilings with the prices by which dong are counted; nothing where there are none, as for tags."""
    ceilings = budgets.checked(draft.budget)
    return {"budget": ceilings | {"prices": {each: draft.prices[each] for each in counts}}} if ceilings else {}


def _write_messages(
    conn: psycopg.Connection,
    wave: int,
    draft: Draft,
    frozen: audiences.Frozen,
    carriers: Mapping[int, str],
    keys: CampaignKeys,
) -> None:
    slots: dict[int, list[int]] = {}
    for row, carrier in enumerate(frozen.carriers):
        slots.setdefault(carrier, []).append(row)
    step = math.lcm(draft.batch_size, BLOCK)  # a carrier begins with a batch and with a block of its own
    start = 0
    with conn.cursor() as cur:
        with cur.copy(
            f"COPY {message_table(wave)} (no, unit, carrier, number_hash) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.set_types(["int4", "int4", "int2", "bytea"])
            for carrier in sorted(slots):
                for offset, row in enumerate(slots[carrier]):
                    copy.write_row((start + offset, frozen.units[row], carrier, frozen.hashes[row]))
                start = _ceil(start + len(slots[carrier]), step)
        start = 0
        for carrier in sorted(slots):
            numbers = array("Q", [frozen.numbers[row] for row in slots[carrier]])
            _seal_blocks(cur, wave, start, numbers, keys)
            _enter_people(cur, wave, start, keys.people_hashes(numbers))
            _make_batches(cur, wave, draft, carrier, draft.accounts[carriers[carrier]], start, len(numbers))
            start = _ceil(start + len(numbers), step)
        cur.execute(
            "INSERT INTO wave_count (wave, carrier, unit, state, n) SELECT %s, m.carrier, m.unit, s.state,"
            " CASE s.state WHEN 0 THEN m.n ELSE 0 END"
            f" FROM (SELECT carrier, unit, count(*) AS n FROM {message_table(wave)} GROUP BY carrier, unit) m,"
            " unnest(%s::smallint[]) AS s (state)",
            (wave, [state.value for state in State]),
        )
        cur.execute("SELECT seal_wave(%s)", (wave,))


def _ceil(n: int, size: int) -> int:
    return -(-n // size) * size


def _seal_blocks(cur: psycopg.Cursor, wave: int, start: int, numbers: array[int], keys: CampaignKeys) -> None:
    with cur.copy("COPY number_block FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "int4", "bytea", "bytea"])
        for lo in range(0, len(numbers), BLOCK):
            block = (start + lo) // BLOCK
            copy.write_row((wave, block, *keys.seal_block(numbers[lo : lo + BLOCK], block_context(wave, block))))


_PERSON = struct.Struct(">hiqiii16s").pack
"""A row of wave_person as binary COPY has it: three fields, each after its length."""


def _enter_people(cur: psycopg.Cursor, wave: int, start: int, hashes: list[bytes]) -> None:
    with cur.copy("COPY wave_person FROM STDIN (FORMAT binary)") as copy:
        copy.write(COPY_BEGIN)
        for lo in range(0, len(hashes), BLOCK):
            some = enumerate(hashes[lo : lo + BLOCK], start + lo)
            copy.write(b"".join([_PERSON(3, 8, wave, 4, no, 16, each) for no, each in some]))
        copy.write(COPY_END)


def _make_batches(cur: psycopg.Cursor, wave: int, draft: Draft, carrier: int, account: str, start: int, n: int) -> None:
    rows = [
        (wave, lo // draft.batch_size, account, carrier, draft.batch_size, min(lo + draft.batch_size, start + n), lo)
        for lo in range(start, start + n, draft.batch_size)
    ]
    cur.executemany(
        "INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor)"
        " VALUES (%s, 'first', %s, %s, %s, %s, %s, %s)",
        rows,
    )
