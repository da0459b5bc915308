"""Backup and restore of an installation: database, journals, spool and papers in one file, the keys in another.

The order is what makes an online backup whole: the spool before the database (a receipt is in one of the two), the
journals after it (a window of the database has its lines), and papers of orders and drafts after it too (each row has
its file, as a file is sealed before its row is written and never taken away). What comes back never replaces what is
there: journals, spool and keys of the data folder are newer, and are the truth about what left since the backup.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psycopg

from campaigns.ledger import copies, figures, people, recovery, schema, shares
from campaigns.sealing import Keyring
from campaigns.terms import Problem
from config import servers
from config.settings import Settings
from dispatcher import archives, assemble, crew, dump, letter_files, orders
from dispatcher.archives import Archive, Member
from dispatcher.assemble import Site
from workers import journal, restart, spool

DATABASE = "database.dump"
PAPERS = (letter_files.FOLDER, orders.FOLDER)
"""Folders of files that people brought, each sealed."""
NO_PROOF = "backup"  # in the place of a boot: a journal copied while its writer lived proves nothing by silence


def back_up(site: Site, file: Path) -> dict[str, Any]:
    """Write FILE and FILE.keys; what was written."""
    keys = keys_file(file)
    for path in (file, keys):
        archives.refuse_existing(path)
    facts = _facts(site)
    _save_keys(site, keys, facts)
    try:
        return {**_save(site, file, facts), "file": str(file), "keys": str(keys)}
    except BaseException:
        archives.forget(keys)
        raise


def keys_file(file: Path) -> Path:
    """Where the keys of a backup lie: beside it, to be carried elsewhere."""
    return file.with_name(f"{file.name}.keys")


def _facts(site: Site) -> dict[str, Any]:
    if not site.owner:
        raise Problem("only the owner may read all of the database: set DATABASE_OWNER_URL for this one command")
    with psycopg.connect(site.app) as conn:
        rehearsal = figures.installation(conn).rehearsal
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "program": program(),
        "schema": schema.version(site.app),
        "rehearsal": rehearsal,
        "keys": check_value(site.settings.data / "keys"),
    }


def program() -> str:
    """This program's version."""
    try:
        return version("campaign-dispatcher")
    except PackageNotFoundError:  # run from its source folder
        return "-"


def check_value(folder: Path) -> str:
    """What tells one installation's keys from another's, and opens nothing."""
    return Keyring(folder).mac_key("backup").hex()[:32]


def _save_keys(site: Site, file: Path, facts: dict[str, Any]) -> None:
    with archives.written(file) as out:
        for path in sorted((site.settings.data / "keys").glob("*.key")):
            out.add(f"keys/{path.name}", path)
        out.finish(facts)


def _save(site: Site, file: Path, facts: dict[str, Any]) -> dict[str, Any]:
    data = site.settings.data
    with archives.written(file) as out, tempfile.TemporaryDirectory(dir=file.parent, prefix=".dump-") as folder:
        for path in _spool(data):
            name = str(path.relative_to(data))
            if not out.add(name, path):  # handed on or loaded meanwhile: then it has its other name
                later = [path.with_suffix(".seg"), path.parent / spool.LOADED / path.with_suffix(".seg").name]
                _ = any(out.add(str(each.relative_to(data)), each) for each in later)
        dump.dump(site.owner, Path(folder) / DATABASE)
        out.add(DATABASE, Path(folder) / DATABASE)
        for path in _journals(data):
            if not out.add(str(path.relative_to(data)), path):
                put_away = path.parent / "sealed" / path.name
                out.add(str(put_away.relative_to(data)), put_away)
        for path in sorted(each for name in PAPERS for each in (data / name).glob("*.sealed")):
            out.add(str(path.relative_to(data)), path)
        out.finish(facts)
        sizes = {each["name"]: each["size"] for each in out.members}
    return {**facts, "members": len(sizes), "bytes": sum(sizes.values())}


def _spool(data: Path) -> Iterator[Path]:
    for pattern in ("*~*.seg", "*~*.open", f"{spool.LOADED}/*~*"):
        yield from sorted((data / "spool").glob(pattern))


def _journals(data: Path) -> Iterator[Path]:
    folder = data / "journals"
    yield from sorted(folder.glob(f"*{journal.SUFFIX}"))
    yield from sorted(folder.glob(f"sealed/*{journal.SUFFIX}"))
    if (folder / restart.FILE).exists():
        yield folder / restart.FILE


# -- restore ---------------------------------------------------------------------------------------------------------


def restore(settings: Settings, file: Path, keys: Path | None, *, rehearsal: bool, replace: bool) -> dict[str, Any]:
    """Bring a backup into this installation; sending stays locked until every journal is in. What was done."""
    archive = archives.opened(file)
    _look(archive, rehearsal=rehearsal)
    key_archive = archives.opened(keys) if keys else None
    with crew.only_one(settings.data), assemble.site(settings, rehearsal=rehearsal, start=True) as site:
        in_use = _refuse(site, replace=replace)
        _bring_keys(settings.data / "keys", archive, key_archive)
        blind = not (settings.data / "journals" / restart.FILE).exists()
        added = _bring_files(settings.data, archive)
        _pour(site, archive, blind=blind)
        assemble.prepare(site)
        return {
            "replaced": in_use,
            "files": added,
            "journals_since": not blind,
            **_after(site, archive),
            **archive.facts,
        }


