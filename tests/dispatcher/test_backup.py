"""Backup and restore of a whole installation: what is in the files, what comes back, and every wrong file refused."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import socket
import subprocess
import tarfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from campaigns import keeping
from campaigns.ledger import reading, recovery, schema
from campaigns.ledger.waves import Wave
from campaigns.terms import Outcome, Problem
from config.servers import Servers, binaries
from config.settings import Settings, load
from dispatcher import archives, assemble, backup, cli, dump, locks, words
from dispatcher.assemble import Site
from tests.cluster import CAMPAIGN, Planned, open_house, start
from tests.trees import parsed
from tests.workers.older import Newer, recovered
from tests.workers.stage import ACCOUNT, commit
from workers import journal, restart, spool
from workers.house import House
from workers.journals import PUT_AWAY

ROOT = Path(__file__).parents[2]
N = 120
PAPER = b"%PDF-1.7 signed" + bytes(1_500_000)  # a carrier's signed paper, of two sealed pieces


@dataclass(slots=True)
class Origin:
    """An installation at work, and a backup of it."""

    site: Site
    house: House
    wave: Wave
    file: Path
    made: dict[str, Any]
    living: str  # journal of a worker that was at work during the backup

    @property
    def keys(self) -> Path:
        return backup.keys_file(self.file)


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """A wave of which one window is sealed and imported, one open; a spool segment; then the backup."""
    folder = tmp_path_factory.mktemp("origin")
    with assemble.site(settings_of(folder / "var"), rehearsal=True, start=True) as site:
        assemble.prepare(site)
        with open_house(site) as house:
            restart.begin_sending(house)
            wave = start(house, Planned(house, folder)(n=N, account=ACCOUNT))
            dead = Newer(house, wave)
            dead.first(0, 10, 10, dict.fromkeys(range(10), Outcome.ACCEPTED))
            dead.end()
            recovered(house)
            with house.begin() as conn:
                conn.execute("UPDATE wave SET state = 'running'")
            newer = Newer(house, wave, incarnation(house))
            claimed, intent = commit(house, newer.journal, 10)
            newer.journal.window(claimed, intent)
            newer.journal.sending(intent.id, intent.lo, intent.lo + 4)
            house.folder("spool").joinpath(f"{ACCOUNT}~1-ab.seg").write_bytes(b"sealed")
            (paper := house.folder("incoming") / "cong-van-31.pdf").write_bytes(PAPER)
            for name in backup.PAPERS:
                keeping.keep_file(house.folder(name), house.keyring, paper)
                house.folder(name).joinpath(".half.part").write_bytes(b"still coming")
            made = backup.back_up(site, folder / "backup.tar")
            yield Origin(site, house, wave, folder / "backup.tar", made, newer.journal.name)


def incarnation(house: House) -> int:
    with house.begin() as conn:
        return recovery.incarnation(conn)


def settings_of(data: Path) -> Settings:
    return load({"DISPATCHER_LISTEN_PORT": "0"}, data=data, profile="drill")


def states(house: House, wave: Wave) -> dict[int, int]:
    with house.begin() as conn:
        return {m.number: m.state.value for m in reading.messages(conn, wave.id, house.keys(CAMPAIGN))}


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {info.name: source.read() for info in tar if (source := tar.extractfile(info))}


def test_a_backup_holds_all_but_the_keys(origin: Origin) -> None:
    """Database, journals, incarnation and spool in one file, the keys in the other, both closed to others."""
    found = members(origin.file)
    assert {"database.dump", "manifest.json", "journals/incarnation", f"journals/{origin.living}"} <= found.keys()
    assert f"spool/{ACCOUNT}~1-ab.seg" in found
    papers = [name for name in found if name.startswith(("letters/", "orders/"))]
    assert papers == [f"{folder}/{sha256(PAPER).hexdigest()}.sealed" for folder in ("letters", "orders")]
    assert [name for name in found if name.startswith("journals/sealed/")]
    assert not [name for name in found if "key" in name]
    assert members(origin.keys).keys() == {"manifest.json", "keys/installation.key", f"keys/{CAMPAIGN}.key"}
    assert (origin.file.stat().st_mode & 0o777, origin.keys.stat().st_mode & 0o777) == (0o600, 0o600)
    facts = json.loads(found["manifest.json"])
    assert (facts["schema"], facts["rehearsal"]) == (schema.HEAD, True)
    assert {each["name"] for each in facts["members"]} == found.keys() - {"manifest.json"}
    assert [path.name for path in origin.file.parent.glob(".*")] == []


def expanded(file: Path, folder: Path) -> bytes:
    """Everything in an archive, the dump as the SQL that it holds."""
    found = members(file)
    path = folder / "dump"
    path.write_bytes(found.pop("database.dump"))
    program = binaries.find().postgres("pg_restore")
    done = subprocess.run([program, "--file=-", path], capture_output=True, check=True)
    return b"\n".join([*found.values(), done.stdout])


def spellings(number: int) -> list[bytes]:
    """0..., 84..., +84... and nine digits in text; packed too, also as a dump writes bytes."""
    nine = str(number)[2:]
    packed = [array("Q", [number]).tobytes()[:6], number.to_bytes(6, "big"), bytes.fromhex(nine + "f")]
    packed += [int(nine).to_bytes(4, "big"), int(nine).to_bytes(4, "little")] if int(nine) < 1 << 32 else []
    texts = [f"0{nine}".encode(), f"84{nine}".encode(), f"+84{nine}".encode()]
    return texts + [each for data in packed if len(data) > 4 for each in (data, data.hex().encode())]


def test_no_number_is_in_a_backup_in_any_spelling(origin: Origin, tmp_path: Path) -> None:
    """I15: every number of the audience, looked for in all members and in the dump's own data."""
    text = expanded(origin.file, tmp_path)
    assert b"COPY public.number_block" in text
    numbers = list(states(origin.house, origin.wave))
    assert len(numbers) == N
    assert [number for number in numbers for each in spellings(number) if each in text] == []
    alone = set(re.findall(rb"(?<![0-9a-f])[0-9]{9}(?![0-9a-f])", text))
    assert alone & {str(number)[2:].encode() for number in numbers} == set()


