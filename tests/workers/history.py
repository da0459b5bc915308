"""All that can happen to one wave of a few messages, its workers and its carrier; and what must hold after each act.

Acts take plain values: a test chooses them by rules, by chance or by hand.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from campaigns.ledger import fold, logbook, receipts, shares, waves
from campaigns.ledger.waves import Wave
from campaigns.ledger.windows import Refusal
from campaigns.message import LEFT
from campaigns.terms import Outcome, State
from tests.cluster import AUTHOR, end_waves
from tests.hand import NOW, counted, grouped, messages
from tests.workers.going_back import Earlier
from tests.workers.model import TAKES, Carrier, Fate, Hand, Line1, Run, T
from tests.workers.stage import ACCOUNT
from tests.workers.standing import ATTEMPTS, OVERLAPS, ask, assert_standing
from workers import restart, sweeper
from workers.house import House
from workers.queues import queue, send_queue

HANDS = 3
TRIES = 3
MOST_ROUNDS = 400
"""Rounds in which every wave must have come to rest."""
TORN = ("", "", "S 1", "R 1 0 5")
"""What a write that the death cut off has left of its line."""


def picked(among: Sequence[T], pick: int) -> T | None:
    """One of whatever there is."""
    return among[pick % len(among)] if among else None


class History:
    """One wave of a few messages, and up to three workers at once."""

    def __init__(self, house: House, wave: Wave, owner: str) -> None:
        self.house, self.wave, self.owner = house, wave, owner
        self.line = Line1(house)
        self.carrier = Carrier()
        self.doubt: set[int] = set()  # messages that may be uncertain
        self.left_out: set[int] = set()
        self.truth: dict[int, set[Outcome]] = {}  # strong evidence that was written down, by message
        self.before: dict[int, State] = {}
        self.epochs: dict[tuple[str, int], int] = {}
        self.unheard = False  # a hand has a window that it knows nothing of
        self.earlier: tuple[Earlier, set[int]] | None = None
        self.went_back = False
        self.incarnation = self.incarnation_now()
        self.hands = [self.hire() for _ in range(HANDS)]

    def hire(self) -> Hand:
        """A new worker."""
        return Hand(self.house, self.line, self.carrier, self.incarnation)

    def incarnation_now(self) -> int:
        """What a worker that starts now believes."""
        with self.house.begin() as conn:
            row = conn.execute("SELECT incarnation FROM installation").fetchone()
        return int(row[0]) if row else 0

    def over(self) -> None:
        """All processes end."""
        for hand in self.hands:
            hand.die()
        self.line.close()

    def end(self) -> None:
        """No later history finds anything of this one, however it failed: else none of them could be told again."""
        with psycopg.connect(self.owner) as conn:
            end_waves(conn, [self.wave.id])

    # -- what a pick may fall on ------------------------------------------------------------------------------------

    def runs(self) -> list[tuple[Hand, Run]]:
        return [(hand, run) for hand in self.hands for run in hand.runs]

    def pending(self) -> list[tuple[Hand, Run]]:
        return [(hand, run) for hand, run in self.runs() if run.pending]

    # -- workers -----------------------------------------------------------------------------------------------------

    def advance(self, who: int, want: int, fates: list[Fate]) -> None:
        """The next thing that this worker does when nothing disturbs it."""
        hand = self.hands[who]
        if run := next((run for run in hand.runs if run.next < run.intent.hi), None):
            hand.send(run, fates)
        elif run := next((run for run in hand.runs if run.pending), None):
            self.hear(hand, run)
        elif hand.runs:
            self.close(hand, hand.runs[0])
        elif hand.batch:
            self.take(hand, want)
        else:
            self.claim(hand)

    def advance_some(self, whose: list[int], want: int, fates: list[Fate]) -> None:
        for who in whose:
            self.advance(who, want, fates)

    def take_ahead(self, who: int, wants: list[int]) -> None:
        """Windows are committed while others of the same worker are on their way."""
        hand = self.hands[who]
        if not hand.batch:
            self.claim(hand)
        for want in wants:
            self.take(hand, want)

    def break_off_in_t1(self, who: int, breaks: str) -> None:
        """Its answer is lost: nothing may remain of it, or a window of which only the database knows."""
        self.take(self.hands[who], 3, breaks)

    def claim_anew(self, who: int) -> None:
        self.hands[who].release()
        self.claim(self.hands[who])

    def claim(self, hand: Hand) -> None:
        if batch := hand.claim():
            assert batch.wave == self.wave.id
            assert batch.epoch > self.epochs.get((batch.kind, batch.seq), 0)
            self.epochs[batch.kind, batch.seq] = batch.epoch

    def take(self, hand: Hand, want: int, breaks: str = "") -> None:
        batch = hand.batch
        if not batch:
            return
        found = hand.take(want, breaks)
        if isinstance(found, Run):
            wave = self.now()
            assert (wave.state, wave.stop_seq) == ("running", batch.stop_seq), "a window after the stop (I10)"
            assert batch.epoch == self.epochs[batch.kind, batch.seq], "a window with an old lease (I6)"
            sent = {found.no(i) for i in range(found.intent.lo, found.intent.hi) if found.number(i)}
            assert not sent & self.left_out
        elif isinstance(found, Refusal):
            assert found.reason in {"lease", "stopped", "stop_seq", "cursor", "hours", "locked", "incarnation", "gone"}
            hand.release()
        elif breaks == "C3":
            self.unheard = True
            hand.batch = None  # what it believes of the cursor is no longer true

    def hear_any(self, pick: int) -> None:
        if found := picked(self.pending(), pick):
            self.hear(*found)

    def hear(self, hand: Hand, run: Run) -> None:
        self.heard(run)
        hand.hear(run)

    def close_any(self, pick: int) -> None:
        """It pauses or drains: what was sent and not heard is uncertain, what was not sent goes back."""
        if found := picked(self.runs(), pick):
            self.close(*found)

    def close(self, hand: Hand, run: Run) -> None:
        self.doubt |= self.open_of(run)
        hand.close(run)

    def heard(self, run: Run) -> None:
        for answer in run.pending.values():
            if answer.outcome >= Outcome.ACCEPTED:
                self.truth.setdefault(run.no(answer.idx), set()).add(answer.outcome)

    def open_of(self, run: Run) -> set[int]:
        return {run.no(idx) for idx in range(run.intent.lo, run.next) if idx not in run.answered}

    def settle_doubt(self, who: int) -> None:
        if not self.hands[who].settle_doubt():
            self.crash(who, "", [], "", power=False)

    def renew(self, who: int) -> None:
        hand = self.hands[who]
        if hand.batch and hand.renew():
            # right after a restore it may stand there as it did then: the incarnation keeps such a worker from sending
            newest = self.epochs.get((hand.batch.kind, hand.batch.seq), hand.batch.epoch)
            assert hand.batch.epoch == newest, "an old lease renewed (I6)"

    def stopped_beyond_its_lease(self, who: int) -> None:
        """It does not know: it goes on as before when it wakes up; meanwhile others may claim."""
        batch = self.hands[who].batch
        if not batch:
            return
        with self.house.begin() as conn:
            conn.execute(
                "UPDATE batch SET lease_until = clock_timestamp() WHERE wave = %s AND kind = %s::batch_kind"
                " AND seq = %s AND lease_token = %s",
                (batch.wave, batch.kind, batch.seq, batch.token),
            )

    def crash(self, who: int, at: str, fates: list[Fate], torn: str, power: bool) -> None:  # noqa: FBT001 - drawn
        """The process is gone: between S and the socket, between R and the log, or anywhere; with the machine, too."""
        hand = self.hands[who]
        for run in hand.runs:
            if at == "S" and run.next < run.intent.hi:
                hand.send(run, [Fate.OK], written=False)
            if at == "R":
                hand.send(run, fates)
                self.heard(run)
                hand.hear(run, logged=False)
            self.doubt |= {run.no(i) for i in range(run.intent.lo, run.intent.hi)} if power else self.open_of(run)
        hand.die(torn)
        if power:
            self.power_cut(hand)
        self.hands[who] = self.hire()

    def power_cut(self, hand: Hand) -> None:
        """Another boot: its lines may be missing, so they prove nothing but what they say was heard."""
        path = self.house.folder("journals") / hand.journal.name
        word, _boot, rest = path.read_text(encoding="ascii").split(" ", 2)
        path.write_text(f"{word} {'0' * 32} {rest}", encoding="ascii")
        self.doubt |= set(range(10**6)) if self.unheard else set()

    # -- persons and the carrier ---------------------------------------------------------------------------------------

    def move(self, act: str) -> None:
        if self.now().state in waves.MOVES[act][0]:
            with self.house.begin() as conn:
                waves.move(conn, self.wave.id, AUTHOR.login, act, "model")

    def cancel(self, pick: int) -> None:
        """Rarely, and not at once: most of what there is to see comes before."""
        if pick % 8 == 7 and len(self.carrier.taken) > 3 and self.now().state in waves.MOVES["cancel"][0]:
            with self.house.begin() as conn:
                waves.move(conn, self.wave.id, AUTHOR.login, "cancel", "model")

    def opt_out(self, pick: int) -> None:
        with self.house.begin() as conn:
            no = picked(sorted(messages(conn, self.wave.id)), pick)
            conn.execute("INSERT INTO wave_skip VALUES (%s, %s) ON CONFLICT DO NOTHING", (self.wave.id, no))
        self.left_out.add(no)

    def receipt(self, pick: int, outcome: Outcome, times: int) -> None:
        """Any time, in any order, repeated, contradictory, before the answer: for what the carrier took."""
        place = picked([place for place, (_, fate) in self.carrier.places.items() if fate in TAKES], pick)
        if not place:
            return
        no, _ = self.carrier.places[place]
        self.truth.setdefault(no, set()).add(outcome)
        with self.house.begin() as conn:
            self.matched(conn, place)
            line = (*place, "receipt", outcome, "", "")
            logbook.append(conn, self.wave.id, [line] * times)

    def matched(self, conn: psycopg.Connection, place: tuple[int, int]) -> None:
        """The carrier's id finds the attempt and no other, or nothing while its answer is not in the log."""
        ref = self.carrier.ref(place)
        found = receipts.by_provider_ref(conn, self.wave.id, ACCOUNT, [ref]) if ref else {}
        assert [tuple(where)[1:] for where, _ in found.get(ref, ())] in ([], [place])

    def look_up(self, pick: int) -> None:
        """What an attempt really became, as a carrier that can be asked tells it."""
        place = picked(list(self.carrier.places), pick)
        if not place:
            return
        no, fate = self.carrier.places[place]
        outcome = Outcome.ACCEPTED if fate in TAKES else Outcome.NOT_SENT
        if outcome is Outcome.NOT_SENT and no not in self.doubt:
            return  # only what is uncertain is asked about
        if outcome is Outcome.ACCEPTED:
            self.truth.setdefault(no, set()).add(outcome)
        with self.house.begin() as conn:
            logbook.append(conn, self.wave.id, [(*place, "look-up", outcome, "", "")])

    # -- book-keeping --------------------------------------------------------------------------------------------------

    def fold(self, chunks: int) -> int:
        with self.house.begin() as conn:
            return fold.fold(conn, self.wave.id, fold.Policy(chunks=chunks, tries=TRIES, first=0.0, slot=NOW))

    def keep_books(self) -> None:
        restart.take_in(self.house)
        with self.house.begin() as conn:
            fold.close_waves(conn)

    def redis_is_flushed(self) -> None:
        """Every ring is lost: the sweeper rings again for what is due, and for nothing else."""
        self.house.redis.flushdb()
        before = self.is_due()
        sweeper.sweep(self.house)
        rung = queue(self.house.redis, send_queue(ACCOUNT)).count
        assert rung in {before, self.is_due()}  # a lease or a wait may end in between

    def is_due(self) -> bool:
        with self.house.begin() as conn:
            return ACCOUNT in shares.due_accounts(conn)

    def keep_a_backup(self) -> None:
        """The database as it is now."""
        earlier = Earlier(self.wave.id)
        with psycopg.connect(self.owner) as conn:
            earlier.keep(conn)
        self.earlier = earlier, set(self.left_out)

    def go_back(self) -> None:
        """It comes back, the journals stay; workers live on and do not know. Then the machine's start looks at it."""
        if not self.earlier:
            return
        earlier, self.left_out = self.earlier[0], set(self.earlier[1])
        with psycopg.connect(self.owner) as conn:
            earlier.put_back(conn)
        self.before, self.epochs, self.truth, self.went_back = {}, {}, {}, True
        (self.house.folder("journals") / restart.FILE).write_text("1", encoding="ascii")  # it is noticed
        restart.begin_sending(self.house)
        self.incarnation = self.incarnation_now()

    # -- what holds at every instant -----------------------------------------------------------------------------------

    def now(self) -> Wave:
        with self.house.begin() as conn:
            return waves.get(conn, self.wave.id)

    def nobody_twice(self) -> None:
        """I3."""
        assert max(self.carrier.taken.values(), default=0) <= 1

    def the_ledger_holds(self) -> None:
        """I1, I2, I4, I5, I7 as the database has them."""
        with self.house.begin() as conn:
            if not self.went_back:  # else journals know what the database lacks, until all are in it
                self.intents_are_there(conn)
                assert_standing(conn, self.wave.id)
            assert ask(conn, OVERLAPS, self.wave.id) == [], "overlapping windows (I2)"
            counts = counted(conn, self.wave.id)
            assert counts == grouped(conn, self.wave.id), "counts (I4)"
            assert sum(counts.values()) == self.wave.n, "sums (I4)"
            self.states_hold({no: state for no, (state, _, _) in messages(conn, self.wave.id).items()})

    def intents_are_there(self, conn: psycopg.Connection) -> None:
        """I1."""
        known = {(w, i) for w, i, *_ in ask(conn, ATTEMPTS, self.wave.id)}
        assert self.carrier.places.keys() <= known, "sent without an intent (I1)"

    def states_hold(self, states: dict[int, State]) -> None:
        for no, state in states.items():
            was = self.before.get(no, State.QUEUED)
            if Outcome.ACCEPTED <= state <= Outcome.DELIVERED:
                assert self.carrier.taken[no], f"message {no} is {state.name} and was never taken (I4)"
            assert state is not State.UNCERTAIN or no in self.doubt or self.went_back, (
                f"message {no} is uncertain without a reason (I5)"
            )
            assert not Outcome.ACCEPTED <= was <= Outcome.DELIVERED or was <= state <= Outcome.DELIVERED, (
                f"{no} fell (I7)"
            )
        self.before = states

    def come_to_rest(self) -> None:
        for hand in self.hands:
            for run in hand.runs:
                self.doubt |= self.open_of(run)
            hand.die()
        self.hands = []
        self.keep_books()  # all journals are in: what was locked is unlocked
        self.hands = [self.hire()]
        if self.now().state == "paused":
            self.move("resume")
        for _ in range(MOST_ROUNDS):
            if self.now().finished_at:
                break
            self.work()
        assert self.now().finished_at, "it never came to rest"
        while self.fold(40):  # late receipts count after the end, too
            pass
        self.the_ledger_holds()
        with self.house.begin() as conn:
            self.intents_are_there(conn)
        self.nobody_twice()
        self.truth_is_told()

    def work(self) -> None:
        """One worker without faults, and the books."""
        self.keep_books()
        self.fold(5)
        [hand] = self.hands
        if hand.claim():
            while isinstance(run := hand.take(4), Run):
                hand.send(run, [Fate.OK] * 4)
                self.hear(hand, run)
                self.close(hand, run)
            hand.release()

    def truth_is_told(self) -> None:
        """Strong evidence stands as its strongest; what was not taken is nothing that would say so; nothing waits."""
        lies = {no for no, fate in self.carrier.places.values() if fate is Fate.LIES}
        for no, state in self.before.items():
            if self.went_back:
                assert not self.carrier.taken[no] or state in LEFT or (no in lies and state is State.REFUSED), f"{no}"
            elif strong := self.truth.get(no):
                assert state == max(strong), f"message {no} is {state.name}, known {strong}"
            elif self.carrier.taken[no]:
                assert state is State.UNCERTAIN or (no in lies and state is State.REFUSED), f"{no}: {state.name}"
            assert state is not State.QUEUED
