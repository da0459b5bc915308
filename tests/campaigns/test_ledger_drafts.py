"""Drafts in the ledger: nothing that was saved is lost or changed, and a draft moves as the table says."""

from __future__ import annotations

import json

import psycopg
import pytest

from campaigns.drafting import DraftState
from campaigns.ledger import drafts
from campaigns.ledger.drafts import Overtaken
from campaigns.terms import Problem
from dispatcher.assemble import Site
from workers.house import House

ADD = "INSERT INTO draft_version (draft, version, step, fields, person) VALUES (%s, %s, %s, %s, 'an')"
MOVE = "INSERT INTO draft_event (draft, version, state, person, details) VALUES (%s, %s, %s::draft_state, 'an', '{}')"


@pytest.fixture
def draft(house: House) -> int:
    """A draft of two versions."""
    with house.begin() as conn:
        made = drafts.begin(conn, "an", {"title": "Một"})
        drafts.save(conn, made.id, 1, "letter", {"number": "20/BCĐ"}, "an")
    return made.id


def test_the_second_of_two_editors_stores_nothing_and_sees_both(house: House, draft: int) -> None:
    """A lost update is impossible: who saves on an older version hears of the newer one."""
    with house.begin() as conn:
        drafts.save(conn, draft, 2, "letter", {"title": "Hai", "number": "20/BCĐ"}, "binh")
    with house.begin() as conn, pytest.raises(Overtaken) as told:
        drafts.save(conn, draft, 2, "letter", {"title": "Ba", "number": "20/BCĐ"}, "an")
    assert told.value.now.newest.person == "binh"
    assert [told.value.base.fields["title"], told.value.now.fields["title"]] == ["Một", "Hai"]
    with house.begin() as conn:
        assert [each.fields["title"] for each in drafts.versions(conn, draft)] == ["Hai", "Một", "Một"]


def test_two_editors_of_different_steps_do_not_disturb_each_other(house: House, draft: int) -> None:
    """Both savings stand in the newest version."""
    with house.begin() as conn:
        drafts.save(conn, draft, 2, "schedule", {"w1_name": "Đợt 1"}, "binh")
        found = drafts.save(conn, draft, 2, "letter", {"title": "Ba", "number": "20/BCĐ"}, "an")
    assert dict(found.fields) == {"title": "Ba", "number": "20/BCĐ", "w1_name": "Đợt 1"}
    assert found.newest.version == 4


def test_a_form_that_changes_nothing_makes_no_version(house: House, draft: int) -> None:
    """Looking at a page and going on is no saving."""
    with house.begin() as conn:
        assert drafts.save(conn, draft, 2, "letter", {"number": "20/BCĐ"}, "an").newest.version == 2


@pytest.mark.parametrize("version", [0, 1, 2, 4])
def test_the_database_takes_only_the_version_after_the_newest(house: House, draft: int, version: int) -> None:
    """No version is written twice, skipped or put before another one."""
    wrong = (psycopg.errors.CheckViolation, psycopg.errors.UniqueViolation)
    with pytest.raises(wrong), house.begin() as conn:
        conn.execute(ADD, (draft, version, "letter", "{}"))


@pytest.mark.parametrize(
    ("step", "fields"), [("review", "{}"), ("letter", "[]"), ("letter", '"x"')], ids=["step", "list", "text"]
)
def test_a_version_is_of_a_step_and_holds_fields(house: House, draft: int, step: str, fields: str) -> None:
    """What could not be read back is refused."""
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute(ADD, (draft, 3, step, fields))


@pytest.mark.parametrize("way", [["submitted", "deleted"], ["deleted", "submitted"], ["deleted", "deleted"], ["open"]])
def test_the_database_refuses_a_move_that_the_table_does_not_name(house: House, draft: int, way: list[str]) -> None:
    """The trigger is generated from the same table as the program's own answer."""
    with house.begin() as conn:
        for state in way[:-1]:
            conn.execute(MOVE, (draft, 2, state))
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(MOVE, (draft, 2, way[-1]))
        conn.rollback()


def test_an_older_version_can_be_neither_submitted_nor_deleted(house: House, draft: int) -> None:
    """Who saw version 1 does not submit version 2."""
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute(MOVE, (draft, 1, "submitted"))
    with pytest.raises(Problem, match="changed"), house.begin() as conn:
        drafts.move(conn, draft, 1, DraftState.DELETED, "an")


@pytest.mark.parametrize("state", ["submitted", "deleted"])
def test_what_is_submitted_or_deleted_takes_no_version(house: House, draft: int, state: str) -> None:
    """An approval is of what was submitted; nothing can be slipped under it."""
    with house.begin() as conn:
        drafts.move(conn, draft, 2, DraftState(state), "an")
    with pytest.raises(Problem, match="nothing was saved"), house.begin() as conn:
        drafts.save(conn, draft, 2, "letter", {"title": "Ba"}, "an")
    with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
        conn.execute(ADD, (draft, 3, "letter", "{}"))


@pytest.mark.parametrize(("days", "back"), [(29, True), (31, False)])
def test_a_deleted_draft_comes_back_within_thirty_days(
    house: House, site: Site, draft: int, days: int, *, back: bool
) -> None:
    """With every version; later it is gone from the list and the database refuses."""
    with house.begin() as conn:
        drafts.move(conn, draft, 2, DraftState.DELETED, "an")
    with psycopg.connect(site.owner) as conn:
        conn.execute("UPDATE draft_event SET at = at - make_interval(days => %s) WHERE draft = %s", (days, draft))
    with house.begin() as conn:
        assert (draft in {each.id for each in drafts.all_drafts(conn)}) == back
    if back:
        with house.begin() as conn:
            assert drafts.move(conn, draft, 2, DraftState.OPEN, "an").state is DraftState.OPEN
            assert len(drafts.versions(conn, draft)) == 2
    else:
        with pytest.raises(Problem), house.begin() as conn:
            drafts.move(conn, draft, 2, DraftState.OPEN, "an")
        with pytest.raises(psycopg.errors.CheckViolation), house.begin() as conn:
            conn.execute(MOVE, (draft, 2, "open"))


def test_every_act_stands_in_the_record_without_what_was_typed(house: House, draft: int) -> None:
    """Who began, deleted and took back; a draft's words are its own business until they are submitted."""
    with house.begin() as conn:
        drafts.move(conn, draft, 2, DraftState.DELETED, "binh")
        drafts.move(conn, draft, 2, DraftState.OPEN, "an")
        rows = conn.execute("SELECT person, act, details FROM audit WHERE subject = %s ORDER BY id", (str(draft),))
        found = rows.fetchall()
    assert [row[:2] for row in found] == [("an", "draft.begin"), ("binh", "draft.delete"), ("an", "draft.reopen")]
    assert "20/BCĐ" not in json.dumps([row[2] for row in found], ensure_ascii=False)
