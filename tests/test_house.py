"""The rules of the house that a machine can check; each rule is also shown to fire by a fault planted in a copy."""

from __future__ import annotations

import ast
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.trees import parse, parsed

ROOT = Path(__file__).parents[1]
PACKAGES = ("dispatcher", "workers", "providers", "campaigns", "config")
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 30

# One word, one meaning (docs/decisions/001-house.md); these mean too much or nothing.
FORBIDDEN_NAMES = {
    "notification", "notifications", "backend", "backends", "channel", "channels", "manager", "managers", "helper",
    "helpers", "util", "utils", "service", "services",
}  # fmt: skip
SENDS = {"send", "send_window", "submit", "submit_sm", "sendall", "sendto"}
# Written so that this file passes its own rule: folders of one machine, and where packages came from.
PLACES = re.compile(
    r"/(?:work|home|Users)/[a-z.]|--(?:extra-)?index-url|--find[-]links|https?://[^\s\"')]*(?:/simple\b|[.]whl|[.]tgz)"
)


def tracked() -> list[Path]:
    """The files of the project: as git has them, or all of an unpacked archive."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    names = done.stdout.split("\0") if done.returncode == 0 else []
    files = [ROOT / name for name in names if name] or [
        path for path in ROOT.rglob("*") if not {".venv", "var", ".git"} & set(path.relative_to(ROOT).parts)
    ]
    return [path for path in files if path.is_file()]


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), parsed(path)


def name_of(node: ast.expr) -> str:
    """The last part of a dotted name, of a call too."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


# -- floors ----------------------------------------------------------------------------------------------------------


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as run; run()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def guard(root: Path, *modules: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tests" / "import_guard.py"), str(root), *modules]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The five packages and their rules, to plant faults in."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_floors_stand() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("planted", "rule"),
    [
        ({"campaigns/planted.py": "import dispatcher.words"}, "A package imports only what stands below it"),
        ({"providers/planted.py": "import workers"}, "A package imports only what stands below it"),
        ({"config/planted.py": "import campaigns.terms"}, "campaigns and config know nothing"),
        ({"campaigns/planted.py": "import config.problem"}, "campaigns and config know nothing"),
        ({"campaigns/planted.py": "def later():\n    import workers"}, "A package imports only what stands below it"),
        ({"dispatcher/planted.py": "import rq"}, "Only the workers know RQ"),
        ({"workers/planted.py": "import fastapi"}, "The lower floors know no web framework"),
        (
            {"providers/one.py": "import providers.two", "providers/two.py": "import providers.one"},
            "No circle inside a package",
        ),
        (
            {
                "workers/one.py": "import workers.two",
                "workers/two.py": "import workers.three",
                "workers/three.py": "def later():\n    from workers import one",
            },
            "No circle inside a package",
        ),
    ],
)
def test_a_planted_arrow_upwards_or_circle_breaks_the_floors(copy: Path, planted: dict[str, str], rule: str) -> None:
    for name, code in planted.items():
        (copy / name).write_text(code + "\n")
    done = lint(copy)
    broken = re.sub(r"\s+", " ", " ".join(re.findall(r"\n([^\n]+(?:\n[^\n]+)?) BROKEN", done.stdout)))
    assert done.returncode == 1, done.stdout
    assert rule in broken, done.stdout


def test_importing_any_module_connects_starts_and_reads_nothing() -> None:
    done = guard(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("import socket\nsocket.create_server(('127.0.0.1', 0))", "socket.bind"),
        ("import socket\nsocket.socket().connect_ex(('127.0.0.1', 9))", "socket.connect"),
        ("import psycopg\npsycopg.connect('host=127.0.0.1 port=9')", "a database connection"),
        ("import sqlalchemy as s\ns.create_engine('postgresql+psycopg://127.0.0.1:9/x').connect()", "database"),
        ("import subprocess\nsubprocess.run(['true'])", "subprocess.Popen"),
        ("import os\nHOME = os.environ.get('HOME')", "workers/planted.py:2 reads the environment"),
        ("import os\nHOME = os.getenv('HOME')", "workers/planted.py:2 reads the environment"),
        ("import os\nALL = dict(os.environ)", "workers/planted.py:2 reads the environment"),
        ("from config.settings import load\nload()", "reads the environment"),
        ("from config.carriers import load_accounts\nload_accounts()", "reads carriers.toml"),
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(1,), daemon=True).start()", "threads run"),
    ],
)
def test_what_a_module_does_at_import_time_is_found(copy: Path, code: str, fault: str) -> None:
    (copy / "workers" / "planted.py").write_text(code + "\n")
    done = guard(copy, "workers.planted")
    assert done.returncode == 1
    assert fault in done.stdout, done.stdout + done.stderr


