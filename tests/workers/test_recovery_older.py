"""F21, F22: a database that is older than the journals learns from them what left, and sends nothing before it has."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import recovery
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, State
from tests.cluster import Started
from tests.hand import counted, grouped, messages, open_window, right, take
from tests.workers.older import Newer, recovered
from tests.workers.stage import ACCOUNT, exit_code, fork, wait_for
from workers import journal, restart, spool
from workers.house import House
from workers.journals import PUT_AWAY

ACCEPTED, DEFERRED, REFUSED = Outcome.ACCEPTED, Outcome.DEFERRED, Outcome.REFUSED
QUEUED, UNCERTAIN, TAKEN = State.QUEUED, State.UNCERTAIN, State.ACCEPTED


@pytest.fixture
def wave(house: House, started: Started) -> Wave:
    restart.begin_sending(house)
    with house.begin() as conn:  # windows that tests before this one took by hand
        conn.execute(
            "INSERT INTO journal (name, windows, uncertain) SELECT DISTINCT journal, 0, 0 FROM send_window"
            " ON CONFLICT DO NOTHING"
        )
    return started(n=90, account=ACCOUNT)


def states(house: House, wave: Wave, *numbers: int) -> list[tuple[State, int]]:
    """State and latest attempt of some messages."""
    with house.begin() as conn:
        found = messages(conn, wave.id)
        assert counted(conn, wave.id) == grouped(conn, wave.id)
    return [found[no][:2] for no in numbers]


def locks(house: House) -> list[str]:
    with house.begin() as conn:
        return recovery.locks(conn)


def batch(house: House, wave: Wave, seq: int = 0) -> tuple[int, int]:
    """(cursor, epoch) of a first batch."""
    with house.begin() as conn:
        row = conn.execute(
            "SELECT cursor, epoch FROM batch WHERE wave = %s AND kind = 'first' AND seq = %s", (wave.id, seq)
        ).fetchone()
    assert row
    return int(row[0]), int(row[1])


def test_a_first_window_that_only_a_journal_knows(house: House, wave: Wave) -> None:
    """F21: it is entered, the cursor and the epoch stand beyond it, each index is what its lines say."""
    newer = Newer(house, wave)
    newer.first(0, 10, 6, {0: ACCEPTED, 1: REFUSED}, epoch=9)
    name = newer.end()
    recovered(house)
    assert batch(house, wave) == (10, 10)
    assert states(house, wave, 0, 1, 2, 5) == [(TAKEN, 1), (State.REFUSED, 1), (UNCERTAIN, 1), (UNCERTAIN, 1)]
    assert states(house, wave, 6, 9) == [(QUEUED, 2), (QUEUED, 2)]  # never sent: due again
    assert states(house, wave, 10) == [(QUEUED, 1)]
    assert locks(house) == []
    with house.begin() as conn:
        found = conn.execute("SELECT account, closed IS NULL FROM send_window WHERE journal = %s", (name,)).fetchall()
        state = conn.execute("SELECT state::text FROM wave WHERE id = %s", (wave.id,)).fetchone()
    assert found == [(ACCOUNT, False)]
    assert state == ("paused",)


def test_a_wave_goes_on_behind_what_the_journals_know(house: House, wave: Wave) -> None:
    """Resumed by a person, T1 gives the first message that no journal names."""
    newer = Newer(house, wave)
    newer.first(0, 12, 12, dict.fromkeys(range(12), ACCEPTED))
    newer.end()
    recovered(house)
    with house.begin() as conn:
        conn.execute("UPDATE wave SET state = 'running' WHERE id = %s", (wave.id,))
        window = open_window(conn, wave.id, want=5)
        assert conn.execute("SELECT lo, hi FROM send_window WHERE id = %s", (window,)).fetchone() == (12, 17)


ORDERS: list[Callable[[list[Newer]], list[Newer]]] = [lambda all_: all_, lambda all_: all_[::-1]]


@pytest.mark.parametrize("order", ORDERS, ids=["as they were written", "the other way round"])
@pytest.mark.parametrize("folded", [False, True], ids=["at once", "with a fold in between"])
def test_retries_count_as_the_latest_in_any_order(
    house: House,
    wave: Wave,
    order: Callable[[list[Newer]], list[Newer]],
    folded: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Deferred, deferred again, then on the wire: however the three journals come in, it is uncertain, never due."""
    writers = [Newer(house, wave) for _ in range(3)]
    writers[0].first(0, 4, 4, {0: ACCEPTED, 1: DEFERRED, 2: DEFERRED, 3: DEFERRED})
    writers[1].retry([(1, 2), (2, 2), (3, 2)], 3, {0: DEFERRED, 1: ACCEPTED, 2: DEFERRED})
    writers[2].retry([(1, 3)], 1, {}, lo=5)
    for writer in order(writers):
        writer.end()
        if folded:
            recovered(house)
    recovered(house)
    assert states(house, wave, 0, 2) == [(TAKEN, 1), (TAKEN, 2)]
    assert states(house, wave, 1) == [(UNCERTAIN, 3)]
    assert states(house, wave, 3) == [(QUEUED, 3)]
    assert locks(house) == []
    assert due(house, wave) == [3]


