"""`dispatcher text`: preview, forecast and hotlines as people and programs see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from campaigns.campaign import read_text
from dispatcher import cli
from dispatcher.verbs.texts import BREAK

TEXT = Path(cli.__file__).parents[1] / "campaigns" / "definitions" / "20-BCD-2024" / "text.txt"
FIVE = "viettel=210000,vinaphone=90.046,mobifone=60000,vietnamobile=20000,gmobile=10000"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return {"DISPATCHER_DATA": str(tmp_path / "var"), "DISPATCHER_LANG": "en"}


def told(capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    out, err = capsys.readouterr()
    return json.loads(out.splitlines()[-1]), err


def test_preview_shows_each_part_and_nothing_else(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """What the bubble shows without its breaks is the text; carriers that show the same share one bubble."""
    assert cli.run(["text", "preview", str(TEXT), "--carriers", "viettel,mobifone", "--json"], env) == 0
    found, err = told(capsys)
    content = read_text(TEXT)
    assert [each["shown"] for each in found["previews"]] == [content, content]
    assert [(each["segments"], each["spare"], each["bytes"]) for each in found["previews"]] == [(4, 39, 296)] * 2
    assert err.count(BREAK) == 3 + 1  # three breaks, and the word that explains them
    assert "Viettel, MobiFone" in err
    assert cli.run(["text", "preview", str(TEXT), "--unaccented", "--json"], env) == 0
    found, _ = told(capsys)
    assert {each["encoding"] for each in found["previews"]} == {"GSM-7"}


def test_forecast_of_the_letters_province(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """390,046 people at five carriers: 1,560,184 segments with accents, half of it without."""
    argv = ["text", "forecast", str(TEXT), "--recipients", FIVE, "--price", "300", "--rate", "50", "--json"]
    assert cli.run(argv, env) == 0
    found = told(capsys)[0]["forecasts"]
    assert (found["accented"]["recipients"], found["accented"]["segments"]) == (390_046, 1_560_184)
    assert (found["unaccented"]["segments"], found["unaccented"]["dong"]) == (780_092, 234_027_600)
    assert found["accented"]["seconds"] == 210_000 * 4 / 50  # Viettel is the slowest


def test_a_forecast_bills_by_the_carriers_table(
    env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """68 letters with accents are one segment of public information, two of advertising: the label takes room."""
    file = tmp_path / "text.txt"
    file.write_text("ấ" * 68, encoding="utf-8")
    argv = ["text", "forecast", str(file), "--recipients", "viettel=100", "--price", "300", "--rate", "50", "--json"]
    for class_, segments in (("public_information", 100), ("advertising", 200)):
        assert cli.run([*argv, "--class", class_], env) == 0
        assert told(capsys)[0]["forecasts"]["accented"]["segments"] == segments


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["preview", str(TEXT), "--carriers", "nokia"], "carrier nokia is unknown"),
        (["forecast", str(TEXT), "--recipients", "viettel"], "'viettel' is no share"),
        (["forecast", str(TEXT), "--recipients", "viettel=1", "--hours", "20:00-08:00"], "write the day"),
        (["forecast", str(TEXT), "--recipients", "viettel=1", "--day", "1/7"], "write the day"),
    ],
)
def test_what_is_wrong_is_told(
    env: dict[str, str], capsys: pytest.CaptureFixture[str], argv: list[str], said: str
) -> None:
    assert cli.run(["text", *argv], env) == 1
    assert said in capsys.readouterr().err


def test_hotlines_say_whom_to_ask(env: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """An installation's own registry goes first, and a number of one source only is to be asked about."""
    assert cli.run(["text", "hotlines", "--json"], env) == 0
    found = {row["number"]: row for row in told(capsys)[0]["hotlines"]}
    assert (found["111"]["owner"], found["156"]["asks"]) == ("Bộ Y tế", True)
    own = Path(env["DISPATCHER_DATA"])
    own.mkdir(exist_ok=True)
    row = 'number = "1022"\nname = "n"\nowner = "o"\nhours = "h"\ncost = "c"\nsource = "s"\nverified_on = 2026-01-01\n'
    (own / "hotlines.toml").write_text(f"[[hotlines]]\n{row}confirmed = true\n", encoding="utf-8")
    assert cli.run(["text", "hotlines", "--json"], env) == 0
    assert [row["number"] for row in told(capsys)[0]["hotlines"]] == ["1022"]
