"""Correct and resend: exactly whom it concerns, in sets, and nobody else, whatever happens between plan and intent."""

from __future__ import annotations

from collections import Counter

import psycopg
import pytest

from campaigns.ledger import figures, logbook, resends, waves
from campaigns.ledger.names import message_table
from campaigns.ledger.waves import Wave
from campaigns.reports import prose
from campaigns.terms import Outcome, Problem, State
from dispatcher import resending
from dispatcher.assemble import Site
from tests.cluster import AUTHOR, Planned, start
from tests.hand import end_in_all_states, fold_all, one, open_window, right, take, tell
from workers.house import House

WANTED = {
    "correction": {State.UNCERTAIN, State.ACCEPTED, State.DELIVERED},
    "failed": {State.EXPIRED},
    "rest": {State.CANCELLED},
}
TEXT = "Đính chính: nội dung đúng như sau, chi tiết gọi 111"


@pytest.fixture
def over(site: Site, planned: Planned) -> Wave:
    """A cancelled wave of 60 messages in all states there are."""
    wave = start(planned.house, planned(n=60, account="sim-smpp", batch_size=1000))
    with psycopg.connect(site.owner) as conn:
        end_in_all_states(conn, wave.id)
        waves.move(conn, wave.id, AUTHOR.login, "cancel", "sai văn bản")
        return waves.get(conn, wave.id)


def people(conn: psycopg.Connection, wave: int) -> dict[bytes, State]:
    rows = conn.execute(f"SELECT number_hash, state FROM {message_table(wave)}")
    return {digest: State(state) for digest, state in rows}


def after(house: House, wave: Wave, kind: str = "correction") -> Wave:
    return resending.plan(house, wave.id, kind, AUTHOR, TEXT)


@pytest.mark.parametrize("kind", resends.KINDS)
def test_a_later_wave_is_for_exactly_its_set(house: House, over: Wave, kind: str) -> None:
    """Person by person against the messages one by one; the sums stand in the plan, and in no later wave is a doubt."""
    later = after(house, over, kind)
    with house.begin() as conn:
        expected = {digest: state for digest, state in people(conn, over.id).items() if state in WANTED[kind]}
        assert set(people(conn, later.id)) == set(expected)
        figures.verify_counts(conn, later)
        assert resends.counted(conn, over.id, kind).states == Counter(expected.values())
    assert later.plan["resend"] == {
        "of": str(over.id), "kind": kind, "set": resends.digest(set(expected)),
        "states": {state.name.lower(): n for state, n in Counter(expected.values()).items()},
    }  # fmt: skip
    assert [text["text"] for text in later.plan["texts"].values()] == [TEXT if kind == "correction" else over.text]


def test_one_wave_is_corrected_once(house: House, over: Wave) -> None:
    """The same plan is the wave that is there; another text is refused until that one is cancelled unsent."""
    first = after(house, over)
    assert after(house, over).id == first.id
    with pytest.raises(Problem, match="there already"):
        resending.plan(house, over.id, "correction", AUTHOR, TEXT + ".")
    with house.begin() as conn:
        waves.move(conn, first.id, AUTHOR.login, "cancel")
    other = resending.plan(house, over.id, "correction", AUTHOR, TEXT + ".")
    start(house, other, choice="correction")
    with house.begin() as conn:
        waves.move(conn, other.id, AUTHOR.login, "cancel")
    with pytest.raises(Problem, match="there already"):
        after(house, over)
    with pytest.raises(psycopg.errors.UniqueViolation), house.begin() as conn:
        conn.execute("UPDATE wave SET state = 'paused' WHERE id = %s", (first.id,))


@pytest.mark.parametrize("words", ["", "Xem http://a.vn, gọi 111", "gọi 0912345678"])
def test_a_correction_is_held_to_what_every_text_is(house: House, over: Wave, words: str) -> None:
    with pytest.raises(Problem):
        resending.plan(house, over.id, "correction", AUTHOR, words)


def test_the_offered_text_is_no_correction_by_itself(house: House, over: Wave) -> None:
    offer = resending.offer(house, over.id)
    assert offer.text == f"Đính chính tin nhắn trước: {over.text}"
    assert offer.chosen.n == sum(offer.chosen.carriers.values())
    with pytest.raises(Problem, match="says something else"):
        resending.plan(house, over.id, "correction", AUTHOR, over.text or "")