def due(house: House, wave: Wave) -> list[int]:
    """Messages that a retry batch would send now, T1's own skipping included."""
    with house.begin() as conn:
        conn.execute("UPDATE wave SET state = 'running' WHERE id = %s", (wave.id,))
        conn.execute("UPDATE batch SET not_before = '-infinity' WHERE wave = %s", (wave.id,))
        found = []
        for seq, hi in conn.execute(
            "SELECT seq, hi FROM batch WHERE wave = %s AND kind = 'retry' AND cursor < hi", (wave.id,)
        ).fetchall():
            window = open_window(conn, wave.id, kind="retry", seq=seq, want=hi)
            items = dict(
                conn.execute(
                    "SELECT idx, message_no FROM retry_item WHERE wave = %s AND batch = %s", (wave.id, seq)
                ).fetchall()
            )
            (made,) = recovery.open_windows(conn, [window])
            found += [items[idx] for idx in range(made.lo, made.hi) if not made.skipped(idx)]
        conn.rollback()
    return sorted(found)


def test_a_retry_that_still_waits_here_was_made_already(house: House, wave: Wave) -> None:
    """The backup holds the retry as due, the journal shows it on the wire: T1 skips it."""
    newer = Newer(house, wave)
    newer.first(0, 3, 3, {0: DEFERRED, 1: DEFERRED, 2: ACCEPTED})
    newer.end()
    recovered(house)
    assert due(house, wave) == [0, 1]
    newer = Newer(house, wave)
    newer.retry([(0, 2)], 1, {})
    newer.end()
    recovered(house)
    assert due(house, wave) == [1]
    assert states(house, wave, 0, 1) == [(UNCERTAIN, 2), (QUEUED, 2)]


@pytest.mark.parametrize(
    ("spoil", "becomes"), [("", (QUEUED, 2)), ("boot", (UNCERTAIN, 1)), ("damage", (UNCERTAIN, 1))]
)
def test_a_hole_below_the_cursor(house: House, wave: Wave, spoil: str, becomes: tuple[State, int]) -> None:
    """No journal names it: it never left, unless a journal may lack lines; then nobody knows."""
    newer = Newer(house, wave)
    newer.first(10, 20, 20, dict.fromkeys(range(10, 20), ACCEPTED))
    name = newer.end()
    if spoil:
        path = house.folder("journals") / name
        text = path.read_text(encoding="ascii")
        boot = text.split(" ")[1]
        path.write_text(text.replace(boot, "0" * 32) if spoil == "boot" else f"{text}R 5\n", encoding="ascii")
    recovered(house)
    assert states(house, wave, 0, 9) == [becomes, becomes]
    assert states(house, wave, 10, 19) == [(TAKEN, 1), (TAKEN, 1)]
    assert batch(house, wave)[0] == 20


def test_a_first_window_of_which_only_second_attempts_tell(house: House, wave: Wave) -> None:
    """F21: nobody wrote its W line and no window is behind it; who is at attempt 2 or 3 is not sent attempt 1 too."""
    newer = Newer(house, wave)
    newer.first(0, 10, 10, dict.fromkeys(range(10), ACCEPTED))
    newer.retry([(12, 2), (14, 2)], 1, {0: ACCEPTED})
    newer.end()
    recovered(house)
    assert batch(house, wave)[0] == 15
    assert states(house, wave, 9, 12) == [(TAKEN, 1), (TAKEN, 2)]
    assert states(house, wave, 10, 11, 13, 14) == [(QUEUED, 2), (QUEUED, 2), (QUEUED, 2), (QUEUED, 3)]
    assert states(house, wave, 15) == [(QUEUED, 1)]
    assert due(house, wave) == [10, 11, 13, 14]
    with house.begin() as conn:
        conn.execute("UPDATE wave SET state = 'running' WHERE id = %s", (wave.id,))
        window = open_window(conn, wave.id, want=3)
        assert conn.execute("SELECT lo, hi FROM send_window WHERE id = %s", (window,)).fetchone() == (15, 18)


