"""Whatever workers, carriers, persons and crashes do in whatever order: nobody twice, nobody lost, doubts named.

A rule-based state machine drives the real ledger, the real journals and the real recovery beside
tests/workers/model.py. A draw never depends on the state, so that a history can be told again.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from campaigns.ledger import plans
from campaigns.ledger.plans import Draft
from campaigns.terms import Outcome
from dispatcher.assemble import Site
from tests.cluster import AUTHOR, CAMPAIGN, Planned, start
from tests.workers.chance import storm
from tests.workers.history import HANDS, TORN, History
from tests.workers.model import Fate
from tests.workers.stage import ACCOUNT
from workers import restart
from workers.house import House

SIZES = (5, 12, 30)
WHO = st.integers(0, HANDS - 1)
PICK = st.integers(0, 63)
FATES = st.lists(st.sampled_from([Fate.OK, *Fate]), min_size=1, max_size=4)
RECEIPTS = st.sampled_from([Outcome.DELIVERED, Outcome.UNDELIVERED, Outcome.ACCEPTED])
RARELY = st.sampled_from([False, False, False, False, True])


class Ledger(RuleBasedStateMachine):
    """The acts of a history as rules."""

    house: House
    owner: str
    drafts: dict[int, Draft]
    planned = 0
    told: History | None = None

    @initialize(n=st.sampled_from(SIZES))
    def a_wave(self, n: int) -> None:
        type(self).planned += 1
        draft = replace(self.drafts[n], name=f"model {self.planned}")
        with self.house.begin() as conn:
            wave = plans.plan(conn, draft, AUTHOR.login, self.house.keys(CAMPAIGN))
        self.told = History(self.house, start(self.house, wave), self.owner)

    @property
    def here(self) -> History:
        assert self.told
        return self.told

    @rule(seed=st.integers(0, 2**32))
    def storm(self, seed: int) -> None:
        storm(self.here, seed)

    @rule(seed=st.integers(0, 2**32))
    def storm_again(self, seed: int) -> None:
        storm(self.here, seed)

    @rule(who=WHO, want=st.integers(1, 4), fates=FATES)
    def advance(self, who: int, want: int, fates: list[Fate]) -> None:
        self.here.advance(who, want, fates)

    @rule(who=WHO, wants=st.lists(st.integers(1, 4), min_size=1, max_size=3))
    def take_ahead(self, who: int, wants: list[int]) -> None:
        self.here.take_ahead(who, wants)

    @rule(who=WHO, breaks=st.sampled_from(["C2", "C3"]))
    def break_off_in_t1(self, who: int, breaks: str) -> None:
        self.here.break_off_in_t1(who, breaks)

    @rule(who=WHO)
    def claim_anew(self, who: int) -> None:
        self.here.claim_anew(who)

    @rule(pick=PICK)
    def hear_any(self, pick: int) -> None:
        self.here.hear_any(pick)

    @rule(pick=PICK)
    def close_any(self, pick: int) -> None:
        self.here.close_any(pick)

    @rule(who=WHO)
    def settle_doubt(self, who: int) -> None:
        self.here.settle_doubt(who)

    @rule(who=WHO)
    def renew(self, who: int) -> None:
        self.here.renew(who)

    @rule(who=WHO)
    def stopped_beyond_its_lease(self, who: int) -> None:
        self.here.stopped_beyond_its_lease(who)

    @rule(who=WHO, at=st.sampled_from(["", "S", "R"]), fates=FATES, torn=st.sampled_from(TORN), power=RARELY)
    def crash(self, who: int, at: str, fates: list[Fate], torn: str, power: bool) -> None:  # noqa: FBT001 - drawn
        self.here.crash(who, at, fates, torn, power=power)

    @rule(act=st.sampled_from(["pause", "resume", "resume"]))
    def move(self, act: str) -> None:
        self.here.move(act)

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        self.here.cancel(pick)

    @rule(pick=PICK)
    def opt_out(self, pick: int) -> None:
        self.here.opt_out(pick)

    @rule(pick=PICK, outcome=RECEIPTS, times=st.integers(1, 3))
    def receipt(self, pick: int, outcome: Outcome, times: int) -> None:
        self.here.receipt(pick, outcome, times)

    @rule(pick=PICK)
    def look_up(self, pick: int) -> None:
        self.here.look_up(pick)

    @rule(chunks=st.integers(1, 5))
    def fold(self, chunks: int) -> None:
        self.here.fold(chunks)

    @rule()
    def keep_books(self) -> None:
        self.here.keep_books()

    @rule()
    def keep_a_backup(self) -> None:
        self.here.keep_a_backup()

    @rule(seed=st.integers(0, 2**32))
    def go_back_after_a_storm(self, seed: int) -> None:
        storm(self.here, seed)
        self.here.go_back()

    @rule()
    def redis_is_flushed(self) -> None:
        self.here.redis_is_flushed()

    @invariant()
    def nobody_twice(self) -> None:
        if self.told:
            self.told.nobody_twice()

    @invariant()
    def the_ledger_holds(self) -> None:
        if self.told:
            self.told.the_ledger_holds()

    def teardown(self) -> None:
        """The wave is brought to rest by one more worker; then the truth is compared."""
        if self.told:
            try:
                self.told.come_to_rest()
            finally:
                self.told.over()
                self.told.end()


@pytest.fixture
def machine(site: Site, house: House, tmp_path: Path) -> type[Ledger]:
    restart.begin_sending(house)
    planned = Planned(house, tmp_path)
    drafts = {n: planned.draft(planned.audience(n=n, seed=n), account=ACCOUNT) for n in SIZES}
    return type("Bound", (Ledger,), {"house": house, "owner": site.owner, "drafts": drafts})


def run(machine: type[Ledger], examples: int, steps: int, *phases: Phase) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]  # hypothesis leaves it untyped
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            phases=(Phase.reuse, Phase.generate, *phases),
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


@pytest.mark.timeout(300)
def test_whatever_happens_nobody_is_sent_twice_or_lost(machine: type[Ledger]) -> None:
    """Some histories of fifty steps: I1 to I7 hold after each step, and everybody is accounted for at the end."""
    run(machine, 30, 50)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_many_more_histories(machine: type[Ledger]) -> None:
    """The same, many times and longer; what fails is told by its shortest history."""
    run(machine, 150, 80, Phase.shrink)
