"""Settings come from four places in a known order, and whatever is wrong is told with its place and its name."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from config import data as shipped
from config.problem import Problem
from config.settings import NOT_OURS, PLAIN, Settings, load


def test_nothing_given_is_a_whole_installation_on_this_machine(tmp_path: Path) -> None:
    settings = load({}, data=tmp_path)
    assert settings.database_url is settings.redis_url is None
    assert settings.url == "http://127.0.0.1:8710"
    assert settings.kill_switch_file == tmp_path / "kill-switch"
    assert settings.carriers_file == shipped.CARRIERS
    assert (settings.lease, settings.settle, settings.sweeper, settings.send_deadline) == (60, 30, 5, 5)


def test_the_environment_beats_the_file_beats_the_profile_beats_the_default(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("settle = 7\nlease = 8\n")
    settings = load({"DISPATCHER_LEASE": "9"}, data=tmp_path, profile="drill")
    assert (settings.lease, settings.settle, settings.sweeper, settings.batch_size) == (9, 7, 1, 5_000)


def test_the_environment_is_read_when_called_and_only_then(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DISPATCHER_DATA", str(tmp_path))
    monkeypatch.setenv("DISPATCHER_KEY", "a person's key is none of ours")
    assert load().data == tmp_path


def test_each_field_can_be_set_by_its_variable(tmp_path: Path) -> None:
    names = {PLAIN.get(key, f"DISPATCHER_{key.upper()}") for key in Settings.model_fields}
    assert len(names) == len(Settings.model_fields)
    env = {"DATABASE_URL": "postgresql:///x", "REDIS_URL": "redis:///", "DISPATCHER_LANG": "en"}
    settings = load(env | {"DISPATCHER_LOOK_UPS": "1, 2,3"}, data=tmp_path)
    assert (settings.database_url, settings.redis_url, settings.language) == ("postgresql:///x", "redis:///", "en")
    assert settings.look_ups == (1, 2, 3)


def test_a_secret_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql://app:hunter2@db/x\n")
    settings = load({"DATABASE_URL_FILE": str(tmp_path / "url")}, data=tmp_path)
    assert settings.database_url == "postgresql://app:hunter2@db/x"
    assert "hunter2" not in repr(settings)


def test_settings_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        load({}, data=tmp_path).lease = 1  # type: ignore[misc]


def test_the_data_folders_own_carriers_go_first(tmp_path: Path) -> None:
    own = tmp_path / "carriers.toml"
    own.write_text("")
    assert load({}, data=tmp_path).carriers_file == own
    assert load({"DISPATCHER_CARRIERS_FILE": "other.toml"}, data=tmp_path).carriers_file == Path("other.toml")


WRONG = [
    ({"DISPATCHER_LEAS": "1"}, "", ["environment", "DISPATCHER_LEAS ", "DISPATCHER_LEASE"]),
    ({"DISPATCHER_LEASE": "soon"}, "", ["environment", "DISPATCHER_LEASE", "a number", "soon"]),
    ({"DISPATCHER_LEASE": "nan"}, "", ["DISPATCHER_LEASE", "nan"]),
    ({"DISPATCHER_BATCH_SIZE": "0"}, "", ["DISPATCHER_BATCH_SIZE", "at least 1", "0"]),
    ({"DISPATCHER_WINDOW_MAX": "1001"}, "", ["DISPATCHER_WINDOW_MAX", "at most 1000"]),
    ({"DISPATCHER_LANG": "fr"}, "", ["DISPATCHER_LANG", "'vi' or 'en'", "fr"]),
    ({"DISPATCHER_LOOK_UPS": "1,x"}, "", ["DISPATCHER_LOOK_UPS", "a number"]),
    ({"DATABASE_URL_FILE": "/nowhere/at/all"}, "", ["DATABASE_URL_FILE", "/nowhere/at/all", "No such file"]),
    ({"REDIS_URL_FILE": "x", "REDIS_URL": "y"}, "", ["REDIS_URL_FILE", "REDIS_URL", "keep one"]),
    ({"DISPATCHER_LISTEN_HOST": "0.0.0.0"}, "", ["listen_host", "0.0.0.0", "tls_certificate"]),  # noqa: S104 - refused
    ({"DISPATCHER_LISTEN_HOST": "console.example"}, "", ["listen_host", "tls_key"]),
    ({"DISPATCHER_TLS_KEY": "k.pem"}, "", ["tls_certificate", "tls_key"]),
    ({"DISPATCHER_PUBLIC_URL": "console.example"}, "", ["public_url", "https://"]),
    ({}, "leese = 1", ["settings.toml", "leese", "lease"]),
    ({}, "lease = 'x'", ["settings.toml", "lease", "a number"]),
    ({}, "lease 1", ["settings.toml", "line 1"]),
    ({}, "data = 'x'", ["settings.toml", "data", "DISPATCHER_DATA"]),
    ({}, "database_url = 7", ["settings.toml", "database_url", "***"]),
]


@pytest.mark.parametrize(("env", "file", "said"), WRONG)
def test_what_is_wrong_is_named_with_its_place(env: dict[str, str], file: str, said: list[str], tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text(file)
    with pytest.raises(Problem) as caught:
        load(env, data=tmp_path)
    assert all(word in str(caught.value) for word in said), str(caught.value)


def test_an_unknown_profile_names_the_known(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="rehearsal, drill"):
        load({}, data=tmp_path, profile="party")


@pytest.mark.parametrize("profile", tomllib.loads(shipped.DEFAULTS.read_text()))
def test_each_profile_changes_only_known_settings(profile: str, tmp_path: Path) -> None:
    assert load({}, data=tmp_path, profile=profile).cool_down == 0


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({"DISPATCHER_LISTEN_HOST": "::1", "DISPATCHER_LISTEN_PORT": "1"}, "http://[::1]:1"),
        (
            {"DISPATCHER_LISTEN_HOST": "10.0.0.7", "DISPATCHER_TLS_KEY": "k", "DISPATCHER_TLS_CERTIFICATE": "c"},
            "https://10.0.0.7:8710",
        ),
        ({"DISPATCHER_PUBLIC_URL": "https://tin.example/"}, "https://tin.example"),
    ],
)
def test_the_url_others_reach_us_by(env: dict[str, str], url: str, tmp_path: Path) -> None:
    assert load(env, data=tmp_path).url == url


def test_importing_settings_reads_nothing_and_loads_no_heavy_library() -> None:
    code = (
        "import sys, config.settings; print([m for m in ('rich', 'dotenv', 'sqlalchemy', 'redis') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"DISPATCHER_LEASE": "nonsense"}
    )
    assert done.stdout.strip() == "[]"


def test_a_persons_key_is_no_setting() -> None:
    assert not {name.lower().removeprefix("dispatcher_") for name in NOT_OURS} & set(Settings.model_fields)
