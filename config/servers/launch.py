"""Becomes a server: drops root, ties its life to the parent's, then execs. Run as a script, never imported.

A separate small program because code between fork and exec of a threaded parent may deadlock (subprocess,
`preexec_fn`). Usage: launch.py PARENT_PID SIGNAL UID:GID NAMES PROGRAM ARGUMENT..., "-" where one is not wanted.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

NO_NAMESPACE = 77  # exit status: this machine does not let us have a private /etc/passwd
NOT_STARTED = 78  # exit status: anything else before the exec; the reason is on standard error

# Linux <sys/prctl.h>, <sched.h>, <sys/mount.h>
PR_SET_PDEATHSIG = 1
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000

LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result: int) -> None:
    """Turn a failed C call into an OSError."""
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def see_private_passwd(passwd: str) -> None:
    """Let this process alone see `passwd` as /etc/passwd: initdb wants a name for its uid, the machine needs none."""
    uid, gid = os.geteuid(), os.getegid()
    checked(LIBC.unshare(CLONE_NEWNS if uid == 0 else CLONE_NEWNS | CLONE_NEWUSER))
    if uid != 0:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    checked(LIBC.mount(None, b"/", None, MS_PRIVATE | MS_REC, None))
    checked(LIBC.mount(os.fsencode(passwd), b"/etc/passwd", None, MS_BIND, None))


def become(uid: int, gid: int) -> None:
    """Give up root for good, and every other group."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def die_with(parent: int, signal: int) -> None:
    """Ask the kernel for `signal` when the parent dies; a change of uid clears this, so it comes after `become`."""
    checked(LIBC.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0))
    if os.getppid() != parent:
        raise SystemExit(NOT_STARTED)


def main(parent: str, signal: str, user: str, names: str, program: str, *arguments: str) -> None:
    """Replace this process by the program."""
    if names != "-":
        try:
            see_private_passwd(names)
        except OSError as no:
            raise SystemExit(NO_NAMESPACE) from no
    if user != "-":
        become(*map(int, user.split(":")))
    die_with(int(parent), int(signal))
    os.execv(program, [program, *arguments])  # noqa: S606 - becoming another program is the purpose


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except OSError as failed:
        sys.stderr.write(f"{sys.argv[5]}: {failed}\n")
        sys.exit(NOT_STARTED)
