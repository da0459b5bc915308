"""What dead workers left, against the real database: journals imported, leases voided, doubts never guessed away."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

import psycopg
import pytest

from campaigns.ledger import logbook, recovery
from campaigns.ledger.names import new_id
from campaigns.ledger.waves import Wave
from campaigns.ledger.windows import Batch, Intent
from campaigns.terms import Answer, Outcome, State
from tests.cluster import Started
from tests.workers.stage import ACCOUNT, commit, exit_code, fold_all, fork
from workers import restart
from workers.house import House
from workers.journal import Journal
from workers.journals import PUT_AWAY, import_dead

ACCEPTED, REFUSED, NOT_SENT, UNCERTAIN = Outcome.ACCEPTED, Outcome.REFUSED, Outcome.NOT_SENT, Outcome.UNCERTAIN


class Dead:
    """A worker that committed a window, wrote six indexes to its socket, heard two, and then died."""

    def __init__(self, house: House, *, named: bool = True) -> None:
        import_dead(house)
        self.house, self.worker = house, new_id()
        self.journal = Journal(house.folder("journals"), self.worker, 0)
        self.path = house.folder("journals") / self.journal.name
        self.batch: Batch
        self.intent: Intent
        self.batch, self.intent = commit(house, self.journal, 10)
        lo = self.intent.lo
        if named:
            self.journal.window(self.batch, self.intent)
            self.journal.sending(self.intent.id, lo, lo + 6)
            self.journal.heard(
                self.intent.id, [Answer(lo, ACCEPTED, "0x00", "id0"), Answer(lo + 1, REFUSED, "0x0B", "")]
            )
        self.journal.close()

    def outcomes(self) -> list[int]:
        """What the log says of each index, in order."""
        with self.house.begin() as conn:
            rows = conn.execute(
                f'SELECT idx, outcome FROM log_{self.batch.wave} WHERE "window" = %s ORDER BY idx, outcome',
                (self.intent.id,),
            ).fetchall()
        assert [row[0] for row in rows] == list(range(self.intent.lo, self.intent.lo + len(rows)))
        return [row[1] for row in rows]

    def closed(self) -> bool:
        """Whether its window is closed."""
        with self.house.begin() as conn:
            row = conn.execute("SELECT closed FROM send_window WHERE id = %s", (self.intent.id,)).fetchone()
        return bool(row and row[0])


@pytest.fixture
def wave(house: House, started: Started) -> Wave:
    restart.begin_sending(house)
    return started(n=40, account=ACCOUNT)


def locked(house: House) -> str:
    with house.begin() as conn:
        row = conn.execute("SELECT locked_reason FROM installation").fetchone()
    return row[0] if row else "?"


def test_each_index_ends_as_its_lines_say(house: House, wave: Wave) -> None:
    """Heard is heard, written and unheard is uncertain, the rest goes back; the journal is put away."""
    dead = Dead(house)
    assert import_dead(house) == 1
    assert dead.outcomes() == [ACCEPTED, REFUSED, *[UNCERTAIN] * 4, *[NOT_SENT] * 4]
    assert dead.closed()
    assert not dead.path.exists()
    assert (dead.path.parent / PUT_AWAY / dead.path.name).exists()
    fold_all(house)
    with house.begin() as conn:
        rows: dict[int, int] = dict(
            conn.execute("SELECT state, sum(n)::int FROM wave_count WHERE wave = %s GROUP BY 1", (wave.id,)).fetchall()
        )
    assert (rows[State.ACCEPTED], rows[State.REFUSED], rows[State.UNCERTAIN]) == (1, 1, 4)
    assert sum(rows.values()) == 40


def test_lines_are_looked_for_behind_their_window(house: House, wave: Wave) -> None:
    """A window knows the newest chunk of its time: what a worker logged before it died is found in later ones only."""
    dead = Dead(house)
    with house.begin() as conn:
        asked = "SELECT after_chunk, newest_chunk() FROM send_window WHERE id = %s"
        assert len(set(conn.execute(asked, (dead.intent.id,)).fetchone() or (0, 1))) == 1
        logbook.append(conn, wave.id, [(dead.intent.id, dead.intent.lo, "answer", ACCEPTED, "0x00", "id0")])
        (left,) = recovery.open_windows(conn, [dead.intent.id])
        assert left.logged == {dead.intent.lo}
        conn.execute("SAVEPOINT before")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("SELECT setval('chunk_id_seq', 1)")
        conn.execute("ROLLBACK TO before")


def test_importing_twice_changes_nothing(house: House, wave: Wave) -> None:
    """The same journal laid back into the folder is imported again without a line more."""
    dead = Dead(house)
    import_dead(house)
    before = dead.outcomes()
    shutil.copy(dead.path.parent / PUT_AWAY / dead.path.name, dead.path)
    assert import_dead(house) == 1
    assert dead.outcomes() == before
    assert locked(house) == ""


def test_what_is_in_the_log_is_not_written_again(house: House, wave: Wave) -> None:
    """A COPY that committed before the death stands; the import adds only what is missing."""
    from campaigns.ledger import logbook  # noqa: PLC0415 - one use

    dead = Dead(house)
    lo = dead.intent.lo
    with house.begin() as conn:
        logbook.append(conn, wave.id, [(dead.intent.id, lo, "answer", ACCEPTED, "0x00", "id0")])
    import_dead(house)
    assert dead.outcomes() == [ACCEPTED, REFUSED, *[UNCERTAIN] * 4, *[NOT_SENT] * 4]


def test_references_sent_once_more_by_another_worker(house: House, wave: Wave) -> None:
    """A and H of a window whose W line is elsewhere: what was heard is evidence, A alone is one counted question."""
    dead = Dead(house)
    import_dead(house)
    window, lo = dead.intent.id, dead.intent.lo
    later = Journal(house.folder("journals"), new_id(), 0)
    for idx in (lo + 2, lo + 3, lo + 4):
        later.again(window, idx)
    later.heard_again(window, Answer(lo + 2, ACCEPTED, "124", ""))
    later.heard_again(window, Answer(lo + 3, UNCERTAIN, "~timeout", ""))
    later.again(4711, 0)  # of a window that this database does not know: nothing to say, nothing to stop for
    later.close()
    path = house.folder("journals") / later.name
    for _ in range(2):  # laid back into the folder it says nothing twice
        assert import_dead(house) == 1
        shutil.copy(path.parent / PUT_AWAY / path.name, path)
    path.unlink()
    with house.begin() as conn:
        rows = conn.execute(f"SELECT idx, outcome, provider_code FROM log_{wave.id} WHERE kind = 'look-up' ORDER BY 1")
        assert rows.fetchall() == [(lo + 2, ACCEPTED, "124"), (lo + 4, UNCERTAIN, "~crash")]
    assert locked(house) == ""
    fold_all(house)
    with house.begin() as conn:
        rows = conn.execute(f"SELECT state FROM message_{wave.id} WHERE no BETWEEN %s AND %s ORDER BY no", (lo, lo + 4))
        assert [row[0] for row in rows] == [5, 4, 5, 1, 1]


def test_leases_and_share_of_the_dead_end_now(house: House, wave: Wave) -> None:
    """The lease named in the journal is void and the share has run out; another worker's later lease stays."""
    dead = Dead(house)
    with house.begin() as conn:
        conn.execute(
            "INSERT INTO share (account, holder, rate, until) VALUES (%s, %s, 1, now() + interval '1 h')",
            (ACCOUNT, dead.worker),
        )
    import_dead(house)
    key = (wave.id, dead.batch.kind, dead.batch.seq)
    with house.begin() as conn:
        where = "FROM batch WHERE wave = %s AND kind = %s::batch_kind AND seq = %s"
        assert conn.execute(f"SELECT lease_token, lease_until {where}", key).fetchone() == (None, None)
        assert conn.execute("SELECT until <= now() FROM share WHERE account = %s", (ACCOUNT,)).fetchone() == (True,)
    living = Journal(house.folder("journals"), new_id(), 0)
    later, _ = commit(house, living, 5)
    assert later.epoch > dead.batch.epoch or later.seq != dead.batch.seq
    with house.begin() as conn:
        recovery.void_leases(conn, dead.worker, [(wave.id, dead.batch.kind, dead.batch.seq, dead.batch.epoch)])
        row = conn.execute(
            "SELECT lease_token FROM batch WHERE wave = %s AND kind = %s::batch_kind AND seq = %s",
            (wave.id, later.kind, later.seq),
        ).fetchone()
    assert row == (later.token,)
    living.close()