def test_a_hole_is_uncertain_while_a_named_journal_is_nowhere(house: House, wave: Wave) -> None:
    """A journal that windows name and that nobody has may have told of it."""
    with house.begin() as conn:
        arguments = right(conn, wave.id, want=2) | {"journal": "lost"}
        assert take(conn, arguments)[0] == "ok"
        conn.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (wave.id,))
    newer = Newer(house, wave)
    newer.first(10, 20, 20, {})
    newer.end()
    recovered(house)
    assert states(house, wave, 2, 9) == [(UNCERTAIN, 1), (UNCERTAIN, 1)]


def test_a_wave_that_this_database_lacks_locks_until_a_person_decides(house: House, wave: Wave) -> None:
    """Its windows are nobody's here; those of known waves come in all the same, and the decision is remembered."""
    newer = Newer(house, wave)
    newer.first(0, 3, 3, dict.fromkeys(range(3), ACCEPTED))
    stranger = Newer(house, Wave(**{name: getattr(wave, name) for name in wave.__slots__} | {"id": 999}))
    stranger.journal.close()
    stranger.journal = newer.journal
    stranger.first(0, 9, 9, {})
    newer.end()
    recovered(house)
    (lock,) = locks(house)
    assert lock == f"wave: journal {newer.journal.name} names wave 999, which this database lacks"
    assert states(house, wave, 0, 2) == [(TAKEN, 1), (TAKEN, 1)]
    assert (house.folder("journals") / PUT_AWAY / newer.journal.name).exists()
    with house.begin() as conn:
        assert recovery.unlock(conn) == [lock]
    recovered(house)
    assert locks(house) == []


@pytest.mark.parametrize(
    "line",
    [
        "W 71 {wave} h first 0 3 30 10 ",  # ends before it begins
        "W 71 {wave} h second 0 3 0 10 ",  # no such kind
        "W 71 {wave} h first 0 99999999999 0 10 ",
        "W 71 {wave} h retry 0 3 0 2 5:2;6:2",
        "W 71 {wave} h retry 0 3 0 2 5:2",  # one number for two indexes
        "W 71 {wave} h retry 0 3 0 2 ",
        "W 71 {wave} h retry 0 3 0 2 5:2,6:99999",
    ],
)
def test_a_line_that_makes_no_sense_is_a_persons_matter(house: House, wave: Wave, line: str) -> None:
    """Written over by a bad disk: sending is locked for a person, and the other windows come in."""
    newer = Newer(house, wave)
    newer.journal._write(line.format(wave=wave.id) + "\n")
    newer.first(0, 3, 3, dict.fromkeys(range(3), ACCEPTED))
    newer.end()
    recovered(house)
    (lock,) = locks(house)
    assert lock.startswith("wave: ")
    assert states(house, wave, 0, 2) == [(TAKEN, 1), (TAKEN, 1)]
    assert due(house, wave) == []


def test_messages_that_the_plan_lacks_lock_too(house: House, wave: Wave) -> None:
    """A known wave, but a batch or a message number that it does not have."""
    newer = Newer(house, wave)
    newer.first(0, 10, 10, {}, seq=700)
    newer.retry([(900_000, 2)], 1, {})
    newer.end()
    recovered(house)
    (lock,) = locks(house)
    assert lock.startswith("wave: ")
    assert batch(house, wave)[0] == 0


def test_two_histories_of_the_same_messages_send_nothing_again(house: House, wave: Wave) -> None:
    """This database went on over the range of two journals, in the same epoch: what both tried is never due again."""
    with house.begin() as conn:
        open_window(conn, wave.id, want=6)
        conn.execute("UPDATE send_window SET closed = now() WHERE wave = %s", (wave.id,))
    one, other = Newer(house, wave), Newer(house, wave)
    one.first(4, 10, 7, {4: ACCEPTED, 5: DEFERRED}, epoch=1)
    other.first(8, 12, 9, {}, epoch=1)
    one.end()
    other.end()
    recovered(house)
    assert batch(house, wave)[0] == 12
    found = [state for state, _ in states(house, wave, *range(4, 12))]
    assert found == [TAKEN, *[UNCERTAIN] * 5, QUEUED, QUEUED]
    assert due(house, wave) == [10, 11]  # of one history only, and proved unsent


