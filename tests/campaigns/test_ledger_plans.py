"""Planning: the same people get the same numbers under the same hash, and nobody's phone number lies open anywhere."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import time, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns.audience import examine
from campaigns.ledger import audiences, plans, waves
from campaigns.ledger.names import block_context
from campaigns.ledger.plans import Draft
from campaigns.ledger.reading import Numbers, messages
from campaigns.ledger.waves import Wave
from campaigns.sealing import SealBroken
from campaigns.sheets import open_sheet
from campaigns.terms import Problem
from dispatcher import acts
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, Planned
from tests.hand import counted, grouped, one
from workers.house import House

UNITS = ("Huyện Tam Đường", "Huyện Mường Tè", "Huyện Sìn Hồ")


def read_list(file: Path) -> list[tuple[str, int]]:
    """(carrier, number) of a list's accepted rows, in order, each number once: read without the ledger."""
    table = acts.number_table()
    with open_sheet(file) as sheet:
        chunks = list(examine(sheet.entries(), table))
    rows = [(table.carriers[c], n) for chunk in chunks for c, n in zip(chunk.carriers, chunk.numbers, strict=True)]
    return list({number: (carrier, number) for carrier, number in rows}.values())


def test_planning_again_returns_the_same_wave(planned: Planned, house: House) -> None:
    """The same draft over the same audience is one plan, one hash, one wave, however often it is planned."""
    draft = planned.draft(planned.audience(n=30), account="sim-smpp")
    first, second = (acts.plan_wave(house, draft, author) for author in (AUTHOR.login, APPROVER.login))
    assert first == second
    with house.begin() as conn:
        assert one(conn, "SELECT count(*) FROM wave WHERE plan_hash = %s", first.plan_hash) == (1,)


def test_a_cancelled_wave_can_be_planned_again(planned: Planned, house: House) -> None:
    """The same plan, the same hash, but a new wave with its own approvals."""
    draft = planned.draft(planned.audience(n=5), account="sim-smpp")
    first = acts.plan_wave(house, draft, AUTHOR.login)
    with house.begin() as conn:
        waves.move(conn, first.id, AUTHOR.login, "cancel")
    second = acts.plan_wave(house, draft, AUTHOR.login)
    assert (second.plan_hash, second.id != first.id) == (first.plan_hash, True)


def mutations(draft: Draft) -> dict[str, Any]:
    """Each field of a draft with another value."""
    text = dict(draft.texts["corrected"])
    return {
        "campaign": "other",
        "version": draft.version + 1,
        "campaign_digest": "0" * 64,
        "no": 2,
        "name": "another name",
        "rehearsal": False,
        "opens_at": draft.opens_at + timedelta(seconds=1),
        "closes_at": draft.closes_at - timedelta(seconds=1),
        "day_opens": time(0, 1),
        "day_closes": time(23, 59),
        "texts": {**draft.texts, "corrected": text | {"text": f"{text['text']}!"}},
        "senders": {**draft.senders, "viettel": "OTHER"},
        "accounts": {**draft.accounts, "viettel": "sim-esms"},
        "prices": {**draft.prices, "viettel": draft.prices["viettel"] + 1},
        "batch_size": draft.batch_size + 1000,
        "approvals_due": 2,
        "cool_down": timedelta(minutes=1),
        "compliance": {**draft.compliance, "lists": ["police"]},
        "carriers": ("viettel", "vinaphone"),
        "units": (0,),
        "routes": {"viettel": ("sim-smpp", "sim-esms")},
        "canary_for": "0" * 64,
        "budget": {"day": {"dong": 1_000}},
        "calls": {"most_an_hour": 1, "per_100_000": 1, "messages_an_hour": 100_000},
        "wording": {"variant": "", "use": [{"variant": "khong-dau", "carriers": ["gmobile"], "units": []}]},
    }


@pytest.mark.parametrize(
    "field", [field.name for field in fields(Draft) if field.name not in {"audience", "parent", "resend", "canary"}]
)
def test_any_change_of_the_draft_is_another_plan(planned: Planned, house: House, field: str) -> None:
    """What an approver saw is what the hash binds: no ingredient of the plan can be exchanged under it."""
    draft = planned.draft(planned.audience(n=30), account="sim-smpp")
    changed = replace(draft, **{field: mutations(draft)[field]})
    keys = house.keys(CAMPAIGN)
    with house.begin() as conn:
        conn.execute(
            "INSERT INTO campaign (id, version, definition, digest, author) SELECT %s, %s, '{}', 'x', 'an'"
            " WHERE NOT EXISTS (SELECT FROM campaign WHERE (id, version) = (%s, %s))",
            (changed.campaign, changed.version, changed.campaign, changed.version),
        )
        hashes = {plans.plan(conn, each, AUTHOR.login, keys).plan_hash for each in (draft, changed, draft)}
        conn.rollback()
    assert len(hashes) == 2


