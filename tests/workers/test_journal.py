"""The wire journal on a real disk: its lock, its lines, its torn ends, and what each of its lines proves."""

from __future__ import annotations

import os
import resource
import signal
import tracemalloc
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.ledger.recovery import OpenWindow
from campaigns.ledger.windows import Batch, Intent
from campaigns.terms import Answer, Outcome
from tests.workers.stage import exit_code, fork, wait_for
from workers import journal
from workers.house import boot_id
from workers.journal import Journal, Sealed, Told
from workers.journals import _lines

WORKER = 77


def batch(kind: str = "first") -> Batch:
    return Batch(5, kind, 3, 1, 0, 1000, 2, 9, 1, "hash", "campaign", "text", "SENDER", 1, 0.0)


def intent(window: int = 12, lo: int = 0, hi: int = 10, retries: str = "") -> Intent:
    return Intent(window, lo, hi, array("Q", [0] * (hi - lo)), retries=retries)


def only(folder: Path) -> Path:
    (path,) = folder.glob(f"*{journal.SUFFIX}")
    return path


def sealed(folder: Path) -> Sealed:
    return seal(only(folder))


def seal(path: Path) -> Sealed:
    file = journal.seal(path)
    assert file is not None
    with file:
        return journal.read(path.name, file.read().decode("ascii", "replace"))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Header, claims, windows, socket writes and answers come back as they were, retry windows too."""
    made = Journal(tmp_path, WORKER, 4)
    made.claim(batch())
    made.window(batch(), intent())
    made.sending(12, 0, 4)
    made.heard(12, [Answer(0, Outcome.ACCEPTED, "0x00", "id-1"), Answer(1, Outcome.REFUSED, "0x0B", "")])
    made.not_sent(12, 4, 10)
    made.window(batch("retry"), intent(13, 2, 4, "7:2,9:3"))
    made.close()
    found = sealed(tmp_path)
    assert (found.boot, found.worker, found.incarnation) == (boot_id(), WORKER, 4)
    assert found.claims == [(5, "first", 3, 2)]
    told = found.windows[12]
    assert (told.wave, told.kind, told.batch, told.epoch, told.lo, told.hi) == (5, "first", 3, 2, 0, 10)
    assert told.sent == [(0, 4)]
    assert told.heard == {
        0: Answer(0, Outcome.ACCEPTED, "0x00", "id-1"),
        1: Answer(1, Outcome.REFUSED, "0x0B", ""),
    }
    assert (found.windows[13].kind, found.windows[13].lo, found.windows[13].hi) == ("retry", 2, 4)


@given(code=st.text(max_size=40), ref=st.text(max_size=40))
def test_no_word_of_a_carrier_breaks_a_line(tmp_path_factory: pytest.TempPathFactory, code: str, ref: str) -> None:
    """Whatever characters a carrier puts into its code and id, the lines before and after are still read."""
    folder = tmp_path_factory.mktemp("journal")
    made = Journal(folder, WORKER, 0)
    made.window(batch(), intent())
    made.heard(12, [Answer(3, Outcome.ACCEPTED, code, ref), Answer(4, Outcome.DEFERRED, "x", "y")])
    made.sending(12, 4, 5)
    made.close()
    told = sealed(folder).windows[12]
    assert told.heard.keys() == {3, 4}
    assert told.heard[3].outcome is Outcome.ACCEPTED
    assert told.sent == [(4, 5)]


def test_a_living_writers_journal_cannot_be_sealed(tmp_path: Path) -> None:
    """Alive or stopped it keeps its lock; killed with -9 it lets go, and what it wrote is there."""
    told = tmp_path / "told"

    def write() -> None:
        made = Journal(tmp_path, WORKER, 0)
        made.window(batch(), intent())
        made.sending(12, 0, 5)
        told.touch()
        signal.pause()

    pid = fork(write)
    wait_for(told.exists, "the journal")
    for number in (0, signal.SIGSTOP):
        os.kill(pid, number)
        assert journal.dead(tmp_path) == []
        assert journal.seal(only(tmp_path)) is None
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    assert journal.dead(tmp_path) == [only(tmp_path)]
    assert sealed(tmp_path).windows[12].sent == [(0, 5)]


def test_sealing_twice_says_the_same(tmp_path: Path) -> None:
    """The seal is written once, and a sealed journal reads as before."""
    made = Journal(tmp_path, WORKER, 0)
    made.window(batch(), intent())
    made.close()
    first = sealed(tmp_path)
    size = only(tmp_path).stat().st_size
    assert sealed(tmp_path) == first
    assert only(tmp_path).stat().st_size == size
    assert only(tmp_path).read_bytes().endswith(f"\nZ {boot_id()}\n".encode())


def test_any_torn_end_loses_only_the_torn_line(tmp_path: Path) -> None:
    """Cut at every byte: whole lines count, the half one never happened, and no cut makes it unreadable."""
    made = Journal(tmp_path / "whole", WORKER, 0)
    made.claim(batch())
    made.window(batch(), intent())
    made.sending(12, 0, 4)
    made.heard(12, [Answer(i, Outcome.ACCEPTED, "0x00", f"id{i}") for i in range(4)])
    made.close()
    data = only(tmp_path / "whole").read_bytes()
    for cut in range(len(data)):
        path = tmp_path / f"{cut}{journal.SUFFIX}"
        path.write_bytes(data[:cut])
        found = seal(path)
        lines = data[:cut].count(b"\n")
        assert bool(found.boot) is (lines >= 1)
        assert len(found.claims) == (lines >= 2)
        assert len(found.windows) == (lines >= 3)
        if found.windows:
            assert found.windows[12].sent == ([(0, 4)] if lines >= 4 else [])
            assert len(found.windows[12].heard) == max(0, lines - 4)


def test_a_short_write_sends_nothing_and_ends_the_journal(tmp_path: Path) -> None:
    """The disk takes half a line: the gate hears an error, nothing is ever written behind the half line."""

    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        made = Journal(tmp_path, WORKER, 0)
        made.window(batch(), intent())
        size = only(tmp_path).stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 3, resource.RLIM_INFINITY))
        with pytest.raises(OSError, match="journal"):
            made.sending(12, 0, 5)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert made.broken
        with pytest.raises(OSError, match="journal"):
            made.sending(12, 5, 10)
        assert journal.dead(tmp_path) == []  # broken, but not dead: its lock is still held

    assert exit_code(fork(write)) == 0
    found = sealed(tmp_path)
    assert found.windows[12].sent == []


R, S, LOG, SKIP = "R", "S", "log", "skip"
PROVED = [
    # what is known of the index -> outcome with proof of absence, and without (another boot, or no journal)
    (set(), (Outcome.NOT_SENT, "closed"), (Outcome.UNCERTAIN, "answer")),
    ({S}, (Outcome.UNCERTAIN, "answer"), (Outcome.UNCERTAIN, "answer")),
    ({S, R}, (Outcome.ACCEPTED, "answer"), (Outcome.ACCEPTED, "answer")),
    ({R}, (Outcome.ACCEPTED, "answer"), (Outcome.ACCEPTED, "answer")),
    ({LOG}, None, None),
    ({LOG, S}, None, None),
    ({LOG, S, R}, None, None),
    ({SKIP}, (Outcome.SKIPPED, "closed"), (Outcome.SKIPPED, "closed")),
    ({SKIP, S}, (Outcome.SKIPPED, "closed"), (Outcome.SKIPPED, "closed")),
]


@pytest.mark.parametrize(("known", "proved", "unproved"), PROVED)
@pytest.mark.parametrize("proof", [True, False])
def test_what_each_line_proves(
    known: set[str],
    proved: tuple[Outcome, str] | None,
    unproved: tuple[Outcome, str] | None,
    proof: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Log row, R, S or nothing, of this boot or another: each index ends as the ledger's section 5 says."""
    window = OpenWindow(12, 5, 4, 5, b"\x01" if SKIP in known else b"", frozenset({4} if LOG in known else ()))
    told = Told(12, 5, "first", 3, 2, 4, 5)
    told.sent = [(4, 5)] if S in known else []
    told.heard = {4: Answer(4, Outcome.ACCEPTED, "c", "r")} if R in known else {}
    wanted = proved if proof else unproved
    found = _lines(window, told, proof=proof)
    assert [(line[3], line[2]) for line in found] == ([wanted] if wanted else [])


