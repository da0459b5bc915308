"""Import the modules of the house and tell what they did meanwhile: connect, start, read settings or environment.

`python tests/import_guard.py ROOT [MODULE ...]` prints one line a fault and exits 1 when there is any. Run in a process
of its own, as an audit hook cannot be taken away again.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

PACKAGES = ("dispatcher", "workers", "providers", "campaigns", "config")
STEPS_BETWEEN = {
    "<frozen os>",
    "<frozen _collections_abc>",
    "os.py",
    "_collections_abc.py",
    "pathlib.py",
    "import_guard.py",
}
STARTS = {"socket.connect", "socket.bind", "subprocess.Popen", "os.posix_spawn", "os.fork", "os.exec", "os.system"}
RUN_BY_OTHERS = {"dispatcher.__main__", "campaigns.ledger.migrations.env"}  # programs: importing one is running it

faults: list[str] = []
importing = ""


def house_caller(root: Path) -> str:
    """The line of ours that asked directly (the standard library's own steps between do not count), "" if none."""
    frame: FrameType | None = sys._getframe(2)
    while frame and Path(frame.f_code.co_filename).name in STEPS_BETWEEN:
        frame = frame.f_back
    place = Path(frame.f_code.co_filename) if frame else Path()
    inside = place.is_relative_to(root) and place.relative_to(root).parts[0] in PACKAGES
    return f"{place.relative_to(root)}:{frame.f_lineno}" if frame and inside else ""


def watch_events(root: Path) -> None:
    """Connections and processes by whomever, and settings files opened by us."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in STARTS:
            faults.append(f"{importing}: {event} at import time")
        elif event == "open" and str(args[0]).endswith((".toml", ".env")) and (caller := house_caller(root)):
            faults.append(f"{importing}: {caller} reads {Path(str(args[0])).name} at import time")

    sys.addaudithook(hook)


def watch_database() -> None:
    """PostgreSQL's own library connects below Python, where no audit hook hears it."""
    import psycopg  # noqa: PLC0415 - after the hook stands

    def refuse(*_args: object, **_keywords: object) -> None:
        faults.append(f"{importing}: a database connection at import time")
        raise RuntimeError("no connection at import time")

    for owner in (psycopg, psycopg.Connection, psycopg.AsyncConnection):
        setattr(owner, "connect", refuse)  # noqa: B010 - mypy would refuse the plain assignment


def watch_environment(root: Path) -> None:
    """Our own reads of the environment; libraries may read theirs."""
    real = os.environ

    class Watched(type(real)):  # type: ignore[misc] - os._Environ has no public name
        def __getitem__(self, key: str) -> str:
            if caller := house_caller(root):
                faults.append(f"{importing}: {caller} reads the environment at import time")
            return super().__getitem__(key)

        def __iter__(self) -> Iterator[str]:
            if caller := house_caller(root):
                faults.append(f"{importing}: {caller} reads the environment at import time")
            return super().__iter__()

    watched = Watched(real._data, real.encodekey, real.decodekey, real.encodevalue, real.decodevalue)  # type: ignore[attr-defined]
    setattr(os, "environ", watched)  # noqa: B010 - the process keeps its environment, only the reader changes


def modules(root: Path) -> Iterator[str]:
    """Every module of the five packages."""
    for package in PACKAGES:
        yield package
        for module in pkgutil.walk_packages([str(root / package)], f"{package}."):
            if module.name not in RUN_BY_OTHERS:
                yield module.name


def main(root: Path, chosen: list[str]) -> int:
    """Import them one by one; the exit code is 1 when one did more than being read."""
    global importing  # the hook has no other way to know
    sys.path[0] = str(root)
    watch_database()
    watch_events(root)
    watch_environment(root)
    for importing in chosen or list(modules(root)):
        try:
            importlib.import_module(importing)
        except Exception as error:  # noqa: BLE001 - whatever it is, it happened at import time
            faults.append(f"{importing}: {type(error).__name__}: {error}")
    if threading.active_count() > 1:
        faults.append(f"threads run after import: {[thread.name for thread in threading.enumerate()]}")
    sys.stdout.write("\n".join(faults) + "\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), sys.argv[2:]))
