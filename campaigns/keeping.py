"""Files that came with an order, kept for good: sealed in pieces, named by their SHA-256, flat in memory."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from campaigns.sealing import NONCE_BYTES, Keyring, SealBroken
from campaigns.terms import Absent

PIECE = 1 << 20  # bytes sealed at once
MOST_BYTES = 200_000_000
"""What is kept of one file; a scan of 60 MB is kept whole, a film is cut here and said to be cut."""
SCAN_BYTES = 50_000_000
"""A paper of more is kept, but not taken as evidence: the clerk's system and mail would refuse it too."""
_TAG = 16  # AES-GCM
_PURPOSE = "order-file"


class Kept(NamedTuple):
    """A kept file; `whole` is False when it was cut at MOST_BYTES or its sending broke off."""

    sha256: str
    bytes: int
    whole: bool


def keep(folder: Path, keyring: Keyring, source: BinaryIO, *, whole: bool = True, most: int = MOST_BYTES) -> Kept:
    """Seal what `source` holds into `folder`; the same bytes twice are one file. Durable when this returns."""
    part = folder / f".{secrets.token_hex(8)}.part"
    digest, size, at = hashlib.sha256(), 0, 0
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            while piece := source.read(min(PIECE, most - size)):
                digest.update(piece)
                out.write(keyring.seal(piece, _context(at), _PURPOSE))
                size, at = size + len(piece), at + 1
            out.flush()
            os.fsync(out.fileno())
        part.replace(_place(folder, digest.hexdigest()))
        _sync(folder)
    finally:
        part.unlink(missing_ok=True)
    return Kept(digest.hexdigest(), size, whole and not source.read(1))


def keep_file(folder: Path, keyring: Keyring, path: Path, *, whole: bool = True) -> Kept:
    """`keep` for a file of this machine."""
    with path.open("rb") as source:
        return keep(folder, keyring, source, whole=whole)


def pieces(folder: Path, keyring: Keyring, sha256: str) -> Iterator[bytes]:
    """The bytes of a kept file, in pieces. Raises Absent, and SealBroken when they are not what was kept."""
    place = _place(folder, sha256)
    if not place.is_file():
        raise Absent("there is no kept file {sha256}", sha256=sha256[:12])
    digest = hashlib.sha256()
    with place.open("rb") as file:
        at = 0
        while sealed := file.read(NONCE_BYTES + PIECE + _TAG):
            piece = keyring.open(sealed, _context(at), _PURPOSE)
            digest.update(piece)
            yield piece
            at += 1
    if digest.hexdigest() != sha256:  # a tail was cut off: each piece alone still opens
        raise SealBroken("the kept file {sha256} is not whole any more", sha256=sha256[:12])


def _place(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}.sealed"


def _context(at: int) -> bytes:
    """A piece moved to another place does not open."""
    return b"piece|%d" % at


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