def test_other_people_are_another_plan(planned: Planned, house: House) -> None:
    """The hash is bound to the frozen audience: its id, and who is in it in which order."""
    hashes = set()
    for audience in (planned.audience(n=30, seed=1), planned.audience(n=30, seed=2), planned.audience(n=30, seed=1)):
        wave = acts.plan_wave(house, planned.draft(audience, account="sim-smpp"), AUTHOR.login)
        hashes.add((wave.plan_hash, wave.plan["audience"]["root"]))
    assert len(hashes) == 3
    assert len({root for _, root in hashes}) == 2


@pytest.mark.parametrize("batch_size", [1, 7, 500, 1000, 1500, 5000])
def test_numbers_follow_from_the_list(planned: Planned, house: House, batch_size: int) -> None:
    """Carrier after carrier, each in the list's order from a whole batch on; each message opens to its own number."""
    wave = planned(n=70, account="sim-smpp", batch_size=batch_size)
    wanted = read_list(planned.folder / "1-70.csv")
    with house.begin() as conn:
        found = [(m.carrier, m.number, m.no) for m in messages(conn, wave.id, house.keys(CAMPAIGN))]
        order = list(audiences.carrier_ids(conn))
    ranked = sorted(wanted, key=lambda row: order.index(row[0]))
    assert [(carrier, number) for carrier, number, _ in found] == ranked
    for _, group in groupby(found, key=lambda row: row[0]):
        nos = [no for _, _, no in group]
        assert nos == list(range(nos[0], nos[0] + len(nos)))
        assert nos[0] % batch_size == 0


@pytest.mark.parametrize(("n", "batch_size"), [(70, 1000), (2600, 1000), (2600, 2000), (70, 10)])
def test_batches_cover_each_carriers_messages_and_nothing_else(
    planned: Planned, house: House, n: int, batch_size: int
) -> None:
    """Each message is in exactly one batch, of its carrier and that carrier's account; no batch reaches beyond."""
    wave = planned(n=n, batch_size=batch_size)
    with house.begin() as conn:
        rows = conn.execute(
            "SELECT b.lo, b.hi, b.cursor, b.size, c.name, b.account FROM batch b JOIN carrier c ON c.id = b.carrier"
            " WHERE wave = %s ORDER BY lo",
            (wave.id,),
        ).fetchall()
        carriers = {m.no: m.carrier for m in messages(conn, wave.id, house.keys(CAMPAIGN))}
    assert [no for lo, hi, *_ in rows for no in range(lo, hi)] == sorted(carriers)
    for lo, hi, cursor, size, carrier, account in rows:
        assert {carriers[no] for no in range(lo, hi)} == {carrier}
        assert (cursor, size, account) == (lo, batch_size, wave.plan["accounts"][carrier])