def test_the_lock_waits_for_a_stopped_writer(house: House, wave: Wave) -> None:
    """F12, F21: a stopped worker keeps its journal; the lock says whose, and lifts itself when that one is dead."""

    def work() -> None:
        newer = Newer(house, wave)
        newer.first(20, 30, 25, {20: ACCEPTED})
        os.kill(os.getpid(), signal.SIGSTOP)

    pid = fork(work)
    os.waitpid(pid, os.WUNTRACED)
    (path,) = journal_files(house)
    dead = Newer(house, wave)
    dead.first(0, 10, 10, dict.fromkeys(range(10), ACCEPTED))
    dead.end()
    recovered(house)
    assert states(house, wave, 0, 20) == [(TAKEN, 1), (QUEUED, 1)]
    (lock,) = locks(house)
    assert lock == f"restore: waits for the writer of {path.name} to end"
    with house.begin() as conn:
        assert recovery.unlock(conn) == []  # no person can lift this one
    assert not restart.begin_sending(house)  # nor does a new start
    assert len(locks(house)) == 1
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    wait_for(lambda: bool(journal.dead(house.folder("journals"))), "the kernel")
    recovered(house)
    assert locks(house) == []
    assert states(house, wave, 20, 21, 25) == [(TAKEN, 1), (UNCERTAIN, 1), (QUEUED, 2)]
    assert states(house, wave, 10, 19) == [(QUEUED, 2), (QUEUED, 2)]  # the hole, only now
    assert restart.begin_sending(house)


def test_a_copy_is_noticed_while_the_old_one_still_runs(house: House, wave: Wave) -> None:
    """F21: the same incarnation and nobody dead: the newest window of a journal that is held says it."""
    newer = Newer(house, wave)
    recovered(house)
    assert locks(house) == []
    newer.first(0, 10, 5, {})
    recovered(house)
    assert locks(house) == [f"restore: waits for the writer of {newer.journal.name} to end"]
    newer.end()
    recovered(house)
    assert locks(house) == []
    assert states(house, wave, 4, 5) == [(UNCERTAIN, 1), (QUEUED, 2)]


def journal_files(house: House) -> list[Path]:
    return list(house.folder("journals").glob(f"*{journal.SUFFIX}"))


def test_a_journal_that_was_put_away_comes_in_again(house: House, wave: Wave) -> None:
    """F22: imported by the newer database, unknown to this one, whose incarnation is the same: found all the same."""
    newer = Newer(house, wave)
    newer.first(0, 10, 10, dict.fromkeys(range(10), ACCEPTED))
    name = newer.end()
    away = house.folder("journals") / PUT_AWAY
    away.mkdir(exist_ok=True)
    (house.folder("journals") / name).rename(away / name)
    recovered(house)
    assert states(house, wave, 0, 9) == [(TAKEN, 1), (TAKEN, 1)]
    assert locks(house) == []
    with house.begin() as conn:
        assert conn.execute("SELECT state::text FROM wave WHERE id = %s", (wave.id,)).fetchone() == ("paused",)


def test_receipts_of_the_newer_database_are_loaded_again(house: House, wave: Wave) -> None:
    """Segments that it had loaded lie in the spool again once the windows are known."""
    loaded = house.folder("spool") / spool.LOADED
    loaded.mkdir(exist_ok=True)
    (loaded / f"{ACCOUNT}~1-ab.seg").write_bytes(b"")
    newer = Newer(house, wave)
    newer.first(0, 1, 1, {})
    newer.end()
    recovered(house)
    again = house.folder("spool") / f"{ACCOUNT}~1-ab.seg"
    assert again.exists()
    again.unlink()


def test_a_journal_of_the_version_before_is_read(house: House, wave: Wave) -> None:
    """F49: its header names no account, its end no boot; the batch knows the account."""
    newer = Newer(house, wave)
    newer.first(0, 4, 2, {0: ACCEPTED})
    name = newer.end()
    path = house.folder("journals") / name
    first, rest = path.read_text(encoding="ascii").split("\n", 1)
    path.write_text(f"{first.rsplit(' ', 1)[0]}\n{rest}Z\n", encoding="ascii")
    recovered(house)
    assert states(house, wave, 0, 1, 2) == [(TAKEN, 1), (UNCERTAIN, 1), (QUEUED, 2)]
    with house.begin() as conn:
        found = conn.execute("SELECT account FROM send_window WHERE journal = %s", (name,)).fetchall()
    assert found == [(ACCOUNT,)]


def test_only_recovery_voids_a_retry(house: House) -> None:
    """The program itself can neither change an attempt nor enter one below the second."""
    for statement in ("UPDATE retry_item SET attempt = -attempt", "INSERT INTO retry_item VALUES (1, 1, 1, 1, -1)"):
        with (
            pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)),
            house.begin() as conn,
        ):
            conn.execute(statement)
