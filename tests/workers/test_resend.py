"""Stop and correct with real workers: the carrier's own file says who got which text."""

from __future__ import annotations

from campaigns.ledger import resends, waves
from campaigns.terms import Problem, State
from dispatcher import resending
from tests.cluster import AUTHOR, Started, start
from tests.workers.stage import ACCOUNT, Stage

SENT = (State.ACCEPTED, State.UNDELIVERED, State.DELIVERED)


def test_a_stopped_wave_is_corrected_for_whom_it_reached_and_nobody_else(play: Stage, started: Started) -> None:
    """Whom the first text may have reached gets one more message, the others none; then the rest gets its own."""
    wave = started(n=400, account=ACCOUNT, carriers=("viettel", "vinaphone"))
    play.carrier(latency=0.02)
    play.sender(licence=400)
    play.reach(wave, 20)
    play.move(wave, "cancel")

    def over() -> bool:
        try:
            with play.house.begin() as conn:
                resends.must_be_over(conn, waves.get(conn, wave.id), resends.REST)
        except Problem:
            return False
        return not play.counts(wave).keys() & {State.ACCEPTED}

    play.go_on(wave, over)
    first = play.taken()
    reached = play.counts(wave)
    assert 0 < len(first) < wave.n
    later = resending.plan(play.house, wave.id, "correction", AUTHOR, "Đính chính: gọi 111 để biết chi tiết")
    assert later.n == reached[State.DELIVERED]
    play.settled(start(play.house, later, choice="correction"), *SENT)
    both = play.taken()
    assert both.keys() == first.keys()
    assert both.total() == first.total() + later.n
    assert max(both.values()) == 2
    rest = resending.plan(play.house, wave.id, "rest", AUTHOR)
    play.settled(start(play.house, rest), *SENT)
    assert len(play.taken()) == wave.n
    assert play.taken().total() == wave.n + later.n
