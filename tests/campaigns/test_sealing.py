"""Sealed numbers open with the right key in the right place, and with nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from hashlib import blake2b
from pathlib import Path

import pytest

from campaigns.sealing import Keyring, SealBroken, mask
from campaigns.terms import Problem

NUMBERS = array("Q", range(84912345000, 84912346000))


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring.create(tmp_path / "keys")


def test_a_block_opens_with_its_campaign_and_place(keyring: Keyring) -> None:
    """1,000 numbers go in and the same come out, after a restart too."""
    nonce, sealed = keyring.campaign("20-BCD-2024").seal_block(NUMBERS, b"7|0")
    reopened = Keyring(keyring._folder).campaign("20-BCD-2024")
    assert reopened.open_block(nonce, sealed, b"7|0") == NUMBERS
    assert len(sealed) == 8 * len(NUMBERS) + 16


@pytest.mark.parametrize("harm", ["other campaign", "other place", "bit", "short", "nonce", "empty"])
def test_anything_else_stays_shut(keyring: Keyring, harm: str) -> None:
    """Another key, another block's place or one changed bit is an error that names the block."""
    keys = keyring.campaign("one")
    nonce, sealed = keys.seal_block(NUMBERS, b"7|0")
    context = b"7|1" if harm == "other place" else b"7|0"
    if harm == "other campaign":
        keys = keyring.campaign("two")
    changed = {"bit": sealed[:-1] + bytes([sealed[-1] ^ 1]), "short": sealed[:-1], "empty": b""}.get(harm, sealed)
    nonce = bytes(12) if harm == "nonce" else nonce
    with pytest.raises(SealBroken, match=rf"a number block of campaign {keys.name} cannot be opened"):
        keys.open_block(nonce, changed, context)


def test_hashes_meet_inside_a_campaign_only(keyring: Keyring) -> None:
    """The same number has one hash in a campaign, another elsewhere, and one across the installation."""
    one, two = keyring.campaign("one"), keyring.campaign("two")
    assert one.number_hashes(NUMBERS) == [one.number_hash(number) for number in NUMBERS]
    assert keyring.installation_hashes(NUMBERS) == [keyring.installation_hash(number) for number in NUMBERS]
    found = {one.number_hash(NUMBERS[0]), two.number_hash(NUMBERS[0]), keyring.installation_hash(NUMBERS[0])}
    assert len(found) == 3
    assert {len(hashed) for hashed in found} == {16}
    assert len(set(one.number_hashes(NUMBERS))) == len(NUMBERS)
    assert blake2b(b"84912345000", digest_size=16).digest() not in found


def test_an_event_is_sealed_for_its_purpose(keyring: Keyring) -> None:
    """A raw receipt opens under its own purpose and context only; MAC keys differ by purpose."""
    sealed = keyring.seal(b"raw", b"inbox")
    assert keyring.open(sealed, b"inbox") == b"raw"
    for data, context, purpose in [
        (sealed, b"x", "receipt"),
        (sealed, b"inbox", "upload"),
        (b"short", b"inbox", "receipt"),
    ]:
        with pytest.raises(SealBroken, match=f"a sealed {purpose} cannot be opened"):
            keyring.open(data, context, purpose)
    assert keyring.mac_key("reference") != keyring.mac_key("callback")
    assert keyring.mac_key("reference") == Keyring(keyring._folder).mac_key("reference")


def test_key_files_are_ours_alone(keyring: Keyring) -> None:
    """Keys lie in a 0700 folder, each file 0600, and no campaign key lies there in the clear."""
    keys = keyring.campaign("one")
    files = sorted(keyring._folder.iterdir())
    assert [file.name for file in files] == ["installation.key", "one.key"]
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}
    assert oct(keyring._folder.stat().st_mode & 0o777) == "0o700"
    assert files[1].stat().st_size == 12 + 32 + 16
    assert keys.number_hash(1) == keyring.campaign("one").number_hash(1)


def test_a_campaign_key_of_another_installation_is_refused(keyring: Keyring, tmp_path: Path) -> None:
    """A key file copied from elsewhere, or renamed, is named in the error."""
    other = Keyring.create(tmp_path / "other")
    other.campaign("one")
    (keyring._folder / "one.key").write_bytes((tmp_path / "other" / "one.key").read_bytes())
    with pytest.raises(SealBroken, match=r"key file .*one\.key cannot be opened"):
        keyring.campaign("one")
    (keyring._folder / "three.key").write_bytes((keyring._folder / "one.key").read_bytes())
    with pytest.raises(SealBroken, match=r"three\.key"):
        keyring.campaign("three")


def test_a_lost_installation_key_is_not_replaced(keyring: Keyring) -> None:
    """A new key over old campaign keys would make every number unreadable in silence."""
    keyring.campaign("one")
    (keyring._folder / "installation.key").unlink()
    with pytest.raises(Problem, match=r"installation\.key is missing, but one\.key"):
        Keyring.create(keyring._folder)
    with pytest.raises(Problem, match="cannot be read"):
        Keyring(keyring._folder)


def test_a_key_open_to_others_is_refused(keyring: Keyring) -> None:
    """Like ssh: a key that other accounts can read is no key."""
    (keyring._folder / "installation.key").chmod(0o640)
    with pytest.raises(Problem, match="chmod 600"):
        Keyring(keyring._folder)


def test_a_damaged_installation_key_is_refused(keyring: Keyring) -> None:
    """A half-written key is named, never padded."""
    (keyring._folder / "installation.key").write_bytes(b"x" * 31)
    with pytest.raises(Problem, match="31 bytes instead of 32"):
        Keyring(keyring._folder)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "installation", "x" * 101, "đợt"])
def test_a_campaign_name_is_a_file_name(keyring: Keyring, name: str) -> None:
    """No name leads out of the key folder or onto the installation key."""
    with pytest.raises(Problem, match="cannot name a campaign"):
        keyring.campaign(name)


RACER = """
import sys
from pathlib import Path
from campaigns.sealing import Keyring
print("ready", flush=True)
sys.stdin.readline()
keys = Keyring.create(Path(sys.argv[1]))
print(keys.installation_hash(1).hex(), keys.campaign("one").number_hash(1).hex())
"""


def test_racing_processes_get_the_same_keys(tmp_path: Path) -> None:
    """Six processes that all find no key end with one key, and no draft is left."""
    folder, root = tmp_path / "keys", Path(__file__).parents[2]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(folder)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    assert len({racer.communicate()[0] for racer in racers}) == 1
    assert sorted(file.name for file in folder.iterdir()) == ["installation.key", "one.key"]


def test_a_number_is_shown_masked() -> None:
    """The carrier's prefix and the last three digits, nothing between."""
    assert mask(84912345678) == "84912•••678"
