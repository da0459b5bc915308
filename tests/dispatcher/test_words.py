"""Every sentence the house can say exists in Vietnamese, holds the same figures, and is written as the house writes."""

from __future__ import annotations

import ast
import re
import string
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from campaigns.ledger.lists import REASONS
from campaigns.terms import Outcome, Problems, State, Verdict
from campaigns.terms import Problem as CampaignProblem
from config.problem import Problem as ConfigProblem
from dispatcher import words
from dispatcher.console import auditing, draft_fields
from dispatcher.console.call import ROLES
from dispatcher.console.finding import KINDS, OUTCOMES
from dispatcher.console.ordering import MOVES
from dispatcher.console.pages import MENU
from dispatcher.console.waving import TAGS
from dispatcher.drill.summary import MOODS
from dispatcher.exclusions import LIST_NAMES
from dispatcher.verbs.plan_page import CLASS_NAMES
from providers.simulator.chaos import Mode
from tests.trees import parse, parsed

ROOT = Path(__file__).parents[2]
PACKAGES = ("dispatcher", "workers", "providers", "campaigns", "config")
VIETNAMESE = words.catalogue("vi")
SAYS = {"say", "_", "gettext"}
IN_PAGES = re.compile(r"""(?<![\w.])(?:_|say|gettext|words\.say)\(\s*(?:"([^"]+)"|'([^']+)')""")

# console.md, section 2: tone marks the old way (hủy, hòa), y in lý do and quy đổi, no pronouns, calm.
NEW_TONE_MARKS = re.compile(r"(?<![qQ])(?:o[àáảãạèéẻẽẹ]|u[ỳýỷỹỵ])(?!\w)", re.IGNORECASE)
FORBIDDEN = re.compile(
    r"\b(?:bạn|anh/chị|đồng chí|rất tiếc|lí do|kĩ thuật|tỉ lệ|qui đổi|trình duyệt|gửi duyệt|đã gửi)\b", re.IGNORECASE
)


