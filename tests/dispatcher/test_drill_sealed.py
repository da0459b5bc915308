"""I15 of the drill finds a number in any usual spelling, and not inside a random id."""

from __future__ import annotations

from pathlib import Path

import pytest

from dispatcher.drill import sealed
from workers.house import House

WANTED = [84912345678]


@pytest.mark.parametrize("spelled", ["0912345678", "+84912345678", "84912345678", "091 234 5678", "84.912.345.678"])
@pytest.mark.parametrize("around", ["{}", "to={} ", "x{}\n", "\0{}\0"])
def test_a_number_in_a_log_is_found(house: House, tmp_path: Path, spelled: str, around: str) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "worker.log").write_text(around.format(spelled))
    assert sealed.found(house, tmp_path, WANTED) == "a number in log/worker.log"


@pytest.mark.parametrize("held", ["7120753009123456780 14 15", "S 71207530912345678 3 4", "849123456781", "0912345679"])
def test_nine_digits_of_a_longer_row_are_nobodys(house: House, tmp_path: Path, held: str) -> None:
    (tmp_path / "journals").mkdir()
    (tmp_path / "journals" / "a.journal").write_text(held)
    assert sealed.found(house, tmp_path, WANTED) == ""
