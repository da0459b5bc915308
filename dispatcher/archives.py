"""One file that holds many, whole or not at all: members, then a manifest with the size and SHA-256 of each."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from campaigns.terms import Problem

MANIFEST = "manifest.json"
NAMES = re.compile(
    r"(?:database\.dump|manifest\.json|(?:journals|spool|keys|letters|orders)/(?:sealed/|loaded/)?[A-Za-z0-9][\w.~-]*)"
)
FORMAT = 1
MANIFEST_BYTES = 256 << 20
"""Of a million and more members: each receipt segment of the last days is one."""
PIECE = 1 << 20


@dataclass(slots=True)
class Writer:
    """Adds members; each is read once."""

    tar: tarfile.TarFile
    members: list[dict[str, Any]] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def add(self, name: str, path: Path) -> bool:
        """A file as long as it is now, once: one that is moved while others are copied comes by twice. False: gone."""
        if name in self._names:
            return True
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return False
        with file:
            stat = os.fstat(file.fileno())
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = stat.st_size, int(stat.st_mtime), 0o600
            summed = _Summed(file)
            self.tar.addfile(info, summed)
            self.members.append({"name": name, "size": info.size, "sha256": summed.digest.hexdigest()})
            self._names.add(name)
        return True

    def finish(self, facts: dict[str, Any]) -> None:
        """The manifest, last."""
        text = json.dumps({"format": FORMAT, **facts, "members": self.members}, ensure_ascii=False, indent=1).encode()
        info = tarfile.TarInfo(MANIFEST)
        info.size, info.mode = len(text), 0o600
        self.tar.addfile(info, io.BytesIO(text))


class _Summed:
    """A file whose bytes are summed up while they are read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """A new archive under a temporary name, read again before it gets its own; never over a file that is there."""
    refuse_existing(path)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out, tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            yield Writer(tar)
            tar.close()
            out.flush()
            os.fsync(out.fileno())
        _read_again(draft, path)
        with suppress_as_existing(path):
            path.hardlink_to(draft)
        sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _read_again(draft: Path, path: Path) -> None:
    """What could not be restored is no backup: told when it is made, not on the day it is needed."""
    try:
        opened(draft)
    except Problem:
        raise Problem("{file} was not written whole and is not kept: make it again", file=path) from None


@contextmanager
def suppress_as_existing(path: Path) -> Iterator[None]:
    """Somebody else was faster with this name."""
    try:
        yield
    except FileExistsError:
        raise _exists(path) from None


def refuse_existing(path: Path) -> None:
    """Raises Problem when a file of this name is there."""
    if path.exists():
        raise _exists(path)


def _exists(path: Path) -> Problem:
    return Problem("{file} is there already: a backup never replaces a file; name another one", file=path)


def sync(folder: Path) -> None:
    """The names of a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, open where nothing was read of it yet."""

    name: str
    source: IO[bytes]

    def write(self, target: Path, head: bytes = b"") -> None:
        """`head` and what was not read yet to a new file, whole before it has its name; then `sync` its folder."""
        draft = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(head)
            shutil.copyfileobj(self.source, out, PIECE)
            out.flush()
            os.fsync(out.fileno())
        draft.rename(target)


@dataclass(frozen=True, slots=True)
class Archive:
    """An archive whose every byte was compared with its manifest."""

    path: Path
    facts: dict[str, Any]
    names: tuple[str, ...]

    def members(self) -> Iterator[Member]:
        """All of them in one pass: to find one by its name, all before it are read, and there may be many thousands."""
        with tarfile.open(self.path, "r:") as tar:
            for info, source in _files(tar):
                if info.name != MANIFEST:
                    yield Member(info.name, source)

    def copy(self, name: str, target: Path) -> None:
        """Write one member to a new file, on the disk before it has its name."""
        for member in self.members():
            if member.name == name:
                member.write(target)
                sync(target.parent)
                return
        raise damaged(self.path)


def _files(tar: tarfile.TarFile) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    """What is in a tar, in its order; nothing is remembered of what was passed. Raises TarError for what is no file."""
    while (info := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]  # an attribute of long standing that the stubs leave out
        source = tar.extractfile(info) if info.isreg() else None
        if source is None:
            raise tarfile.ReadError("not a file")
        yield info, source


def damaged(path: Path) -> Problem:
    """What to say of an archive that is not what was written."""
    return Problem("{file} is damaged or is not a whole backup of this program: nothing was changed", file=path)


def opened(path: Path) -> Archive:
    """Compare every member with the manifest. Raises Problem before anything is touched."""
    if not path.is_file():
        raise Problem("{file} is not there: name the file of the backup", file=path)
    found: dict[str, tuple[int, str]] = {}
    text = bytearray()
    try:
        with tarfile.open(path, "r:") as tar:
            for info, source in _files(tar):
                if not NAMES.fullmatch(info.name) or info.name in found:
                    raise damaged(path)
                digest = hashlib.sha256()
                while data := source.read(PIECE):
                    digest.update(data)
                    text += data if info.name == MANIFEST else b""
                    if len(text) > MANIFEST_BYTES:
                        raise damaged(path)
                found[info.name] = (info.size, digest.hexdigest())
        facts = json.loads(text)
        listed = {each["name"]: (each["size"], each["sha256"]) for each in facts.pop("members")}
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise damaged(path) from error
    del found[MANIFEST]
    if facts.get("format") != FORMAT or listed != found:
        raise damaged(path)
    return Archive(path, facts, tuple(listed))


def forget(path: Path) -> None:
    """Take away an archive of which the other half could not be written."""
    with suppress(FileNotFoundError):
        path.unlink()