def _modules() -> Iterator[tuple[str, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield str(path.relative_to(ROOT)), parsed(path)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _texts(node: ast.expr, named: dict[str, list[ast.expr]]) -> list[str | None]:
    """The possible templates of an argument; None for one that is put together while running."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.IfExp):
        return _texts(node.body, named) + _texts(node.orelse, named)
    if isinstance(node, ast.Name):
        return [text for value in named.get(node.id, []) for text in _texts(value, {})]
    return [None] if isinstance(node, ast.JoinedStr | ast.BinOp) else []


def _assigned(tree: ast.AST) -> dict[str, list[ast.expr]]:
    """All that a name is given anywhere in this tree."""
    named: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        for target in targets:
            if isinstance(target, ast.Name) and node.value:
                named.setdefault(target.id, []).append(node.value)
    return named


def _sentences(tree: ast.Module, problems: set[str]) -> Iterator[tuple[int, str | None]]:
    everywhere = _assigned(ast.Module([node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)], []))
    for scope in (*(node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)), tree):
        named = everywhere if scope is tree else _assigned(scope)
        for node in ast.walk(scope):
            if isinstance(node, ast.Call) and node.args and _last_name(node.func) in problems | SAYS:
                for text in _texts(node.args[0], named):
                    yield node.lineno, text


def _problem_names() -> set[str]:
    """Problem, its other names in import lines, and the classes made from it."""
    names = {"Problem"}
    for _ in range(3):  # a class of a class of a class
        for _path, tree in _modules():
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom):
                    names |= {alias.asname for alias in node.names if alias.asname and alias.name in names}
                if isinstance(node, ast.ClassDef) and {_last_name(base) for base in node.bases} & (
                    names - {"Problems"}
                ):
                    names.add(node.name)
    return names - {"Problems"}


def said_in_the_source() -> list[tuple[str, str | None]]:
    """(file:line, template) of every sentence of the five packages and of their pages."""
    problems = _problem_names()
    found = [(f"{path}:{line}", text) for path, tree in _modules() for line, text in set(_sentences(tree, problems))]
    for page in sorted((ROOT / "dispatcher").rglob("*.html")):
        source = page.read_text(encoding="utf-8")
        for match in IN_PAGES.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            found.append((f"{page.relative_to(ROOT)}:{line}", match[1] or match[2]))
    return found


def fields(template: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_sentence_in_the_source_is_in_the_vietnamese_catalogue() -> None:
    missing = [f"{place}  {text!r}" for place, text in said_in_the_source() if text and text not in VIETNAMESE]
    assert not missing, "without a Vietnamese sentence:\n" + "\n".join(missing)


def test_no_sentence_is_put_together_while_running_as_it_could_not_be_translated() -> None:
    assert [place for place, text in said_in_the_source() if text is None] == []


def test_what_a_drill_names_is_translated() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "dispatcher" / "drill").glob("*.py")]
    blows = {name for source in sources for name in re.findall(r'blows\["([^"]+)"\]', source)}
    titles = {title for source in sources for title in re.findall(r'"I\d+ ([^":{]+)"', source)}
    assert blows
    assert titles
    moods = {MOODS.get(mode.value, mode.value) for mode in Mode if mode is not Mode.CLEAR}
    assert blows | titles | moods <= set(VIETNAMESE)


def test_the_words_of_a_wave_are_translated() -> None:
    assert {
        *REASONS.values(),
        *KINDS.values(),
        *auditing.ACTS.values(),
        *auditing.KINDS.values(),
        *auditing.LABELS.values(),
        *OUTCOMES.values(),
        *(each.holder for each in MOVES.values()),
    } <= set(VIETNAMESE)
    assert {*words.WORDS, *words.ORDER_WORDS, *LIST_NAMES.values(), *CLASS_NAMES.values()} <= set(VIETNAMESE)
    assert words.speak("vi").say("wave {wave} is {state}: it cannot be started", wave="7", state="paused") == (
        "Đợt gửi 7 đang ở trạng thái tạm dừng: không bắt đầu được"
    )


def test_no_sentence_shows_the_tables_of_a_file() -> None:
    """What the rules say of a campaign is read on pages too, where no file is to be seen."""
    told = (each for each in (*VIETNAMESE, *VIETNAMESE.values()) if each and not each.endswith("[[{key}]]"))
    assert [each for each in told if "[[" in each] == []


def test_facts_of_the_record_are_told_in_words() -> None:
    vi = words.speak("vi")
    assert auditing.label(vi, "on_wire") == "Bản tin còn trên đường"
    assert auditing.label(vi, Verdict.DUPLICATE.value) == vi.value(Verdict.DUPLICATE)
    told = [auditing.told(vi, value) for value in (True, 1234, 0.31, ["an", "binh"],
                                                   {"wave": {"dong": 90_000}, "cost": "free", "note": ""})]  # fmt: skip
    assert told == ["có", "1.234", "0,31", "an, binh", "cả đợt: Đồng: 90.000; Cước cuộc gọi: miễn phí"]


def test_the_words_of_a_draft_are_translated() -> None:
    fields = draft_fields
    tables = (fields.STEP_NAMES, fields.LABELS, fields.WAVE_LABELS, fields.CLASSES, fields.WAYS)
    days = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "report due", "day of the letter", "returned or withdrawn")
    assert {*(said for table in tables for said in table.values()), *days} <= set(VIETNAMESE)


def test_every_name_of_a_state_and_of_a_verdict_is_translated_and_tells_them_apart() -> None:
    for kind, table in words.NAMES.items():
        assert set(table) == set(kind)
        assert len({VIETNAMESE[name] for name in table.values()}) == len(table)


@pytest.mark.parametrize("template", VIETNAMESE)
def test_a_vietnamese_sentence_is_written_as_the_house_writes(template: str) -> None:
    said = VIETNAMESE[template]
    assert fields(said) == fields(template), "other figures than the English sentence"
    assert unicodedata.is_normalized("NFC", said)
    assert "!" not in said
    assert not NEW_TONE_MARKS.search(said), said
    assert not FORBIDDEN.search(said), said
    assert said.lower().count("vui lòng") == 0


@pytest.mark.parametrize("wrong", ["huỷ", "hoà", "Thuỷ", "khoẻ", "uỷ ban", "xoá"])
def test_the_spelling_check_finds_the_other_spelling(wrong: str) -> None:
    assert NEW_TONE_MARKS.search(wrong)


@pytest.mark.parametrize("right", ["hủy", "hòa", "quý", "hoàn toàn", "khoảng", "quy đổi", "khóa", "thủy"])
def test_the_spelling_check_leaves_the_house_spelling_alone(right: str) -> None:
    assert not NEW_TONE_MARKS.search(right)


def test_no_page_is_written_in_the_other_spelling() -> None:
    wrong = [
        f"{page.relative_to(ROOT)}: {found[0]}"
        for page in (ROOT / "dispatcher").rglob("*.html")
        for found in [NEW_TONE_MARKS.search(page.read_text(encoding="utf-8"))]
        if found
    ]
    assert wrong == []


def test_the_walk_finds_sentences_planted_in_every_way() -> None:
    planted = parse(
        'LATE = "four"\nraise Problem("one", n=1)\nwords.say("two" " and a half")\nterms.Problem("a" if x else "b")\n'
        'Problem(LATE)\n_("five")\nProblem(f"{six}")\nsay(seven)\n'
        'def f():\n    late = "eight"\n    say(late)\ndef g(late):\n    late: str = "nine"\n    say(late)'
    )
    found = {text for _, text in _sentences(planted, {"Problem"})}
    assert sorted(map(str, found)) == ["None", "a", "b", "eight", "five", "four", "nine", "one", "two and a half"]


@pytest.mark.parametrize(
    ("value", "vi", "en"),
    [
        (412345, "412.345", "412,345"),
        (98.6, "98,6", "98.6"),
        (Decimal(511307800), "511.307.800", "511,307,800"),
        (date(2024, 7, 30), "30/7/2024", "30/7/2024"),
        (datetime(2024, 7, 30, 8, 42), "08:42 30/7/2024", "08:42 30/7/2024"),  # noqa: DTZ001 - a written time
        (time(8, 5), "08:05", "08:05"),
        (timedelta(hours=3, minutes=13, seconds=9), "3 giờ 13 phút", "3 h 13 min"),
        (timedelta(0), "0 giây", "0 s"),
        (["a", 1000], "a, 1.000", "a, 1,000"),
        (State.DELIVERED, "đã đến máy", "delivered"),
        (Verdict.ACCEPTED, "hợp lệ", "valid"),
        (Outcome.ACCEPTED, "5", "5"),
        ("8710", "8710", "8710"),
        (None, "None", "None"),
    ],
)
def test_each_language_writes_values_its_own_way(value: object, vi: str, en: str) -> None:
    assert words.speak("vi").say("{x}", x=value) == vi
    assert words.speak("en").say("{x}", x=value) == en


def test_a_field_with_a_format_of_its_own_keeps_it_with_the_languages_marks() -> None:
    assert words.speak("vi").say("{x:.1f} {y:>6} {port}", x=98.64, y="a", port=8710) == "98,6      a 8710"
    assert words.speak("en").say("{x:,.0f}", x=412345) == "412,345"


def test_problems_of_both_floors_are_told_in_both_languages() -> None:
    one = ConfigProblem("{place} cannot be read: {why}", place="a.toml", why="line 1")
    two = CampaignProblem("{place} cannot be read: {why}", place="b.csv", why="line 2")
    assert words.speak("en").problem(one) == "a.toml cannot be read: line 1"
    assert words.speak("vi").problem(two) == "Không đọc được b.csv: line 2"
    assert words.speak("vi").problem(Problems([two, two])).splitlines() == [
        "Có 2 chỗ cần sửa",
        "Không đọc được b.csv: line 2",
        "Không đọc được b.csv: line 2",
    ]


@pytest.mark.parametrize(
    ("flag", "env", "language"),
    [
        (None, {}, "vi"),
        (None, {"LANG": "en_US.UTF-8"}, "en"),
        (None, {"LANG": "C.UTF-8"}, "vi"),
        (None, {"LANG": "en_US.UTF-8", "DISPATCHER_LANG": "vi"}, "vi"),
        ("en", {"DISPATCHER_LANG": "vi"}, "en"),
    ],
)
def test_the_language_is_chosen_by_flag_then_variable_then_terminal(
    flag: str | None, env: dict[str, str], language: str
) -> None:
    assert words.choose(flag, env) == language


def test_a_language_not_spoken_here_is_a_problem() -> None:
    with pytest.raises(ConfigProblem, match="fr"):
        words.choose("fr", {})


def test_a_catalogue_is_read_once_a_process() -> None:
    assert words.speak("vi") is words.speak("vi")


def test_words_that_the_console_looks_up_by_name_are_translated() -> None:
    """Roles, the menu, tags of waves, the deadline board, what changed since the plan before."""
    board = (ROOT / "dispatcher" / "console" / "board.py").read_text(encoding="utf-8")
    said = {
        text for text in re.findall(r'"([a-zA-Z][^"/\n]*[a-z}])"', board) if " " in text or text in {"sent", "done"}
    }
    said |= {name for _, name, _ in MENU} | {tag for _, tag in TAGS.values()} | set(ROLES)
    said |= {"the text", "people", "opens", "dong"}
    assert len(said) > 25
    assert said <= set(VIETNAMESE), said - set(VIETNAMESE)
