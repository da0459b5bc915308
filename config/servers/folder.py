"""The data folder of one installation: its lock, its places, its sockets."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from config.problem import Problem
from config.servers.child import Identity

SOCKET_LIMIT = 100  # bytes; sun_path holds 107 and a NUL (unix(7))
LONGEST_SOCKET = ".s.PGSQL.5432"
SHORT = Path("/tmp")  # noqa: S108 - 0700 and checked; TMPDIR may differ between two shells of one user
ROOM = 256 << 20  # bytes: a fresh cluster, its first logs and a small campaign
LOCK_PATIENCE = 0.2  # seconds: longer than a look by `busy`


@dataclass(frozen=True, slots=True)
class Folder:
    """Where everything of the embedded servers lies under the data folder."""

    data: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's files and, in short paths, its socket."""
        return self.data / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's log and, in short paths, its socket."""
        return self.data / "valkey"

    @property
    def keys(self) -> Path:
        """Passwords (and the sealing keys of others)."""
        return self.data / "keys"

    def log(self, name: str) -> Path:
        """One server's own log."""
        return self.data / "log" / f"{name}.log"

    def prepare(self) -> None:
        """Make the folder; raises Problem when it cannot be written or is full."""
        try:
            self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            (self.data / "log").mkdir(mode=0o700, exist_ok=True)
            free = shutil.disk_usage(self.data).free
        except OSError as failed:
            raise _unwritable(self.data, failed) from failed
        if free < ROOM:
            raise Problem(
                "Only {free} MB are free under the data folder {folder}; the embedded servers need {room} MB. Make "
                "room, or choose another folder.",
                free=free >> 20, folder=self.data, room=ROOM >> 20,
            )  # fmt: skip

    def sockets(self, home: Path) -> Path:
        """The 0700 folder for the socket of the server that lives in `home`: there, or under /tmp for long paths."""
        if len(os.fsencode(home / LONGEST_SOCKET)) <= SOCKET_LIMIT:
            return home
        return SHORT / f"dispatcher-{hashlib.sha256(os.fsencode(home)).hexdigest()[:24]}"


def private(folder: Path, who: Identity) -> None:
    """Make a folder outside our own for `who` alone; raises Problem when another user was there first."""
    uid = os.geteuid() if who.uid is None else who.uid
    try:
        folder.mkdir(mode=0o700)
        who.own(folder)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise Problem(
                "The socket folder {folder} belongs to somebody else. Remove it, or choose a data folder with a "
                "shorter path.",
                folder=folder,
            ) from None


def forget_sockets(sockets: Path, home: Path) -> None:
    """Remove a socket folder under /tmp once its server is gone."""
    if sockets != home:
        shutil.rmtree(sockets, ignore_errors=True)


def lock(data: Path) -> int:
    """Take the data folder for this process alone; returns the handle that holds it, until closed or dead."""
    try:
        handle = os.open(_lock_file(data), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as failed:
        raise _unwritable(data, failed) from failed
    deadline = time.monotonic() + LOCK_PATIENCE
    while not _try(handle, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            os.close(handle)
            raise Problem(
                "The data folder {folder} is in use by another running dispatcher. Stop that one, or choose another "
                "folder for this one.",
                folder=data,
            )
        time.sleep(LOCK_PATIENCE / 10)
    return handle


def busy(data: Path) -> bool:
    """Whether a process of ours holds this data folder now."""
    try:
        handle = os.open(_lock_file(data), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as failed:
        raise _unwritable(data, failed) from failed
    try:
        return not _try(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _lock_file(data: Path) -> Path:
    return data / "servers.lock"


def _try(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unwritable(folder: Path, failed: OSError) -> Problem:
    return Problem(
        "The data folder {folder} cannot be used: {failed}. Give this user the right to write there, or choose "
        "another folder.",
        folder=folder, failed=failed.strerror or failed,
    )  # fmt: skip
