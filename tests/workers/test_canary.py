"""A canary with real workers and the simulated SMSC: the carrier's own file says who got the text before the word."""

from __future__ import annotations

from campaigns.ledger import canaries
from campaigns.terms import State
from tests.campaigns.test_ledger_canary import seed
from tests.cluster import AUTHOR, Started
from tests.workers.stage import ACCOUNT, Stage

SENT = (State.ACCEPTED, State.UNDELIVERED, State.DELIVERED)


def test_only_seed_phones_get_the_text_until_somebody_has_looked(play: Stage, started: Started) -> None:
    """Then the rest goes out, everybody once; the seeds are in no count of the wave."""
    seed(play.house, play.folder)
    on = {"viettel": True, "vinaphone": True}
    wave = started(n=200, account=ACCOUNT, carriers=tuple(on), canary=on)
    seeds = sum(wave.plan["canary"]["by_carrier"].values())
    play.carrier(latency=0.01, undelivered=0.0)
    play.sender(licence=2000)

    def arrived() -> bool:
        with play.house.begin() as conn:
            return {each.state for each in canaries.standing(conn, wave.id)} == {"arrived"}

    play.go_on(wave, arrived)
    first = play.taken()
    assert len(first) == first.total() == seeds
    with play.house.begin() as conn:
        assert canaries.say(conn, wave, AUTHOR, right=True) == list(on)
    assert sum(play.settled(wave, *SENT).values()) == wave.n
    both = play.taken()
    assert both.total() == wave.n + seeds
    assert first.keys() <= both.keys()
