"""The command line without a database: flags, languages, help, exit codes, and what a fault looks like."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_group

from campaigns import facts
from campaigns.campaign import read_text
from campaigns.facts import Standing
from campaigns.samples import write_sample
from dispatcher import acts, cli, words
from dispatcher.verbs import guide
from dispatcher.verbs.desk import Desk
from dispatcher.verbs.standing import COLUMNS
from tests.trees import parsed

ROOT = Path(__file__).parents[2]
TEXT = ROOT / "campaigns" / "definitions" / "20-BCD-2024" / "text.txt"
VIETNAMESE = words.catalogue("vi")
MODULES = sorted({module for module, _ in cli.VERBS.values()})


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"DISPATCHER_DATA": str(tmp_path / "var"), "DISPATCHER_LANG": "en"}


def told(capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    """The JSON of the last line of standard output, and standard error."""
    out, err = capsys.readouterr()
    return json.loads(out.splitlines()[-1]), err


def test_text_is_told_as_one_line_of_json_and_for_people_beside_it(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["text", str(TEXT), "--json"], env) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert json.loads(out) == facts.of_text(read_text(TEXT)).as_json()
    assert "Tổng đại quốc gia" in err
    assert "227 units · 4 segments" in err


def test_a_column_that_names_a_people_is_told_to_be_unread(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ethnic origin is sensitive: neither read nor stored, and whoever sends such a list is told so."""
    file = tmp_path / "list.csv"
    file.write_text("Họ tên,Số điện thoại,Dân tộc,Xã\nA,0912345678,Mông,Mù Sang\n", encoding="utf-8")
    assert cli.run(["audience", "check", str(file), "--json"], env) == 0
    out, err = capsys.readouterr()
    assert "C (Dân tộc)" in err
    assert json.loads(out)["columns"] == {"number": "B (Số điện thoại)", "area": "D (Xã)"}
    assert "Mông" not in err


