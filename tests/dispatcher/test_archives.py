"""An archive holds each file once and whole, or it is not there."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from campaigns.terms import Problem
from config.settings import Settings
from dispatcher import archives, backup, dump
from dispatcher.assemble import Site
from workers import spool

NAME = "sim-smpp~0000000000000001-00000001.seg"


def test_a_segment_that_is_loaded_while_it_is_copied_is_there_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gone from its place when its turn comes, found where loaded ones lie, and met there again: one member."""
    loaded = tmp_path / "spool" / spool.LOADED
    loaded.mkdir(parents=True)
    (tmp_path / "spool" / NAME).write_bytes(b"receipts")
    usual = archives.Writer.add

    def add(self: archives.Writer, name: str, path: Path) -> bool:
        if path == tmp_path / "spool" / NAME and path.exists():
            path.rename(loaded / NAME)
        return usual(self, name, path)

    monkeypatch.setattr(archives.Writer, "add", add)
    monkeypatch.setattr(dump, "dump", lambda _, target: target.write_bytes(b"dump"))
    file = tmp_path / "backup.tar"
    backup._save(Site(Settings(data=tmp_path), "", "", "", rehearsal=True), file, {})
    assert set(archives.opened(file).names) == {f"spool/{spool.LOADED}/{NAME}", "database.dump"}


def test_what_could_not_be_restored_does_not_get_its_name(tmp_path: Path) -> None:
    """Read again when it is made: a manifest that names what is not there leaves no file behind."""
    file = tmp_path / "backup.tar"

    def write() -> None:
        with archives.written(file) as out:
            out.members.append({"name": "database.dump", "size": 4, "sha256": "0" * 64})
            out.finish({})

    with pytest.raises(Problem, match="was not written whole"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_very_many_files_is_read_again(tmp_path: Path) -> None:
    """Its manifest is longer than what is read at a time: a busy week leaves tens of thousands of segments."""
    file, one = tmp_path / "backup.tar", tmp_path / "one"
    written = [f"spool/{spool.LOADED}/sim-smpp~{n:016x}-{n:08x}.seg" for n in range(9_000)]
    with archives.written(file) as out:
        for n, name in enumerate(written):
            one.write_bytes(b"%d" % n)
            assert out.add(name, one)
        out.finish({})
    archive = archives.opened(file)
    with tarfile.open(file) as tar:
        assert tar.getmember(archives.MANIFEST).size > archives.PIECE
    assert list(archive.names) == written
    found = [(member.name, member.source.read()) for member in archive.members()]
    assert found == [(name, b"%d" % n) for n, name in enumerate(written)]
    archive.copy(written[-1], tmp_path / "last")
    assert (tmp_path / "last").read_bytes() == b"8999"


def test_a_name_that_is_not_in_it_is_damage(tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    with archives.written(file) as out:
        out.finish({})
    with pytest.raises(Problem, match="damaged"):
        archives.opened(file).copy("database.dump", tmp_path / "dump")