def test_a_living_workers_windows_stay_as_they_are(house: House, wave: Wave) -> None:
    """While the lock is held nothing of its windows is touched, however long it takes."""
    import_dead(house)
    living = Journal(house.folder("journals"), new_id(), 0)
    batch, intent = commit(house, living, 5)
    living.window(batch, intent)
    assert import_dead(house) == 0
    with house.begin() as conn:
        row = conn.execute("SELECT closed FROM send_window WHERE id = %s", (intent.id,)).fetchone()
    assert row == (None,)
    living.close()


def test_committed_and_dead_before_its_line(house: House, wave: Wave) -> None:
    """T1 committed, no W line: the journal proves that nothing left, all of it goes back."""
    dead = Dead(house, named=False)
    import_dead(house)
    assert dead.outcomes() == [NOT_SENT] * 10


def test_a_missing_journal_makes_all_uncertain(house: House, wave: Wave) -> None:
    """Deleted: nothing proves what left, so nothing is sent again."""
    dead = Dead(house)
    dead.path.unlink()
    import_dead(house)
    assert dead.outcomes() == [UNCERTAIN] * 10


def test_a_journal_of_another_boot_proves_no_absence(house: House, wave: Wave) -> None:
    """After a power cut lines may be missing: heard stays heard, all else is uncertain."""
    dead = Dead(house)
    words = dead.path.read_text(encoding="ascii").split(" ", 2)
    dead.path.write_text(" ".join([words[0], "0" * 32, words[2]]), encoding="ascii")
    import_dead(house)
    assert dead.outcomes() == [ACCEPTED, REFUSED, *[UNCERTAIN] * 8]


