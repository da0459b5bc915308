"""Accounts in trial: only numbers of the list leave, everybody else waits and is lost nowhere; live by two persons."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

import psycopg
import pytest

from campaigns.ledger import alerts, people, registry, stops, trials
from campaigns.ledger.names import new_id
from campaigns.ledger.waves import Wave
from campaigns.terms import Absent, Account, Outcome, Problem, State
from tests.campaigns.test_ledger_suppression import people_of
from tests.cluster import APPROVER, AUTHOR, SECOND, Planned, start
from tests.hand import NOW, counted, fold_all, grouped, messages, one, open_window, right, take, tell
from workers.house import House

ACCOUNT = "sim-smpp"
OPERATOR = replace(AUTHOR, roles=("operator",))
LISTED = (3, 7, 20)
N = 60


@pytest.fixture
def wave(planned: Planned) -> Wave:
    """A running wave of 60 messages to one carrier, all in one batch, on one account."""
    return start(planned.house, planned(n=N, account=ACCOUNT, batch_size=1000, carriers=("viettel",)))


def of_one_carrier(conn: psycopg.Connection, wave: Wave) -> int:
    return int(one(conn, "SELECT hi FROM batch WHERE wave = %s AND kind = 'first' AND seq = 0", wave.id)[0])


def on_trial(conn: psycopg.Connection, house: House, wave: Wave, listed: Sequence[int] = LISTED) -> int:
    """The account in trial, these messages' people on its list; how many messages there are."""
    everybody = people_of(house, wave)
    trials.enter(conn, ACCOUNT, OPERATOR, "đổi hợp đồng")
    if listed:
        trials.allow(conn, ACCOUNT, [everybody[no] for no in listed], OPERATOR)
    return of_one_carrier(conn, wave)


