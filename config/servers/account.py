"""The unprivileged user that the servers run as when we are root: PostgreSQL refuses root."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from config.problem import Problem
from config.servers.child import Identity

NAME = "dispatcher-pg"
UIDS = range(59432, 59000, -1)  # above what login accounts reach, below systemd's and containers' ranges


def server_uid(cluster: Path) -> int | None:
    """The uid for the servers, None when we are not root; a cluster keeps the owner it was made with."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (owner := cluster.stat().st_uid) != 0:
        return owner
    try:
        return pwd.getpwnam(NAME).pw_uid
    except KeyError:
        return next(uid for uid in UIDS if not named(uid) and not is_group(uid))


def identity(uid: int | None) -> Identity:
    """Who a server is with this uid: its account's own group, or the group of the same number that nobody uses."""
    if uid is None:
        return Identity()
    return Identity(uid, pwd.getpwuid(uid).pw_gid if named(uid) else uid)


def is_group(gid: int) -> bool:
    """Whether this machine uses the number for a group."""
    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def named(uid: int) -> bool:
    """Whether this machine knows a name for the uid, which is all initdb asks for."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def write_passwd(path: Path, uid: int) -> None:
    """This machine's /etc/passwd and one line more, for a private mount that only initdb sees."""
    line = f"{NAME}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"
    path.write_bytes(Path("/etc/passwd").read_bytes().rstrip(b"\n") + b"\n" + line.encode())
    path.chmod(0o644)


def create() -> int:
    """Make a system account, where the kernel allows no private mount (containers); returns its uid."""
    if os.geteuid() != 0:
        raise Problem(
            "The user {uid} has no name on this machine, and PostgreSQL wants one. Add it to /etc/passwd, or set "
            "DATABASE_URL to a server of your own.",
            uid=os.geteuid(),
        )
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin")
    arguments = ["--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
    if program is None or subprocess.run([program, *arguments], check=False).returncode:  # noqa: S603 - fixed words
        raise Problem(
            "PostgreSQL must not run as root, and the account {name} could not be made. Make a system account of that "
            "name, or run as an ordinary user.",
            name=NAME,
        )
    return pwd.getpwnam(NAME).pw_uid
