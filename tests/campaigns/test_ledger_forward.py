"""Forward from the first release: its database, full and in the middle of a wave, becomes this one and goes on."""

from __future__ import annotations

import hashlib
import socket
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine

from campaigns.ledger import schema, waves
from campaigns.ledger.names import block_context
from campaigns.sealing import Keyring
from campaigns.terms import Callback, State
from config.settings import Settings, load
from dispatcher import assemble, backup
from dispatcher.assemble import Site
from providers import smpp_receipts
from tests.cluster import CAMPAIGN
from tests.hand import counted, grouped, messages, one
from tests.workers.stage import ACCOUNT, stage
from workers import journal, restart, spool

WAVE, AUDIENCE, N = 5_000_000_007, 5_000_000_009, 40
TEXT = "Xin chao"
NUMBERS = [84_900_000_000 + 7 * i for i in range(N)]
SQL = Path(__file__).with_name("first_release.sql")
JOURNAL = f"{socket.gethostname()}-00000000000000aa{journal.SUFFIX}"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load({"DISPATCHER_LISTEN_PORT": "0"}, data=tmp_path / "var", profile="drill")


@pytest.fixture
def old(settings: Settings) -> Iterator[Site]:
    """An installation as the first release leaves it when it is stopped with -9."""
    with assemble.site(settings, rehearsal=True, start=True) as site:
        _migrate_to(site.owner, "0001")
        ring = Keyring.create(settings.data / "keys")
        with psycopg.connect(site.owner) as conn:
            _fill(conn, ring)
        _leave_files(settings.data, ring)
        yield site


def _migrate_to(owner: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.HERE / "migrations"))
    engine = create_engine(schema.sqlalchemy_url(owner))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    engine.dispose()


def _fill(conn: psycopg.Connection, ring: Keyring) -> None:
    """Rows of 0001's shape only; the fold that ran is 0001's own."""
    keys = ring.campaign(CAMPAIGN)
    sha = hashlib.sha256(TEXT.encode()).hexdigest()
    names = {"wave": WAVE, "audience": AUDIENCE, "text": f"'{TEXT}'", "sha": f"'{sha}'", "journal": f"'{JOURNAL}'"}
    conn.execute(SQL.read_text(encoding="utf-8").format(**names))  # type: ignore[arg-type]  # no literal: a file of ours
    with conn.cursor() as cur:
        cur.executemany(
            f"INSERT INTO message_{WAVE} (no, unit, carrier, number_hash) VALUES (%s, 0, 1, %s)",
            list(enumerate(keys.number_hashes(NUMBERS))),
        )
    nonce, sealed = keys.seal_block(array("Q", NUMBERS), block_context(WAVE, 0))
    conn.execute("INSERT INTO number_block VALUES (%s, 0, %s, %s)", (WAVE, nonce, sealed))
    conn.execute("SELECT seal_wave(%s)", (WAVE,))
    assert one(conn, "SELECT chunks, retries FROM fold(%s, 40, 5, 0.0::float8, 1e-6::float8)", WAVE) == (1, 1)
    row = one(conn, "INSERT INTO chunk (wave) VALUES (%s) RETURNING id", WAVE)
    conn.execute(
        f'INSERT INTO log_{WAVE} (chunk, "window", idx, kind, outcome, provider_code, provider_ref)'
        " SELECT %s, 102, i, 'answer', 5, '0x00', 'old' || i FROM generate_series(10, 14) AS i",
        (row[0],),
    )
    conn.execute("SELECT open_inbox_day(current_date)")
    for idx, verdict in ((0, "matched"), (12, "unknown")):
        raw = ring.seal(msgspec.msgpack.encode(_receipt(idx)), ACCOUNT.encode())
        conn.execute("INSERT INTO inbox (account, raw, received_at, verdict) VALUES (%s, %s, now(), %s)",
                     (ACCOUNT, raw, verdict))  # fmt: skip


def _receipt(idx: int) -> Callback:
    """A deliver_sm of the carrier, as the first release kept one."""
    text = (
        f"id:old{idx} sub:001 dlvrd:001 submit date:2407221200 done date:2407221201 stat:DELIVRD err:000 text:".encode()
    )
    body = b"\0\x01\x01%d\0\x05\0S\0\x04\0\0\0\0\0\0\0\0" % NUMBERS[idx] + bytes([len(text)]) + text
    assert smpp_receipts.read(body)[0].provider_ref == f"old{idx}"
    return Callback(body, method="SMPP")


