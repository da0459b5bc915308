r"""The file in which a simulated carrier writes what it took, before it says so: the truth that tests compare with.

Tab-separated, one line an accepted submission (a part of a long text is one submission):
unix time, message id, number (84...), part, parts, sha256 of the part, sha256 of the whole text ("-" until its last
part came), client reference ("-" when none). `awk -F'\t' '$4==1{print $3}'` lists the numbers.
A second file, `.receipts`, holds "message id, outcome" of each receipt that our side acknowledged, so that a
restarted simulator sends the rest again.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Taken(NamedTuple):
    """One line of the truth."""

    at: float
    message_id: str
    number: str
    part: int
    parts: int
    part_sha: str
    whole_sha: str
    ref: str


class TruthFile:
    """Appends acceptances with one write() for many; a crash loses no line whose answer left."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        _drop_half_line(path)
        _drop_half_line(path.with_suffix(".receipts"))
        self._taken = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._acked = os.open(path.with_suffix(".receipts"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def take(self, lines: list[Taken]) -> None:
        """Write these acceptances; call before the answers leave."""
        self.write(b"".join(_line(line) for line in lines))

    def write(self, lines: bytes) -> None:
        """As `take`, with the lines as they stand in the file."""
        os.write(self._taken, lines)

    def acknowledged(self, receipts: list[tuple[str, str]]) -> None:
        """Remember that these (message id, outcome) receipts were taken by our side."""
        self.write_acknowledged("".join(f"{mid}\t{outcome}\n" for mid, outcome in receipts).encode())

    def write_acknowledged(self, lines: bytes) -> None:
        """As `acknowledged`, with the lines as they stand in the file."""
        os.write(self._acked, lines)

    def close(self) -> None:
        """Close both files."""
        os.close(self._taken)
        os.close(self._acked)


def _drop_half_line(path: Path) -> None:
    """A last line without its end was never answered: away with it, or the next one would grow onto it."""
    if path.exists():
        data = path.read_bytes()
        if not data.endswith(b"\n"):
            os.truncate(path, data.rfind(b"\n") + 1)


def _line(t: Taken) -> bytes:
    texts = f"{t.part_sha}\t{t.whole_sha or '-'}\t{t.ref or '-'}"
    return f"{t.at:.3f}\t{t.message_id}\t{t.number}\t{t.part}\t{t.parts}\t{texts}\n".encode()


def read_taken(path: Path) -> list[Taken]:
    """All complete lines of a truth file; a half-written last line was never answered and is left out."""
    if not path.exists():
        return []
    found = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        at, mid, number, part, parts, part_sha, whole_sha, ref = line.decode().split("\t")
        found.append(Taken(float(at), mid, number, int(part), int(parts), part_sha, whole_sha, ref))
    return found


def read_acknowledged(path: Path) -> set[str]:
    """Message ids whose receipt our side took."""
    acked = path.with_suffix(".receipts")
    if not acked.exists():
        return set()
    return {line.split(b"\t")[0].decode() for line in acked.read_bytes().split(b"\n")[:-1]}
