"""Canaries: seed phones first, apart from the audience; the rest of a carrier after a person's word, never before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import alerts, audiences, canaries, figures, registry, waves
from campaigns.ledger.waves import Wave
from campaigns.samples import write_sample
from campaigns.terms import Outcome, Problem
from dispatcher import acts
from dispatcher.assemble import Site
from dispatcher.going import say_canary
from dispatcher.words import speak
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, SECOND, Planned, start
from tests.hand import fold_all, one, open_all, right, take, tell
from workers.house import House

ON = {"viettel": True, "vinaphone": False}
"""Carriers of these waves, and whether they promise receipts."""


def seed(house: House, folder: Path, n: int = 12, number: int = 77) -> int:
    """A list of seed phones on several carriers."""
    file = folder / f"seeds-{number}-{n}.csv"
    write_sample(file, seed=number, table=acts.number_table(), recipients=n)
    with house.begin() as conn:
        audience = audiences.create(conn, CAMPAIGN, "máy thử", AUTHOR.login)
        *_, _ = acts.import_audience(house, conn, audience, file, CAMPAIGN, seeds=True)
        canaries.set_seeds(conn, CAMPAIGN, audience, AUTHOR.login)
    return audience


@pytest.fixture
def waiting(planned: Planned) -> Wave:
    """A running wave whose seed messages are not out yet."""
    seed(planned.house, planned.folder)
    return start(planned.house, planned(n=60, account="sim-smpp", batch_size=1000, carriers=tuple(ON), canary=ON))


def canary_of(conn: psycopg.Connection, wave: Wave) -> Wave:
    return waves.get(conn, one(conn, "SELECT canary FROM wave WHERE id = %s", wave.id)[0])


def carrier_no(conn: psycopg.Connection, name: str) -> int:
    return int(one(conn, "SELECT id FROM carrier WHERE name = %s", name)[0])


def answer(conn: psycopg.Connection, wave: Wave, **outcomes: Outcome) -> None:
    """All seed messages leave; each carrier says this of all of its own."""
    seeds = canary_of(conn, wave)
    places = open_all(conn, seeds.id)
    names = dict(conn.execute("SELECT id, name FROM carrier").fetchall())
    for no, carrier in conn.execute(f"SELECT no, carrier FROM message_{seeds.id}").fetchall():
        tell(conn, seeds.id, [(places[no], "answer", outcomes[names[carrier]])])
    fold_all(conn, seeds.id, tries=1)


def seqs(conn: psycopg.Connection, wave: Wave) -> dict[str, int]:
    rows = conn.execute(
        "SELECT c.name, min(b.seq) FROM batch b JOIN carrier c ON c.id = b.carrier WHERE b.wave = %s GROUP BY c.name",
        (wave.id,),
    )
    return dict(rows.fetchall())


def may_leave(conn: psycopg.Connection, wave: Wave, carrier: str) -> bool:
    """Whether the database takes an intent, whoever writes it."""
    try:
        with conn.transaction(force_rollback=True):
            return bool(take(conn, right(conn, wave.id, seq=seqs(conn, wave)[carrier], want=1))[0] == "ok")
    except psycopg.errors.CheckViolation as error:
        return "waits for its canary" not in str(error)


def test_the_canary_is_approved_with_the_wave_and_counted_apart(house: House, waiting: Wave) -> None:
    """Its hash stands in the plan; it runs with the same text; no list of waves and no count of people holds it."""
    with house.begin() as conn:
        seeds = canary_of(conn, waiting)
        assert waiting.plan["canary"]["plan_hash"] == seeds.plan_hash
        assert (seeds.state, seeds.text_sha256, seeds.choice) == ("running", waiting.text_sha256, waiting.choice)
        assert [each.person for each in waves.approvals(conn, seeds)] == [APPROVER.login]
        assert seeds.id not in [each.id for each in waves.all_waves(conn)]
        assert sum(each.total for each in figures.standing(conn, waiting.id)) == waiting.n
        assert figures.newest_audience(conn, CAMPAIGN) == waiting.audience
        assert sum(waiting.plan["canary"]["by_carrier"].values()) == seeds.n


def test_nothing_leaves_before_a_word(house: House, waiting: Wave) -> None:
    """Neither when the seed messages are out nor when they have arrived: a person looks first."""
    with house.begin() as conn:
        assert [may_leave(conn, waiting, name) for name in ON] == [False, False]
        with pytest.raises(Problem, match="no canary has arrived"):
            canaries.say(conn, waiting, AUTHOR, right=True)
        answer(conn, waiting, viettel=Outcome.DELIVERED, vinaphone=Outcome.ACCEPTED)
        assert {each.carrier: each.state for each in canaries.standing(conn, waiting.id)} == dict.fromkeys(
            ON, "arrived"
        )
        assert [may_leave(conn, waiting, name) for name in ON] == [False, False]
        assert canaries.say(conn, waiting, AUTHOR, right=True, carriers=["vinaphone"]) == ["vinaphone"]
        assert [may_leave(conn, waiting, name) for name in ON] == [False, True]
        assert canaries.say(conn, waiting, AUTHOR, right=True) == ["viettel"]
        assert [may_leave(conn, waiting, name) for name in ON] == [True, True]
        canaries.say(conn, waiting, AUTHOR, right=False, carriers=["viettel"], reason="dấu bị mất")
        assert [may_leave(conn, waiting, name) for name in ON] == [False, True]


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.UNDELIVERED, Outcome.DEFERRED])
def test_a_failed_canary_blocks_only_its_carrier(house: House, waiting: Wave, outcome: Outcome) -> None:
    """And only an approver who did not plan the wave may say "right" all the same, with a reason."""
    with house.begin() as conn:
        answer(conn, waiting, viettel=outcome, vinaphone=Outcome.DELIVERED)
        assert canaries.say(conn, waiting, AUTHOR, right=True) == ["vinaphone"]
        assert [may_leave(conn, waiting, name) for name in ON] == [False, True]
        only = {"carriers": ["viettel"], "right": True}
        for person, more, why in (
            (APPROVER, {}, "never will"),
            (AUTHOR, {"despite": True, "reason": "x"}, "not an approver"),
            (APPROVER, {"despite": True, "reason": " "}, "say with --reason"),
            (replace(AUTHOR, roles=("approver",)), {"despite": True, "reason": "x"}, "planned this wave"),
            (APPROVER, {"carriers": ["itel"]}, "no phone on itel"),
        ):
            with pytest.raises(Problem, match=why):
                canaries.say(conn, waiting, person, **(only | more))  # type: ignore[arg-type]
        canaries.say(conn, waiting, SECOND, right=True, carriers=["viettel"], despite=True, reason="máy thử tắt nguồn")
        assert may_leave(conn, waiting, "viettel")


def test_a_carrier_that_promises_receipts_is_waited_for(house: House, waiting: Wave) -> None:
    with house.begin() as conn:
        answer(conn, waiting, viettel=Outcome.ACCEPTED, vinaphone=Outcome.UNCERTAIN)
        assert {each.state for each in canaries.standing(conn, waiting.id)} == {"waiting"}


@pytest.mark.parametrize(
    ("person", "despite"), [("binh", False), ("an", True), ("nobody-known", True)], ids=["blind", "author", "nobody"]
)
def test_no_statement_says_right_of_what_nobody_saw(house: House, waiting: Wave, person: str, despite: bool) -> None:  # noqa: FBT001 - a case
    say = "INSERT INTO canary_word (wave, carrier, word, despite, person, reason) VALUES (%s, %s, 'right', %s, %s, 'x')"
    with pytest.raises(psycopg.errors.CheckViolation, match="has not arrived"), house.begin() as conn:
        conn.execute(say, (waiting.id, carrier_no(conn, "viettel"), despite, person))


def test_pause_and_cancel_hold_for_the_canary_too(house: House, waiting: Wave) -> None:
    for act, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        with house.begin() as conn:
            waves.move(conn, waiting.id, AUTHOR.login, act)
            assert canary_of(conn, waiting).state == state


def test_a_wave_needs_a_seed_phone_on_each_of_its_carriers(planned: Planned) -> None:
    draft = planned.draft(planned.audience(n=40), account="sim-smpp", canary=ON, carriers=tuple(ON))
    seed(planned.house, planned.folder, n=1, number=5)
    with pytest.raises(Problem, match=r"no seed phone|no row of the audience"):
        acts.plan_wave(planned.house, draft, AUTHOR.login)


def test_the_same_plan_is_the_same_wave_with_its_canary(planned: Planned) -> None:
    """Planned twice it is there once; without a canary it is another plan; seeds on the staff list are seeds still."""
    house = planned.house
    seed(house, planned.folder)
    draft = planned.draft(planned.audience(n=40), account="sim-smpp", canary=ON, carriers=tuple(ON))
    first, again = (acts.plan_wave(house, draft, AUTHOR.login) for _ in range(2))
    plain = acts.plan_wave(house, replace(draft, canary={}), AUTHOR.login)
    assert first.id == again.id != plain.id
    with house.begin() as conn:
        assert "staff" not in canary_of(conn, first).plan["compliance"]["lists"]
        assert registry.get_campaign(conn, CAMPAIGN)
        with pytest.raises(Problem, match="without a canary"):
            canaries.say(conn, plain, AUTHOR, right=True)


def test_an_account_that_takes_over_is_named_as_not_looked_at(house: House, waiting: Wave, site: Site) -> None:
    """Its canary was on the first account of the route; each face says so of that carrier alone."""
    with house.begin() as conn:
        answer(conn, waiting, viettel=Outcome.DELIVERED, vinaphone=Outcome.ACCEPTED)
        canaries.say(conn, waiting, AUTHOR, right=True)
        moved = seqs(conn, waiting)["viettel"]
    with psycopg.connect(site.owner) as owner:
        owner.execute("UPDATE batch SET account = 'sim-esms' WHERE wave = %s AND seq = %s", (waiting.id, moved))
    with house.begin() as conn:
        told = {each.carrier: each for each in canaries.standing(conn, waiting.id)}
    assert {carrier: each.others for carrier, each in told.items()} == {"viettel": ("sim-esms",), "vinaphone": ()}
    assert "tài khoản sim-esms" in say_canary(speak("vi"), told["viettel"], "Viettel")
    assert "sim-esms" not in say_canary(speak("vi"), told["vinaphone"], "VinaPhone")


def test_who_waits_for_a_word_is_told_and_not_called_stalled(house: House, waiting: Wave, site: Site) -> None:
    """Ten minutes after the start each carrier without a word is named, until it has one."""

    def told() -> dict[str, str]:
        with house.begin() as conn:
            found = {each.kind: each.facts for each in alerts.now(conn, []) if each.about == str(waiting.id)}
        return {kind: str(facts.get("carriers", "")) for kind, facts in found.items()}

    assert told() == {}
    with psycopg.connect(site.owner) as owner:
        owner.execute(
            "UPDATE wave SET started_at = now() - interval '20 min', opens_at = now() - interval '1 h',"
            " day_opens = '00:00', day_closes = '00:00' WHERE id = %s",
            (waiting.id,),
        )
    assert told() == {"canary": "viettel, vinaphone"}
    with house.begin() as conn:
        answer(conn, waiting, viettel=Outcome.DELIVERED, vinaphone=Outcome.ACCEPTED)
        canaries.say(conn, waves.get(conn, waiting.id), AUTHOR, right=True, carriers=["viettel"])
    assert told() == {"canary": "vinaphone", "stalled": ""}