def skipped(taken: Sequence[object], lo: int) -> list[int]:
    verdict, hi, bits = taken
    assert verdict == "ok"
    assert isinstance(hi, int)
    assert isinstance(bits, bytes)
    return [i for i in range(lo, hi) if bits and bits[(i - lo) // 8] >> ((i - lo) % 8) & 1]


def claimable(conn: psycopg.Connection, account: str = ACCOUNT) -> list[tuple[str, int]]:
    """Batches of an account that a claim would find, as windows.CLAIM asks."""
    return conn.execute(
        "SELECT kind::text, seq FROM batch b WHERE account = %s AND cursor < hi AND wave IN (SELECT id FROM wave WHERE"
        " state = 'running') AND trial_open(b) ORDER BY 1, 2",
        (account,),
    ).fetchall()


def test_only_the_list_leaves_and_the_others_wait(house: House, wave: Wave) -> None:
    """The others come into a batch of their own; every sum holds; none is claimed; once live, all leave."""
    with house.begin() as conn:
        n = on_trial(conn, house, wave)
        arguments = right(conn, wave.id)
        assert skipped(take(conn, arguments), 0) == [no for no in range(n) if no not in LISTED]
        aside = one(conn, "SELECT seq, hi - cursor FROM batch WHERE wave = %s AND class = 'trial'", wave.id)
        assert aside[1] == n - len(LISTED)
        tell(conn, wave.id, [((arguments["id"], no), "answer" if no in LISTED else "closed",
                              Outcome.ACCEPTED if no in LISTED else Outcome.SKIPPED) for no in range(n)])  # fmt: skip
        fold_all(conn, wave.id)
        told = messages(conn, wave.id)
        assert {no for no, (state, *_) in told.items() if state is State.ACCEPTED} == set(LISTED)
        assert {told[no] for no in range(n) if no not in LISTED} == {(State.QUEUED, 2, 0)}
        assert counted(conn, wave.id) == grouped(conn, wave.id)
        assert claimable(conn) == []
        assert trials.of_wave(conn, wave.id) == [trials.Waiting(ACCOUNT, "viettel", n - len(LISTED), 0, None)]
        assert take(conn, right(conn, wave.id, kind="retry", seq=aside[0]))[0] == "trial"
        assert not trials.go_live(conn, ACCOUNT, OPERATOR, "đã xem máy thử")
        assert trials.go_live(conn, ACCOUNT, APPROVER, "đồng ý")
        assert claimable(conn) == [("retry", aside[0])]
        window = open_window(conn, wave.id, kind="retry", seq=aside[0])
        tell(conn, wave.id, [((window, idx), "answer", Outcome.ACCEPTED) for idx in range(n - len(LISTED))])
        fold_all(conn, wave.id)
        assert {state for state, *_ in messages(conn, wave.id).values()} == {State.ACCEPTED}
        assert counted(conn, wave.id) == grouped(conn, wave.id)


def test_a_batch_without_anybody_of_the_list_is_never_claimed(house: House, wave: Wave) -> None:
    """It stays as it was planned, so that a large wave costs nothing while its account is in trial."""
    with house.begin() as conn:
        on_trial(conn, house, wave, ())
        assert claimable(conn) == []
        assert take(conn, right(conn, wave.id))[0] == "trial"
        assert one(conn, "SELECT cursor - lo FROM batch WHERE wave = %s", wave.id) == (0,)
        trials.allow(conn, ACCOUNT, [people_of(house, wave)[9]], OPERATOR)
        assert claimable(conn) == [("first", 0)]


def test_somebody_added_later_comes_out_of_those_who_wait(house: House, wave: Wave) -> None:
    """And the rest goes on waiting, once each."""
    with house.begin() as conn:
        n = on_trial(conn, house, wave)
        take(conn, right(conn, wave.id))
        trials.allow(conn, ACCOUNT, [people_of(house, wave)[10]], OPERATOR)
        ((kind, seq),) = claimable(conn)
        items = dict(conn.execute("SELECT idx, message_no FROM retry_item WHERE wave = %s AND batch = %s",
                                  (wave.id, seq)).fetchall())  # fmt: skip
        left_out = skipped(take(conn, right(conn, wave.id, kind=kind, seq=seq)), 0)
        assert [items[idx] for idx in items if idx not in left_out] == [10]
        assert claimable(conn) == []
        assert trials.of_wave(conn, wave.id)[0].waiting == n - len(LISTED) - 1
        latest = {no: attempt for no, (_, attempt, _) in messages(conn, wave.id).items()}
        waiting = dict(conn.execute("SELECT message_no, attempt FROM retry_item r JOIN batch b ON b.wave = r.wave"
                                    " AND b.kind = 'retry' AND b.seq = r.batch AND r.idx >= b.cursor WHERE r.wave = %s",
                                    (wave.id,)).fetchall())  # fmt: skip
        assert waiting == {no: latest[no] for no in range(n) if no not in {*LISTED, 10}}


def test_a_claim_of_before_sends_to_no_stranger_afterwards(house: House, wave: Wave) -> None:
    """The lease is still good; the stop number is not; with the new one the list holds."""
    with house.begin() as conn:
        before = right(conn, wave.id, want=5)
    with house.begin() as conn:
        on_trial(conn, house, wave)
        assert take(conn, before)[0] == "stop_seq"
        assert skipped(take(conn, right(conn, wave.id, want=5)), 0) == [0, 1, 2, 4]


def test_an_intent_in_flight_makes_the_trial_wait_for_it(house: House, wave: Wave) -> None:
    """Either it is before the trial, or it is refused: there is no moment between."""
    entered = threading.Event()

    def put_back() -> None:
        with house.begin() as other:
            trials.enter(other, ACCOUNT, OPERATOR, "dừng thử")
        entered.set()

    with house.begin() as conn:
        arguments = right(conn, wave.id, want=5)
        assert skipped(take(conn, arguments), 0) == []
        thread = threading.Thread(target=put_back)
        thread.start()
        assert not entered.wait(0.3)
    thread.join()
    with house.begin() as conn:
        assert take(conn, arguments | {"lo": 5, "id": new_id()})[0] == "stop_seq"
        assert take(conn, right(conn, wave.id))[0] == "trial"


@pytest.mark.parametrize("kind", ["first", "retry"])
def test_whoever_writes_an_intent_to_a_stranger_is_refused(app: psycopg.Connection, running: Wave, kind: str) -> None:
    """The last line of defence: the trigger, when T1 itself is passed by."""
    if kind == "retry":
        window = open_window(app, running.id, want=4)
        tell(app, running.id, [((window, no), "answer", Outcome.NOT_SENT) for no in range(4)])
        fold_all(app, running.id, slot=NOW)
    trials.enter(app, "sim-smpp", OPERATOR, "thử")
    add = (
        "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)"
        " VALUES (%s, %s, %s, 0, 1, %s, %s, %s, 'sim-smpp', 'by hand')"
    )
    lo = 0 if kind == "retry" else 10
    with pytest.raises(psycopg.errors.CheckViolation, match="in trial"), app.transaction():
        app.execute(add, (new_id(), running.id, kind, lo, lo + 2, b""))
    with pytest.raises(psycopg.errors.CheckViolation, match="in trial"), app.transaction():
        app.execute(add, (new_id(), running.id, kind, lo, lo + 2, b"\x01"))
    app.execute(add, (new_id(), running.id, kind, lo, lo + 2, b"\x03"))


def test_the_fold_at_work_makes_the_intent_come_again(house: House, wave: Wave) -> None:
    """Both count attempts; neither waits for the other with locks in its hands."""
    with house.begin() as conn:
        on_trial(conn, house, wave)
    with house.begin() as folding, house.begin() as conn:
        folding.execute("SELECT pg_advisory_xact_lock(%s)", (wave.id,))
        assert take(conn, right(conn, wave.id))[0] == "turn"
    with house.begin() as conn:
        assert take(conn, right(conn, wave.id))[0] == "ok"


def test_a_route_goes_on_by_its_live_account_and_not_by_one_in_trial(planned: Planned) -> None:
    """Whoever is on the list stays; the others move; what waits on a sick account never moves to one in trial."""
    house, route = planned.house, {"viettel": (ACCOUNT, "sim-esms")}
    wave = start(house, planned(n=N, account=ACCOUNT, batch_size=1000, carriers=("viettel",), routes=route))
    with house.begin() as conn:
        n = on_trial(conn, house, wave)
        assert trials.of_wave(conn, wave.id) == [trials.Waiting(ACCOUNT, "viettel", n, len(LISTED), "sim-esms")]
        assert stops.fail_over(conn, 60.0) == []
        take(conn, right(conn, wave.id))
        assert [(each.was, each.became, each.messages) for each in stops.fail_over(conn, 60.0)] == [
            (ACCOUNT, "sim-esms", n - len(LISTED))
        ]
        assert claimable(conn, "sim-esms") != []
        trials.enter(conn, "sim-esms", OPERATOR, "thử")
        assert stops.fail_over(conn, 60.0) == []
        assert claimable(conn, "sim-esms") == []


def test_who_waits_for_a_trial_is_told(house: House, wave: Wave) -> None:
    with house.begin() as conn:
        n = on_trial(conn, house, wave, ())
        found = [each for each in alerts.now(conn, []) if each.about == str(wave.id)]
        assert [(each.kind, each.facts["accounts"], each.facts["waiting"]) for each in found] == [("trial", ACCOUNT, n)]


def test_two_persons_let_an_account_go_live(house: House) -> None:
    """One asks with a reason, an approver who is another one agrees; the same one twice is one."""
    with house.begin() as conn:
        assert trials.enter(conn, ACCOUNT, OPERATOR, "thử")
        assert not trials.enter(conn, ACCOUNT, APPROVER, "thử nữa")
        for person, account, reason, why in (
            (replace(AUTHOR, roles=("officer",)), ACCOUNT, "x", "may not steer"),
            (APPROVER, ACCOUNT, "  ", "say with --reason"),
            (APPROVER, "nobody", "x", "there is no account"),
            (APPROVER, "sim-esms", "x", "is live"),
        ):
            with pytest.raises((Problem, Absent), match=why):
                trials.go_live(conn, account, person, reason)
        assert not trials.go_live(conn, ACCOUNT, APPROVER, "một")
        assert not trials.go_live(conn, ACCOUNT, APPROVER, "hai")
        with pytest.raises(Problem, match="not an approver"):
            trials.go_live(conn, ACCOUNT, OPERATOR, "ba")
        assert [(each.asked_by, each.asked_why, each.by) for each in trials.current(conn)] == [
            (APPROVER.login, "hai", OPERATOR.login)
        ]
        assert trials.go_live(conn, ACCOUNT, SECOND, "bốn")
        assert trials.current(conn) == []
        acts = conn.execute("SELECT act, person FROM audit WHERE subject = %s ORDER BY id DESC LIMIT 4", (ACCOUNT,))
        asked = ("account.live-asked", APPROVER.login)
        assert acts.fetchall() == [("account.live", SECOND.login), asked, asked, ("account.trial", OPERATOR.login)]
        assert trials.enter(conn, ACCOUNT, OPERATOR, "lại thử")
        assert [each.asked_by for each in trials.current(conn)] == [None]


ENTER = "INSERT INTO account_trial (account, by, reason, asked_by, asked_at) VALUES ('sim-esms', 'an', '', 'an', now())"
CLOSE = "UPDATE account_trial SET live_by = %s, live_at = now() WHERE live_at IS NULL"


def test_no_statement_lets_one_person_do_it(app: psycopg.Connection, house: House) -> None:
    """Whoever writes the table by hand, and however."""
    with house.begin() as conn:
        people.add_person(conn, "gone", "Người đã nghỉ", ["approver"])
        conn.execute("UPDATE person SET disabled_at = now() WHERE login = 'gone'")
    trials.enter(app, ACCOUNT, OPERATOR, "thử")
    asked = "UPDATE account_trial SET asked_by = 'binh', asked_at = now() WHERE live_at IS NULL"
    both = "UPDATE account_trial SET asked_by = 'chung', asked_at = now(), live_by = 'binh', live_at = now()"
    for before, statement, values in (
        ("", CLOSE, ("binh",)),  # nobody asked
        (asked, CLOSE, ("binh",)),  # the same one
        (asked, CLOSE, ("an",)),  # not an approver
        (asked, CLOSE, ("gone",)),  # no more
        ("", both, ()),  # both at once
        (asked, "UPDATE account_trial SET live_at = now()", ()),
        ("", ENTER, ()),
    ):  # fmt: skip
        with app.transaction(force_rollback=True):
            app.execute(before or "SELECT")
            with pytest.raises(psycopg.errors.CheckViolation), app.transaction():
                app.execute(statement, values)
    for forbidden in ("DELETE FROM account_trial", "SELECT FROM trial_number", "DELETE FROM trial_number",
                      "INSERT INTO trial_number VALUES ('sim-smpp', '0123456789abcdef', 'an')",
                      "UPDATE account_trial SET account = 'sim-esms'"):  # fmt: skip
        with pytest.raises(psycopg.errors.InsufficientPrivilege), app.transaction():
            app.execute(forbidden)
    app.execute(asked)
    app.execute(CLOSE, ("chung",))
    with pytest.raises(psycopg.errors.CheckViolation), app.transaction():
        app.execute("UPDATE account_trial SET asked_why = 'khác' WHERE account = %s", (ACCOUNT,))


def test_fifty_at_once_open_it_once_and_enter_it_once(house: House) -> None:
    """25 ask as one person and 25 as another: one ask and one yes count; then 50 put it back: one row."""
    results: list[bool] = []
    problems: list[str] = []

    def at_once(act: str) -> None:
        def work(no: int) -> None:
            try:
                with house.begin() as conn:
                    if act == "live":
                        results.append(trials.go_live(conn, ACCOUNT, (APPROVER, SECOND)[no % 2], f"{no}"))
                    else:
                        results.append(trials.enter(conn, ACCOUNT, OPERATOR, f"{no}"))
            except Problem as problem:
                problems.append(str(problem))

        threads = [threading.Thread(target=work, args=(no,)) for no in range(50)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    at_once("enter")
    assert results.count(True) == 1
    assert len(results) == 50
    results.clear()
    at_once("live")
    assert results.count(True) == 1
    assert len(results) + len(problems) == 50
    assert all("is live" in each for each in problems)
    with house.begin() as conn:
        rows = conn.execute("SELECT asked_by, live_by FROM account_trial").fetchall()
    assert len(rows) == 1
    assert set(rows[0]) == {APPROVER.login, SECOND.login}


def test_a_list_holds_a_hundred_numbers_and_no_more(house: House) -> None:
    """Also in two goes; what is too much changes nothing. Only whoever steers accounts changes it."""
    hashes = house.keyring.installation_hashes(range(84_900_000_000, 84_900_000_101))
    with house.begin() as conn:
        assert trials.allow(conn, ACCOUNT, hashes[:60], OPERATOR) == 60
        with pytest.raises(Problem, match="more than 100 numbers"):
            trials.allow(conn, ACCOUNT, hashes[40:], OPERATOR)
        assert trials.allow(conn, ACCOUNT, hashes[40:100], OPERATOR) == 40
        assert trials.allow(conn, "sim-esms", hashes[100:], OPERATOR) == 1
        assert trials.disallow(conn, ACCOUNT, hashes[90:], OPERATOR) == 10
        with pytest.raises(Problem, match="may not steer"):
            trials.allow(conn, ACCOUNT, hashes[:1], replace(AUTHOR, roles=("officer",)))
        trials.enter(conn, ACCOUNT, OPERATOR, "thử")
        assert [each.allowed for each in trials.current(conn)] == [90]


def test_whoever_is_taken_off_the_list_gets_nothing_of_what_was_claimed(house: House, wave: Wave) -> None:
    with house.begin() as conn:
        on_trial(conn, house, wave)
        before = right(conn, wave.id)
        assert trials.disallow(conn, ACCOUNT, [people_of(house, wave)[3]], OPERATOR) == 1
        assert take(conn, before)[0] == "stop_seq"
        assert 3 in skipped(take(conn, right(conn, wave.id)), 0)


def account(name: str, provider: str = "esms") -> Account:
    return Account(
        name, provider, simulated=False, enabled=True, licence=10.0, carriers=("viettel",), price=300, settings={}
    )


def test_a_new_account_of_a_real_installation_begins_in_trial(owner: psycopg.Connection) -> None:
    """Whoever enters it, and again when another carrier hides behind its name; in a rehearsal none does."""
    registry.enter_accounts(owner, [account("rehearsed")])
    assert "rehearsed" not in trials.names(owner)
    owner.execute("UPDATE installation SET rehearsal = false")
    registry.enter_accounts(owner, [account("real")])
    assert [(each.account, each.by, each.reason) for each in trials.current(owner)] == [
        ("real", people.BY_ITSELF, "new")
    ]
    trials.go_live(owner, "real", APPROVER, "một")
    trials.go_live(owner, "real", SECOND, "hai")
    registry.enter_accounts(owner, [account("real")])  # each start does
    assert trials.names(owner) == set()
    registry.enter_accounts(owner, [account("real", "twilio")])
    assert [each.reason for each in trials.current(owner)] == ["changed"]


def test_an_account_that_has_sent_for_real_stays_live_through_the_migration(
    owner: psycopg.Connection, running: Wave
) -> None:
    """What the migration asks: an accepted message, not only a try."""
    assert one(owner, "SELECT has_sent('sim-smpp'), has_sent('sim-esms')") == (False, False)
    window = open_window(owner, running.id, want=4)
    tell(owner, running.id, [((window, 0), "answer", Outcome.REFUSED), ((window, 1), "answer", Outcome.UNCERTAIN)])
    assert one(owner, "SELECT has_sent('sim-smpp')") == (False,)
    tell(owner, running.id, [((window, 2), "answer", Outcome.ACCEPTED)])
    assert one(owner, "SELECT has_sent('sim-smpp'), has_sent('sim-esms')") == (True, False)