def test_a_list_is_judged_without_a_database(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = write_sample(tmp_path / "list.csv", seed=4, table=acts.number_table(), recipients=300)
    reasons = tmp_path / "reasons.csv"
    assert cli.run(["audience", "check", str(tmp_path / "list.csv"), "--json", "--explain", str(reasons)], env) == 0
    found, err = told(capsys)
    assert (found["rows"], found["verdicts"], found["by_carrier"]) == (sample.rows, sample.verdicts, sample.by_carrier)
    assert f"rows of the file          {sample.rows}" in err
    assert reasons.read_text("utf-8-sig").count("\n") == sample.rows + 1
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["text"], 2, "FILE is missing"),
        (["text", "--colour", "x"], 2, "there is no option --colour"),
        (["wave", "approve", "latest"], 2, "--as is missing"),
        (["export", "latest", "--format", "pdf", "--out", "x"], 2, "--format"),
        (["publish"], 2, "there is no verb publish"),
        (["campaign", "publish"], 2, "`dispatcher campaign --help` lists them"),
        (["text", "--data"], 2, "--data needs a value"),
        (["--lang", "fr", "text"], 2, "fr"),
        (["text", "missing.txt"], 1, "missing.txt cannot be read"),
        (["campaign", "check", "missing"], 1, "there is no definition missing: give its folder, or one of 20-BCD-2024"),
        (["wave", "status", "--data", "/proc/nowhere"], 1, "/proc/nowhere cannot be used"),
        (["simulate", "smoke"], 1, 'no simulated carrier "smoke"'),
        (["simulate", "smpp", "--fault", "latency"], 1, "NAME=VALUE"),
        (["simulate", "smpp", "--fault", "luck=1"], 1, "latency, throttle"),
        (["work", "books"], 1, "nothing runs on"),
    ],
)
def test_what_is_wrong_is_one_sentence_and_an_exit_code(
    argv: list[str], code: int, said: str, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(argv, env) == code
    out, err = capsys.readouterr()
    assert said in err
    assert "Traceback" not in out + err


def test_a_problem_is_told_in_the_language_and_to_programs_too(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["text", "khong-co.txt", "--lang", "vi", "--json"], env) == 1
    found, err = told(capsys)
    assert err.startswith("Không đọc được khong-co.txt")
    assert found == {"problem": err.strip(), "template": "{file} cannot be read: {error}"}


def test_a_fault_of_the_program_is_a_calm_sentence_with_a_code_and_its_traceback_lies_masked_in_the_log(
    env: dict[str, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("of 0912345678 with token=hush")

    monkeypatch.setattr(facts, "of_text", broken)
    assert cli.run(["text", str(TEXT), "--json"], env) == 70
    found, err = told(capsys)
    log = Path(env["DISPATCHER_DATA"]) / "log" / "dispatcher.log"
    assert "Traceback" not in err
    assert found["code"] in err
    assert found["log"] == str(log)
    written = json.loads(log.read_text("utf-8"))
    assert written["code"] == found["code"]
    assert "ZeroDivisionError" in written["traceback"]
    assert not {"0912345678", "hush"} & set(written["traceback"].replace("=", " ").split())
    assert log.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("argv", "rest", "given"),
    [
        (["text", "f", "--json"], ["text", "f"], {"json": True}),
        (["--lang=vi", "--data", "d", "text", "f"], ["text", "f"], {"lang": "vi", "data": "d"}),
        (["wave", "list", "--rehearsal"], ["wave", "list"], {"rehearsal": True}),
        (["text", "--", "--json"], ["text", "--", "--json"], {}),
        (["--version"], [], {"version": True}),
    ],
)
def test_flags_stand_before_or_after_the_verb(argv: list[str], rest: list[str], given: dict[str, object]) -> None:
    flags, found = cli.read_flags(argv)
    assert found == rest
    assert flags == cli.Flags(**given)  # type: ignore[arg-type]  # a case table is made of plain values


def test_the_version_is_told(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--version", "--json"], env) == 0
    assert set(told(capsys)[0]) == {"version"}


def test_a_rehearsal_has_its_own_folder_and_its_own_waits() -> None:
    def settings(env: dict[str, str], *flags: str) -> tuple[Path, float]:
        given, _ = cli.read_flags(flags)
        desk = Desk(words.speak("en"), cli._console(given), given.json, Path(given.data) if given.data else None,
                        given.rehearsal, env)  # fmt: skip
        found = desk.settings()
        return found.data, found.cool_down

    assert settings({}) == (Path("var").absolute(), 600)
    assert settings({}, "--rehearsal") == (Path("var/rehearsal").absolute(), 0)
    assert settings({"DISPATCHER_DATA": "/data"}, "--rehearsal") == (Path("/data/rehearsal"), 0)
    assert settings({"DISPATCHER_DATA": "/data"}, "--rehearsal", "--data", "/other") == (Path("/other"), 0)


# -- help --------------------------------------------------------------------------------------------------------------


def every_help() -> set[str]:
    """All sentences that help pages and tables say without a literal beside `say`."""
    found = {title for title, _ in cli.SECTIONS} | {about for _, verbs in cli.SECTIONS for _, about in verbs.values()}
    found |= {about for _, about in guide.EVERYWHERE} | {name for name, _ in COLUMNS}
    found |= {standing.value for standing in Standing} | {"Verbs", "Arguments", "Options", "With every verb"}
    for module in MODULES:
        group = get_group(import_module(f"dispatcher.verbs.{module}").app)
        for command in (group, *group.commands.values()):
            found.add(command.help or "")
            found |= {str(param.help) for param in command.params if param.name != "help"}  # type: ignore[attr-defined]  # typer's own parameters have help
    for path in (ROOT / "dispatcher" / "verbs").glob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name) and node.target.id == "title":
                found |= {str(word.value) for word in getattr(node.iter, "elts", []) if isinstance(word, ast.Constant)}
    return found - {""}


def test_every_word_of_help_and_of_tables_is_in_the_vietnamese_catalogue() -> None:
    assert sorted(every_help() - set(VIETNAMESE)) == []


@pytest.mark.parametrize("verb", list(cli.VERBS))
def test_each_verb_has_a_page_of_help_in_both_languages(
    verb: str, env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([verb, "--help"], env) == 0
    english = capsys.readouterr().out
    assert f"Usage: dispatcher {verb}" in english
    assert cli.run([verb, "--help", "--lang", "vi"], env) == 0
    vietnamese = capsys.readouterr().out
    assert f"Cách dùng: dispatcher {verb}" in vietnamese
    assert "Dùng với mọi lệnh" in vietnamese


def test_without_a_verb_all_verbs_are_listed(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--help"], env) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {verb} " in shown for verb in cli.VERBS)
    assert cli.run([], env) == 2
    assert "Look around" in capsys.readouterr().err


HEAVY = ("sqlalchemy", "psycopg", "redis", "rq", "docx", "xlsxwriter", "fastapi", "alembic", "cryptography")


@pytest.mark.parametrize("argv", [["--help"], ["--help", "--lang", "vi"], ["text", str(TEXT)]])
def test_looking_around_loads_nothing_heavy(argv: list[str]) -> None:
    """What makes help and `text` quick is what they do not load."""
    code = (
        f"import sys\nfrom dispatcher import cli\ncode = cli.run({argv!r}, {{}})\n"
        f"sys.exit(code or ' '.join(set({HEAVY!r}) & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dispatcher", "text", str(TEXT), "--json"], cwd=ROOT, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["segments"] == 4


def test_the_shipped_campaign_is_checked_and_shown(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["campaign", "check", "20-BCD-2024", "--json"], env) == 0
    assert told(capsys)[0]["waves"] == 3
    assert cli.run(["campaign", "show", "20-BCD-2024", "--json"], env) == 0
    found, err = told(capsys)
    assert [wave["standing"] for wave in found["waves"]] == ["past"] * 3
    assert found["slips"][0]["suggested"] == "Tổng đài"
    assert "by the end of 9/8/2024" in err
    assert cli.run(["campaign", "list", "--json"], env) == 0
    assert told(capsys)[0] == {"campaigns": [{"name": "20-BCD-2024", "version": None}]}


# -- doctor, where nothing was ever started ----------------------------------------------------------------------------


def test_the_doctor_finds_a_fresh_machine_sound_and_says_what_production_lacks(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["doctor", "--json"], env) == 0
    found, _ = told(capsys)
    lacking = {each["key"] for each in found["findings"] if each["level"] == "production lacks"}
    assert found["sound"] is True
    assert lacking == {"servers", "accounts", "tls", "public-url"}
    assert all(each["todo"] for each in found["findings"] if each["level"] != "sound")
    assert not Path(env["DISPATCHER_DATA"]).exists()


def test_the_doctor_finds_open_keys_and_the_kill_switch(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    keys = Path(env["DISPATCHER_DATA"]) / "keys"
    keys.mkdir(parents=True, mode=0o700)
    (keys / "installation.key").write_bytes(bytes(32))
    (keys / "installation.key").chmod(0o644)
    (keys.parent / "kill-switch").touch()
    assert cli.run(["doctor", "--rehearsal", "--data", str(keys.parent), "--json"], env) == 1
    found, _ = told(capsys)
    faults = {each["key"]: each for each in found["findings"] if each["level"] == "fault"}
    assert set(faults) == {"keys", "kill-switch"}
    assert "installation.key" in faults["keys"]["found"]
    assert not [each for each in found["findings"] if each["level"] == "production lacks"]


def test_the_doctor_says_which_real_servers_do_not_answer(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    away = {"DATABASE_URL": "postgresql://app:hush@127.0.0.1:9/none", "REDIS_URL": "redis://127.0.0.1:9/0"}
    assert cli.run(["doctor", "--json"], env | away) == 1
    found, err = told(capsys)
    assert {each["key"] for each in found["findings"] if each["level"] == "fault"} == {"redis", "database"}
    assert "hush" not in err + json.dumps(found)
    assert cli.run(["wave", "list"], env | away) == 1
    assert "the database does not answer" in capsys.readouterr().err
