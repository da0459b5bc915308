"""A budget with real workers and the simulated SMSC: what the carrier took is at most what was approved."""

from __future__ import annotations

from campaigns.ledger import budgets, progress, waves
from campaigns.terms import State
from tests.cluster import APPROVER, AUTHOR, Started
from tests.workers.stage import ACCOUNT, Stage

SENT = (State.ACCEPTED, State.UNDELIVERED, State.DELIVERED)


def test_a_wave_stops_at_its_budget_and_goes_on_with_another_one(play: Stage, started: Started) -> None:
    """Two workers, batches of 100: exactly 150 reach the carrier, the wave pauses, and two persons let 400 go."""
    wave = started(n=400, account=ACCOUNT, batch_size=100, budget={"wave": {"messages": 150}})
    play.carrier(latency=0.01)
    play.sender(licence=2000)
    play.sender(licence=2000)
    play.go_on(wave, lambda: play.state(wave) == "paused")
    assert play.taken().total() == len(play.taken()) == 150
    with play.house.begin() as conn:
        assert progress.state_reason(conn, wave.id) == "budget: 250 wait, wave messages 150"
        assert [(line.used, line.part) for line in budgets.lines(conn, wave.id)] == [(150, 1.0)]
        assert not budgets.change(conn, wave.id, {"wave": {"messages": 400}}, AUTHOR, "đủ tiền")
        assert budgets.change(conn, wave.id, {"wave": {"messages": 400}}, APPROVER, "")
        waves.move(conn, wave.id, AUTHOR.login, "resume")
    play.settled(wave, *SENT)
    assert play.taken().total() == len(play.taken()) == 400