# -- sizes and names -------------------------------------------------------------------------------------------------


def test_no_file_is_longer_than_a_reader_holds() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tracked()
        if path.suffix == ".py" and (lines := path.read_text(encoding="utf-8").count("\n")) > LINES_OF_A_FILE
    }
    assert long == {}


def test_functions_are_short() -> None:
    sizes = [
        node.body[-1].end_lineno - node.body[ast.get_docstring(node) is not None and len(node.body) > 1].lineno + 1
        for _, tree in sources(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.body[-1].end_lineno
    ]
    assert statistics.median(sizes) < 9
    assert statistics.quantiles(sizes, n=10)[-1] < LINES_OF_A_FUNCTION


def test_files_classes_and_functions_bear_the_words_of_the_house() -> None:
    named = [(str(path.relative_to(ROOT)), path.stem) for path in tracked() if path.parts[len(ROOT.parts)] in PACKAGES]
    named += [
        (f"{path}:{node.lineno}", node.name)
        for path, tree in sources(*PACKAGES)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    words = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
    assert [(at, name) for at, name in named if {word.lower() for word in words.findall(name)} & FORBIDDEN_NAMES] == []


def test_each_exception_to_a_rule_says_why() -> None:
    bare = re.compile(r"# noqa(?!: [A-Z0-9, ]+ - \S)")
    silent = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix == ".py" and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if bare.search(line)
    ]
    assert silent == []


def test_no_test_is_skipped_or_expected_to_fail() -> None:
    ways_out = {"skip", "skipif", "xfail", "importorskip", "skipTest", "expectedFailure"}
    assert [
        f"{path}:{node.lineno}"
        for path, tree in sources("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Name) and name_of(node) in ways_out
    ] == []


def test_no_file_names_a_place_of_one_machine_or_a_package_registry() -> None:
    found = []
    for path in tracked():
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in PLACES.finditer(text)]
    assert found == []


# -- sending ---------------------------------------------------------------------------------------------------------


def retried_sends(tree: ast.Module) -> list[int]:
    """Lines where tenacity stands round something that sends: what may have left is never blindly tried again."""

    def sends(node: ast.AST) -> bool:
        return any(isinstance(one, ast.Call) and name_of(one.func) in SENDS for one in ast.walk(node))

    def retries(node: ast.expr) -> bool:
        return name_of(node).lower().lstrip("_") in {"retry", "retrying", "asyncretrying", "tenacityretrying"}

    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            wrapped = any(retries(decorator) for decorator in node.decorator_list)
            lines += [node.lineno] if wrapped and (node.name.lstrip("_") in SENDS or sends(node)) else []
        elif isinstance(node, ast.For | ast.AsyncFor):
            lines += [node.lineno] if retries(node.iter) and sends(node) else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Call) and retries(node.func):
            lines += [node.lineno] if any(name_of(argument) in SENDS for argument in node.args) else []
    return lines


def test_nothing_that_sends_is_tried_again_by_itself() -> None:
    assert {path: lines for path, tree in sources(*PACKAGES) if (lines := retried_sends(tree))} == {}


@pytest.mark.parametrize(
    "code",
    [
        "@retry\nasync def send(self): ...",
        "@tenacity.retry(stop=x)\ndef ring(self):\n    self.provider.send(1)",
        "for attempt in Retrying():\n    with attempt:\n        socket.sendall(b'')",
        "async def f():\n    async for attempt in tenacity.AsyncRetrying(x):\n        await provider.send(w)",
        "Retrying(stop=x)(provider.send, window)",
    ],
)
def test_a_planted_retry_round_a_send_is_found(code: str) -> None:
    assert retried_sends(parse(code))


def test_a_retry_round_a_question_is_allowed() -> None:
    assert not retried_sends(parse("@retry\nasync def look_up(self):\n    await self.get(1)"))


def test_no_job_is_pickled() -> None:
    unsafe = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "PickleSerializer", "DefaultSerializer"}
    found = []
    for path, tree in sources(*PACKAGES):
        for node in ast.walk(tree):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import | ast.ImportFrom) else set()
            names |= {str(node.module)} if isinstance(node, ast.ImportFrom) else set()
            names |= {name_of(node)} if isinstance(node, ast.Name | ast.Attribute) else set()
            found += [f"{path}:{node.lineno}: {name}" for name in names & unsafe]
    assert found == []
