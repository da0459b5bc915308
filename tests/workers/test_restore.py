"""F21, F22, I14: the database goes back in time in the middle of a wave, one worker stopped through it, retries on.

The simulated carrier's own file says how often each number was sent.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from campaigns.ledger import recovery, shares
from campaigns.ledger.waves import Wave
from campaigns.terms import State
from config.settings import load
from dispatcher import assemble, backup, failover
from dispatcher.assemble import Site
from tests.cluster import Planned, open_house, start
from tests.hand import right, take
from tests.workers.stage import ACCOUNT, Stage, stage, wait_for
from workers import journal, restart
from workers.house import House

N = 420
LICENCE = 800.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An installation of its own: its database is replaced."""
    env = {"DISPATCHER_LISTEN_PORT": "0", "DISPATCHER_WINDOW_MAX": "20"}
    settings = load(env, data=tmp_path / "var", profile="drill")
    with assemble.site(settings, rehearsal=True, start=True) as made:
        assemble.prepare(made)
        yield made


@pytest.fixture
def house(site: Site) -> Iterator[House]:
    with open_house(site) as house:
        yield house


@dataclass(slots=True)
class Scene:
    """Backup when a worker has sent 30 % of a wave; it is stopped at 50 %, another goes on to 70 %."""

    here: Stage
    wave: Wave
    file: Path
    stopped: int
    second: int

    def paused(self) -> bool:
        return self.here.state(self.wave) == "paused"

    def locks(self) -> list[str]:
        with self.here.house.begin() as conn:
            return recovery.locks(conn)

    def refused(self) -> str:
        """What T1 says to a fresh lease of the running wave."""
        with self.here.house.begin() as conn:
            seq = conn.execute(
                "SELECT seq FROM batch WHERE wave = %s AND kind = 'first' AND cursor < hi LIMIT 1", (self.wave.id,)
            ).fetchone()
            said = str(take(conn, right(conn, self.wave.id, seq=seq[0] if seq else 0))[0])
            conn.rollback()
        return said

    def nobody_twice_nobody_lost(self) -> None:
        """Resume, finish, compare: each number once at the carrier, or known not to be there, or uncertain."""
        self.here.go_on(self.wave, lambda: not self.locks())
        self.here.move(self.wave, "resume")
        self.here.sender(licence=LICENCE)
        counts = self.here.finish(self.wave, 40.0)
        taken = self.here.taken()
        assert max(taken.values()) == 1
        assert sum(counts.values()) == N
        sent = sum(counts.get(state, 0) for state in (State.ACCEPTED, State.DELIVERED, State.UNDELIVERED))
        assert counts.keys() <= {State.ACCEPTED, State.DELIVERED, State.UNDELIVERED, State.UNCERTAIN}
        assert sent <= len(taken) <= sent + counts.get(State.UNCERTAIN, 0)


@pytest.fixture
def scene(site: Site, house: House, tmp_path: Path) -> Iterator[Scene]:
    with stage(site, house, tmp_path) as here:
        here.carrier(throttle=0.1)
        wave = start(house, Planned(house, tmp_path)(n=N, account=ACCOUNT))
        first = here.sender(licence=LICENCE, window=20)
        here.go_on(wave, lambda: len(here.taken()) > 0.3 * N)
        backup.back_up(site, tmp_path / "backup.tar")
        here.go_on(wave, lambda: len(here.taken()) > 0.5 * N)
        os.kill(first, signal.SIGSTOP)
        second = here.sender(licence=LICENCE, window=20)
        here.go_on(wave, lambda: len(here.taken()) > 0.7 * N, 30.0)
        yield Scene(here, wave, tmp_path / "backup.tar", first, second)


@pytest.mark.timeout(120)
def test_restored_with_a_worker_stopped_through_it(scene: Scene) -> None:
    """F21, I14: sending is refused until that worker is dead; then nobody is sent to twice, and nobody is lost."""
    here = scene.here
    (name,) = journals_of(here.house, scene.stopped)
    here.end(scene.second)
    here.go_on(scene.wave, lambda: nobody_at_work(here.house))
    done = backup.restore(here.house.settings, scene.file, None, rehearsal=True, replace=True)
    assert done["locked"] == [f"restore: waits for the writer of {name} to end"]
    assert scene.paused()
    here.move(scene.wave, "resume")
    before = len(here.taken())
    third = here.sender(licence=LICENCE)
    wait_for(lambda: bool(journals_of(here.house, third)), "the third worker")
    assert scene.refused() == "locked"
    here.go_on(scene.wave, lambda: here.books is not None)
    assert not restart.begin_sending(here.house)
    assert len(here.taken()) == before
    here.end(third)
    here.move(scene.wave, "pause")
    here.end(scene.stopped)
    scene.nobody_twice_nobody_lost()


@pytest.mark.timeout(120)
def test_failed_over_to_a_copy_that_lags(scene: Scene) -> None:
    """F22: the same incarnation, nobody told: the working one finds its last window gone and ends; nobody twice."""
    here = scene.here
    failover.fail_over(here.site, scene.file)
    here.go_on(scene.wave, scene.paused, 20.0)
    assert [lock for lock in scene.locks() if lock.startswith(recovery.RESTORE)]
    wait_for(lambda: os.waitid(os.P_PID, scene.second, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None, "its end", 30)
    here.end(scene.second)
    os.kill(scene.stopped, signal.SIGCONT)  # it ends by itself
    wait_for(
        lambda: os.waitid(os.P_PID, scene.stopped, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None, "its end", 30
    )
    here.end(scene.stopped)
    scene.nobody_twice_nobody_lost()


@pytest.mark.timeout(120)
def test_without_the_check_people_get_it_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with the one function switched off that notices an older database: this test can fail, so can those."""
    monkeypatch.setattr(recovery, "begin_restoring", lambda _conn, _why: False)
    here = scene.here
    here.end(scene.second)
    failover.fail_over(here.site, scene.file)
    here.sender(licence=LICENCE)
    here.go_on(scene.wave, lambda: max(here.taken().values()) > 1, 30.0)


def journals_of(house: House, pid: int) -> list[str]:
    """Names of the journals that a process holds open."""
    found = []
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            path = fd.readlink()
        except OSError:
            continue
        if path.name.endswith(journal.SUFFIX) and path.parent == house.folder("journals"):
            found.append(path.name)
    return found


def nobody_at_work(house: House) -> bool:
    with house.begin() as conn:
        return not shares.at_work(conn)


@pytest.mark.timeout(120)
def test_the_story_as_a_drill_calls_it(site: Site, house: House, tmp_path: Path) -> None:
    """F21: the stopped worker is alone, nobody is dead and the incarnation is the same: locked all the same."""
    with stage(site, house, tmp_path) as here:
        here.carrier(throttle=0.1)
        wave = start(house, Planned(house, tmp_path)(n=200, account=ACCOUNT))
        sender = here.sender(licence=LICENCE / 4, window=20)  # it must last as long as a backup
        story = failover.GoBack(
            site, house, wave, tmp_path / "backup.tar", lambda: len(here.taken()) / 200,
            lambda: here.go_on(wave, lambda: True), failover.Points(0.2, 0.5, 0.5),
        )  # fmt: skip
        assert story.run(sender)
        here.end(sender)
        here.sender(licence=LICENCE)
        counts = here.finish(wave, 40.0)
        taken = here.taken()
    assert max(taken.values()) == 1
    assert sum(counts.values()) == 200
    assert len(taken) >= 200 - counts.get(State.UNCERTAIN, 0)