def test_a_window_that_its_journal_does_not_name_was_never_sent() -> None:
    """Committed, then dead before the W line: with proof of absence it goes back, without it is uncertain."""
    window = OpenWindow(12, 5, 0, 3, b"", frozenset())
    assert {line[3] for line in _lines(window, None, proof=True)} == {Outcome.NOT_SENT}
    assert {line[3] for line in _lines(window, None, proof=False)} == {Outcome.UNCERTAIN}


def test_sealed_in_its_own_boot_it_is_proof_for_ever(tmp_path: Path) -> None:
    """F13: the boot in Z tells a whole journal from one that a power cut may have shortened."""
    made = Journal(tmp_path, WORKER, 0)
    made.window(batch(), intent())
    made.close()
    sealed(tmp_path)
    path = only(tmp_path)
    for boots, proof in (("same", True), ("other", False)):
        text = path.read_text(encoding="ascii")
        boot = text.split(" ")[1]
        header, rest = text.split("\n", 1)
        copy = tmp_path / f"{boots}{journal.SUFFIX}"
        moved = rest.replace(boot, "f" * 32) if boots == "same" else rest
        copy.write_text(f"{header.replace(boot, 'f' * 32)}\n{moved}", encoding="ascii")
        with copy.open("rb") as opened:
            assert journal.outline(copy.name, opened).proof is proof


def test_a_long_journal_needs_little_memory(tmp_path: Path) -> None:
    """Ten times the answers, the same memory: one window after the other is read and let go."""
    peaks = []
    for windows in (20, 200):
        path = tmp_path / f"{windows}{journal.SUFFIX}"
        with path.open("w", encoding="ascii") as out:
            out.write("J2 0 1 2 1 -\n")
            for window in range(1, windows + 1):
                out.write(f"W {window} 5 h first 0 1 0 100 \nS {window} 0 100\n")
                out.writelines(f"R {window} {idx} 5 id ok\n" for idx in range(100))
        with path.open("rb") as file:
            tracemalloc.start()
            sealed = journal.outline(path.name, file)
            assert sum(len(one.heard) for one in journal.told(sealed, file, list(sealed.windows))) == 100 * windows
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 3 * peaks[0]
