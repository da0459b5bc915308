"""A wave from plan to finish: planned from a frozen audience, approved on its hash, started, stopped, counted."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any

import psycopg

from campaigns.canonical import canonical, digest
from campaigns.ledger import audiences, people
from campaigns.ledger.names import message_table, new_id
from campaigns.sealing import CampaignKeys
from campaigns.terms import Problem, State

BLOCK = 1000
"""Numbers in one sealed block; batches are whole blocks, so that a block holds one carrier."""


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


@dataclass(frozen=True, slots=True)
class Wave:
    """A wave as it stands."""

    id: int
    campaign: str
    version: int
    no: int
    name: str
    rehearsal: bool
    audience: int
    author: str
    state: str
    stop_seq: int
    plan: dict[str, Any]
    plan_hash: str
    approvals_due: int
    n: int
    opens_at: datetime
    closes_at: datetime
    text: str | None
    text_sha256: str | None
    choice: str | None
    planned_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


COLUMNS = ", ".join(Wave.__slots__)


def get(conn: psycopg.Connection, wave: int) -> Wave:
    """One wave; a Problem when there is none."""
    row = conn.execute(f"SELECT {COLUMNS} FROM wave WHERE id = %s", (wave,)).fetchone()
    if row is None:
        raise Problem("there is no wave {wave}: see `dispatcher wave list`", wave=wave)
    return Wave(*row)


def all_waves(conn: psycopg.Connection) -> list[Wave]:
    """Every wave, newest first."""
    return [Wave(*row) for row in conn.execute(f"SELECT {COLUMNS} FROM wave ORDER BY planned_at DESC")]


def plan(conn: psycopg.Connection, draft: Draft, author: str, keys: CampaignKeys) -> Wave:
    """Make a wave's messages and batches from the frozen audience, in the caller's transaction.

    The same draft gives the same plan hash, and a second planning returns the wave that is already there. Message
    numbers follow from the frozen audience alone: carriers in their order, each from a whole batch on.
    """
    frozen = audiences.freeze(conn, draft.audience, keys)
    if not frozen.numbers:
        raise Problem("the audience has no row that can be sent to")
    carriers = {no: name for name, no in audiences.carrier_ids(conn).items()}
    counts = _counts(frozen, carriers)
    plan_facts = _facts(draft, frozen, counts)
    plan_hash = digest(plan_facts)
    same = "SELECT id FROM wave WHERE plan_hash = %s AND state <> 'cancelled'"
    if twin := conn.execute(same, (plan_hash,)).fetchone():
        return get(conn, twin[0])
    wave = new_id()
    conn.execute(
        "INSERT INTO wave (id, campaign, version, no, name, rehearsal, audience, author, plan, plan_hash, approvals_due, n,"
        " batch_size, opens_at, closes_at, day_opens, day_closes, cool_down)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
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
        ),
    )
    conn.execute("INSERT INTO wave_tally (wave) VALUES (%s)", (wave,))
    conn.execute("SELECT open_wave(%s)", (wave,))
    _write_messages(conn, wave, draft, frozen, carriers, keys)
    people.record(conn, author, "wave.plan", str(wave), plan_hash=plan_hash, n=len(frozen.numbers))
    return get(conn, wave)


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
    return {
        "campaign": draft.campaign,
        "version": draft.version,
        "campaign_digest": draft.campaign_digest,
        "wave": draft.no,
        "rehearsal": draft.rehearsal,
        "texts": {choice: dict(text) for choice, text in draft.texts.items()},
        "senders": {carrier: draft.senders[carrier] for carrier in counts},
        "accounts": {carrier: draft.accounts[carrier] for carrier in counts},
        "audience": {
            "id": str(draft.audience),
            "root": frozen.root,
            "n": len(frozen.numbers),
            "by_carrier": dict(counts),
        },
        "window": {
            "opens": draft.opens_at.isoformat(),
            "closes": draft.closes_at.isoformat(),
            "day_opens": draft.day_opens.isoformat(),
            "day_closes": draft.day_closes.isoformat(),
        },
        "delivery": "at most once",
        "ceiling": {
            "messages": len(frozen.numbers),
            "segments": len(frozen.numbers) * segments,
            "dong": sum(n * segments * draft.prices[carrier] for carrier, n in counts.items()),
        },
    }


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
    start = 0
    with conn.cursor() as cur:
        with cur.copy(
            f"COPY {message_table(wave)} (no, unit, carrier, number_hash) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.set_types(["int4", "int4", "int2", "bytea"])
            for carrier in sorted(slots):
                for offset, row in enumerate(slots[carrier]):
                    copy.write_row((start + offset, frozen.units[row], carrier, frozen.hashes[row]))
                start = _ceil(start + len(slots[carrier]), draft.batch_size)
        start = 0
        for carrier in sorted(slots):
            numbers = array("Q", [frozen.numbers[row] for row in slots[carrier]])
            _seal_blocks(cur, wave, start, numbers, keys)
            _make_batches(cur, wave, draft, carrier, draft.accounts[carriers[carrier]], start, len(numbers))
            start = _ceil(start + len(numbers), draft.batch_size)
        cur.execute(
            "INSERT INTO wave_count (wave, carrier, unit, state, n) SELECT %s, m.carrier, m.unit, s.state,"
            f" CASE s.state WHEN 0 THEN m.n ELSE 0 END FROM (SELECT carrier, unit, count(*) AS n FROM {message_table(wave)}"
            " GROUP BY carrier, unit) m, unnest(%s::smallint[]) AS s (state)",
            (wave, [state.value for state in State]),
        )
        cur.execute("SELECT seal_wave(%s)", (wave,))


def _ceil(n: int, size: int) -> int:
    return -(-n // size) * size


def block_context(wave: int, block: int) -> bytes:
    """The associated data of a sealed block: a block moved to another place does not open."""
    return f"wave|{wave}|{block}".encode()


def _seal_blocks(cur: psycopg.Cursor, wave: int, start: int, numbers: array[int], keys: CampaignKeys) -> None:
    with cur.copy("COPY number_block FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int8", "int4", "bytea", "bytea"])
        for lo in range(0, len(numbers), BLOCK):
            block = (start + lo) // BLOCK
            copy.write_row((wave, block, *keys.seal_block(numbers[lo : lo + BLOCK], block_context(wave, block))))


def _make_batches(cur: psycopg.Cursor, wave: int, draft: Draft, carrier: int, account: str, start: int, n: int) -> None:
    rows = [
        (wave, lo // draft.batch_size, account, carrier, draft.batch_size, min(lo + draft.batch_size, start + n), lo)
        for lo in range(start, start + n, draft.batch_size)
    ]
    cur.executemany(
        "INSERT INTO batch (wave, kind, seq, account, carrier, size, hi, cursor) VALUES (%s, 'first', %s, %s, %s, %s, %s, %s)",
        rows,
    )


def approve(
    conn: psycopg.Connection,
    wave: int,
    person: people.Person,
    *,
    typed: int,
    choice: str,
    reason: str,
    plan_hash: str | None = None,
) -> int:
    """Record one approval of this exact plan; the number of approvals still due. The author may not be the approver."""
    row = conn.execute(f"SELECT {COLUMNS} FROM wave WHERE id = %s FOR UPDATE", (wave,)).fetchone()
    found = Wave(*row) if row else get(conn, wave)
    if found.state != "planned":
        raise Problem("wave {wave} is {state}: only a planned wave can be approved", wave=wave, state=found.state)
    if "approver" not in person.roles:
        raise Problem("{login} is not an approver", login=person.login)
    if person.login == found.author:
        raise Problem("{login} planned this wave and may not approve it: another person must", login=person.login)
    if typed != found.n:
        raise Problem("typed {typed} recipients, the plan has {n}: look at the plan again", typed=typed, n=found.n)
    if plan_hash is not None and plan_hash != found.plan_hash:
        raise Problem("the plan has changed since it was shown: look at it again")
    if choice not in found.plan["texts"]:
        raise Problem("choose the text: {choices}", choices=", ".join(found.plan["texts"]))
    made = conn.execute(
        "INSERT INTO approval (wave, plan_hash, person, choice, reason, typed) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING RETURNING id",
        (wave, found.plan_hash, person.login, choice, reason, typed),
    ).fetchone()
    if made:
        people.record(
            conn, person.login, "wave.approve", str(wave), plan_hash=found.plan_hash, choice=choice, reason=reason
        )
    return max(0, found.approvals_due - len(approvals(conn, found)))


@dataclass(frozen=True, slots=True)
class Approval:
    """One person's word on one plan."""

    person: str
    choice: str
    reason: str
    at: datetime


