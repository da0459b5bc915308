"""The files for servers of their own: valid, without default passwords, and of one mind with the embedded servers."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker

from config.servers import binaries, postgres

PROJECT = Path(__file__).parents[2]
COMPOSE = (PROJECT / "docker-compose.yml").read_text("utf-8")
INVENTED = "b" * 48


@pytest.mark.slow
def test_compose_accepts_the_file_with_the_example() -> None:
    """`docker-compose config` reads the file with every profile; this test needs the program docker-compose."""
    assert shutil.which("docker-compose"), "docker-compose is missing: apt-get install docker-compose"
    env = {"PATH": os.environ["PATH"], "COMPOSE_PROFILES": "smpp-a,esms-a"}
    command = ["docker-compose", "--env-file", "deploy/example.env", "config", "-q"]
    subprocess.run(command, cwd=PROJECT, env=env, check=True)


@pytest.mark.slow
def test_prepare_leaves_no_placeholder_and_certificates_that_hold(tmp_path: Path) -> None:
    """One command makes passwords, a CA and two certificates of it; this test needs the program openssl."""
    assert shutil.which("openssl"), "openssl is missing: apt-get install openssl"
    shutil.copytree(PROJECT / "deploy", tmp_path / "deploy", ignore=shutil.ignore_patterns("tls"))
    for _ in range(2):
        subprocess.run(["sh", "deploy/prepare.sh", "sms.example.gov.vn"], cwd=tmp_path, check=True)
    assert "=replace-me" not in (tmp_path / ".env").read_text()
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
    for host, name in (("sms.example.gov.vn", "proxy"), ("api", "api")):
        verify = ["openssl", "verify", "-CAfile", "ca.crt", "-verify_hostname", host, f"{name}.crt"]
        subprocess.run(verify, cwd=tmp_path / "deploy" / "tls", check=True)


@pytest.mark.parametrize("name", ["POSTGRES", "DISPATCHER_OWNER", "DISPATCHER_APP", "DISPATCHER_REDIS"])
def test_no_password_has_a_default(name: str) -> None:
    """Each mention of a server's password stops compose when it is not set."""
    mentions = re.findall(r"\$\{" + name + r"_PASSWORD([^}]*)\}", COMPOSE)
    assert mentions
    assert all(mention.startswith(":?") for mention in mentions)


def test_the_database_is_not_published() -> None:
    """Only the proxy has a port outside, and only the migration knows the owner."""
    assert COMPOSE.count("ports:") == 1
    assert COMPOSE.index("  proxy:") < COMPOSE.index("ports:") < COMPOSE.index("  api:")
    assert COMPOSE.count("DATABASE_OWNER_URL") == 1


def test_roles_are_those_of_the_embedded_server() -> None:
    """The init script makes the same roles with the same rights as the embedded cluster."""
    script = (PROJECT / "deploy" / "postgres" / "roles.sh").read_text()
    plain = re.sub(r"'\$\w+'", "'*'", script)
    for statement in postgres.ROLES.splitlines()[1:]:
        assert re.sub(r"'\{\w+\}'", "'*'", statement) in plain


@pytest.fixture
def doorbell(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Valkey as deploy/valkey.sh starts it, on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = (PROJECT / "deploy" / "valkey.sh").read_text().replace("port 6379", f"bind 127.0.0.1\nport {port}")
    (tmp_path / "valkey.sh").write_text(script)
    env = {
        "PATH": os.environ["PATH"], "REDIS_PASSWORD": INVENTED, "DATA": str(tmp_path),
        "SETTINGS": str(PROJECT / "config/servers/valkey.conf"), "VALKEY_SERVER": str(binaries.find().valkey),
    }  # fmt: skip
    server = subprocess.Popen(["sh", tmp_path / "valkey.sh"], env=env, stdout=subprocess.DEVNULL)
    yield server, port
    server.terminate()  # as `docker stop` does to process 1
    assert server.wait(10) == 0


def test_rq_works_with_the_rights_that_the_dispatcher_has(doorbell: tuple[subprocess.Popen[bytes], int]) -> None:
    """The user of compose can run jobs and cannot empty, read or reconfigure the server; the default user is off."""
    line = redis.Redis(port=doorbell[1], username="dispatcher", password=INVENTED)
    deadline = time.monotonic() + 10
    while True:
        try:
            line.ping()
            break
        except redis.ConnectionError:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    job = Queue("proof", connection=line).enqueue("time.time")
    SimpleWorker(["proof"], connection=line).work(burst=True)
    assert job.is_finished
    for forbidden in ("FLUSHALL", "FLUSHDB", "CONFIG GET *", "KEYS *", "SHUTDOWN", "ACL LIST", "REPLICAOF NO ONE"):
        with pytest.raises(redis.exceptions.NoPermissionError):
            line.execute_command(*forbidden.split())
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=doorbell[1]).ping()
    line.close()


@pytest.mark.parametrize("script", ["valkey.sh", "postgres/roles.sh"])
def test_servers_refuse_the_placeholder(script: str) -> None:
    """Whoever starts with the example's passwords is told what to do."""
    names = ("POSTGRES_PASSWORD", "DISPATCHER_OWNER_PASSWORD", "DISPATCHER_APP_PASSWORD", "REDIS_PASSWORD")
    env = {"PATH": os.environ["PATH"]} | dict.fromkeys(names, "replace-me")
    done = subprocess.run(["sh", PROJECT / "deploy" / script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "deploy/prepare.sh" in done.stderr