def test_a_backup_replaces_no_file_and_leaves_no_half(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F50: refused beside an older one; when it fails in the middle nothing is left of it."""
    with pytest.raises(Problem, match="never replaces"):
        backup.back_up(origin.site, origin.file)

    def fails(_url: str, file: Path) -> None:
        file.write_bytes(b"half")
        raise Problem("{why}", why="tested")

    monkeypatch.setattr(dump, "dump", fails)
    with pytest.raises(Problem, match="tested"):
        backup.back_up(origin.site, tmp_path / "new.tar")
    assert list(tmp_path.iterdir()) == []


def bring(origin: Origin, folder: Path, **changes: Any) -> dict[str, Any]:
    """Restore the origin's backup into a data folder; the keywords change what is given."""
    given = {"file": origin.file, "keys": origin.keys, "rehearsal": True, "replace": False} | changes
    return backup.restore(settings_of(folder), **given)


def test_an_empty_folder_becomes_the_installation(origin: Origin, tmp_path: Path) -> None:
    """All messages with their numbers, rights as before, waves paused, sending locked for a person to look."""
    before = states(origin.house, origin.wave)
    done = bring(origin, tmp_path / "var")
    assert [lock.split(":")[0] for lock in done["locked"]] == ["blind"]
    with assemble.site(settings_of(tmp_path / "var"), rehearsal=True, start=True) as site:
        house = assemble.house(site)
        recovered(house)
        after = states(house, origin.wave)
        assert after.keys() == before.keys()
        changed = [after[number] for number in after if after[number] != before[number]]
        assert set(changed) == {1}  # the open window: its journal is a copy made while its writer lived
        assert len(changed) == 10
        for name in backup.PAPERS:
            assert b"".join(keeping.pieces(house.folder(name), house.keyring, sha256(PAPER).hexdigest())) == PAPER
        with psycopg.connect(site.app) as conn:
            row = conn.execute("SELECT state::text FROM wave WHERE id = %s", (origin.wave.id,)).fetchone()
            assert row == ("paused",)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                conn.execute("CREATE TABLE mine (n int)")
        with psycopg.connect(site.app) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("DELETE FROM audit")
        house.engine.dispose()
        house.redis.close()


def test_what_is_here_is_the_truth(origin: Origin, tmp_path: Path) -> None:
    """Journals, incarnation and spool that are there stay as they are, wherever they lie now; the rest is added."""
    data = tmp_path / "var"
    (data / "journals" / PUT_AWAY).mkdir(parents=True)
    kept = data / "journals" / PUT_AWAY / origin.living
    header = f"J2 0 5 1 1 {ACCOUNT}\nZ\n"
    kept.write_text(header, encoding="ascii")
    (data / "journals" / restart.FILE).write_text("4711", encoding="ascii")
    (data / "spool" / spool.LOADED).mkdir(parents=True)
    (data / "spool" / spool.LOADED / f"{ACCOUNT}~1-ab.seg").write_bytes(b"here")
    done = bring(origin, data)
    assert done["journals_since"]
    assert done["locked"] == []
    assert kept.read_text(encoding="ascii") == header
    assert not (data / "journals" / origin.living).exists()
    assert (data / "spool" / f"{ACCOUNT}~1-ab.seg").read_bytes() == b"here"  # to be loaded again
    assert list((data / "journals" / PUT_AWAY).glob(f"*{journal.SUFFIX}")) != [kept]


def damage(file: Path, target: Path, how: str) -> Path:
    """A copy of an archive with a byte flipped, its end cut off, or a member too many."""
    data = bytearray(file.read_bytes())
    if how == "flipped":
        data[514] ^= 1  # of the first member
    elif how == "cut":
        del data[1024:]
    elif how == "no archive":
        data[:] = b"not a tar at all" * 100
    target.write_bytes(data)
    if how == "added":
        with tarfile.open(target, "a") as tar:
            info = tarfile.TarInfo("journals/../../escape")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    return target


@pytest.mark.parametrize("how", ["flipped", "cut", "added", "no archive"])
def test_a_damaged_archive_changes_nothing(origin: Origin, tmp_path: Path, how: str) -> None:
    """Found before anything is touched: not even the data folder is made."""
    for given in ("file", "keys"):
        spoilt = damage(getattr(origin, given), tmp_path / f"{given}.tar", how)
        with pytest.raises(Problem, match="damaged"):
            bring(origin, tmp_path / "var", **{given: spoilt})
    assert not (tmp_path / "var").exists()


def altered(origin: Origin, target: Path, **facts: Any) -> Path:
    """The same archive, whole, that says other things of itself."""
    found = members(origin.file)
    old = json.loads(found["manifest.json"])
    with archives.written(target) as out:
        for each in old.pop("members"):
            part = target.with_suffix(".part")
            part.write_bytes(found[each["name"]])
            out.add(each["name"], part)
            part.unlink()
        out.finish(old | facts)
    return target


def test_wrong_input_is_told_in_one_sentence(origin: Origin, tmp_path: Path) -> None:
    """Newer program, other kind, missing or strange keys, no file: each has its own sentence, in both languages."""
    newer = altered(origin, tmp_path / "newer.tar", schema="9999")
    real = altered(origin, tmp_path / "real.tar", rehearsal=False)
    strange = tmp_path / "strange.keys"
    other = tmp_path / "keys"
    assemble.Keyring.create(other)
    with archives.written(strange) as out:
        out.add("keys/installation.key", other / "installation.key")
        out.finish({})
    cases: list[tuple[dict[str, Any], str]] = [
        ({"file": tmp_path / "missing.tar"}, "is not there"),
        ({"file": newer}, "newer program"),
        ({"file": real}, "for real sending"),
        ({"keys": None}, "keys of the backup are missing"),
        ({"keys": strange}, "does not hold the keys"),
        ({"keys": origin.file}, "does not hold the keys"),
        ({"file": origin.keys}, "damaged"),
    ]
    for changes, sentence in cases:
        with pytest.raises(Problem, match=sentence) as told:
            bring(origin, tmp_path / "var", **changes)
        assert words.speak("vi").problem(told.value) != str(told.value)
    assert not (tmp_path / "var" / "keys" / "installation.key").exists()
    shutil.copytree(other, tmp_path / "second" / "keys")
    with pytest.raises(Problem, match="another installation's"):
        bring(origin, tmp_path / "second")


def test_a_database_in_use_is_replaced_only_when_told(origin: Origin) -> None:
    """Refused without --replace; with it, what came after the backup is learnt from the journals that are here."""
    data = origin.site.settings.data
    with pytest.raises(Problem, match="--replace"):
        bring(origin, data)
    newer = Newer(origin.house, origin.wave)
    newer.first(40, 50, 50, dict.fromkeys(range(40, 50), Outcome.ACCEPTED))
    newer.end()
    done = bring(origin, data, keys=None, replace=True)
    assert done["replaced"]
    assert done["journals_since"]
    assert done["locked"] == [f"restore: waits for the writer of {origin.living} to end"]
    recovered(origin.house)
    with origin.house.begin() as conn:
        row = conn.execute("SELECT count(*) FROM send_window WHERE lo = 40 AND closed IS NOT NULL").fetchone()
        assert row == (1,)


def test_a_restore_that_fails_leaves_the_database_as_it_was(origin: Origin, tmp_path: Path) -> None:
    """A dump that breaks off in its middle: no COMMIT, the old state stands."""
    before = states(origin.house, origin.wave)
    path = tmp_path / "dump"
    path.write_bytes(members(origin.file)["database.dump"][:100_000])
    with pytest.raises(Problem, match="it is as it was"):
        dump.pour(origin.site.owner, path, before="BEGIN; DROP SCHEMA public CASCADE; CREATE SCHEMA public;",
                  after="COMMIT;", version=18)  # fmt: skip
    assert states(origin.house, origin.wave) == before


def test_no_password_is_in_an_argument_or_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """PostgreSQL's programs read the address from a file that only we can read."""
    with dump._environment("postgresql://owner:geheim@/db?host=%2Ftmp%2Fx&port=1") as env:
        assert "geheim" not in repr(env)
        file = Path(env["PGSERVICEFILE"])
        assert file.stat().st_mode & 0o777 == 0o600
        assert "password=geheim" in file.read_text(encoding="utf-8")
    assert not file.exists()


def test_the_command_line_saves_restores_and_unlocks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person's way: backup, restore elsewhere, look why sending is locked, open it with a reason that is recorded."""
    first, second, file = tmp_path / "a", tmp_path / "b", tmp_path / "saved.tar"

    def run(data: Path, *argv: str, key: str = "") -> tuple[int, dict[str, Any], str]:
        env = {"DISPATCHER_LANG": "en", "DISPATCHER_DATA": str(data)} | ({"DISPATCHER_KEY": key} if key else {})
        code = cli.run([*argv, "--data", str(data), "--rehearsal", "--json"], env)
        out, err = capsys.readouterr()
        return code, json.loads(out.splitlines()[-1]), err

    with Servers(first) as servers:
        servers.start()
        _, quan, _ = run(first, "person", "add", "quan")
        _, kiem, _ = run(first, "person", "add", "kiem", "--role", "officer", "--as", "quan", key=quan["key"])
        code, made, err = run(first, "backup", str(file))
        assert (code, made["keys"]) == (0, f"{file}.keys")
        assert "keep them elsewhere" in err
    code, done, err = run(second, "restore", str(file), "--keys", f"{file}.keys")
    assert (code, done["journals_since"]) == (0, False)
    assert "is not known here" in err
    unlock = ("unlock", "--as", "quan")
    with Servers(second) as servers:
        servers.start()
        code, _, err = run(second, "unlock", "--as", "kiem", key=kiem["key"])
        assert (code, "an operator or an approver may" in err) == (1, True)
        code, _, err = run(second, *unlock, key=quan["key"])
        assert (code, "what was sent after the backup" in err) == (1, True)
        code, gone, _ = run(second, *unlock, "--reason", "nothing was sent since", key=quan["key"])
        assert (code, len(gone["unlocked"])) == (0, 1)
        code, gone, err = run(second, *unlock, key=quan["key"])
        assert (code, gone["unlocked"], "sending is not locked" in err) == (0, [], True)
        with psycopg.connect(servers.start().app) as conn:
            row = conn.execute("SELECT person, details ->> 'reason' FROM audit WHERE act = 'sending.unlock'").fetchone()
            conn.execute("UPDATE installation SET locked_reason = 'restore: waits', restoring_since = now()")
        assert row == ("quan", "nothing was sent since")
        living = journal.Journal(second / "journals", 5, 1)
        code, _, err = run(second, *unlock, "--reason", "in a hurry", key=quan["key"])
        assert (code, f"waits for the writer of {living.name}" in err, "then ends by itself" in err) == (1, True, True)
        living.close()
        code, gone, err = run(second, *unlock, key=quan["key"])
        assert (code, gone["unlocked"], "sending is not locked" in err) == (0, [], True)


def test_every_lock_can_be_said_in_vietnamese() -> None:
    """Each reason that the source writes is one of the known ones, and each of those is translated."""
    written = []
    for name in (
        "workers/journals.py",
        "workers/restart.py",
        "workers/sender.py",
        "dispatcher/backup.py",
        "campaigns/ledger/copies.py",
    ):
        for node in ast.walk(parsed(ROOT / name)):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in node.values)
                if text.startswith(("wave: ", "blind: ", "7 from a", "7 waits for", "journal 7 ", "a window of")):
                    written.append(text)
    vietnamese, english = words.speak("vi"), words.speak("en")
    assert len(written) >= 7
    for line in written:
        whole = line.replace("7 ", "restore: ", 1) if line.startswith("7 ") else line
        whole = whole if whole.startswith(("wave", "blind", "restore")) else f"restore: {whole}"
        assert locks.said(english, [whole]) == [whole]
        assert locks.said(vietnamese, [whole]) != [whole], whole
    assert (
        socket.gethostname()
        in locks.said(vietnamese, [f"restore: waits for the writer of {socket.gethostname()}-1 to end"])[0]
    )