def _look(archive: Archive, *, rehearsal: bool) -> None:
    facts = archive.facts
    if DATABASE not in archive.names:
        raise archives.damaged(archive.path)
    if facts["rehearsal"] != rehearsal:
        raise Problem(
            "this backup is of an installation for {kind}: add or leave out --rehearsal, or use another data folder",
            kind="rehearsals" if facts["rehearsal"] else "real sending",
        )
    if facts["schema"] > schema.HEAD:
        raise Problem(
            "this backup is of a newer program (database version {found}, this one knows {needed}): restore it there",
            found=facts["schema"],
            needed=schema.HEAD,
        )


def _refuse(site: Site, *, replace: bool) -> bool:
    """Whether the database is in use; raises Problem when it may not be replaced now."""
    if not site.owner:
        raise Problem("only the owner may change the database: set DATABASE_OWNER_URL for this one command")
    with psycopg.connect(site.owner) as conn:
        in_use = copies.is_in_use(conn)
        if in_use and not replace:
            raise Problem("this database is in use: with --replace it is replaced whole by the backup")
        if in_use and (names := shares.at_work(conn)):
            raise Problem("workers are at work on this database ({names}): end them first", names=", ".join(names))
    return in_use


def _bring_keys(folder: Path, archive: Archive, keys: Archive | None) -> None:
    """Add what is missing, once the keys are known to be those of the backup."""
    if (folder / "installation.key").exists() and check_value(folder) != archive.facts["keys"]:
        raise Problem("the keys in {folder} are another installation's: this backup cannot be read with them",
                      folder=folder)  # fmt: skip
    if keys is None:
        if not (folder / "installation.key").exists():
            raise Problem("the keys of the backup are missing: give their file with --keys; without them no number"
                          " can be read")  # fmt: skip
        return
    with tempfile.TemporaryDirectory() as place:
        for member in keys.members():
            member.write(Path(place) / Path(member.name).name)
        if not (Path(place) / "installation.key").exists() or check_value(Path(place)) != archive.facts["keys"]:
            raise Problem("{file} does not hold the keys of this backup", file=keys.path)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in keys.names:
        if not (folder / Path(name).name).exists():
            keys.copy(name, folder / Path(name).name)


def _bring_files(data: Path, archive: Archive) -> int:
    """Journals, spool segments and papers that are not here under any of their names; how many."""
    added, folders = 0, set[Path]()
    for member in archive.members():
        name, target = member.name, data / member.name
        if not name.startswith(("journals/", "spool/", *(f"{each}/" for each in PAPERS))) or _is_here(target):
            continue
        if target.parent not in folders:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.add(target.parent)
        member.write(target, _without_proof(member))
        added += 1
    for folder in folders:
        archives.sync(folder)
    return added


def _without_proof(member: Member) -> bytes:
    """The first line of a journal whose writer lived, as it may be believed here; nothing of any other file."""
    if not member.name.endswith(journal.SUFFIX) or member.name.startswith("journals/sealed/"):
        return b""
    word, _boot, rest = member.source.readline().split(b" ", 2)
    return b" ".join((word, NO_PROOF.encode(), rest))


def _is_here(target: Path) -> bool:
    """Under this name, or where it was put away, or before it was."""
    folder = target.parent.parent if target.parent.name in {"sealed", spool.LOADED} else target.parent
    stems = {target.name}
    if "~" in target.name:
        stems |= {target.with_suffix(suffix).name for suffix in (".open", ".seg")}
    return any(
        (place / stem).exists() for stem in stems for place in (folder, folder / "sealed", folder / spool.LOADED)
    )


def _pour(site: Site, archive: Archive, *, blind: bool) -> None:
    """The database, in one transaction that ends locked; `blind`: what left since the backup is told by no journal."""
    since = f"blind: what was sent after the backup of {archive.facts['made_at']} is in no journal of this data folder"
    with tempfile.TemporaryDirectory(dir=site.settings.data, prefix=".restore-") as folder:
        file = Path(folder) / DATABASE
        archive.copy(DATABASE, file)
        with psycopg.connect(site.owner) as conn:
            major = copies.server_version(conn)
        if not site.settings.database_url:  # a stopped worker may hold a table; on a real server its owner ends it
            with psycopg.connect(servers.superuser(site.settings.data), autocommit=True) as conn:
                conn.execute(copies.END_SESSIONS)
        after = copies.after(since) if blind else copies.after()
        dump.pour(site.owner, file, before=copies.BEFORE, after=after, version=major)


def _after(site: Site, archive: Archive) -> dict[str, Any]:
    """Import what is here; what still keeps sending locked."""
    house = assemble.house(site)
    try:
        restart.begin_sending(house)
        with house.begin() as conn:
            people.record(conn, "-", "installation.restore", "installation", made_at=archive.facts["made_at"])
            return {"locked": recovery.locks(conn)}
    finally:
        house.engine.dispose()
        house.redis.close()
