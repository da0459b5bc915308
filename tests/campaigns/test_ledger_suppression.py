"""Who must not be texted is not: at import, at planning, and at the intent; whoever was texted enough today neither."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns.compliance import LISTS
from campaigns.ledger import plans, suppression, waves
from campaigns.ledger.names import BLOCK, block_context
from campaigns.ledger.people import Person
from campaigns.ledger.waves import Wave
from campaigns.terms import Problem
from dispatcher import acts
from tests.cluster import APPROVER, AUTHOR, CAMPAIGN, Planned, start
from tests.hand import one, open_window, right, take
from workers.house import House

OPERATOR = Person("an", "Nguyễn Văn An", ("operator",), ("read", "write", "admin"))
ALWAYS = ["request", "police", "staff"]


def people_of(house: House, wave: Wave) -> list[bytes]:
    """The installation's hash of each message of a small wave on one account, opened from its sealed blocks."""
    keys = house.keys(wave.campaign)
    with house.begin() as conn:
        rows = conn.execute(
            "SELECT block, nonce, ciphertext FROM number_block WHERE wave = %s ORDER BY block", (wave.id,)
        ).fetchall()
    found: dict[int, bytes] = {}
    for block, nonce, sealed in rows:
        numbers = keys.open_block(nonce, sealed, block_context(wave.id, block))
        found |= dict(enumerate(keys.people_hashes(numbers), block * BLOCK))
    return [found[no] for no in sorted(found)]


