"""Numbers and raw events sealed before they reach the database (ledger: section 11).

A keyed hash finds and compares numbers, a sealed block keeps them; keys lie in a folder of their own (0700), each file
0600, campaign keys wrapped by `installation.key`. Neither is in the database nor in its backups.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import stat
import sys
from array import array
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from campaigns.terms import Problem

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
HASH_BYTES = 16  # 10^9 possible numbers: a collision in one wave has a chance below 10^-20
NONCE_BYTES = 12  # random; one key may seal 2^32 blocks (NIST SP 800-38D, section 8.3)
_INSTALLATION = "installation"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PERSON = b"dispatcher.keys1"  # BLAKE2b personalisation: keys derived here are good for nothing else


class SealBroken(Problem):
    """Sealed bytes do not open: another key, another place, or altered."""


def mask(number: int) -> str:
    """84912345678 as 84912•••678, the only form in which a number is shown or logged."""
    digits = str(number)
    return f"{digits[:5]}•••{digits[-3:]}"


class CampaignKeys:
    """What one campaign's key can do: hash its numbers and seal its blocks; and compare with other campaigns."""

    def __init__(self, name: str, key: bytes, people: hashlib.blake2b) -> None:
        self.name = name
        self._people = people
        self._hash = _keyed_hash(_derive(key, "number-hash"))
        self._aead = _aead(_derive(key, "number-block"))

    def number_hash(self, number: int) -> bytes:
        """16 bytes, the same for the same number in this campaign only."""
        return _hash(self._hash, number)

    def number_hashes(self, numbers: Iterable[int]) -> list[bytes]:
        """`number_hash` of many."""
        return _hashes(self._hash, numbers)

    def people_hashes(self, numbers: Iterable[int]) -> list[bytes]:
        """The installation's hash of many: the same people in every campaign."""
        return _hashes(self._people, numbers)

    def seal_block(self, numbers: array[int], context: bytes) -> tuple[bytes, bytes]:
        """Seal array('Q') numbers as (nonce, ciphertext), bound to `context` such as b"wave|block"."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce, self._aead.encrypt(nonce, _little_endian(numbers).tobytes(), context)

    def open_block(self, nonce: bytes, ciphertext: bytes, context: bytes) -> array[int]:
        """The numbers of a sealed block. Raises SealBroken."""
        numbers = array("Q")
        what = f"a number block of campaign {self.name}"
        numbers.frombytes(_open(self._aead, nonce, ciphertext, context, what))
        return _little_endian(numbers)


class Keyring:
    """The keys of one installation, in one folder."""

    def __init__(self, folder: Path) -> None:
        """Open an existing key folder. Raises Problem when the installation key is missing or open to others."""
        self._folder = folder
        self._key = _read_installation_key(folder / f"{_INSTALLATION}.key")
        self._hash = _keyed_hash(_derive(self._key, "number-hash"))
        self._aeads: dict[str, AESGCM] = {}

    @classmethod
    def create(cls, folder: Path) -> Keyring:
        """Open the key folder, made with a new installation key where there is none; safe when two processes race."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        path = folder / f"{_INSTALLATION}.key"
        orphans = [] if path.exists() else sorted(p.name for p in folder.glob("*.key") if p != path)
        if orphans and not path.exists():
            sentence = (
                "{file} is missing, but {others} were wrapped by it. Restore it: without it no number can be read."
            )
            raise Problem(sentence, file=path, others=", ".join(orphans))
        _write_once(path, secrets.token_bytes(KEY_BYTES))
        return cls(folder)

    def campaign(self, name: str) -> CampaignKeys:
        """The keys of a campaign, made at first use. Raises SealBroken for a key file that is not ours."""
        if not _NAME.fullmatch(name) or name == _INSTALLATION:
            raise Problem(
                "{name} cannot name a campaign: use letters, digits and . _ - only, at most 100.", name=repr(name)
            )
        path = self._folder / f"{name}.key"
        if not path.exists():
            _write_once(path, self.seal(secrets.token_bytes(KEY_BYTES), name.encode(), "wrap"))
        key = _open_sealed(self._aead("wrap"), path.read_bytes(), name.encode(), f"key file {path}")
        return CampaignKeys(name, key, self._hash)

    def installation_hash(self, number: int) -> bytes:
        """16 bytes, the same for the same number in all campaigns of this installation."""
        return _hash(self._hash, number)

    def installation_hashes(self, numbers: Iterable[int]) -> list[bytes]:
        """`installation_hash` of many."""
        return _hashes(self._hash, numbers)

    def seal(self, data: bytes, context: bytes, purpose: str = "receipt") -> bytes:
        """Seal one raw event: 12 bytes of nonce, then ciphertext; bound to `context`, under a key for `purpose`."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._aead(purpose).encrypt(nonce, data, context)

    def open(self, sealed: bytes, context: bytes, purpose: str = "receipt") -> bytes:
        """What `seal` sealed. Raises SealBroken."""
        return _open_sealed(self._aead(purpose), sealed, context, f"a sealed {purpose}")

    def mac_key(self, purpose: str) -> bytes:
        """32 bytes that only this installation knows, one key for each purpose."""
        return _derive(self._key, f"mac:{purpose}")

    def _aead(self, purpose: str) -> AESGCM:
        if purpose not in self._aeads:
            self._aeads[purpose] = _aead(_derive(self._key, f"seal:{purpose}"))
        return self._aeads[purpose]


def _derive(key: bytes, purpose: str) -> bytes:
    return hashlib.blake2b(purpose.encode(), key=key, digest_size=KEY_BYTES, person=_PERSON).digest()


def _keyed_hash(key: bytes) -> hashlib.blake2b:
    return hashlib.blake2b(key=key, digest_size=HASH_BYTES)


def _hash(keyed: hashlib.blake2b, number: int) -> bytes:
    state = keyed.copy()
    state.update(b"%d" % number)
    return state.digest()


def _hashes(keyed: hashlib.blake2b, numbers: Iterable[int]) -> list[bytes]:
    hashes = []
    for number in numbers:  # inlined: a call a number would cost a third more
        state = keyed.copy()
        state.update(b"%d" % number)
        hashes.append(state.digest())
    return hashes


def _aead(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - 30 ms; `--help` seals nothing

    return AESGCM(key)


def _open_sealed(aead: AESGCM, sealed: bytes, context: bytes, what: str) -> bytes:
    return _open(aead, sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context, what)


def _open(aead: AESGCM, nonce: bytes, ciphertext: bytes, context: bytes, what: str) -> bytes:
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as in _aead

    try:
        return aead.decrypt(nonce, ciphertext, context)
    except (InvalidTag, ValueError) as error:  # ValueError: cut short, below a nonce's or a tag's length
        sentence = (
            "{what} cannot be opened: it was sealed with another key or for another place, or its bytes were changed. "
            "Check that the key folder belongs to this database."
        )
        raise SealBroken(sentence, what=what) from error


def _little_endian(numbers: array[int]) -> array[int]:
    """The same on every machine: a database may move."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers


def _read_installation_key(path: Path) -> bytes:
    try:
        key, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise Problem("{file} cannot be read ({error}). Restore the key folder.", file=path, error=error) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Problem("{file} is open to other accounts of this machine: chmod 600 it.", file=path)
    if len(key) != KEY_BYTES:
        sentence = "{file} holds {found} bytes instead of {wanted}. Restore it: without it no number can be read."
        raise Problem(sentence, file=path, found=len(key), wanted=KEY_BYTES)
    return key


def _write_once(path: Path, content: bytes) -> None:
    """Create `path` whole and durable, or leave the file that is there: the first of two racing processes wins."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _link_unless_there(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _link_unless_there(draft: Path, path: Path) -> None:
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)  # unlike a rename, never replaces the key of a process that was faster
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
