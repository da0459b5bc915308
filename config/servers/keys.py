"""The passwords of the embedded servers: random, one file each, readable by their owner only."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from config.problem import Problem

PASSWORD_BYTES = 24  # 192 random bits, written as 48 hex digits: safe in URLs and in SQL text


@dataclass(frozen=True, slots=True)
class Passwords:
    """One password per role; `postgres` is the superuser's and stays with this package."""

    postgres: str
    owner: str
    app: str
    redis: str


def ensure(folder: Path, *, may_create: bool) -> Passwords:
    """Read the passwords, making missing ones where `may_create`; raises Problem when they cannot be had."""
    try:
        if may_create:
            folder.mkdir(mode=0o700, exist_ok=True)
            folder.chmod(0o700)
        return Passwords(*(_password(folder / f"{name}.password", may_create) for name in Passwords.__slots__))
    except PermissionError as denied:
        raise Problem(
            "{folder} belongs to another user. Run as the user who made this data folder, or choose another one.",
            folder=folder,
        ) from denied


def _password(path: Path, may_create: bool) -> str:  # noqa: FBT001 - passed on by name's owner above
    if not path.exists():
        if not may_create:
            raise Problem(
                "{path} is missing, so the database of this data folder cannot be opened. Restore the folder {folder} "
                "from your backup, or move the whole data folder away to begin an empty one.",
                path=path, folder=path.parent,
            )  # fmt: skip
        _write(path, secrets.token_hex(PASSWORD_BYTES))
    password = path.read_text("ascii").strip()
    if not password:
        raise Problem("{path} is empty. Restore it from your backup.", path=path)
    return password


def _write(path: Path, password: str) -> None:
    """Whole or not at all, also through a power cut."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