def approvals(conn: psycopg.Connection, wave: Wave) -> list[Approval]:
    """The approvals that count: of this exact plan hash, by somebody who is not the author."""
    rows = conn.execute(
        "SELECT person, choice, reason, at FROM approval WHERE wave = %s AND plan_hash = %s AND person <> %s ORDER BY at",
        (wave.id, wave.plan_hash, wave.author),
    )
    return [Approval(*row) for row in rows]


def start(conn: psycopg.Connection, wave: int, person: people.Person) -> Wave:
    """Set an approved wave running, with the text of the approvers' choice."""
    conn.execute("SELECT FROM wave WHERE id = %s FOR UPDATE", (wave,))
    found = get(conn, wave)
    if found.state != "planned":
        raise Problem("wave {wave} is {state}: it cannot be started", wave=wave, state=found.state)
    given = approvals(conn, found)
    if len(given) < found.approvals_due:
        raise Problem(
            "wave {wave} has {n} of {due} approvals of this plan: it cannot be started",
            wave=wave,
            n=len(given),
            due=found.approvals_due,
        )
    choices = {approval.choice for approval in given}
    if len(choices) > 1:
        raise Problem(
            "the approvers chose different texts ({choices}): plan the wave again", choices=", ".join(sorted(choices))
        )
    text = found.plan["texts"][choices.pop()]
    conn.execute(
        "UPDATE wave SET state = 'running', started_at = now(), text = %s, text_sha256 = %s, choice = %s, stop_seq = stop_seq + 1"
        " WHERE id = %s",
        (text["text"], text["sha256"], given[0].choice, wave),
    )
    people.record(conn, person.login, "wave.start", str(wave), text_sha256=text["sha256"])
    _tell(conn, wave)
    return get(conn, wave)