def test_a_block_holds_one_carrier(planned: Planned, house: House) -> None:
    """1,000 numbers a block, never of two carriers: who sends for one never opens the numbers of another."""
    wave = planned(n=2600, account="sim-smpp", batch_size=1000)
    with house.begin() as conn:
        blocks: dict[int, set[str]] = {}
        for message in messages(conn, wave.id, house.keys(CAMPAIGN)):
            blocks.setdefault(message.no // 1000, set()).add(message.carrier)
        stored = [no for (no,) in conn.execute("SELECT block FROM number_block WHERE wave = %s ORDER BY 1", (wave.id,))]
    assert stored == sorted(blocks)
    assert {len(carriers) for carriers in blocks.values()} == {1}


def test_a_block_opens_only_at_its_own_place(planned: Planned, house: House) -> None:
    """Moved to another block, another wave, an audience, or under another campaign's key, it does not open."""
    wave = planned(n=40, account="sim-smpp", batch_size=1000)
    with house.begin() as conn:
        block, nonce, sealed = one(conn, "SELECT block, nonce, ciphertext FROM number_block WHERE wave = %s", wave.id)
    keys = house.keys(CAMPAIGN)
    assert keys.open_block(nonce, sealed, block_context(wave.id, block))
    wrong = [block_context(wave.id, block + 1), block_context(wave.id + 1, block), b"", b"audience|%d|0|0" % wave.id]
    for context in wrong:
        with pytest.raises(SealBroken):
            keys.open_block(nonce, sealed, context)
    with pytest.raises(SealBroken):
        house.keys("another").open_block(nonce, sealed, block_context(wave.id, block))


def test_exchanged_blocks_are_noticed(planned: Planned, house: House, owner: psycopg.Connection) -> None:
    """Somebody with the owner's rights exchanges two blocks: no message is given another person's number."""
    wave = planned(n=40, account="sim-smpp", batch_size=1000)
    owner.execute(
        "UPDATE number_block a SET nonce = b.nonce, ciphertext = b.ciphertext FROM number_block b"
        " WHERE a.wave = %s AND b.wave = a.wave AND (a.block, b.block) IN ((0, 1), (1, 0))",
        (wave.id,),
    )
    numbers = Numbers(owner, wave.id, house.keys(CAMPAIGN))
    with pytest.raises(SealBroken):
        numbers.of(0)


def test_a_new_wave_counts_its_people(planned: Planned, house: House) -> None:
    """By carrier and district, all queued; the sum is the wave's number."""
    wave = planned(n=120, account="sim-smpp", units=UNITS)
    with house.begin() as conn:
        counts = counted(conn, wave.id)
        assert counts == grouped(conn, wave.id)
    assert sum(counts.values()) == wave.n == 120
    assert len({unit for _, unit, _ in counts}) == len(UNITS)
    assert {state for _, _, state in counts} == {0}


@pytest.mark.parametrize("missing", ["accounts", "senders"])
def test_a_carrier_without_a_way_is_named(planned: Planned, house: House, missing: str) -> None:
    """Nothing is planned when some of the people have no route or no sender's name."""
    draft = planned.draft(planned.audience(n=30))
    rest = {carrier: value for carrier, value in getattr(draft, missing).items() if carrier != "viettel"}
    changed: dict[str, Any] = {missing: rest}
    with pytest.raises(Problem, match="viettel"):
        acts.plan_wave(house, replace(draft, **changed), AUTHOR.login)
    with house.begin() as conn:
        assert one(conn, "SELECT count(*) FROM wave WHERE audience = %s", draft.audience) == (0,)


# -- no number lies open -----------------------------------------------------------------------------------------------


def spelled(number: int) -> Iterator[bytes]:
    """All that a number could look like: any spelling ends in its nine national digits, unless they are grouped."""
    national = str(number)[2:]
    yield national.encode()
    for mark in (" ", ".", "-"):
        yield mark.join((national[:3], national[3:6], national[6:])).encode()
        yield mark.join((national[:2], national[2:5], national[5:])).encode()
    for value in (number, int(national)):
        yield array("Q", [value]).tobytes()
        yield value.to_bytes(8, "big")
        yield value.to_bytes(5, "big")


def test_no_number_of_an_audience_is_in_any_table(planned: Planned, house: House, owner: psycopg.Connection) -> None:
    """Every column of every table after import, planning and start: sealed or hashed, in no spelling and no packing."""
    wave = planned(n=40, seed=7, units=UNITS)
    with house.begin() as conn:
        waves.approve(conn, wave.id, APPROVER, typed=wave.n, choice="verbatim", reason="")
        waves.start(conn, wave.id, APPROVER)
    tables = owner.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'public'")
    names = [name for (name,) in tables]
    assert f"public.message_{wave.id}" in names
    dump = b"\n".join(_content(owner, name) for name in names)
    numbers = [number for _, number in read_list(planned.folder / "7-40.csv")]
    assert len(numbers) == 40
    assert [number for number in numbers if any(spelling in dump for spelling in spelled(number))] == []


def _content(owner: psycopg.Connection, table: str) -> bytes:
    """All rows as text, and once more with their byte strings as bytes."""
    text = "\n".join(row for (row,) in owner.execute(f"SELECT t::text FROM {table} t"))
    raw = b"\n".join(bytes.fromhex(found) for found in re.findall(r"\\x((?:[0-9a-f]{2})+)", text))
    return text.encode() + raw


def test_the_look_for_numbers_finds_them(owner: psycopg.Connection) -> None:
    """The test above would see a number: as text, as an integer, packed, in JSON."""
    for kind, value in {"text": "0912 345 678", "bigint": 84912345678, "bytea": array("Q", [84912345678]).tobytes(),
                        "jsonb": '{"to": "+84912345678"}'}.items():  # fmt: skip
        owner.execute(f"CREATE TEMP TABLE open_{kind} (it {kind})")
        owner.execute(f"INSERT INTO open_{kind} VALUES (%s)", (value,))
        assert any(spelling in _content(owner, f"open_{kind}") for spelling in spelled(84912345678)), kind


def test_the_plan_says_what_is_approved(planned: Planned) -> None:
    """Recipients, ceiling in messages, segments and dong, by the dearer of the two texts."""
    wave: Wave = planned(n=30, account="sim-smpp")
    segments = max(text["segments"] for text in wave.plan["texts"].values())
    assert wave.plan["ceiling"]["messages"] == wave.plan["audience"]["n"] == 30
    assert wave.plan["ceiling"]["segments"] == 30 * segments
    assert sum(wave.plan["audience"]["by_carrier"].values()) == 30
