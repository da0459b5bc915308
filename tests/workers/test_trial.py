"""An account in trial with real workers and the simulated SMSC: the carrier's own file says who got the text."""

from __future__ import annotations

import json

import psycopg

from campaigns.ledger import halts, people, trials
from campaigns.terms import State
from dispatcher import acts
from dispatcher.assemble import Site
from tests.campaigns.test_ledger_suppression import people_of
from tests.campaigns.test_ledger_trial import OPERATOR
from tests.cluster import APPROVER, Started
from tests.workers.stage import ACCOUNT, Stage
from workers import marks, restart
from workers.house import House

SENT = (State.ACCEPTED, State.UNDELIVERED, State.DELIVERED)


def test_back_into_trial_in_the_middle_and_live_again(play: Stage, started: Started) -> None:
    """Two workers and both kinds of batches: whoever is not on the list waits, and then gets it once like everybody."""
    wave = started(n=200, account=ACCOUNT, batch_size=1000, carriers=("viettel", "vinaphone"))
    play.carrier(latency=0.01, undelivered=0.0)
    play.sender(licence=60)
    play.sender(licence=60)
    play.reach(wave, 40)
    with play.house.begin() as conn:
        trials.enter(conn, ACCOUNT, OPERATOR, "nhà mạng đổi tên gửi")
        stop = halts.stop_number(conn)

    def heard() -> bool:
        with play.house.begin() as conn:
            found = halts.hearings(conn)
        return bool(found) and all(each.heard >= stop and not any(each.wire.values()) for each in found)

    play.go_on(wave, heard)
    before = play.taken()
    everybody = people_of(play.house, wave)
    last = everybody[-5:]  # of the second carrier's batch, which nobody has reached
    with play.house.begin() as conn:
        assert trials.allow(conn, ACCOUNT, last, OPERATOR) == len(last)
    play.go_on(wave, lambda: play.taken().total() == before.total() + len(last))
    with play.house.begin() as conn:
        met = trials.of_wave(conn, wave.id)
        assert sum(each.waiting for each in met) == wave.n - before.total() - len(last)
        assert [each.allowed for each in met] == [0] * len(met)
        assert not trials.go_live(conn, ACCOUNT, OPERATOR, "đã xem máy thử")
        assert trials.go_live(conn, ACCOUNT, APPROVER, "đồng ý")
    acts.ring(play.house, wave)
    play.finish(wave, 60)
    assert sum(play.settled(wave, *SENT).values()) == wave.n
    taken = play.taken()
    assert taken.total() == len(taken) == wave.n


def test_a_database_from_before_the_trial_does_not_open_the_account(house: House, site: Site) -> None:
    """The note beside the journals puts it back; it goes only with the two persons' word on that very stay."""
    note = house.folder("journals") / marks.FILE
    assert marks.keep(house) == 0
    with house.begin() as conn:
        trials.enter(conn, ACCOUNT, OPERATOR, "thử")
    restart.take_in(house)
    assert list(json.loads(note.read_text(encoding="utf-8"))) == [ACCOUNT]
    with psycopg.connect(site.owner) as owner:
        owner.execute("DELETE FROM account_trial")
    restart.take_in(house)
    with house.begin() as conn:
        assert [(each.account, each.by, each.reason) for each in trials.current(conn)] == [
            (ACCOUNT, people.BY_ITSELF, trials.RESTORED)
        ]
        trials.go_live(conn, ACCOUNT, OPERATOR, "một")
        trials.go_live(conn, ACCOUNT, APPROVER, "hai")
    assert marks.keep(house) == 0
    assert json.loads(note.read_text(encoding="utf-8")) == {}
    with house.begin() as conn:
        assert trials.names(conn) == set()