@pytest.mark.parametrize(
    "line",
    [
        "S 12 0 5W 77",
        "R",
        "S 1",
        "W x y",
        "R 999 5 5 - -",
        "J2",
        "S 888 0 5",
        "\x00\xff\x00",
        f"W {1 << 70} 5 h first 0 1 0 9 ",
    ],
)
def test_an_unreadable_journal_proves_nothing_and_stops_nobody(house: House, wave: Wave, line: str) -> None:
    """One bad line: at worst all its windows are uncertain, never sent again; the other journals are imported."""
    spoilt = Dead(house)
    with spoilt.path.open("ab") as file:
        file.write(line.encode("latin-1") + b"\n")
    other = Journal(house.folder("journals"), new_id(), 0)
    other.close()
    assert import_dead(house) == 2
    assert spoilt.closed()
    assert NOT_SENT not in spoilt.outcomes()[:6]
    assert import_dead(house) == 0


def test_a_window_closed_in_an_older_database_without_its_lines(house: House, wave: Wave) -> None:
    """F22: its answers were committed in the newer one, its end here: while restoring the journal says them again."""
    dead = Dead(house)
    with house.begin() as conn:
        conn.execute("UPDATE send_window SET closed = now() WHERE id = %s", (dead.intent.id,))
        recovery.begin_restoring(conn, "tested")
    restart.take_in(house)
    assert dead.closed()
    assert dead.outcomes() == [ACCEPTED, REFUSED, *[UNCERTAIN] * 4, *[NOT_SENT] * 4]


def test_a_commit_after_the_import_goes_back(house: House, wave: Wave) -> None:
    """A dying worker's commit may come after its journal was put away: that journal still proves that nothing left."""
    dead = Dead(house, named=False)
    away = dead.path.parent / PUT_AWAY
    away.mkdir(exist_ok=True)
    dead.path.rename(away / dead.path.name)
    import_dead(house)
    assert dead.outcomes() == [NOT_SENT] * 10


def test_other_machines_windows_are_not_ours_to_judge(house: House, wave: Wave) -> None:
    """A journal of another host is not missing here, even when its name begins like ours."""
    import_dead(house)
    with house.begin() as conn:
        for host in ("elsewhere", f"{socket.gethostname()}-2"):
            conn.execute(
                "INSERT INTO send_window (id, wave, kind, batch, epoch, lo, hi, skip, account, journal)"
                " SELECT %s, wave, kind, seq, 1, cursor + %s, cursor + %s, '', account, %s FROM batch"
                " WHERE wave = %s ORDER BY hi - cursor DESC LIMIT 1",
                (new_id(), *((0, 1) if host == "elsewhere" else (1, 2)), f"{host}-00aa.journal", wave.id),
            )
    assert import_dead(house) == 0
    with house.begin() as conn:
        row = conn.execute("SELECT count(*) FROM send_window WHERE wave = %s AND closed IS NULL", (wave.id,)).fetchone()
    assert row == (2,)


def test_a_restored_database_starts_paused(house: House, wave: Wave) -> None:
    """Database and machine differ in their incarnation: all waves are paused, and nothing waits for ever."""
    assert restart.begin_sending(house)
    with house.begin() as conn:
        recovery.set_incarnation(conn, 4711)
    house.engine.dispose()

    def work() -> None:
        assert not restart.begin_sending(house)

    pid = fork(work)
    until = time.monotonic() + 8
    while (
        ended := os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    ) is None and time.monotonic() < until:
        time.sleep(0.02)
    if ended is None:
        os.kill(pid, 9)
    assert exit_code(pid) == 0
    with house.begin() as conn:
        row = conn.execute("SELECT state::text FROM wave WHERE id = %s", (wave.id,)).fetchone()
    assert row == ("paused",)
    assert locked(house) == ""  # no journal was left out
    assert restart.begin_sending(house)  # the next start knows its database again


def test_a_worker_of_an_older_start_gets_no_window(house: House, wave: Wave, tmp_path: Path) -> None:
    """T1 refuses the incarnation of before."""
    import asyncio  # noqa: PLC0415 - one use

    from campaigns.ledger import windows  # noqa: PLC0415 - as above

    restart.begin_sending(house)

    async def work() -> windows.Intent | windows.Refusal:
        async with await windows.connect(house.database) as conn:
            batch = await windows.claim(conn, ACCOUNT, 60)
            assert batch
            return await windows.take(
                conn, batch, 5, journal="x", incarnation=1, keys=house.keys(batch.campaign), at_point=lambda _: None
            )

    assert asyncio.run(work()) == windows.Refusal("incarnation")