def first_window(conn: psycopg.Connection, wave: int) -> list[int]:
    """Indexes that T1 leaves out of the wave's first batch."""
    verdict, hi, bits = take(conn, right(conn, wave))
    assert verdict == "ok"
    return [i for i in range(hi) if bits and bits[i // 8] >> (i % 8) & 1]


def size_of(conn: psycopg.Connection, wave: Wave) -> int:
    """Messages in the first batch: those of one carrier."""
    return int(one(conn, "SELECT hi FROM batch WHERE wave = %s AND kind = 'first' AND seq = 0", wave.id)[0])


@pytest.fixture
def wave(planned: Planned) -> Wave:
    """A started wave that obeys the lists of public information with its decision: three of the five."""
    return start(planned.house, planned(n=40, seed=71, account="sim-smpp", compliance=obeying(ALWAYS)))


def obeying(lists: list[str], most: int | None = None) -> dict[str, Any]:
    return {"class": "public_information", "lists": lists, "ignored": [], "decision": "", "most_a_day": most}


@pytest.mark.parametrize("name", LISTS)
def test_who_asks_after_planning_is_left_out_by_the_intent(house: House, wave: Wave, name: str) -> None:
    """In force at once for a running wave, where its plan obeys the list."""
    wanted = people_of(house, wave)[3]
    with house.begin() as conn:
        assert suppression.add(conn, name, [wanted], OPERATOR) == 1
        assert suppression.add(conn, name, [wanted], OPERATOR) == 0
        assert first_window(conn, wave.id) == ([3] if name in ALWAYS else [])


def test_who_asks_between_import_and_planning_is_left_out_too(planned: Planned, house: House) -> None:
    """The message is planned, so that it can be counted as suppressed."""
    audience = planned.audience(n=20, seed=72)
    probe = acts.plan_wave(house, planned.draft(audience, account="sim-smpp"), AUTHOR.login)
    with house.begin() as conn:
        suppression.add(conn, "request", [people_of(house, probe)[5]], OPERATOR)
    later = acts.plan_wave(house, planned.draft(audience, account="sim-smpp", batch_size=2000), AUTHOR.login)
    assert later.id != probe.id
    with house.begin() as conn:
        skips = conn.execute("SELECT wave, message_no FROM wave_skip WHERE wave = ANY(%s) ORDER BY 1, 2",
                             ([probe.id, later.id],)).fetchall()  # fmt: skip
        assert sorted(skips) == sorted([(probe.id, 5), (later.id, 5)])


def test_planning_and_adding_wait_for_each_other(planned: Planned, house: House) -> None:
    """Neither can miss the other: the one who comes second sees what the first wrote."""
    draft = planned.draft(planned.audience(n=20, seed=73), account="sim-smpp")
    with house.begin() as conn:
        plans.plan(conn, draft, AUTHOR.login, house.keys(CAMPAIGN))
        with house.begin() as other:
            other.execute("SET LOCAL lock_timeout = '50ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable), other.transaction():
                suppression.add(other, "request", [bytes(16)], OPERATOR)


def test_a_row_never_tells_on_which_list_a_person_is(planned: Planned, house: House, tmp_path: Path) -> None:
    """The verdict of a protected person reads like that of one who asked."""
    hashes = {name: house.keyring.installation_hash(84_912_345_670 + i) for i, name in enumerate(LISTS)}
    with house.begin() as conn:
        for name, each in hashes.items():
            suppression.add(conn, name, [each], OPERATOR)
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("SĐT",), *((f"0{912_345_670 + i}",) for i in range(6))])
    audience = planned.audience(n=5, seed=74)
    done = planned.take(audience, path)
    assert {name: n for name, n in done.verdicts.items() if n} == {"accepted": 1, "suppressed": 5}
    with house.begin() as conn:
        told = conn.execute("SELECT DISTINCT verdict, reason FROM audience_verdict WHERE audience = %s AND file = 1",
                            (audience,)).fetchall()  # fmt: skip
    assert told == [("suppressed", "suppressed")]


def test_only_an_operator_keeps_the_list_of_the_police(house: House) -> None:
    """Neither added to nor removed from by an officer's key; the refusal changes nothing."""
    officer = replace(OPERATOR, scopes=("read", "write"))
    for change in (suppression.add, suppression.remove):
        with house.begin() as conn, pytest.raises(Problem, match="does not allow 'admin'"):
            change(conn, "police", [bytes(16)], officer)
    with house.begin() as conn, pytest.raises(Problem, match="there is no list 'friends'"):
        suppression.add(conn, "friends", [bytes(16)], OPERATOR)
    with house.begin() as conn:
        assert {each.list: each.n for each in suppression.counts(conn)} == dict.fromkeys(LISTS, 0)


def test_each_change_is_recorded_with_its_count_and_without_a_hash(house: House) -> None:
    """Who, which list, how many; nothing by which anybody could be found."""
    hashes = [bytes([i] * 16) for i in range(3)]
    with house.begin() as conn:
        suppression.add(conn, "request", hashes, OPERATOR)
        assert suppression.remove(conn, "request", [*hashes[:2], bytes([9] * 16)], OPERATOR) == 2
        rows = conn.execute("SELECT person, act, subject, details FROM audit ORDER BY id DESC LIMIT 2").fetchall()
        assert [each.n for each in suppression.counts(conn) if each.list == "request"] == [1]
    assert rows == [
        ("an", "list.unsuppress", "request", {"given": 3, "changed": 2}),
        ("an", "list.suppress", "request", {"given": 3, "changed": 3}),
    ]


# -- how often ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "left_out"), [(1, "all"), (2, "nobody")])
def test_the_cap_holds_across_waves(
    planned: Planned, house: House, owner: psycopg.Connection, most: int, left_out: str
) -> None:
    """Whoever was in an intent of another wave within 24 hours counts; the day before does not."""
    audience = planned.audience(n=40, seed=75 + most)
    first, second = (
        acts.plan_wave(house, planned.draft(audience, no=no, account="sim-smpp", compliance=obeying(ALWAYS, most)),
                       AUTHOR.login)
        for no in (1, 2)
    )  # fmt: skip
    for each in (first, second):
        start(house, each)
    window = open_window(owner, first.id)
    with owner.transaction(force_rollback=True):
        assert first_window(owner, second.id) == (list(range(size_of(owner, second))) if left_out == "all" else [])
    owner.execute("UPDATE send_window SET at = at - interval '25 h' WHERE id = %s", (window,))
    assert first_window(owner, second.id) == []


def test_who_was_left_out_was_not_texted(planned: Planned, house: House, owner: psycopg.Connection) -> None:
    """A window's skipped indexes count for nobody's cap."""
    audience = planned.audience(n=40, seed=78)
    first, second = (
        acts.plan_wave(house, planned.draft(audience, no=no, account="sim-smpp", compliance=obeying(ALWAYS, 1)),
                       AUTHOR.login)
        for no in (1, 2)
    )  # fmt: skip
    for each in (first, second):
        start(house, each)
    owner.execute("INSERT INTO wave_skip VALUES (%s, 7)", (first.id,))
    open_window(owner, first.id)
    assert first_window(owner, second.id) == [i for i in range(size_of(owner, second)) if i != 7]


def test_an_import_tells_who_will_be_over_the_cap(planned: Planned, house: House, owner: psycopg.Connection) -> None:
    """Counted at the opening of the next wave, over what has left and what is planned for that day."""
    wave = start(house, planned(n=30, seed=79, account="sim-smpp"))
    people = people_of(house, wave)
    for hours, most, n in ((0, 1, 30), (0, 2, 0), (24 * 40, 1, 0)):
        row = one(owner, "SELECT count(*) FROM capped_of(%s, now() + make_interval(hours => %s), %s)",
                  people, hours, most)  # fmt: skip
        assert row == (n,), (hours, most)


# -- the same text again -----------------------------------------------------------------------------------------------


def test_the_same_text_to_the_same_people_needs_a_reason(
    planned: Planned, house: House, owner: psycopg.Connection
) -> None:
    """The next wave of a campaign is meant; the same wave again, or another campaign, is told and must be explained."""
    audience = planned.audience(n=25, seed=80)
    first = acts.plan_wave(house, planned.draft(audience, account="sim-smpp"), AUTHOR.login)
    next_ = acts.plan_wave(house, planned.draft(audience, no=2, account="sim-smpp"), AUTHOR.login)
    again = acts.plan_wave(house, planned.draft(audience, account="sim-smpp", batch_size=2000), AUTHOR.login)
    assert suppression.repeats(owner, next_.id) == []
    assert [(each.wave, each.people) for each in suppression.repeats(owner, again.id)] == [(first.id, 25)]
    owner.execute("UPDATE wave SET rehearsal = false WHERE id = %s", (again.id,))
    with pytest.raises(Problem, match="25 of these people get this very text"):
        waves.approve(owner, again.id, APPROVER, typed=25, choice="verbatim", reason=" ")
    waves.approve(owner, again.id, APPROVER, typed=25, choice="verbatim", reason="the first was cut off")
    row = one(owner, "SELECT details -> 'again' FROM audit WHERE act = 'wave.approve' ORDER BY id DESC LIMIT 1")
    assert row == ([{"wave": str(first.id), "people": 25}],)


def test_what_is_kept_for_comparing_ends(planned: Planned, house: House, owner: psycopg.Connection) -> None:
    """Ended waves only, after the days asked for, with a record; the cap's day is never cut."""
    wave = planned(n=25, seed=81, account="sim-smpp")
    assert suppression.forget(owner, 30, "an") == 0
    owner.execute("UPDATE wave SET state = 'cancelled', finished_at = now() - interval '31 d' WHERE id = %s",
                  (wave.id,))  # fmt: skip
    assert suppression.forget(owner, 30, "an") >= 25
    assert one(owner, "SELECT count(*) FROM wave_person WHERE wave = %s", wave.id) == (0,)
    with pytest.raises(psycopg.errors.RaiseException):
        suppression.forget(owner, 1, "an")


# -- tags --------------------------------------------------------------------------------------------------------------


def test_tags_choose_the_rows_of_a_wave(planned: Planned, house: House) -> None:
    """Carriers and areas; the plan names them, and nobody else is in it."""
    audience = planned.audience(n=60, seed=82, units=("Huyện Sìn Hồ", "Huyện Tam Đường"))
    whole = acts.plan_wave(house, planned.draft(audience), AUTHOR.login)
    some = acts.plan_wave(house, planned.draft(audience, carriers=("viettel",), units=(106,)), AUTHOR.login)
    assert some.plan["audience"]["only"] == {"carriers": ["viettel"], "units": [106]}
    with house.begin() as conn:
        expected = one(conn, f"SELECT count(*) FROM message_{whole.id} m JOIN carrier c ON c.id = m.carrier"
                             " WHERE c.name = 'viettel' AND m.unit = 106")  # fmt: skip
        found = one(conn, f"SELECT count(*), count(DISTINCT (carrier, unit)) FROM message_{some.id}")
    assert 0 < some.n < whole.n
    assert (some.n, 1) == found == (*expected, 1)
    with pytest.raises(Problem, match="no row of the audience"):
        acts.plan_wave(house, planned.draft(audience, units=(112,)), AUTHOR.login)
