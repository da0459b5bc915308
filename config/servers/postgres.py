"""The embedded PostgreSQL: its cluster, made whole or not at all, and its process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from config.problem import Problem
from config.servers import account
from config.servers.binaries import Binaries
from config.servers.child import Child, Identity, command, environment, spawn
from config.servers.keys import Passwords

PORT = 5432  # part of the socket's name only
SETTINGS = Path(__file__).with_name("postgresql.conf")
ACCESS = "local all all scram-sha-256\n"
INITDB = (
    "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
    "--username=postgres", "--auth=reject", "--no-instructions", "--sync-method=syncfs",
)  # fmt: skip
# One statement a line, in a backend without clients. PUBLIC may do nothing; the owner may all inside its database.
ROLES = """\
ALTER ROLE postgres PASSWORD '{postgres}'
CREATE ROLE dispatcher_owner LOGIN PASSWORD '{owner}'
CREATE ROLE dispatcher_app LOGIN PASSWORD '{app}'
REVOKE CREATE ON SCHEMA public FROM PUBLIC
CREATE DATABASE dispatcher OWNER dispatcher_owner
REVOKE ALL ON DATABASE dispatcher FROM PUBLIC
GRANT CONNECT, TEMPORARY ON DATABASE dispatcher TO dispatcher_app
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC
"""


def url(role: str, password: str, socket_folder: Path) -> str:
    """For psycopg as it is, for SQLAlchemy with another prefix."""
    return f"postgresql://{role}:{password}@/dispatcher?host={quote(str(socket_folder))}&port={PORT}"


def seen_from_inside(who: Identity, cluster: Path) -> str:
    """The cluster as its server names it: by its working folder where the folders above may be closed to it."""
    return str(cluster) if who.uid is None else "/proc/self/cwd"


def build(cluster: Path, binaries: Binaries, uid: int | None, passwords: Passwords) -> int | None:
    """Make the cluster with its roles beside its place, then rename it there; returns the uid it belongs to."""
    for unfinished in cluster.parent.glob(f"{cluster.name}.new-*"):
        shutil.rmtree(unfinished, ignore_errors=True)  # a start that was killed half-way
    unfinished = Path(tempfile.mkdtemp(prefix=f"{cluster.name}.new-", dir=cluster.parent))
    with tempfile.TemporaryDirectory() as folder:
        try:
            who = _with_a_name(uid, Path(folder))
            _make(unfinished, binaries, who, passwords)
        except NoNamespaceError:
            who = account.identity(account.create())
            _make(unfinished, binaries, who, passwords)
    unfinished.rename(cluster)
    _sync_folder(cluster.parent)
    return who.uid


class NoNamespaceError(Exception):
    """The kernel allows us no private /etc/passwd."""


def _with_a_name(uid: int | None, folder: Path) -> Identity:
    """An identity that initdb accepts: its uid has a name, if need be one that only initdb sees."""
    wanted = os.geteuid() if uid is None else uid
    if account.named(wanted):
        return account.identity(uid)
    folder.chmod(0o755)
    account.write_passwd(folder / "passwd", wanted)
    return replace(account.identity(uid), passwd=folder / "passwd")


def _make(folder: Path, binaries: Binaries, who: Identity, passwords: Passwords) -> None:
    who.own(folder)
    place = ["-D", seen_from_inside(who, folder)]
    _run(folder, who, [binaries.postgres("initdb"), *place, *INITDB])
    roles = ROLES.format(**{name: getattr(passwords, name) for name in Passwords.__slots__})
    _run(folder, who, [binaries.postgres("postgres"), "--single", *place, "template1"], roles)


def _run(folder: Path, who: Identity, argv: list[str | Path], text: str = "") -> None:
    """Run one of PostgreSQL's programs to its end; raises Problem with its own words."""
    from config.servers.launch import NO_NAMESPACE  # noqa: PLC0415 - loads ctypes, wanted on the first start only

    done = subprocess.run(  # noqa: S603 - the wheel's own programs with arguments of ours
        command(who, signal.SIGKILL, argv), cwd=folder, env=environment(), input=text, text=True, capture_output=True,
        start_new_session=True, check=False,
    )  # fmt: skip
    if done.returncode == NO_NAMESPACE:
        raise NoNamespaceError
    if done.returncode or "ERROR:" in done.stderr:
        raise Problem(
            "Making the embedded database in {folder} failed: {words}",
            folder=folder.parent, words=_reason(done.stderr),
        )  # fmt: skip


def _reason(stderr: str) -> str:
    """The first line that tells of an error; never a statement, which would hold a password."""
    told = [line for line in stderr.splitlines() if "error:" in line.lower() or "FATAL" in line or "ERROR" in line]
    return told[0] if told else (stderr.strip().splitlines() or ["no reason given"])[0]


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_version(cluster: Path, binaries: Binaries) -> None:
    """Refuse a cluster of another major version, which this program cannot read."""
    made_by, ours = (cluster / "PG_VERSION").read_text().strip(), binaries.version()
    if made_by != ours:
        raise Problem(
            "The database in {folder} was made by PostgreSQL {made_by}, this program brings {ours}. Go back to the "
            "version of this program that made it, save the data with a backup there, and restore the backup here.",
            folder=cluster, made_by=made_by, ours=ours,
        )  # fmt: skip


def start(cluster: Path, binaries: Binaries, who: Identity, socket_folder: Path, log: Path) -> Child:
    """Start the postmaster on a cluster that nobody else uses."""
    for name, text in (("postgresql.conf", SETTINGS.read_text("utf-8")), ("pg_hba.conf", ACCESS)):
        _write_anew(cluster / name, text)
    # We hold the data folder's lock and no process works in it: these are of a killed server, and its process number
    # may by now be another program's, at which PostgreSQL would refuse to start.
    for stale in (cluster / "postmaster.pid", socket_folder / f".s.PGSQL.{PORT}.lock"):
        stale.unlink(missing_ok=True)
    argv: list[str | Path] = [binaries.postgres("postgres"), "-D", seen_from_inside(who, cluster)]
    if socket_folder != cluster:
        argv += ["-c", f"unix_socket_directories={socket_folder}"]
    return spawn("PostgreSQL", command(who, signal.SIGINT, argv), cluster, log)


def _write_anew(path: Path, text: str) -> None:
    """Write a file of ours in the server's folder: never through a link that the server's user may have put there."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        os.fchmod(file.fileno(), 0o644)  # the server reads it, and cannot change it where we are root
        file.write(text)


def ready(cluster: Path) -> bool:
    """Whether the postmaster says that it takes connections (line 8 of postmaster.pid)."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"  # noqa: PLR2004 - src/include/utils/pidfile.h, LOCK_FILE_LINE_PM_STATUS