MOVES = {
    "pause": (("running",), "paused"),
    "resume": (("paused",), "running"),
    "cancel": (("planned", "running", "paused"), "cancelled"),
}
"""What a person may do with a wave: from which states, to which."""


def move(conn: psycopg.Connection, wave: int, person: str, act: str, reason: str = "") -> Wave:
    """Pause, resume or cancel; in force for every worker before its next window, and at its next socket write."""
    before, after = MOVES[act]
    made = conn.execute(
        "UPDATE wave SET state = %s::wave_state, stop_seq = stop_seq + 1, state_reason = %s"
        " WHERE id = %s AND state = ANY(%s::wave_state[]) RETURNING id",
        (after, reason, wave, list(before)),
    ).fetchone()
    found = get(conn, wave)
    if not made:
        raise Problem("wave {wave} is {state}: it cannot be changed by '{act}'", wave=wave, state=found.state, act=act)
    people.record(conn, person, f"wave.{act}", str(wave), reason=reason)
    _tell(conn, wave)
    return found


def _tell(conn: psycopg.Connection, wave: int) -> None:
    conn.execute("SELECT pg_notify('dispatcher', %s)", (json.dumps({"wave": str(wave)}),))


def finish(conn: psycopg.Connection, wave: int) -> bool:
    """Mark a wave finished when nothing of it can move any more by our own doing; True when it was marked now.

    Asked in this order: no open window, no due retry, no unfolded chunk; late receipts still count afterwards.
    """
    made = conn.execute(
        "UPDATE wave SET state = 'finished', finished_at = now() WHERE id = %s AND state = 'running'"
        " AND NOT EXISTS (SELECT FROM send_window WHERE wave = wave.id AND closed IS NULL)"
        " AND NOT EXISTS (SELECT FROM batch WHERE wave = wave.id AND cursor < hi)"
        " AND NOT EXISTS (SELECT FROM chunk WHERE wave = wave.id AND NOT folded) RETURNING id",
        (wave,),
    ).fetchone()
    return made is not None
