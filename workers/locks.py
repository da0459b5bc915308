"""Whose file is it still? The kernel frees a lock exactly when its process is dead, kill -9 included."""

from __future__ import annotations

import fcntl
from pathlib import Path


def writer_is_dead(path: Path) -> bool:
    """Whether nobody holds the lock of a file that is there; a stopped writer still holds it."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True