def test_nothing_follows_a_wave_that_may_still_send(house: House, planned: Planned, site: Site, over: Wave) -> None:
    """Told before planning; and the database refuses plan and start, whoever writes them."""
    running = start(house, planned(n=20, seed=5, account="sim-smpp"))
    with pytest.raises(Problem, match="stop it for good first"):
        after(house, running)
    later = after(house, over)
    with psycopg.connect(site.owner) as conn:
        conn.execute("UPDATE wave SET state = 'paused' WHERE id = %s", (over.id,))
    with pytest.raises(psycopg.errors.CheckViolation, match="may still send"):
        start(house, later, choice="correction")
    same = (
        "campaign, version, no, name, rehearsal, audience, author, plan, approvals_due, n, batch_size, opens_at,"
        " closes_at, day_opens, day_closes, cool_down"
    )
    made = (
        f"INSERT INTO wave (id, plan_hash, parent, resend, {same}) SELECT 1, 'x', id, 'rest', {same} FROM wave"
        " WHERE id = %s"
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="may still send"), house.begin() as conn:
        conn.execute(made, (over.id,))


def test_nobody_follows_before_all_on_the_way_is_counted(house: House, planned: Planned) -> None:
    wave = start(house, planned(n=20, account="sim-smpp", batch_size=1000))
    with house.begin() as conn:
        window = open_window(conn, wave.id, want=3)
        waves.move(conn, wave.id, AUTHOR.login, "cancel")
    with pytest.raises(Problem, match=r"3 messages of .* still on their way"):
        after(house, wave)
    with house.begin() as conn:
        tell(conn, wave.id, [((window, no), "answer", Outcome.ACCEPTED) for no in range(3)])
        conn.execute("UPDATE send_window SET closed = now() WHERE id = %s", (window,))
        fold_all(conn, wave.id)
    assert after(house, wave).n == 3
    with pytest.raises(Problem, match="not counted yet"):
        after(house, wave, "rest")


def test_an_intent_leaves_out_who_left_the_set(house: House, site: Site, over: Wave) -> None:
    """Between plan and intent the carrier said that two of them never got the text: they get no correction of it."""
    later = start(house, after(house, over), choice="correction")
    with psycopg.connect(site.owner) as conn:
        moved = conn.execute(
            f"UPDATE {message_table(over.id)} SET state = 4 WHERE number_hash IN (SELECT number_hash FROM"
            f" {message_table(later.id)} WHERE no IN (1, 3)) AND state = 1 RETURNING number_hash"
        ).fetchall()
        gone = [no for (no,) in conn.execute(
            f"SELECT no FROM {message_table(later.id)} WHERE number_hash = ANY (%s) ORDER BY no",
            ([row[0] for row in moved],),
        )]  # fmt: skip
        assert gone
        leave_out = "SELECT resend_leave_out(%s, 'first', 0, 1000)"
        assert one(conn, leave_out, later.id) == (len(gone),)
        bits = take(conn, right(conn, later.id))[2]
        assert [no for no in range(8 * len(bits)) if bits[no // 8] >> no % 8 & 1] == gone
        conn.rollback()


def test_a_parked_message_is_not_sent_again(house: House, planned: Planned) -> None:
    """It ended its worker again and again; what only was put off too often is."""
    wave = start(house, planned(n=20, account="sim-smpp", batch_size=1000))
    with house.begin() as conn:
        window = open_window(conn, wave.id, want=4)
        lines = [(window, 0, "closed", Outcome.NOT_SENT, "~parked", ""),
                 *((window, no, "answer", Outcome.DEFERRED, "busy", "") for no in (1, 2, 3))]  # fmt: skip
        logbook.append(conn, wave.id, lines)
        fold_all(conn, wave.id, tries=1)
        assert resends.counted(conn, wave.id, "failed").states == {State.EXPIRED: 3}


def test_the_relation_is_told_in_both_reports(house: House, over: Wave) -> None:
    later = start(house, after(house, over), choice="correction")
    with house.begin() as conn:
        report = figures.report_figures(conn, [over.id, later.id], {})
        told = resends.relations(conn, over.id)
    assert [(each.wave, each.kind, each.n, each.before) for each in told] == [(later.id, "correction", later.n, False)]
    sentence = f"Đợt 1 (đính chính) gửi tin đính chính đến {later.n} người nhận mà tin nhắn của Đợt 1 có thể đã đi."
    for wave in report.waves:
        assert prose._related(wave) == [sentence]