def _leave_files(data: Path, ring: Keyring) -> None:
    """Incarnation, a dead worker's journal (eight on the wire, seven answered), a segment of single events."""
    for name in ("journals", "spool"):
        (data / name).mkdir(mode=0o700)
    (data / "journals" / restart.FILE).write_text("4711", encoding="ascii")
    heard = "".join(f"R 102 {idx} 5 old{idx} 0x00\n" for idx in range(10, 17))
    (data / "journals" / JOURNAL).write_text(
        f"J2 {journal.boot_id()} 170 4711 1\nC {WAVE} first 0 1\nW 101 {WAVE} hash first 0 1 0 10 \nS 101 0 10\n"
        f"W 102 {WAVE} hash first 0 1 10 20 \nS 102 10 18\n{heard}",
        encoding="ascii",
    )
    raw = ring.seal(msgspec.msgpack.encode(_receipt(13)), ACCOUNT.encode())
    segment = data / "spool" / f"{ACCOUNT}~1-ab{spool.READY}"
    segment.write_bytes(spool.HEAD.pack(len(raw), time.time()) + raw)


def _counts(conn: psycopg.Connection) -> dict[str, int]:
    tables = [
        str(row[0])
        for row in conn.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
    ]
    return {table: int(one(conn, f'SELECT count(*) FROM "{table}"')[0]) for table in tables}


@pytest.mark.timeout(120)
def test_a_full_database_of_the_first_release_goes_forward_and_on(old: Site, tmp_path: Path) -> None:
    """F49: no row is lost, rights and guards hold, and the wave is sent to its end: nobody twice, nobody lost."""
    with psycopg.connect(old.owner) as conn:
        before = _counts(conn)
    assemble.prepare(old)
    with psycopg.connect(old.owner) as conn:
        after = _counts(conn)
        assert {table: after[table] for table in before if table not in {"carrier", "account"}} == {
            table: n for table, n in before.items() if table not in {"carrier", "account"}
        }
        assert one(conn, "SELECT version_num FROM alembic_version") == (schema.HEAD,)
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute(f"UPDATE message_{WAVE} SET state = 0 WHERE state = 5")
    with psycopg.connect(old.app) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(f"DELETE FROM log_{WAVE}")
    _goes_on(old, tmp_path)


def test_a_backup_of_the_first_release_is_restored_and_goes_forward(old: Site, tmp_path: Path) -> None:
    """Older than this program: restored as it was, then migrated; paused and locked like any other restore."""
    made = backup.back_up(old, tmp_path / "old.tar")
    assert made["schema"] == "0001"
    settings = load({"DISPATCHER_LISTEN_PORT": "0"}, data=tmp_path / "new", profile="drill")
    keys = backup.keys_file(tmp_path / "old.tar")
    done = backup.restore(settings, tmp_path / "old.tar", keys, rehearsal=True, replace=False)
    assert [lock.partition(":")[0] for lock in done["locked"]] == ["blind"]
    with assemble.site(settings, rehearsal=True, start=True) as site, psycopg.connect(site.app) as conn:
        assert schema.version(site.app) == schema.HEAD
        assert waves.get(conn, WAVE).state == "paused"
        imported = one(conn, "SELECT proof, uncertain FROM journal WHERE name = %s", JOURNAL)
        assert imported == (False, 3)  # a copy of a journal proves nothing by silence: what it does not answer


def _goes_on(site: Site, folder: Path) -> None:
    house = assemble.house(site)
    try:
        with stage(site, house, folder) as here:
            here.carrier(undelivered=0.0)
            with house.begin() as conn:
                wave = waves.get(conn, WAVE)
            assert wave.state == "running"  # the incarnation is known: nothing was restored
            here.sender()
            counts = here.settled(wave, State.DELIVERED, State.REFUSED, State.ACCEPTED, State.UNCERTAIN)
            here.go_on(wave, lambda: here.counts(wave).get(State.DELIVERED, 0) >= 25)
            counts = here.counts(wave)
            taken = here.taken()
        assert sorted(map(int, taken)) == sorted([NUMBERS[8], *NUMBERS[18:]])  # later, never sent, and the rest
        assert set(taken.values()) == {1}
        with house.begin() as conn:
            assert counted(conn, WAVE) == grouped(conn, WAVE)
            state = {no: each[0] for no, each in messages(conn, WAVE).items()}
            verdicts = [row[0] for row in conn.execute("SELECT verdict FROM inbox ORDER BY id")]
        assert (state[9], state[17]) == (State.REFUSED, State.UNCERTAIN)
        assert (state[12], state[13]) == (State.DELIVERED, State.DELIVERED)  # its receipts of before
        assert verdicts[:2] == ["matched", "late-matched"]
        assert sum(counts.values()) == N
    finally:
        house.engine.dispose()
        house.redis.close()
