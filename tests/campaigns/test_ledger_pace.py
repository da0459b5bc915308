"""How fast a wave went: slots sum to the counters, in whatever order evidence comes; the record by its indexes."""

from __future__ import annotations

import random
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from campaigns.ledger import audit, pace
from campaigns.ledger.audit import Wanted
from campaigns.terms import Outcome, State
from tests.cluster import Started
from tests.hand import fold_all, one, open_all, tell
from workers.house import House

TAKEN = (State.ACCEPTED, State.UNDELIVERED, State.DELIVERED)


def sums(conn: psycopg.Connection, wave: int) -> tuple[int, int]:
    found = pace.slots(conn, wave)
    return sum(each.taken for each in found), sum(each.receipts for each in found)


def test_slots_sum_to_what_carriers_took_and_to_the_receipts_without_repeats(
    owner: psycopg.Connection, started: Started
) -> None:
    """Evidence in any order, repeated, contradicting, folded in any groups: after each fold both sums hold."""
    wave = started(n=120, account="sim-smpp")
    places, chance = open_all(owner, wave.id), random.Random(7)  # noqa: S311 - a test's own chance
    lines = [(places[no], "answer", chance.choice([Outcome.ACCEPTED, Outcome.REFUSED, Outcome.UNCERTAIN]))
             for no in places]  # fmt: skip
    lines += [(places[no], "receipt", chance.choice([Outcome.DELIVERED, Outcome.UNDELIVERED])) for no in places]
    lines += chance.choices(lines, k=60)
    chance.shuffle(lines)
    for lo in range(0, len(lines), 25):
        tell(owner, wave.id, lines[lo : lo + 25])
        fold_all(owner, wave.id, tries=1, chunks=chance.choice([1, 2, 40]))
        taken = one(owner, "SELECT sum(n) FROM wave_count WHERE wave = %s AND state = ANY(%s)",
                    wave.id, [state.value for state in TAKEN])[0]  # fmt: skip
        receipts = one(owner, "SELECT receipts - repeats FROM wave_tally WHERE wave = %s", wave.id)[0]
        assert sums(owner, wave.id) == (taken, receipts)
    assert taken > 0 < receipts


def test_a_slot_is_that_of_the_evidence_not_of_its_folding(owner: psycopg.Connection, started: Started) -> None:
    """Books that were behind for an hour draw no peak where they caught up."""
    wave = started(n=40, account="sim-smpp")
    places = open_all(owner, wave.id)
    then = datetime(2024, 7, 30, 1, 0, 7, tzinfo=UTC)
    for at, no in enumerate(places):
        tell(owner, wave.id, [(places[no], "answer", Outcome.ACCEPTED)])
        owner.execute("UPDATE chunk SET at = %s WHERE wave = %s AND NOT folded", (then + at * pace.SLOT, wave.id))
        fold_all(owner, wave.id)
    found = pace.slots(owner, wave.id)
    assert [each.at for each in found] == [then - timedelta(seconds=7) + at * pace.SLOT for at in range(len(places))]
    assert {(each.taken, each.receipts) for each in found} == {(1, 0)}


@pytest.mark.parametrize("values", ["now(), 1, 1", "'2024-07-30', -1, 0", "'2024-07-30', 0, -1"])
def test_a_slot_between_slots_or_below_nought_is_refused(house: House, started: Started, values: str) -> None:
    wave = started(n=10)
    if values.startswith("now"):
        values = values.replace("now()", "date_bin('10 s', now(), 'epoch') + interval '1 s'")
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute(f"INSERT INTO wave_pace (wave, at, taken, receipts) VALUES (%s, {values})", (wave.id,))


# -- the record --------------------------------------------------------------------------------------------------------


def scans(plan: dict[str, Any]) -> set[str]:
    """Names of the indexes of a plan, and of tables that are read whole."""
    own = {plan["Index Name"]} if "Index Name" in plan else set()
    own |= {f"{plan['Node Type']} {plan['Relation Name']}"} if plan["Node Type"] == "Seq Scan" else set()
    return own.union(*(scans(each) for each in plan.get("Plans", [])))


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(person="an-17"), "audit_person"),
        (Wanted(subject="s-170"), "audit_subject"),
        (Wanted(act="rare.act"), "audit_act"),
        (Wanted(person="an-17", subject="s-170"), "audit_subject"),
        (Wanted(), "audit_pkey"),
    ],
)
def test_the_record_is_asked_by_an_index(owner: psycopg.Connection, wanted: Wanted, index: str) -> None:
    """Of 30,000 entries: by person, act or subject, the first page and one further down; nothing is read whole."""
    owner.execute(
        "INSERT INTO audit (person, act, subject, details) SELECT 'an-' || n % 300, CASE n % 5000 WHEN 0 THEN"
        " 'rare.act' ELSE 'wave.' || n % 7 END, 's-' || n % 3000, '{}' FROM generate_series(1, 30000) AS n"
    )
    owner.execute("ANALYZE audit")
    for before in (0, 2**40):
        query = "EXPLAIN (FORMAT JSON) " + audit.newest_first(wanted, older=before > 0)
        row = owner.execute(query, asdict(wanted) | {"before": before, "most": 51}).fetchone()
        assert row is not None
        found = scans(row[0][0]["Plan"])
        assert index in found
        assert "Seq Scan audit" not in found
    owner.rollback()
