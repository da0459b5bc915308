"""Approval over the API under attack: one's own, an edited plan's, again, fifty at once."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

from campaigns.ledger import people, plans, waves
from campaigns.ledger.people import Person
from tests.cluster import CAMPAIGN, Planned
from tests.serving import Served, key_of
from workers.house import House


def approver(house: House, *roles: str) -> tuple[str, str]:
    """(login, key) of a fresh approver."""
    login = f"x-{secrets.token_hex(4)}"
    with house.begin() as conn:
        people.add_person(conn, login, login, ["approver", *roles])
    return login, key_of(house, Person(login, login, ()), "read", "write", "approve")


def attempt(served: Served, key: str, wave: int, plan_hash: str, text: str = "corrected") -> int:
    form = {"count": 40, "text": text, "reason": "lỗi chữ", "plan_hash": plan_hash}
    return served.post(f"/api/v1/waves/{wave}/approve", key, form).status


def test_ones_own_plan_is_refused(served: Served, house: House, planned: Planned) -> None:
    login, key = approver(house, "officer")
    draft = planned.draft(planned.audience(n=40, seed=91))
    with house.begin() as conn:
        wave = plans.plan(conn, draft, login, house.keys(CAMPAIGN))
    assert attempt(served, key, wave.id, wave.plan_hash) == 403
    with house.begin() as conn:
        assert waves.approvals(conn, wave) == []


def test_an_approval_of_the_plan_before_an_edit_approves_nothing(
    served: Served, house: House, planned: Planned
) -> None:
    """The edited plan is another wave with another hash: the old one fits neither, and counts for nothing."""
    _, key = approver(house)
    old = planned(n=40, seed=92)
    assert attempt(served, key, old.id, old.plan_hash) == 200
    with house.begin() as conn:
        waves.move(conn, old.id, old.author, "cancel", "sửa")
    new = planned(n=40, seed=92, name="Đợt đã sửa")
    assert new.plan_hash != old.plan_hash
    assert attempt(served, key, new.id, old.plan_hash) == 409
    assert attempt(served, key, old.id, old.plan_hash) == 409
    with house.begin() as conn:
        assert waves.approvals(conn, new) == []


def test_a_replayed_approval_counts_once_and_with_another_text_is_told(
    served: Served, house: House, planned: Planned
) -> None:
    _, key = approver(house)
    wave = planned(n=40, seed=93, approvals_due=2)
    said = [attempt(served, key, wave.id, wave.plan_hash) for _ in range(3)]
    assert said == [200, 200, 200]
    assert attempt(served, key, wave.id, wave.plan_hash, "verbatim") == 422
    with house.begin() as conn:
        assert len(waves.approvals(conn, wave)) == 1


def test_fifty_at_once_are_one(served: Served, house: House, planned: Planned) -> None:
    _, key = approver(house)
    wave = planned(n=40, seed=94, approvals_due=2)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: attempt(served, key, wave.id, wave.plan_hash), range(50)))
    assert set(said) == {200}
    with house.begin() as conn:
        assert len(waves.approvals(conn, wave)) == 1
        told = conn.execute("SELECT count(*) FROM audit WHERE act = 'wave.approve' AND subject = %s", (str(wave.id),))
        assert told.fetchone() == (1,)
